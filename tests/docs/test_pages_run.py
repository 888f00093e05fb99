"""Every code block of a page runs as it stands, prints what the page says, and every command line is one that exists.

Executed notebooks run when the site is built. Of the others, all blocks of a page share a namespace and an empty
folder, and blocks that begin with `>>>` are doctests. Command lines are parsed by the real command line and not run.
"""

import doctest
import re
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import pytest
import typer
from matplotlib import pyplot as plt

from overtraining.commands.app import app
from tests import ROOT
from tests.docs.pages import Block, blocks, commands, is_executed, pages

PYTHON = ("python", "pycon")
NOT_INSTALLED = ("torch",)
"""Libraries that users have and the tests may lack: a block that imports one is compiled, and run where it is there."""
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
RUN = [
    path for path in pages() if not is_executed(text := path.read_text("utf-8")) and re.search("```py(thon|con)", text)
]
WITH_COMMANDS = [path for path in pages() if [*commands(path.read_text("utf-8"))]]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


class BatchSystem(SimpleNamespace):
    """Stands for `dask_jobqueue`, which needs a batch system: keeps what a page asks for, and submits nothing."""

    scheduler_address = "tcp://login:8786"

    def scale(self, jobs: int) -> None:
        assert jobs > 0


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader in an empty folder, who answers every question with Enter and looks at no window."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # of the modules that a page writes
    monkeypatch.setattr("builtins.input", lambda _="": "")
    monkeypatch.setitem(sys.modules, "dask_jobqueue", SimpleNamespace(SLURMCluster=BatchSystem))


def run(source: str, page: str) -> None:
    """Run all blocks of Python of a page; AssertionError if a doctest prints something else."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with mpl.rc_context({"backend": "agg"}):
        try:
            for block in blocks(source):
                if block.language in PYTHON:
                    _run_block(block, page, namespace)
        finally:
            plt.close("all")


def _run_block(block: Block, page: str, namespace: dict[str, Any]) -> None:
    if ">>> " not in block.text:
        code = compile("\n" * (block.line - 1) + block.text, page, "exec")  # so that a traceback names the line
        if any(f"import {library}" in block.text and not find_spec(library) for library in NOT_INSTALLED):
            return
        with redirect_stdout(StringIO()):
            exec(code, namespace)
        return
    test = doctest.DocTestParser().get_doctest(block.text, {}, page, page, block.line - 1)
    test.globs = namespace
    said = StringIO()
    outcome = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=said.write, clear_globs=False)
    assert outcome.attempted
    assert not outcome.failed, said.getvalue()


def check_commands(source: str) -> None:
    """Parse every command line of a page; an exception if one does not exist or has an option that does not."""
    group = typer.main.get_command(app)
    for call in commands(source):
        if not call.arguments or call.arguments in (["--help"], ["--version"]):
            continue
        name, *rest = call.arguments
        if name not in group.commands:  # type: ignore[attr-defined]
            raise AssertionError(f"line {call.line}: there is no command `overtraining {name}`")
        command = group.commands[name]  # type: ignore[attr-defined]
        try:
            command.make_context(name, [word for word in rest if word != "--help"])
        except Exception as error:
            if call.whole or "No such option" in str(error):  # within the text an option may be named without its value
                raise AssertionError(f"line {call.line}: `overtraining {' '.join(call.arguments)}`: {error}") from error


@pytest.mark.parametrize("path", RUN, ids=name)
@pytest.mark.usefixtures("reader")
def test_code_of_a_page_runs(path: Path) -> None:
    run(path.read_text(encoding="utf-8"), name(path))


@pytest.mark.parametrize("path", WITH_COMMANDS, ids=name)
def test_commands_of_a_page_exist(path: Path) -> None:
    check_commands(path.read_text(encoding="utf-8"))


def test_a_block_that_fails_is_noticed() -> None:
    """Also one in a tab, one that warns, and one whose printed result is another."""
    run("```python\nx = 1\n```\n\n```pycon\n>>> x + 1\n2\n```\n", "right.md")
    with pytest.raises(ZeroDivisionError) as failure:
        run("text\n\n```python\n1 / 0\n```\n", "wrong.md")
    assert (failure.traceback[-1].frame.code.path, failure.traceback[-1].lineno) == ("wrong.md", 3)  # counted from 0
    with pytest.raises(NameError):
        run("::::{tab-set}\n:::{tab-item} NumPy\n```python\nabsent\n```\n:::\n::::\n", "wrong.md")
    with pytest.raises(DeprecationWarning):
        run("```python\nimport warnings\nwarnings.warn('old', DeprecationWarning)\n```\n", "wrong.md")
    with pytest.raises(AssertionError, match="Expected"):
        run("```pycon\n>>> 1 + 1\n3\n```\n", "wrong.md")


@pytest.mark.parametrize(
    "source",
    [
        "```sh\novertraining figures depth --dpi 300\n```",
        "```sh\n.venv/bin/overtraining sweep mine.toml \\\n    --resume\n```",
        "```sh\novertraining draw depth\n```",
        "```sh\novertraining sweep mine.toml --workers many\n```",
        "Pass `overtraining llm results/ --tokens` to it.",
    ],
)
def test_a_command_that_does_not_exist_is_noticed(source: str) -> None:
    with pytest.raises(AssertionError, match="line"):
        check_commands(source)


def test_commands_are_found_and_only_parsed() -> None:
    source = (
        "```sh\nmake figures\novertraining figures --list | head  # names\nexport A=1\n.venv/bin/overtraining page\n```"
    )
    assert [call.arguments for call in commands(source)] == [["figures", "--list"], ["page"]]
    check_commands(source)
    check_commands("The option `overtraining llm --out` writes a table.")
