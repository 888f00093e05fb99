"""Docstrings as they are written in the code, made into what Sphinx shows: arguments as a list, quotations as code.

A line of a docstring that begins with the name of an argument and a colon describes it (`lengths: …`). A second one may
follow on the same line after two spaces.
"""

import inspect
import re
from typing import Any

from sphinx.application import Sphinx


def _arguments(thing: Any) -> set[str]:
    try:
        return set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        return set()


def described(lines: list[str], names: set[str]) -> list[str]:
    """The lines, with those that describe arguments as items of a list."""
    start = re.compile(rf"({'|'.join(sorted(map(re.escape, names), key=len, reverse=True))}): ") if names else None
    out: list[str] = []
    listing = False
    for line in (part for whole in lines for part in re.split(r"(?<=\S)  (?=\w+: )", whole)):
        if start and start.match(line):
            name, text = line.split(": ", 1)
            if not listing and out and out[-1]:
                out.append("")
            out.append(f"* **{name}**: {text}")
            listing = True
        elif listing and line and not line.startswith((" ", ">>>")):
            out.append(f"  {line}")
        else:
            out.append(line)
            listing = listing and bool(line)
    return out


def _process(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = described(lines, _arguments(thing))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
