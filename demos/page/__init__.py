"""Build the page: one HTML file whose linked pictures a browser computes offline from the closed forms."""

import re
from importlib.resources import files
from pathlib import Path

from overtraining.runtime.atomic_files import write_text

SCRIPTS = ("formulas.js", "protocol.js", "pictures.js", "page.js")  # only the last needs a browser to be loaded


def page() -> str:
    """The whole page as HTML, everything inside it; the same sources give the same text."""
    from overtraining.figures.book.formulas import display
    from overtraining.figures.style import BASE, COLOURS

    look = {"before": BASE, "noise": COLOURS[1], "tuned": COLOURS[0], "down": COLOURS[2]}
    parts = {
        "style": _source("page.css").replace("/* colours */", " ".join(f"--{x}: {y};" for x, y in look.items())),
        "script": "\n".join(map(_source, SCRIPTS)),
    }
    template = re.sub(r"\[\[(.+?)\]\]", lambda tex: display(tex[1]), _source("template.html"))
    return re.sub(r"\{\{(\w+)\}\}", lambda name: parts[name[1]], template)


def write_page(path: Path) -> Path:
    """Write the page to a file, whose folder is made where it is missing; OSError where that cannot be."""
    write_text(path, page())
    return path


def _source(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
