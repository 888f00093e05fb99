"""The gradient in matrix words against SymPy's own derivative of the same trace, for symbolic dimensions."""

import pytest
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_expressions import as_words, sympy_gradient
from overtraining.theory.derivations.calculus.matrix_words import normal_form
from overtraining.theory.derivations.calculus.trace_calculus import (
    derivative,
    descent,
    gradient,
    in_traces,
    polynomial,
    rate,
    squared_norm,
)
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum, constant

d_in, h, d_out = sp.symbols("d_in h d_out", positive=True, integer=True)
mu = sp.Symbol("mu", positive=True)
W1, W2 = sp.MatrixSymbol("W1", h, d_in), sp.MatrixSymbol("W2", d_out, h)
A, B = sp.MatrixSymbol("A", d_out, d_in), sp.MatrixSymbol("B", h, h)
SX = sp.MatrixSymbol("Sx", d_in, d_in)
SYMMETRIC = frozenset({"Sx"})
ERROR = W2 * W1 - A
HALF = sp.Rational(1, 2)

SCALARS = {  # of words without powers: SymPy does not differentiate a trace of a MatPow
    "loss": [(HALF, ERROR * ERROR.T)],
    "loss with Σx and decay": [(HALF, ERROR * SX * ERROR.T), (mu / 2, W1 * W1.T), (mu / 2, W2 * W2.T)],
    "tr H": [(d_out, W1 * W1.T), (d_in, W2.T * W2)],
    "alignment": [(sp.S.One, W2 * W1 * A.T)],
    "norm of the gradient": [(sp.S.One, ERROR * W1.T * W1 * ERROR.T), (sp.S.One, W2.T * ERROR * ERROR.T * W2)],
    "a square letter": [(sp.S.One, B * W1 * W1.T * B * W1 * SX * W1.T), (mu, B)],
    "imbalance": [
        (sp.S.One, W2.T * W2 * W2.T * W2),
        (sp.Integer(-2), W2.T * W2 * W1 * W1.T),
        (sp.S.One, W1 * W1.T * W1 * W1.T),
    ],
}


def in_words(scalar: list[tuple[sp.Expr, sp.MatrixExpr]]) -> TraceSum:
    total = constant(0)
    for coefficient, matrix in scalar:
        total += coefficient * as_words(matrix, SYMMETRIC).trace()
    return total


@pytest.mark.parametrize("matrix", [W1, W2, A, B], ids=str)
@pytest.mark.parametrize("name", SCALARS)
def test_gradient_is_sympys(name, matrix):
    """A symmetric Σx is no variable here: SymPy would vary its entries one by one."""
    sympys = sympy_gradient([(c, sp.Trace(m)) for c, m in SCALARS[name]], matrix)
    found = gradient(in_words(SCALARS[name]), matrix.name)
    assert normal_form(found) == normal_form(as_words(sympys, SYMMETRIC))
    assert bool(normal_form(found)) == any(m.has(matrix) for _, m in SCALARS[name])


@pytest.mark.parametrize("change", [lambda g: 2 * g, lambda g: -g, lambda g: g + mu * W1, lambda g: g.subs(A, 2 * A)])
def test_a_wrong_gradient_is_told_apart(change):
    sympys = sympy_gradient([(c, sp.Trace(m)) for c, m in SCALARS["loss"]], W1)
    assert normal_form(gradient(in_words(SCALARS["loss"]), "W1")) != normal_form(as_words(change(sympys).doit()))


def test_gradient_of_a_product_of_traces_is_refused():
    squared = in_words(SCALARS["alignment"]) * in_words(SCALARS["alignment"])
    with pytest.raises(ValueError, match="product of traces"):
        gradient(squared, "W1")


@pytest.mark.parametrize("name", ["tr H", "alignment", "imbalance", "norm of the gradient"])
def test_rate_is_the_gradients_inner_product(name):
    """`d/dt φ = −⟨∇φ, ∇L⟩`, each gradient SymPy's."""
    loss = SCALARS["loss with Σx and decay"]
    total = constant(0)
    for matrix in (W1, W2):
        of_scalar, of_loss = (
            as_words(sympy_gradient([(c, sp.Trace(m)) for c, m in x], matrix), SYMMETRIC) for x in (SCALARS[name], loss)
        )
        total += (-1) * (of_scalar.T @ of_loss).trace()
    assert (rate(in_words(SCALARS[name]), in_words(loss), ("W1", "W2")) - total).is_zero()


def test_rate_of_a_product_of_traces_is_the_product_rule():
    loss, one, two = (in_words(SCALARS[name]) for name in ("loss", "alignment", "tr H"))
    moving = lambda scalar: rate(scalar, loss, ("W1", "W2"))
    assert (moving(one * two) - one * moving(two) - two * moving(one)).is_zero()


def test_derivative_of_a_matrix_is_the_product_rule():
    """`d(WᵀW)/dt = ẆᵀW + WᵀẆ`, a transposed letter moving with the transposed velocity."""
    velocity = descent(in_words(SCALARS["loss"]), "W1", "W2")
    w, v = as_words(W1), velocity["W1"]
    assert not normal_form(derivative(w.T @ w, velocity) - (v.T @ w + w.T @ v))
    assert not normal_form(v + as_words(sympy_gradient([(c, sp.Trace(m)) for c, m in SCALARS["loss"]], W1)))


def test_in_traces_spells_out_a_polynomial():
    x, y = sp.symbols("x y")
    one, two = squared_norm(as_words(W1)), squared_norm(as_words(W2))
    written = sp.Poly(3 * x**2 * y + mu * y + d_in, x, y)
    spelled = in_traces(written, {x: one, y: two})
    assert (spelled - 3 * one * one * two - mu * two - constant(d_in)).is_zero()


def test_letters_of_the_words_are_those_of_sympys_symbols():
    assert as_words(W1) == MatrixSum.of(Letter("W1", "h", "d_in"))


def test_polynomials_may_come_uncancelled():
    x, y = sp.symbols("x y", positive=True)
    assert polynomial(sp.expand(x * (x + y)) / (x + y), (x, y)) == sp.Poly(x, x, y)
    assert polynomial(sp.sqrt((x + y) ** 2), (x, y)) == sp.Poly(x + y, x, y)
    assert polynomial(sp.sqrt(x * y), (x, y)) is None
    assert polynomial(x**2 / y, (x, y)) is None
