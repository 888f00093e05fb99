"""The sections of a page: broken derivations, and assumptions without counterexample."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.figures.book import write_book
from overtraining.theory.derivations.checker.core import (
    Assumption,
    CheckReport,
    Counterexample,
    Curves,
    Evidence,
    Step,
    Variant,
    Verdict,
)
from overtraining.theory.derivations.checker.run import check_all
from overtraining.theory.derivations.claims.b1_noise import DERIVATION as B1

HOSTILE = """<script>alert("1")</script> & 'quoted' </p> {x} <img src="http://example.org/x.png" onerror='y'>"""


def proved():
    return Evidence(True, Verdict.PROVED, HOSTILE)


def curves():
    return Curves(np.array([1.0, 10, 1e4]), {HOSTILE: np.array([1.0, np.nan, 2])}, f"${HOSTILE}", "_γ₁ ᵀ^")


ATTACK = replace(
    B1,
    claim="../<b>x",
    title=HOSTILE,
    statement=r"\text{" + HOSTILE + "}",
    plain=HOSTILE,
    symbols={HOSTILE: HOSTILE, r"\unknown": HOSTILE, r"\href{javascript:alert(1)}{x}": HOSTILE},
    assumptions=(
        Assumption(HOSTILE, HOSTILE, Counterexample(HOSTILE, proved, curves)),
        Assumption("gradient flow", HOSTILE),
    ),
    steps=(
        Step(r"\frac{1", HOSTILE, proved),
        Step(r"\style{x\"onload=\"y}{z}", HOSTILE, lambda: Evidence(False, Verdict.TESTED, HOSTILE)),
    ),
    variants=(*B1.variants, Variant(HOSTILE, lambda f: f), Variant(HOSTILE, lambda f: 3 * f)),
    special_case=replace(B1.special_case, text=HOSTILE),
    link=replace(B1.link, function="theory.<i>", domain=HOSTILE),
    uses=("B1", "<u>"),
    source=HOSTILE,
)


OTHER = replace(B1, claim="B4", uses=("B1",), assumptions=(), link=None)


@pytest.fixture(scope="module")
def reports():
    found = check_all([B1, OTHER, replace(ATTACK, uses=("B1",))], {})
    assert found[-1].problems
    return found


def test_a_broken_derivation_still_has_its_page(tmp_path):
    def raises():
        raise ArithmeticError("no such thing")

    broken = replace(B1, assumptions=(Assumption("dense spectrum", "", Counterexample("", raises, raises)),))
    report = CheckReport("B1", Verdict.FAILED, Verdict.PROVED, (), (), (), None, ("could not be finished",), 0.0)
    page = write_book([broken], [report], tmp_path)[1].read_text(encoding="utf-8")
    assert page.count("ArithmeticError: no such thing") == 2
    assert page.count("not run") == 3
    assert "could not be finished" in page


def test_an_assumption_without_counterexample_points_to_one(reports, tmp_path):
    known, unknown = B1.assumptions[0], Assumption("dense spectrum", "A text.")
    bare = replace(B1, claim="C1", assumptions=(replace(known, counterexample=None), unknown))
    paths = write_book([B1, bare], [reports[0], replace(reports[0], claim="C1")], tmp_path)
    page = paths[2].read_text(encoding="utf-8")
    assert 'Without it:</em> see <a href="claim-B1.html"' in page
    assert page.count("no counterexample is known") == 1
    assert paths[4].read_text(encoding="utf-8").count("No counterexample is known") == 1
