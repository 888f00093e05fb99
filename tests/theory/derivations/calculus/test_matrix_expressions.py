"""SymPy's matrix expressions as words, their values, and the gradient of a loss entry by entry."""

import mpmath
import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_expressions import (
    as_words,
    entrywise_gradient,
    evaluate,
    exactly,
    sympy_gradient,
)
from overtraining.theory.derivations.calculus.matrix_words import normal_form
from overtraining.theory.derivations.calculus.shapes import integers
from tests.theory.derivations.calculus.explicit import value

n, m = sp.symbols("n m", positive=True, integer=True)
c = sp.Symbol("c")
W, S, V = sp.MatrixSymbol("W", n, m), sp.MatrixSymbol("S", m, m), sp.MatrixSymbol("V", n, m)
EXPRESSIONS = [
    W * S * W.T - 3 * V * V.T,
    (W + V) * S * (W - V).T,
    c * W * (S + sp.Identity(m)) * V.T + (c * W * V.T).T,
    W * W.T * W * W.T,
]


@pytest.fixture
def known() -> dict[str, sp.Matrix]:
    generator = np.random.default_rng(1)
    root = integers(generator, 3, 3)
    return {"W": integers(generator, 2, 3), "V": integers(generator, 2, 3), "S": root * root.T}


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_words_have_the_value_of_the_expression(expression, known):
    explicit = expression.subs({n: 2, m: 3}).subs({sp.MatrixSymbol(k, *v.shape): v for k, v in known.items()}).doit()
    words = as_words(expression.expand().doit(), frozenset({"S"}))
    assert sp.expand(value(words, known, sp.eye(2)) - explicit.as_explicit()) == sp.zeros(2, 2)


def test_a_symmetric_matrix_is_its_own_transpose():
    assert normal_form(as_words(S - S.T, frozenset({"S"}))) == {}
    assert len(normal_form(as_words(S - S.T))) == 2


def test_other_expressions_are_refused():
    with pytest.raises(TypeError, match="Inverse is neither"):
        as_words(S.I)


def test_evaluate_takes_any_matrices_and_coefficients(known):
    expression = W * S * W.T - c * V * V.T
    exact = evaluate(expression, known, lambda x: x.subs(c, 2))
    floats = evaluate(expression, {k: np.array(v, float) for k, v in known.items()}, lambda x: float(x.subs(c, 2)))
    np.testing.assert_allclose(floats, np.array(exact, float))


def test_exactly_has_fifty_digits_and_adds_up_sizes():
    tiny, unit = np.array([[1e-30, 1.0]]), np.array([[1.0], [-1.0]])
    left, right = sp.MatrixSymbol("L", 1, 2), sp.MatrixSymbol("R", 2, 1)
    factors = {"L": [tiny], "R": [unit]}
    exact = exactly(c * left * right, factors, {c: 3.0})
    with mpmath.workdps(50):
        assert exact[0, 0] == 3 * (mpmath.mpf(1e-30) - 1)
        assert exactly(c * left * right, factors, {c: -3.0}, abs)[0, 0] == 3 * (mpmath.mpf(1e-30) + 1)


def test_factors_are_multiplied_from_the_right():
    first, second = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [3.0, 1.0]])
    symbol = sp.MatrixSymbol("M", 2, 2)
    product = exactly(sp.MatMul(1, symbol), {"M": [first, second]}, {c: 1.0}).astype(float)
    np.testing.assert_allclose(product, second @ first)


def test_the_entrywise_gradient_is_sympys():
    generator = np.random.default_rng(4)
    at = {"X": integers(generator, 2, 2), "Y": integers(generator, 1, 2)}
    target, half = sp.Matrix([[1, sp.Rational(2, 3)]]), sp.Rational(1, 2)

    def loss(exact, X, Y):  # type: ignore[no-untyped-def]
        error = Y @ X - exact(target)
        return exact(half) * (error * error).sum()

    entries = {name: sp.Matrix(*m.shape, sp.symbols(f"{name.lower()}:{m.rows * m.cols}")) for name, m in at.items()}
    error = entries["Y"] * entries["X"] - target
    symbols = [x for m in entries.values() for x in m]
    point = dict(zip(symbols, [y for m in at.values() for y in m], strict=True))
    spelled = (error * error.T)[0] * half
    assert entrywise_gradient(loss, at) == tuple(spelled.diff(x).subs(point) for x in symbols)


def test_the_gradient_is_taken_trace_by_trace():
    """SymPy's derivative of a sum of traces by a matrix symbol is silently zero."""
    found = as_words(sympy_gradient([(c, sp.Trace(W * W.T)), (sp.S.One, sp.Trace(W * V.T))], W))
    assert normal_form(found) == normal_form(as_words(2 * c * W + V))
