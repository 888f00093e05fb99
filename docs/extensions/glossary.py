"""The directives `symbols` and `terms`: the tables of docs/vocabulary.toml as a table and as a glossary."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from docstrings import marked_up
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FILE = Path(__file__).parents[1] / "vocabulary.toml"


@cache
def vocabulary() -> dict[str, Any]:
    """The concepts, whose names the code uses, and the terms of the texts."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


class Symbols(SphinxDirective):
    """Symbols, the names of the arguments that stand for them, and the names that a test refuses."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(FILE))
        lines = [
            ".. list-table::",
            "   :header-rows: 1",
            "   :class: reference-table symbols",
            "   :widths: 10 25 50 15",
            "",
        ]
        lines += ["   * - symbol", "     - name in code", "     - meaning", "     - not"]
        for concept in vocabulary()["concept"]:
            lines += [
                f"   * - {concept['symbol']}",
                f"     - {', '.join(f'``{name}``' for name in concept['names'])}",
                f"     - {marked_up(concept['meaning'], '', set())}",
                f"     - {', '.join(concept['refused'])}".replace("_", r"\_"),
            ]
        return self.parse_text_to_nodes(StringList(lines, source=str(FILE)))


class Terms(SphinxDirective):
    """The terms, as a glossary to which {term} links."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(FILE))
        lines = [".. glossary::", ""]
        for term in sorted(vocabulary()["term"], key=lambda term: term["name"].lower()):
            meaning = marked_up(term["meaning"], "overtraining", set())
            meaning = re.sub(r"(?<!`)\{([A-Za-z][\w <>-]*)\}", r":term:`\1`", meaning)
            lines += [f"   {term['name']}", f"      {meaning}", ""]
        return self.parse_text_to_nodes(StringList(lines, source=str(FILE)))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("symbols", Symbols)
    app.add_directive("terms", Terms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
