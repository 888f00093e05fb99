"""SymPy's expressions in plain text."""

import pytest
import sympy as sp

from overtraining.theory.derivations.checker.evidence import positive
from overtraining.theory.derivations.checker.written import written

X, SIGMA, REST = sp.Symbol("x", positive=True), sp.Symbol("sigma"), sp.Symbol("σ − s", positive=True)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (X**2 * SIGMA, "σ x²"),
        (X - SIGMA, "x − σ"),
        (sp.sqrt(X), "√(x)"),
        (X**SIGMA, "x^{σ}"),
        (X ** (SIGMA + 1), "x^{1 + σ}"),
        (2 * REST * X, "2 x (σ − s)"),
        (1 / X, "1/x"),
    ],
)
def test_an_expression_is_written_as_mathematics(expression, text):
    found = written(expression)
    assert sorted(found.split()) == sorted(text.split())
    assert "*" not in found


def test_details_show_what_a_symbol_stands_for():
    assert "(σ − s)" in positive(2 * REST * X).detail
    assert positive(X + 1, zero_at={X: 0}).detail == "1 + x is not 0 at x = 0"
