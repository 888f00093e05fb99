"""The pages of the site and the project's documents: their code blocks and the command lines in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from textwrap import dedent

from tests import ROOT

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "figures/llm/README.md")
"""Pages outside of the site."""

MADE_BY_MAPS = ("claims.md", "vocabulary.md")
FENCE = re.compile(r"^([ \t]*)(`{3,}|:{3,})[ \t]*(\S*)[^\n]*\n(.*?)^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`((?:\.venv/bin/)?overtraining [^`\n]+)`(?!`)")
COMMAND = re.compile(r"(?:\.venv/bin/)?overtraining(?=\s|$)")
ENDS = {"|", ">", ">>", "<", "&&", "||", ";", "&"}
"""What ends a command in a line of a shell."""


@dataclass(frozen=True)
class Block:
    """A block of code: its language, its text, and the line of the page at which it begins."""

    language: str
    text: str
    line: int


def is_executed(text: str) -> bool:
    """Whether a page is a notebook, which runs whenever the site is built."""
    return "{code-cell}" in text


def pages() -> list[Path]:
    """All pages that are written by hand."""
    site = (path for path in sorted((ROOT / "docs").rglob("*.md")) if path.name not in MADE_BY_MAPS)
    return [*site, *(ROOT / name for name in DOCUMENTS)]


def blocks(text: str, first_line: int = 1) -> Iterator[Block]:
    """The blocks of a page in their order, also those within other directives, such as tabs and cards."""
    for found in FENCE.finditer(text):
        line = first_line + text.count("\n", 0, found.start(4))
        if "{" in found[3]:
            yield from blocks(found[4], line)
        else:
            yield Block(found[3], dedent(found[4]), line)


@dataclass(frozen=True)
class Call:
    """A call of `overtraining` on a page: its line and arguments, and whether it is whole or named in a sentence."""

    line: int
    arguments: list[str]
    whole: bool


def commands(text: str) -> Iterator[Call]:
    """Every call of `overtraining` in blocks of shell and within the text."""
    for block in blocks(text):
        if block.language in ("sh", "bash", "shell", "console"):
            joined = re.sub(r"\\\n", lambda _: " ", block.text)
            for line in joined.splitlines():
                if COMMAND.match(line.strip().removeprefix("$ ")):
                    yield Call(block.line, arguments(line), whole=True)
    for found in INLINE.finditer(text):
        yield Call(1 + text.count("\n", 0, found.start()), arguments(found[1]), whole=False)


def arguments(line: str) -> list[str]:
    """What `overtraining` is given in a line of a shell.

    >>> arguments("overtraining figures depth --set strengths=0.1,0.2 | tee log.txt  # a figure")
    ['figures', 'depth', '--set', 'strengths=0.1,0.2']
    """
    words = shlex.split(line.strip().removeprefix("$ "), comments=True)
    return list(takewhile(lambda word: word not in ENDS, words[1:]))
