"""Every derivation of the project, checked as `make check` checks it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from theory.derivations import CLAIMS
from theory.derivations.core import Verdict
from theory.derivations.run import named

FLOORS = dict.fromkeys(CLAIMS, Verdict.PROVED) | dict.fromkeys(("B6q", "B7", "B8", "C5"), Verdict.TESTED)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What a user's `overtraining check --json` finds, in a process of its own with warnings as errors."""
    found = tmp_path_factory.mktemp("check") / "found.json"
    command = [sys.executable, "-W", "error", "-m", "overtraining", "check", "--processes", "1", "--json", str(found)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {report["claim"]: report for report in json.loads(found.read_text())}


@pytest.mark.parametrize("claim", CLAIMS)
def test_claim(reports: dict[str, dict[str, Any]], claim: str) -> None:
    """No step fails, no wrong variant survives, the engine agrees, and the verdict is at the project's floor."""
    report = reports[claim]
    assert report["problems"] == []
    assert report["floor"] == str(FLOORS[claim])
    assert Verdict[report["verdict"].upper()] >= FLOORS[claim]
    assert report["variants"] == report["rejected"] >= 5
    assert report["engine_error"] is not None


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
