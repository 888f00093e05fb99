"""Every command that writes: without room one sentence names the file and the reason, and the old files stay."""

from pathlib import Path

import pytest

from tests.conftest import Shell
from tests.figures.llm import samples
from tests.figures.llm.samples import RISES, STEPS
from tests.runtime.test_atomic_files import contents, files_of_at_most


def evaluated(path: Path) -> str:
    lines = [f"m,{step},sciq,acc,{value},0.01" for step, value in zip(STEPS, RISES, strict=True)]
    return str(samples.put(path, "\n".join(["model,step,task,metric,value,stderr", *lines, ""])))


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (("page", "--out", "out/page.html"), "page.html"),
        (("llm", "results.csv", "--out", "out"), "curves.pdf"),
        (("llm", "results.csv", "--json", "out/answers.json"), "answers.json"),
        (("check", "A3", "--processes", "1", "--json", "out/report.json"), "report.json"),
        (("simulate", "decoupling", "--processes", "1", "--out", "out"), "decoupling.nc"),
    ],
    ids=lambda case: case[0] if isinstance(case, tuple) else case,
)
def test_the_old_files_stay(tmp_path: Path, shell: Shell, arguments: tuple[str, ...], file: str) -> None:
    evaluated(tmp_path / "results.csv")
    (tmp_path / "out").mkdir()
    old = {file: "old", "answers.txt": "old", "thesis.tex": "years of work"}
    for name, text in old.items():
        (tmp_path / "out" / name).write_text(text)
    with files_of_at_most(5_000 if file == "curves.pdf" else 1_000):
        said = shell(*arguments, cwd=tmp_path)
    assert said.returncode == 2
    assert f"could not write out/{file}: File too large" in said.stderr
    table = {"table.csv"} if file == "curves.pdf" else set()  # what was read, on disk before the answers are sought
    assert {name: text for name, text in contents(tmp_path / "out").items() if name not in table} == old
