"""Deep linear networks in words, against explicit layers."""

import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.calculus.layers import K, deep_loss, layer_product, norms_of, segments, tau, width
from overtraining.theory.derivations.calculus.shapes import integers
from overtraining.theory.derivations.calculus.trace_words import Letter
from tests.theory.derivations.calculus.explicit import evaluate, value

WIDTHS = (2, 3, 1, 2)


def explicit(depth: int) -> tuple[dict[str, sp.Matrix], dict[str, int]]:
    """Layers, noise, teacher and covariance of the widths above, and these widths by name."""
    generator = np.random.default_rng(depth)
    known = {
        f"{kind}{l}": integers(generator, WIDTHS[l], WIDTHS[l - 1]) for l in range(1, depth + 1) for kind in ("W", "N")
    }
    root = integers(generator, WIDTHS[0], WIDTHS[0])
    known |= {"Sx": root * root.T, "A": integers(generator, WIDTHS[depth], WIDTHS[0])}
    return known, {f"n{l}": n for l, n in enumerate(WIDTHS)}


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("noisy", [True, False])
def test_the_loss_is_that_of_explicit_layers(depth, noisy):
    known, sizes = explicit(depth)
    f = sp.eye(WIDTHS[0])
    for l in range(1, depth + 1):
        f = (known[f"W{l}"] + (known[f"N{l}"] if noisy else sp.zeros(*known[f"W{l}"].shape))) * f
    words = layer_product(1, depth, noisy)
    assert value(words, known) == f
    error = f - known["A"]
    assert evaluate(deep_loss(words, depth), known, sizes) == (error * known["Sx"] * error.T).trace() / 2


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_norms_of_explicit_layers_are_the_values_of_the_segments(depth):
    known, sizes = explicit(depth)
    norms = norms_of([known[f"W{l}"] for l in range(1, depth + 1)], known["Sx"])
    for symbol, trace in segments(depth).items():
        assert norms[symbol] == evaluate(trace, known, sizes), symbol
    assert all(norms[width(l)] == WIDTHS[l] for l in range(1, depth + 1))


def test_the_empty_segment_is_a_width_and_at_the_input_the_trace():
    assert K(0, 1) == tau
    assert K(2, 3) == width(2)
    assert K(0, 2) not in (K(1, 3), tau)


def test_layers_multiply_from_the_left():
    ((_, word),) = layer_product(2, 3).terms
    assert word == (Letter("W3", "n3", "n2"), Letter("W2", "n2", "n1"))
