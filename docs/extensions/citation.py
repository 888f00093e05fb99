"""BibTeX and text of a citation, made from CITATION.cff: there is one place to change.

```{citation}
```
"""

import re
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

CITATION = Path(__file__).parents[2] / "CITATION.cff"

LEVELS = {"conference-paper": "inproceedings", "article": "article", "software": "software"}
"""Kinds of entries of BibTeX by types of CFF."""

PROTECTED = re.compile(r"\b(?:[A-Z]\w*[A-Z]\w*|OLMo)\b")


def citation() -> dict[str, Any]:
    """What CITATION.cff says."""
    found: dict[str, Any] = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    return found


def authors(work: dict[str, Any]) -> str:
    """Authors as BibTeX separates them; groups in braces, which are no family names.

    >>> authors({"authors": [{"family-names": "Saxe", "given-names": "A. M."}, {"name": "The developers"}]})
    'Saxe, A. M. and {The developers}'
    """
    names = []
    for author in work["authors"]:
        person = [author[part] for part in ("family-names", "given-names") if part in author]
        names.append(", ".join(person) if person else f"{{{author['name']}}}")
    return " and ".join(names)


def year(work: dict[str, Any]) -> str | None:
    """The year of a work: its own, or that of its release."""
    return str(work["year"]) if "year" in work else str(work["date-released"])[:4] if "date-released" in work else None


def entry(key: str, work: dict[str, Any]) -> str:
    """A work as an entry of BibTeX.

    >>> print(entry("k", {"type": "software", "title": "A tool", "authors": [{"name": "We"}], "version": "1.0"}))
    @software{k,
      author = {{We}},
      title = {A tool},
      version = {1.0},
    }
    """
    arxiv = [i["value"].partition(":")[2] for i in work.get("identifiers", ()) if i["value"].startswith("arXiv:")]
    fields = {
        "author": authors(work),
        "title": PROTECTED.sub(r"{\g<0>}", work["title"]),
        "booktitle": work.get("collection-title"),
        "year": year(work),
        "version": str(work["version"]) if "version" in work else None,
        "doi": work.get("doi"),
        "eprint": arxiv[0] if arxiv else None,
        "archiveprefix": "arXiv" if arxiv else None,
        "url": work.get("url") or work.get("repository-code"),
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value is not None]
    return "\n".join([f"@{LEVELS[work['type']]}{{{key},", *lines, "}"])


def bibtex() -> str:
    """This software, and the works that CITATION.cff refers to."""
    software = citation()
    works = {"overtraining": software}
    for work in software.get("references", ()):
        works[f"{work['authors'][0]['family-names'].lower()}{work['year']}"] = work
    return "\n\n".join(entry(key, work) for key, work in works.items())


class Citation(SphinxDirective):
    """The entries of BibTeX, to be copied."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(CITATION)
        text = bibtex()
        return [nodes.literal_block(text, text, language="bibtex")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("citation", Citation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
