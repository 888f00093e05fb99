"""Notebooks to download: every executed page as an .ipynb with its outputs, in the plain Markdown that Jupyter shows.

MyST-NB's role `nb-download` puts the executed notebook among the site's downloads. Its text still has what only Sphinx
understands: roles, directives, labels. `plain_notebook` writes them as Markdown, and a folded solution as `<details>`.
"""

import json
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

FENCE = re.compile(r"^(?P<fence>:{3,}|`{3,})\{(?P<name>[\w-]+)\} *(?P<title>.*)$")
ROLE = re.compile(r"\{[\w:.-]+\}`(?P<text>[^`]+)`")
TITLED = re.compile(r"^(?P<title>.*\S)\s*<[^<>]+>$")
HERE = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?!https?:)[^)]*\)")


def plain_markdown(text: str) -> str:
    """A cell's text without roles, labels, directives and links within the site; a dropdown becomes `<details>`.

    >>> plain_markdown("See {claim}`B1` and {py:func}`~overtraining.plot`.")
    'See B1 and `overtraining.plot`.'
    >>> print(plain_markdown("```{dropdown} Solution\\nIt is 2.\\n```"))
    <details>
    <summary>Solution</summary>
    <BLANKLINE>
    It is 2.
    <BLANKLINE>
    </details>
    """
    out: list[str] = []
    open_fences: list[tuple[str, str]] = []  # the fence that ends a directive, and what is written there
    for line in text.splitlines():
        if open_fences and line.strip() == open_fences[-1][0]:
            out += open_fences.pop()[1].splitlines()
        elif begins := FENCE.match(line):
            before, after = _replaced(begins["name"], begins["title"])
            open_fences.append((begins["fence"], after))
            out += before.splitlines()
        elif "{nb-download}" not in line and not re.fullmatch(r"\([\w-]+\)=", line):
            out.append(HERE.sub(r"\g<text>", ROLE.sub(_shown, line)))
    return "\n".join(out).strip("\n")


def _replaced(directive: str, title: str) -> tuple[str, str]:
    """What stands for the beginning and the end of a directive."""
    if directive == "dropdown":
        return f"<details>\n<summary>{title}</summary>\n\n", "\n</details>"
    return (f"**{title}**\n\n" if title else ""), ""


def _shown(role: re.Match[str]) -> str:
    """A role as what it shows: claims and figures by name, code as code."""
    text = role["text"]
    if titled := TITLED.match(text):
        return titled["title"]
    return f"`{text.lstrip('~')}`" if role[0].startswith("{py:") else text


def plain_notebook(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook for Jupyter: plain text, and none of MyST-NB's settings; code and outputs are as they were.

    What the page folds, the solutions of exercises, JupyterLab folds as well.
    """
    cells = [_plain_cell(cell) for cell in notebook["cells"]]
    kept = {name: part for name, part in notebook["metadata"].items() if name in ("kernelspec", "language_info")}
    return notebook | {"cells": cells, "metadata": kept}


def _plain_cell(cell: dict[str, Any]) -> dict[str, Any]:
    if cell["cell_type"] == "markdown":
        return cell | {"source": plain_markdown("".join(cell["source"]))}
    if cell["cell_type"] == "code":
        folded = "hide-cell" in cell["metadata"].get("tags", [])
        settings = {"jupyter": {"source_hidden": True, "outputs_hidden": True}} if folded else {}
        return cell | {"metadata": settings, "outputs": _whole_streams(cell["outputs"])}
    return cell


def _whole_streams(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was printed piece by piece as one output: MyST-NB joins it in the first piece, and keeps the others."""
    whole: list[dict[str, Any]] = []
    for output in outputs:
        pieces = [o for o in outputs if o["output_type"] == "stream" and o.get("name") == output.get("name")]
        if output["output_type"] != "stream":
            whole.append(output)
        elif output is pieces[0]:
            first, *later = ("".join(piece["text"]) for piece in pieces)
            joined = first.endswith("".join(f"{text.rstrip()}\n" for text in later if text.rstrip()))
            whole.append(output | {"text": first if joined else first + "".join(later)})
    return whole


def _rewrite(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        for path in sorted(Path(app.outdir, "_downloads").glob("*/*.ipynb")):
            notebook = plain_notebook(json.loads(path.read_text(encoding="utf-8")))
            path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", _rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
