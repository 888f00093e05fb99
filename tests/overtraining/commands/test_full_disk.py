"""Every command that writes: without room one sentence names the file and the reason, and the old files stay."""

import re
from pathlib import Path

import pytest

from tests.conftest import Shell
from tests.figures.llm import samples
from tests.figures.llm.samples import RISES, STEPS
from tests.runtime.test_atomic_files import contents, files_of_at_most

SWEEP = """
[protocol]
teacher = { kind = "PowerLaw", modes = 2 }
lengths = [0.0, 1.0]
strengths = [0.5]
[axes]
repeat = { whole = [0, 99] }
"""


NEW = {
    "curves.pdf": ("table.csv",),  # what was read, on disk before the answers are sought
    "data/sum-rule-llm.nc": (".lock", "manifest.json"),  # which other figures would be in
}


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
        (("check", "A3", "--processes", "1", "--html", "out"), "index.html"),
        (("simulate", "decoupling", "--processes", "1", "--out", "out"), "decoupling.nc"),
        (("figures", "sum-rule-llm", "--formats", "svg", "--workers", "1", "--out", "out"), "data/sum-rule-llm.nc"),
    ],
    ids=lambda case: case[0] if isinstance(case, tuple) else case,
)
def test_the_old_files_stay(tmp_path: Path, shell: Shell, arguments: tuple[str, ...], file: str) -> None:
    evaluated(tmp_path / "results.csv")
    (tmp_path / "out" / file).parent.mkdir(parents=True)
    old = {file: "old", "answers.txt": "old", "thesis.tex": "years of work"}
    for name, text in old.items():
        (tmp_path / "out" / name).write_text(text)
    with files_of_at_most(5_000 if file == "curves.pdf" else 1_000):
        said = shell(*arguments, cwd=tmp_path)
    assert said.returncode == 2
    assert f"out/{file}: File too large" in said.stdout + said.stderr
    left = contents(tmp_path / "out") | {file: (tmp_path / "out" / file).read_text()}
    assert {name: text for name, text in left.items() if name not in NEW.get(file, ())} == old


@pytest.mark.parametrize(("room", "file"), [(100, "recipe.json"), (2_000, r"chunks/0000000\.\w+\.npz")])
def test_a_sweep_keeps_what_is_whole(tmp_path: Path, shell: Shell, room: int, file: str) -> None:
    (tmp_path / "sweep.toml").write_text(SWEEP)
    with files_of_at_most(room):
        said = shell("sweep", "sweep.toml", "--out", "store", cwd=tmp_path)
    assert said.returncode == 2
    assert re.search(rf"store/{file}: File too large", said.stderr)
    assert {path.name for path in (tmp_path / "store").rglob("*") if path.is_file()} <= {"recipe.json", "lock"}
