"""Every code block of a page runs as it stands, prints what the page says, and every command line is one that exists.

Executed notebooks run when the site is built. Of the others, all blocks of a page share a namespace and an empty
folder, and blocks that begin with `>>>` are doctests. Command lines are parsed by the real command line and not run.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from overtraining.commands.app import app
from overtraining.setting.errors import Refusal
from tests import ROOT
from tests.docs.pages import commands, is_executed, pages
from tests.docs.run_pages import run

TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in pages()}
RUN = [name for name, text in TEXTS.items() if not is_executed(text) and re.search("```py(thon|con)", text)]
WITH_COMMANDS = [name for name, text in TEXTS.items() if [*commands(text)]]
SETTINGS = ("JAX_ENABLE", "JAX_NUMPY", "XLA_FLAGS", "PYTEST")
"""Beginnings of the variables that the tests set and a reader does not have."""


@pytest.fixture(scope="module")
def went_wrong() -> dict[str, str]:
    """What went wrong on each page, all of which run in one process, with warnings as errors."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    command = [sys.executable, "-W", "error", "-m", "tests.docs.run_pages", *(str(ROOT / name) for name in RUN)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return {str(Path(page).relative_to(ROOT)): wrong for page, wrong in found.items()}


def check_commands(source: str) -> None:
    """Parse every command line of a page; an exception if one does not exist or has an option that does not."""
    group = typer.main.get_command(app)
    for call in commands(source):
        if not call.arguments or call.arguments in (["--help"], ["--version"]):
            continue
        name, *rest = call.arguments
        if name.isupper() and not call.whole:  # stands for any command
            continue
        if name not in group.commands:  # type: ignore[attr-defined]
            raise AssertionError(f"line {call.line}: there is no command `overtraining {name}`")
        command = group.commands[name]  # type: ignore[attr-defined]
        try:
            command.make_context(name, [word for word in rest if word != "--help"])
        except Refusal:  # of a number that this machine cannot do, such as more workers than it has processors
            continue
        except Exception as error:
            if call.whole or "No such option" in str(error):  # within the text an option may be named without its value
                raise AssertionError(f"line {call.line}: `overtraining {' '.join(call.arguments)}`: {error}") from error


@pytest.mark.parametrize("name", RUN)
def test_code_of_a_page_runs(name: str, went_wrong: dict[str, str]) -> None:
    assert not went_wrong[name], went_wrong[name]


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_commands_of_a_page_exist(name: str) -> None:
    check_commands(TEXTS[name])


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
