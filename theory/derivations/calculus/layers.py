"""Linear networks of any depth over symbolic widths: products of layers, the loss, and the norms of segments."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import sympy as sp

from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum

tau = sp.Symbol("tau", positive=True)
"""`tr Σx`."""

INPUT_COVARIANCE = MatrixSum.of(Letter("Sx", "n0", "n0", symmetric=True))


def width(layer: int) -> sp.Symbol:
    """The symbolic width of a layer; layer 0 is the input."""
    return sp.Symbol(f"n{layer}", positive=True, integer=True)


def K(a: int, b: int) -> sp.Symbol:
    """`‖W_{b−1} … W_{a+1}‖²`, weighted by Σx where a = 0; the empty product is a width, at the input `tr Σx`."""
    if b == a + 1:
        return width(a) if a else tau
    return sp.Symbol(f"K_{a}{b}", positive=True)


def layer_product(first: int, last: int, noisy: bool = False) -> MatrixSum:
    """`W_last … W_first`, each with its noise where `noisy`."""
    layers = []
    for l in range(first, last + 1):
        layer = MatrixSum.of(Letter(f"W{l}", f"n{l}", f"n{l - 1}"))
        if noisy:
            layer = layer + MatrixSum.of(Letter(f"N{l}", f"n{l}", f"n{l - 1}"))
        layers.append(layer)
    return reduce(lambda product, layer: layer @ product, layers)


def deep_loss(f: MatrixSum, depth: int) -> TraceSum:
    """`½ tr((f − A) Σx (f − A)ᵀ)` for a network of this depth."""
    error = f - MatrixSum.of(Letter("A", f"n{depth}", "n0"))
    return sp.Rational(1, 2) * (error @ INPUT_COVARIANCE @ error.T).trace()


def segments(depth: int) -> dict[sp.Symbol, TraceSum]:
    """The trace that each K stands for."""
    traces = {tau: INPUT_COVARIANCE.trace()}
    for a in range(depth + 1):
        for b in range(a + 2, depth + 2):
            w = layer_product(a + 1, b - 1)
            traces[K(a, b)] = (w @ INPUT_COVARIANCE @ w.T if a == 0 else w @ w.T).trace()
    return traces


def norms_of(layers: Sequence[Any], input_covariance: Any) -> dict[sp.Symbol, Any]:
    """The values of K, of the widths and of τ for explicit matrices, whatever their arithmetic."""
    values: dict[sp.Symbol, Any] = {tau: input_covariance.trace()}
    for a in range(len(layers) + 1):
        product = None
        for b in range(a + 1, len(layers) + 1):
            product = layers[b - 1] if product is None else layers[b - 1] @ product
            square = product @ product.T if a else product @ input_covariance @ product.T
            values[K(a, b + 1)] = square.trace()
        if a:
            values[width(a)] = layers[a - 1].shape[0]
    return values
