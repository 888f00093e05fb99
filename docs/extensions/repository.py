"""Show a document of the repository as a page of the site, with links that work in both places.

A page that says

    ```{document} ARCHITECTURE.md
    ```

shows that file. Its links are relative to its own folder, as a forge needs them. Here each of them leads to the page of
the site that shows the same document, or to a copy of the file; a folder is named without a link.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import ledger_links
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

PAGES = {
    "README.md": ("index.md",),
    "ARCHITECTURE.md": ("project/architecture.md",),
    "CONTRIBUTING.md": ("project/contributing.md",),
    "CODE_OF_CONDUCT.md": ("project/code-of-conduct.md",),
    "CHANGELOG.md": ("project/changelog.md",),
    "paper_notes.md": ("project/ledger.md",),
    "docs/claims.md": ("project/claims.md",),
    "docs/vocabulary.md": ("reference/symbols.md", "reference/vocabulary.md", "reference/glossary.md"),
}
"""The pages that show the documents: the first of each that there is."""

REWRITTEN: dict[str, Callable[[str], str]] = {"paper_notes.md": ledger_links.linked}
"""What is done to the text of a document beside its links."""

BLOCK = re.compile(r"^```\{document\} *(\S+)\n```$", re.MULTILINE)
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")


def page_of(document: str) -> str | None:
    """The page of the site, below docs/, that shows this file of the repository."""
    if document in PAGES:
        return next((page for page in PAGES[document] if (DOCS / page).exists()), None)
    path = Path(document)
    if path.suffix == ".md" and path.parts[0] == "docs" and len(path.parts) > 1 and (ROOT / path).exists():
        return "/".join(path.parts[1:])
    return None


def with_site_links(text: str, document: str, page: str) -> str:
    """The text of a document of the repository, with its links as the page needs them.

    document: path from the root of the repository.  page: path below docs/ of the page that shows it.
    """

    def link(found: re.Match[str]) -> str:
        words, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        name, mark, anchor = target.partition("#")
        path = os.path.normpath(Path(document).parent / name)
        if (shown := page_of(path)) is not None:
            return f"[{words}](/{shown}{mark}{anchor})"
        if not (ROOT / path).exists():
            raise ExtensionError(f"{document} links to {target}, which does not exist")
        if (ROOT / path).is_dir() or path.endswith(".md"):
            return words
        return f"[{words}](path:{os.path.relpath(ROOT / path, (DOCS / page).parent)})"

    parts = FENCE.split(text)
    return "".join(part if part.startswith("```") else LINK.sub(link, part) for part in parts)


def _read(app: Sphinx, name: str, source: list[str]) -> None:
    def shown(found: re.Match[str]) -> str:
        document = found[1]
        path = ROOT / document
        if not path.is_file():
            raise ExtensionError(f"{name}: there is no document {document} in the repository")
        app.env.note_dependency(path, docname=name)
        text = with_site_links(path.read_text(encoding="utf-8"), document, f"{name}.md")
        return REWRITTEN.get(document, str)(text)

    source[0] = BLOCK.sub(shown, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
