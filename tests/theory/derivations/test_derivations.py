"""Requirements on every derivation, and the exit code of `overtraining check`, which runs all of them.

`make check`, a step of `.ci/run`, derives every claim from scratch; here a few are, which takes seconds.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.core import Verdict
from overtraining.theory.derivations.checker.run import claim_derivation
from tests import ROOT

FLOORS = dict.fromkeys(CLAIMS, Verdict.PROVED) | {"D4m": Verdict.CERTIFIED, "B6r": Verdict.ARGUED}
FLOORS |= dict.fromkeys(("B6q", "C5d"), Verdict.TESTED)
FLOORS |= dict.fromkeys(("A8", "B7", "B8", "C4", "C5", "D1r", "D5t", "E2", "E2f"), Verdict.ARGUED)


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_demands_of_itself_what_the_project_demands(claim: str) -> None:
    """To fall below its own floor, or to let a variant live, is a problem of `overtraining check` (test_checker)."""
    derivation = claim_derivation(claim, CLAIMS)
    assert derivation.floor is FLOORS[claim]
    assert len(derivation.variants) >= 5
    assert derivation.link is not None


def test_a_few_are_checked_here(tmp_path: Path) -> None:
    """As `make check` checks them all, but by SymPy as users have it, without gmpy2; B6q brings B1, which it uses."""
    found = tmp_path / "found.json"
    command = [sys.executable, "-W", "error", "-m", "overtraining", "check", "B6q", "A1", "--json", str(found)]
    plain = os.environ | {"SYMPY_GROUND_TYPES": "python"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=plain)
    assert done.returncode == 0, done.stdout + done.stderr
    reports = {report["claim"]: report for report in json.loads(found.read_text())}
    assert reports.keys() == {"B1", "B6q", "A1"}
    for claim, report in reports.items():
        assert report["problems"] == []
        assert report["floor"] == report["verdict"] == str(FLOORS[claim])
        assert report["variants"] == report["rejected"] == len(claim_derivation(claim, CLAIMS).variants)
        assert report["engine_error"] is not None


def test_all_are_checked_before_anything_lands() -> None:
    """From scratch, with warnings as errors."""
    assert "\nstep make check\n" in (ROOT / ".ci/run").read_text()
    command = "\n\t$(BIN)/python -W error -m overtraining check --html build/book --json build/check.json\n"
    assert command in (ROOT / "Makefile").read_text()


def test_every_file_is_in_the_table() -> None:
    home = ROOT / "theory/derivations/claims"
    files = {p for p in home.rglob("*.py") if p.read_text().count("\nDERIVATION = Derivation(")}
    modules = {p.parent if p.name == "__init__.py" else p.with_suffix("") for p in files}
    assert {f"overtraining.theory.derivations.claims.{m.relative_to(home)}" for m in modules} == set(CLAIMS.values())


def test_a_claim_uses_of_another_only_what_its_module_says() -> None:
    """What several claims need stands in the calculus or in claims/shared, not in a part of one claim's folder."""
    home = ROOT / "theory/derivations/claims"
    parts = {
        f"{p.parent.name}.{p.stem}" for p in home.glob("*/*.py") if p.stem != "__init__" and p.parent.stem != "shared"
    }
    assert parts
    for path in home.rglob("*.py"):
        owner = path.relative_to(home).parts[0]
        borrowed = [
            part for part in parts if f"claims.{part} import" in path.read_text() and not part.startswith(owner)
        ]
        assert not borrowed, (path.name, borrowed)


def off(result: Any) -> Any:
    """The same result with every number in it, at any depth, 5% too large."""
    if isinstance(result, tuple):
        parts = map(off, result)
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    if is_dataclass(result) and not isinstance(result, type):
        return replace(result, **{field.name: off(getattr(result, field.name)) for field in fields(result)})
    numeric = isinstance(result, float | np.floating | np.ndarray) and np.asarray(result).dtype.kind == "f"
    return result * 1.05 if numeric else result  # a count, a name or a flag stays


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_link_notices_an_engine_that_is_off(claim: str) -> None:
    """By 5%: beyond the tolerance, or refused by what consumes it."""
    derivation = claim_derivation(claim, CLAIMS)
    link = derivation.link
    assert link is not None
    module, _, name = link.function.rpartition(".")
    function = getattr(import_module(module), name)
    touched = []

    def wrong(*given: Any, **options: Any) -> Any:
        result = function(*given, **options)
        touched.append(repr(off(result)) != repr(result))
        return off(result)

    try:
        error = link.compare(derivation.formula(), wrong, np.random.default_rng(0))
    except (ValueError, ArithmeticError):  # refused: no longer a number that the engine can have returned
        error = np.inf
    assert any(touched)
    assert not 0 <= error <= link.tolerance


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_says_what_a_reader_needs(claim: str) -> None:
    derivation = claim_derivation(claim, CLAIMS)
    assert derivation.claim == claim
    assert derivation.statement
    assert re.match(r"[A-Z].*\.$", derivation.plain)
    assert derivation.symbols
    assert derivation.source
    assert all(step.statement and step.because.strip().endswith((".", ":", ")")) for step in derivation.steps)


def test_every_assumption_has_a_counterexample_in_some_claim() -> None:
    """Where a claim has none of its own, the book links to a claim that does."""
    found: dict[str, bool] = {}
    for claim in CLAIMS:
        for assumption in claim_derivation(claim, CLAIMS).assumptions:
            found[assumption.name] = found.get(assumption.name, False) or assumption.counterexample is not None
    assert found
    assert all(found.values()), [name for name, has in found.items() if not has]
