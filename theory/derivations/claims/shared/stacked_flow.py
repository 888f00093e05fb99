"""Gradient flow of λ-balanced weights, stacked: `Q̇ = FQ − ½QQᵀQ` for Q = [W1ᵀ; W2], from the loss (A5 and D1)."""

import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import (
    IDENTITY,
    Block,
    Rules,
    multiply,
    scaled,
    subtract,
    transpose,
    vanishes,
)
from overtraining.theory.derivations.calculus.trace_calculus import derivative, descent
from overtraining.theory.derivations.calculus.trace_words import MatrixSum
from overtraining.theory.derivations.calculus.two_layers import W1, W2, A, loss
from overtraining.theory.derivations.checker.core import Evidence

w1, w2, a = map(MatrixSum.of, (W1, W2, A))
lam = sp.Symbol("lambda", real=True)
half = sp.Rational(1, 2)
Q: Block = ((w1.T,), (w2,))
F: Block = ((scaled(-half * lam, IDENTITY), a.T), (a, scaled(half * lam, IDENTITY)))
BALANCED: Rules = (((W2.T, W2), w1 @ w1.T + scaled(lam, IDENTITY)),)


def rates() -> dict[str, MatrixSum]:
    """Gradient flow, the gradients taken by machine from `½ tr((W2W1 − A)(W2W1 − A)ᵀ)`."""
    return descent(loss(w1, w2), "W1", "W2")


def stacked(force: Block = F) -> Evidence:
    """`Q̇ = FQ − ½QQᵀQ` on λ-balanced weights."""
    flow = rates()
    moved = tuple(tuple(derivative(x, flow) for x in row) for row in Q)
    cubic = multiply(multiply(Q, transpose(Q)), Q)
    claimed = subtract(multiply(force, Q), tuple(tuple(scaled(half, x) for x in row) for row in cubic))
    return vanishes(subtract(moved, claimed), BALANCED, "Q̇ from the loss")


def stays_balanced() -> Evidence:
    """The imbalance is conserved by the flow of the loss."""
    moved = derivative(w2.T @ w2 - w1 @ w1.T, rates())
    return vanishes(((moved,),), (), "W2ᵀW2 − W1W1ᵀ is conserved")
