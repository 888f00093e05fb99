"""The directive `commands`: every command with its arguments and options, read from what its `--help` prints.

The help is asked for at a width at which no line is broken. sphinx-click, which other projects use, asks for objects of
click; typer brings a click of its own, which it does not know.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import typer.main
from docstrings import marked_up
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from overtraining.commands.app import app as program

WIDTH = 2000
ENTRY = re.compile(r"  (?P<written>\S.*?)(?:  +(?P<text>.*))?")
DEFAULT = re.compile(r"\s*\[default: (.*)\]$")


@cache
def helps() -> dict[str, str]:
    """What `overtraining COMMAND --help` prints, by command, in the order of `overtraining --help`."""
    group: Any = typer.main.get_command(program)
    made = {"help_option_names": ["--help"], "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = group.make_context("overtraining", [], resilient_parsing=True)
    found = {}
    for name, command in group.commands.items():
        own = command.make_context(name, [], parent=context, resilient_parsing=True, **made)
        found[name] = str(command.get_help(own))
    return found


def sections(help_text: str) -> dict[str, list[str]]:
    """The lines of a help text by their heading; the usage and the description are below `Usage` and ``."""
    usage, *lines = help_text.splitlines()
    found: dict[str, list[str]] = {"Usage": [usage.removeprefix("Usage: ")], "": []}
    heading = ""
    for line in lines:
        if re.fullmatch(r"[A-Z]\w+:", line):
            heading = line.removesuffix(":")
            found[heading] = []
        elif line.strip() or not heading:
            found[heading].append(line)
    return found


def entries(lines: list[str]) -> Iterator[tuple[str, str, str]]:
    """Each argument or option: how it is written, its default, and what it does."""
    for line in lines:
        if found := ENTRY.fullmatch(line):
            text = found["text"] or ""
            default = DEFAULT.search(text)
            yield found["written"], default.group(1).strip("()") if default else "", DEFAULT.sub("", text)


def shown(text: str) -> str:
    """A sentence of the help, in which options are code: else two hyphens would become a dash."""
    return marked_up(re.sub(r"(?<![\w`])(--[a-z][\w-]*)", r"`\1`", text), "", set())


def page(name: str) -> Iterator[str]:
    """The reStructuredText about a command."""
    told = sections(helps()[name])
    yield from (".. code-block:: text", "", f"   {told['Usage'][0]}", "")
    yield from (shown(line.strip()) for line in told[""])
    yield ""
    for heading in ("Arguments", "Options"):
        given = [entry for entry in entries(told.get(heading, [])) if entry[0] != "--help"]
        if given:
            yield from (
                ".. list-table::",
                "   :header-rows: 1",
                "   :class: reference-table options",
                "   :widths: 30 50 20",
                "",
            )
            yield from (f"   * - {heading.lower().removesuffix('s')}", "     - what it does", "     - default")
        for written, default, text in given:
            yield f"   * - ``{written}``"
            yield f"     - {shown(text)}"
            yield f"     - {f'``{default}``' if default else ''}"
        yield ""


class Commands(SphinxDirective):
    """The directive; its argument is a command."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the options are those of the program, which may have changed
        return self.parse_text_to_nodes(StringList(list(page(self.arguments[0])), source="--help"))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("command", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
