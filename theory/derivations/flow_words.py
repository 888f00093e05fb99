"""Gradients and time derivatives of traces of matrix words, dimensions symbolic: the calculus of gradient flow."""

from collections.abc import Mapping

import sympy as sp

from theory.derivations.trace_words import MatrixSum, TraceSum


def gradient(scalar: TraceSum, name: str) -> MatrixSum:
    """`∂/∂W` of a sum of single traces: `tr(W R)` gives `Rᵀ` and `tr(Wᵀ R)` gives `R`, for every occurrence of W."""
    total = MatrixSum(())
    for words, coefficient in scalar.terms.items():
        for word in words:  # one word: the product rule for several would need traces as coefficients
            for j, x in enumerate(word):
                if x.name == name:
                    assert len(words) == 1, "gradient of a product of traces"
                    rest = MatrixSum(((coefficient, word[j + 1 :] + word[:j]),))
                    total = total + (rest if x.transposed else rest.T)
    return total


def along(scalar: TraceSum, velocity: Mapping[str, MatrixSum]) -> TraceSum:
    """`d/dt` of a sum of products of traces while each named matrix moves with its velocity: the product rule."""
    terms = []
    for words, coefficient in scalar.terms.items():
        for i, word in enumerate(words):
            for j, x in enumerate(word):
                if x.name in velocity:
                    moved = velocity[x.name].T if x.transposed else velocity[x.name]
                    others = words[:i] + words[i + 1 :]
                    terms += [(coefficient * k, (*others, word[:j] + w + word[j + 1 :])) for k, w in moved.terms]
    return TraceSum.collect(terms)


def descent(loss: TraceSum, *names: str) -> dict[str, MatrixSum]:
    """Gradient flow's velocities, `−∂L/∂W` for each name."""
    minus = MatrixSum(((sp.Integer(-1), ()),))
    return {name: minus @ gradient(loss, name) for name in names}


def squared_norm(matrix: MatrixSum) -> TraceSum:
    """`‖M‖²_F`."""
    return (matrix @ matrix.T).trace()
