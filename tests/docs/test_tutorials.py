"""Every tutorial is in the index, has an exercise with a solution and a download; the notebooks are what Jupyter reads.

That the pages run is seen when the site is built. Here one notebook, as it is downloaded, is executed.
"""

import doctest
import os
import re
import sys
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from tests import ROOT
from tests.docs.extensions import notebooks

FOLDER = ROOT / "docs/tutorials"
INDEX = (FOLDER / "index.md").read_text(encoding="utf-8")
NAMES = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "index")
CELL = re.compile(
    r"^```\{code-cell\} ipython3\n(?P<options>---\n.*?^---\n)?(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
PICTURE = re.compile(r"^(ot\.plot\(.*|plt\.show\(\)|Image\(.*|figure)$")
WRITTEN = re.compile(r"%%writefile (-a )?(?P<file>[\w.]+)\n")


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.md").read_text(encoding="utf-8")


def cells_of(name: str) -> list[re.Match[str]]:
    return list(CELL.finditer(text_of(name)))


def notebook_of(name: str) -> dict[str, Any]:
    """The notebook that MyST-NB makes of a page, as it is downloaded, without outputs."""
    read = pytest.importorskip("myst_nb.core.read", reason="the site's generator is an extra")
    made: dict[str, Any] = notebooks.plain_notebook(dict(read.read_myst_markdown_notebook(text_of(name))))
    return made


def test_there_are_seven() -> None:
    assert len(NAMES) == 7


def test_the_index_lists_all_in_one_order() -> None:
    table = re.findall(r"^\| \d \| \[[^]]+\]\(([\w-]+)\.md\)", INDEX, re.MULTILINE)
    tree = INDEX.split("```{toctree}")[1].split("```")[0].split()
    assert sorted(table) == NAMES
    assert [name for name in tree if name != ":hidden:"] == table


@pytest.mark.parametrize("name", NAMES)
def test_its_title_is_that_of_the_index(name: str) -> None:
    (title,) = re.findall(r"^# (.*)$", text_of(name).split("```")[0], re.MULTILINE)
    assert f"[{title}]({name}.md)" in INDEX


@pytest.mark.parametrize("name", NAMES)
def test_it_has_what_a_tutorial_has(name: str) -> None:
    text = text_of(name)
    assert text.startswith("---\nfile_format: mystnb\nkernelspec:\n  name: python3\n")
    opening = text.split("# ", 1)[1].split("Download:")[0]
    assert "You will" in opening
    assert "You need" in opening
    assert "minutes" in opening
    assert f"{{nb-download}}`{name}.ipynb`" in text
    sections = re.findall(r"^## (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    assert sections[-2:] == ["Exercise", "Where to go next"]
    exercise = text.split("## Exercise")[1].split("## Where to go next")[0]
    assert "{dropdown} Solution" in exercise
    ending = text.split("## Where to go next")[1]
    assert any(f"{{{role}}}" in ending for role in ("claim", "experiment", "picture"))


@pytest.mark.parametrize("name", NAMES)
def test_every_picture_is_described(name: str) -> None:
    cells = cells_of(name)
    assert len(cells) == text_of(name).count("{code-cell}")
    for cell in cells:
        last = [line.strip() for line in cell["code"].splitlines() if re.match(r"\w|    (?=plt\.show)", line)][-1]
        assert bool(PICTURE.match(last)) == ("alt:" in (cell["options"] or "")), last


@pytest.mark.parametrize("name", NAMES)
def test_only_the_solution_is_folded(name: str) -> None:
    exercise = text_of(name).index("## Exercise")
    for cell in cells_of(name):
        assert ("hide-cell" in (cell["options"] or "")) == (cell.start() > exercise)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("own-derivation", "my_formula.py"),
        ("own-derivation", "my_claim.py"),
        ("own-experiment-and-sweep", "my_formula.py"),
        ("own-experiment-and-sweep", "my_experiment.py"),
    ],
)
def test_the_files_that_it_writes_are_the_examples(name: str, file: str) -> None:
    pieces = [cell["code"] for cell in cells_of(name)]
    written = [
        WRITTEN.sub("", piece, count=1) for piece in pieces if (to := WRITTEN.match(piece)) and to["file"] == file
    ]
    example = (ROOT / "docs/examples" / file).read_text(encoding="utf-8")
    assert lines("".join(written)) == lines(example)


def lines(code: str) -> list[str]:
    return [line for line in code.splitlines() if line.strip()]


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(notebooks).failed == 0


@pytest.mark.parametrize("pieces", [["a\nb\nc\n", "b\n", "c\n"], ["a\n", "b\n", "c\n"], ["a\nb", "\nc\n"]])
def test_what_was_printed_is_in_the_notebook_once(pieces: list[str]) -> None:
    outputs = [{"output_type": "stream", "name": "stdout", "text": piece} for piece in pieces]
    picture = {"output_type": "display_data", "data": {}, "metadata": {}}
    cell = {"cell_type": "code", "source": "", "metadata": {}, "outputs": [*outputs[:1], picture, *outputs[1:]]}
    (plain,) = notebooks.plain_notebook({"cells": [cell], "metadata": {}})["cells"]
    assert plain["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "a\nb\nc\n"}, picture]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_valid_and_plain(name: str) -> None:
    notebook = notebook_of(name)
    nbformat.validate(nbformat.from_dict(notebook))
    text = "\n".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    assert not re.search(r"\{[\w:-]+\}`|:::|```\{|\]\([^)]*\.md\)", text)
    assert "<summary>Solution</summary>" in text
    assert "Download" not in text
    folded = [cell["metadata"] for cell in notebook["cells"] if cell["cell_type"] == "code" and cell["metadata"]]
    assert all(metadata["jupyter"]["source_hidden"] for metadata in folded)
    assert folded


def test_a_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    notebook = nbformat.from_dict(notebook_of("own-derivation"))
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = "".join(out.get("text", "") for cell in notebook.cells for out in cell.get("outputs", ()))
    assert said.count("1 claim: 1 proved") == 2  # the page's own and the exercise's
    assert said.count("1 claim: 1 failed") == 1
    assert "wrong variant survives: no second term" in said
