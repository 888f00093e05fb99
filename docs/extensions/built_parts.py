"""Put what other commands build into the site: the book of derivations, the page to explore, and their results."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build"


def built(name: str, target: str) -> Path:
    """A file below build/; it must have been built by `make TARGET`."""
    path = BUILD / name
    if not path.exists():
        raise ExtensionError(f"{path} is missing: run `make {target}`, or `make docs`, which runs it")
    return path


@cache
def checks() -> dict[str, Any]:
    """What `make check` found, by claim."""
    reports = json.loads(built("check.json", "check").read_text(encoding="utf-8"))
    return {report["claim"]: report for report in reports}


@cache
def verdicts() -> Any:
    """What `make simulate` found."""
    return json.loads(built("verdicts.json", "simulate").read_text(encoding="utf-8"))


def _copy(app: Sphinx, exception: Exception | None) -> None:
    if exception is None and app.builder.format == "html":
        shutil.copytree(built("book/index.html", "check").parent, app.outdir / "book", dirs_exist_ok=True)
        shutil.copy(built("overtraining.html", "docs"), app.outdir / "explore.html")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
