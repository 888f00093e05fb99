"""Every derivation of the project, checked as `make check` checks it."""

import re
from pathlib import Path

import pytest

from theory.derivations import CLAIMS
from theory.derivations.core import Report, Verdict
from theory.derivations.run import check_all, named

FLOORS = dict.fromkeys(CLAIMS, Verdict.PROVED) | dict.fromkeys(("B6q", "B7", "B8", "C5"), Verdict.TESTED)


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    found = check_all([named(claim, CLAIMS) for claim in CLAIMS], CLAIMS)
    return {report.claim: report for report in found}


@pytest.mark.parametrize("claim", CLAIMS)
def test_claim(reports: dict[str, Report], claim: str) -> None:
    """No step fails, no wrong variant survives, the engine agrees, and the verdict is at the project's floor."""
    report = reports[claim]
    assert report.problems == ()
    assert report.floor == FLOORS[claim]
    assert report.verdict >= FLOORS[claim]
    assert report.variants == len(report.rejected) >= 5
    assert report.engine_error is not None


def test_every_file_is_in_the_table() -> None:
    home = Path(__file__).parents[2] / "theory/derivations"
    files = {p.stem for p in home.glob("*.py") if p.read_text().count("\nDERIVATION = Derivation(")}
    assert {f"theory.derivations.{stem}" for stem in files} == set(CLAIMS.values())


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_says_what_a_reader_needs(claim: str) -> None:
    derivation = named(claim, CLAIMS)
    assert derivation.claim == claim
    assert derivation.statement
    assert re.match(r"[A-Z].*\.$", derivation.plain)
    assert derivation.symbols
    assert derivation.source
    assert all(step.statement and step.because.strip().endswith((".", ":", ")")) for step in derivation.steps)
