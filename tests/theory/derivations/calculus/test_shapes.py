"""Explicit matrices with polynomial entries, and expectations over their noise."""

import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.calculus.shapes import (
    SHAPES,
    in_ring,
    integers,
    noise_ring,
    number_in,
    polynomial_expectation,
)


def test_every_shape_up_to_three_is_there():
    assert len(set(SHAPES)) == 27
    assert {n for shape in SHAPES for n in shape} == {1, 2, 3}


def test_matrices_of_the_ring_have_independent_entries():
    ring, matrices = noise_ring({"N1": (2, 3), "N2": (1, 2)})
    assert {name: m.shape for name, m in matrices.items()} == {"N1": (2, 3), "N2": (1, 2)}
    assert len({str(x) for m in matrices.values() for x in m.ravel()}) == ring.ngens == 8


def test_rational_matrices_enter_the_ring_exactly():
    ring, noise = noise_ring({"N": (2, 2)})
    matrix = sp.Matrix([[sp.Rational(1, 3), 2], [0, -5]])
    assert (in_ring(ring, matrix) @ noise["N"])[1, 0] == -5 * noise["N"][1, 0]
    assert in_ring(ring, matrix)[0, 0] * 3 == ring.one
    assert number_in(ring, sp.Rational(2, 7)) * 7 == number_in(ring, 2)


@pytest.mark.parametrize("variance", [sp.Integer(1), sp.Rational(4, 9)])
def test_the_expectation_uses_the_moments_of_each_matrix(variance):
    _, noise = noise_ring({"N": (1, 2), "M": (1, 1)})
    a, b, c = noise["N"][0, 0], noise["N"][0, 1], noise["M"][0, 0]
    moments = {"N": (sp.Integer(0), variance, sp.Integer(0), 3 * variance**2), "M": (sp.Integer(5), sp.Integer(26))}
    assert polynomial_expectation((a + b) ** 2, moments) == 2 * variance
    assert polynomial_expectation((a + b) ** 4, moments) == 12 * variance**2
    assert polynomial_expectation(a**2 * c + a * b * c**2 + 7, moments) == 5 * variance + 7
    assert polynomial_expectation(c**2, moments) == 26


def test_random_integers_are_small_and_depend_on_the_generator():
    first, again, other = (integers(np.random.default_rng(seed), 3, 4) for seed in (1, 1, 2))
    assert first == again != other
    assert first.shape == (3, 4)
    assert max(map(abs, first)) <= 5
