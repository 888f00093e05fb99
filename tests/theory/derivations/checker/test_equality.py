"""Equality of formulas: every reason decides, none contradicts another, and rounding refutes nothing."""

import pytest
import sympy as sp

from overtraining.theory.derivations.checker.equality import is_nonzero_somewhere, is_zero, same

x, y = sp.symbols("x y", positive=True)
z = sp.Symbol("z")
n = sp.Symbol("n", integer=True, positive=True)
EQUAL = {
    "no work": (x + y, y + x),
    "expanding": ((x + y) ** 3, x**3 + 3 * x**2 * y + 3 * x * y**2 + y**3),
    "cancelling": (1 / (1 + sp.exp(-x)), sp.exp(x) / (1 + sp.exp(x))),
    "simplifying": (sp.sin(z) ** 2, 1 - sp.cos(z) ** 2),
    "signs of symbols": (sp.sqrt(x**2 * y**4), x * y**2),
    "a whole number": (sp.cos(2 * sp.pi * n), 1),
    "an integral": (sp.Integral(2 * y, (y, 0, x)), x**2),
    "floats": (0.1 * x, x / 10),
}
DIFFERENT = {
    "a small factor": (x, x * (1 + sp.Rational(1, 10**30))),
    "a sign beyond the positive numbers": (sp.sqrt(z**2), z),
    "only at a negative number": (sp.sqrt(sp.Symbol("m", negative=True) ** 2), sp.Symbol("m", negative=True)),
    "an unknown function": (sp.Function("f")(x), x),
    "an infinite value": (sp.oo, x),
    "no value": (sp.zoo, x),
}


@pytest.mark.parametrize("reason", EQUAL)
def test_equal_formulas_are_the_same(reason: str) -> None:
    left, right = EQUAL[reason]
    assert same(left, right)
    assert not is_nonzero_somewhere(sp.sympify(left - right))


@pytest.mark.parametrize("reason", DIFFERENT)
def test_different_formulas_are_not(reason: str) -> None:
    assert not same(*DIFFERENT[reason])


def test_a_value_decides_before_simplification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sp, "simplify", None)
    assert not is_zero(sp.exp(x) * sp.log(y) / (1 + x) - y)


def test_a_point_that_the_assumptions_do_not_allow_refutes_nothing() -> None:
    """(−1)^k = 1 for even k, and no even number is tried."""
    even = sp.Symbol("k", even=True)
    assert not is_nonzero_somewhere(sp.cos(even * sp.pi / 2) ** 2 - 1)


def test_a_negative_fraction_refutes_where_only_that_is_allowed() -> None:
    x = sp.Symbol("x", negative=True, integer=False)
    assert is_nonzero_somewhere(x + 1)


def test_a_matrix_expression_is_the_same_as_itself() -> None:
    matrix = sp.MatrixSymbol("M", 2, 3)
    assert same(matrix + matrix, 2 * matrix)


@pytest.mark.parametrize(("left", "right"), [(x, {}), (sp.eye(2), x), (x, (x,))])
def test_formulas_of_different_kinds_differ(left: object, right: object) -> None:
    assert not same(left, right)
