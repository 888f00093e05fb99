"""Documents of the repository on pages of the site: every link of theirs leads to a page or a file."""

import re
from pathlib import Path

import pytest

from tests import ROOT
from tests.docs.extensions import ledger_links, repository
from tests.test_ledger import CLAIMS, ledger

DOCS = ROOT / "docs"
SHOWN = [
    (found[1], path.relative_to(DOCS).as_posix())
    for path in sorted(DOCS.rglob("*.md"))
    for found in repository.BLOCK.finditer(path.read_text(encoding="utf-8"))
]


def test_every_document_has_a_page() -> None:
    """And the page is the one to which links to the document lead."""
    pages = dict(SHOWN)
    assert {"ARCHITECTURE.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md", "paper_notes.md"} <= set(pages)
    for document, page in pages.items():
        assert repository.page_of(document) == page


@pytest.mark.parametrize(("document", "page"), SHOWN)
def test_links_lead_to_what_exists(document: str, page: str) -> None:
    text = repository.with_site_links((ROOT / document).read_text(encoding="utf-8"), document, page)
    for target in re.findall(r"\]\((?!https?:|#)([^()\s]+)\)", "".join(repository.FENCE.split(text)[::2])):
        if target.startswith("path:"):
            assert (DOCS / page).parent.joinpath(target.removeprefix("path:")).resolve().is_file(), target
        else:
            assert target.startswith("/"), target
            assert (DOCS / target[1:].partition("#")[0]).is_file(), target


def test_links_are_rewritten_and_code_is_not() -> None:
    text = (
        "[`map`](ARCHITECTURE.md#rules), [far](https://example.org), [here](#a), "
        "[code](theory/products.py), [f](theory)\n"
        "```python\nx[0](ARCHITECTURE.md)\n```\n"
    )
    told = repository.with_site_links(text, "CONTRIBUTING.md", "project/contributing.md")
    assert told == (
        "[`map`](/project/architecture.md#rules), [far](https://example.org), [here](#a), "
        "[code](path:../../theory/products.py), f\n"
        "```python\nx[0](ARCHITECTURE.md)\n```\n"
    )
    from_docs = repository.with_site_links("[x](../theory/products.py)", "docs/claims.md", "project/claims.md")
    assert from_docs == "[x](path:../../theory/products.py)"
    with pytest.raises(Exception, match="does not exist"):
        repository.with_site_links("[x](absent.py)", "README.md", "index.md")


def test_every_claim_of_the_ledger_links_to_its_section() -> None:
    text = ledger_links.linked(Path(ROOT / "paper_notes.md").read_text(encoding="utf-8"))
    rows = re.findall(r"^\| \{claim\}`([A-F]\d)` \|", text, re.MULTILINE)
    assert rows == CLAIMS == list(ledger())


def test_what_a_row_names_is_linked() -> None:
    row = (
        "| D4 | statement `x` | `d4m_monotone` certified | `noise.expected_increase` | `depth` | `the-trap` | closed |"
    )
    assert ledger_links.linked(row) == (
        "| {claim}`D4` | statement `x` | {derivation}`d4m_monotone <D4m>` certified "
        "| {py:obj}`noise.expected_increase <overtraining.theory.sensitivity.expected_increase>` "
        "| {experiment}`depth` | {picture}`the-trap` | closed |"
    )


def test_derivations_are_named_as_the_checker_does() -> None:
    """The page of the book is found by the beginning of the file's name."""
    from overtraining.theory.derivations import CLAIMS as DERIVED

    for row in ledger().values():
        for name, _ in re.findall(r"`(\w+)` (\w+)", row["derivation"]):
            claim = re.search("<(.*)>", ledger_links.QUOTED.sub(ledger_links._derivation, f"`{name}`"))
            assert claim
            assert DERIVED[claim[1]].endswith(f".{name}")
