"""The ledger of claims agrees with the code: every name in it exists, and no claim or function is left out."""

import re
from importlib import import_module
from runpy import run_path
from typing import Any

import pytest

from tests import ROOT

CLAIMS = [f"{group}{n}" for group, most in zip("ABCDEF", (8, 8, 5, 7, 3, 4), strict=True) for n in range(1, most + 1)]
COLUMNS = ("claim", "statement", "derivation", "engine", "experiment", "figure", "status")


def ledger() -> dict[str, dict[str, str]]:
    text = (ROOT / "paper_notes.md").read_text()
    rows = [
        [cell.strip() for cell in f"{claim}|{rest}".strip("|\n").split("|")]
        for claim, rest in re.findall(r"^\| \[([A-F]\d)\]\([^)]+\) \|(.*)$", text, re.MULTILINE)
    ]
    return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in rows}


def named(column: str) -> set[tuple[str, str]]:
    return {(claim, name) for claim, row in ledger().items() for name in re.findall(r"`([^`]+)`", row[column])}


def formulas() -> dict[str, str]:
    """The modules of formulas by their short names: in `theory`, by group of claims."""
    home = ROOT / "theory"
    groups = ("learning", "sensitivity", "inflection", "fine_tuning", "remedies")
    return {p.stem: f"overtraining.theory.{group}.{p.stem}" for group in groups for p in home.glob(f"{group}/[!_]*.py")}


def test_all_claims_are_there() -> None:
    assert list(ledger()) == CLAIMS
    for claim, row in ledger().items():
        assert row["statement"]
        filled = [row[column] for column in ("derivation", "engine", "experiment", "figure")]
        expected = {"open": not any(filled), "part": any(filled), "closed": all(filled)}
        assert expected[row["status"]], f"{claim} is marked {row['status']}"


def test_every_claim_links_to_its_chapter() -> None:
    """The chapter has a section with the claim's label, to which the site's page of the ledger links."""
    for claim, link in re.findall(r"^\| \[([A-F]\d)\]\(([^)]+)\) \|", (ROOT / "paper_notes.md").read_text(), re.M):
        assert f"\n(claim-{claim.lower()})=\n" in (ROOT / link).read_text(encoding="utf-8"), (claim, link)


def test_everything_named_exists() -> None:
    for _, name in named("derivation"):
        import_module(f"overtraining.theory.derivations.claims.{name}")
    for _, name in named("engine"):
        module, function = name.split(".")
        assert callable(getattr(import_module(formulas()[module]), function))
    from overtraining.experiments import EXPERIMENTS

    assert named("experiment") == {(claim, e.name) for e in EXPERIMENTS for claim in e.claims}


def test_every_figure_is_named_and_cites_its_claims() -> None:
    from overtraining.figures.catalogue import CATALOGUE

    assert named("figure") == {(claim, entry.name) for entry in CATALOGUE for claim in entry.claims}


def cited_claims(function: Any) -> list[str]:
    """The claims in brackets in the first line of a docstring."""
    first = (function.__doc__ or "").split("\n")[0]
    return re.findall(r"\b[A-F]\d\b", " ".join(re.findall(r"\(([^)]*)\)", first)))


def test_every_formula_is_named() -> None:
    """A public function of the engine whose first line cites a claim is in that claim's row."""
    cited = set()
    for short, full in formulas().items():
        module = import_module(full)
        for name, thing in vars(module).items():
            if callable(thing) and getattr(thing, "__module__", None) == module.__name__ and not name.startswith("_"):
                cited |= {(claim, f"{short}.{name}") for claim in cited_claims(thing)}
    assert cited
    assert cited <= named("engine")


def test_every_derivation_is_named_with_its_verdict() -> None:
    """The table of derivations and the ledger name the same files, with the verdict that a test demands of each."""
    from overtraining.theory.derivations import CLAIMS
    from tests.theory.derivations.test_derivations import FLOORS

    told = {
        (claim, name, verdict)
        for claim, row in ledger().items()
        for name, verdict in re.findall(r"`(\w+)` (\w+)", row["derivation"])
    }
    assert told == {(c[:2], module.rpartition(".")[2], str(FLOORS[c])) for c, module in CLAIMS.items()}


def test_the_maps_are_current() -> None:
    """docs/claims.md and docs/vocabulary.md are what `make maps` writes."""
    for name, page in run_path(str(ROOT / "docs/maps.py"))["PAGES"].items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == page(), f"make maps: {name} is not current"


DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "paper_notes.md",
    "figures/llm/README.md",
    "docs/claims.md",
)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_paths_of_documents_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / document).parent.joinpath(link).exists(), link
