"""Checks of group B's formulas: by value if they are not polynomials, and once for each displayed form."""

import pytest
import sympy as sp

from overtraining.theory.derivations.checker.core import Verdict
from overtraining.theory.derivations.claims import (
    b1_noise as b1,
    b2_deep_noise as b2,
    b4_growth as b4,
    b6_conventions as b6,
)


@pytest.mark.parametrize("change", [lambda e, a, b: sp.sqrt(a * b), lambda e, a, b: a**2 / b, lambda e, a, b: e / a])
def test_no_polynomial_is_rejected_and_not_raised(change) -> None:  # type: ignore[no-untyped-def]
    white = b4.formula()["white curvature"]
    judged = [
        b1.conclusion(change(b1.formula(), b1.q1, b1.q2)),
        b2.conclusion(b2.formula() | {2: change(b2.formula()[2], *sorted(b2.segments(2), key=str)[:2])}),
        b4.conclusion(b4.formula() | {"cost": change(b4.formula()["cost"], b4.x1, b4.x2)}),
        b4.conclusion(b4.formula() | {"white curvature": change(white, b4.x1, b4.d_in)}),
        *(b6.conclusion(b6.formula() | {k: change(e, b6.n1, b6.own)}) for k, e in b6.formula().items()),
    ]
    assert all(not e.holds and e.verdict == Verdict.PROVED for e in judged)


def test_the_right_formula_uncancelled_is_accepted() -> None:
    total = b1.q1 + b1.q2
    assert b1.conclusion(sp.expand(b1.formula() * total) / total).holds
    right, norms = b6.formula(), b6.own + b6.joint
    assert b6.conclusion(right | {"multiplicative": sp.expand(right["multiplicative"] * norms) / norms}).holds


@pytest.mark.parametrize("factor", [b6.h / b6.d_in, sp.sqrt(2), 2, b6.tau / b6.d_in])
def test_each_displayed_form_of_b6_is_judged(factor) -> None:  # type: ignore[no-untyped-def]
    for key, e in b6.formula().items():
        assert not b6.conclusion(b6.formula() | {key: e * factor}).holds


def test_the_white_form_of_b4_is_judged() -> None:
    for wrong in (4 * b4.d_in * b4.x1, (b4.d_in + b4.d_out) * b4.x1):
        assert not b4.conclusion(b4.formula() | {"white curvature": wrong}).holds
