"""C3, and C4's limit of a small start: exact arithmetic, brute force over the stops, and refusals."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.inflection.noisy_path import minima
from overtraining.theory.inflection.stages import overtraining_in_stages, stage

CASES = list(itertools.product((0.0, 1e-150, 1e-6, 0.3, 1.0, 1e6, 1e150), (0.0, 1e-9, 0.3, 0.5, 0.5 + 1e-15, 1.0, 1e3)))


@pytest.mark.parametrize(("sigma", "ratio"), CASES)
def test_one_feature(sigma, ratio):
    c = sigma * ratio
    v, p = Fraction(sigma), Fraction(c)
    loss = lambda s: (v - s) ** 2 / 2 + p * s
    stop = max(v - p, Fraction(0))
    truth = {"change": loss(v) - loss(0), "stop": stop, "gain": loss(0) - loss(stop), "bump": loss(v) - loss(stop)}
    got = stage(sigma, c)
    for name, exact in truth.items():
        assert abs(Fraction(float(getattr(got, name))) - exact) <= abs(exact) * Fraction(1, 10**15) + Fraction(
            1, 10**300
        )


def brute(values, c):
    """The best over all stops: after any number of features, or at σ − c within a group of equal ones."""
    values, c = [Fraction(v) for v in values], Fraction(c)
    levels, at, best = sorted(set(values), reverse=True), Fraction(0), Fraction(0)
    for v in levels:
        m = values.count(v)
        best = min(best, at - m * max(v - c, Fraction(0)) ** 2 / 2)
        at += m * v * (c - v / 2)
        best = min(best, at)
    return float(at - best)


SPECTRA = (
    [1.0, 0.5, 0.25], [1.0] * 5 + [0.21], [0.3, 0.3, 0.1], [0.15, 0.12], [0.01], [1.0, 0.2, 0.1, 0.0],
    [2.0, 2.0, 1.0, 1.0],
)  # fmt: skip


@pytest.mark.parametrize("values", SPECTRA)
@pytest.mark.parametrize("c", [0.0, 0.01, 0.1, 0.13, 0.5, 3.0])
def test_a_spectrum_against_all_its_stops(values, c):
    assert np.isclose(overtraining_in_stages(values[::-1], c), brute(values, c), rtol=1e-13, atol=1e-17)


@pytest.mark.parametrize(
    ("values", "start"), [([1.0, 0.5, 0.2], 1e-60), ([1.0] * 5 + [0.21], 1e-60), ([0.15, 0.08], 1e-60)]
)
def test_is_the_limit_of_the_path(values, start):
    c = 0.1
    assert np.isclose(minima(values, start, c).increase.max(), overtraining_in_stages(values, c), rtol=1e-6)


def test_equal_features_stop_early():
    """The sum over features above 2c is false for repeated ones: stopping before the feature above 2c is better."""
    values, c = [1.0] * 5 + [0.21], 0.1
    naive = c**2 / 2
    assert overtraining_in_stages(values, c) > 4 * naive


def test_shapes_and_refusals():
    assert overtraining_in_stages([1.0, 0.5], np.zeros((3, 4))).shape == (3, 4)
    assert stage(np.ones((2, 1)), np.ones(3)).bump.shape == (2, 3)
    assert overtraining_in_stages([], 0.1) == 0
    for call, refusal, word in (
        (lambda: stage(-1.0, 0.1), DomainError, "sigma"),
        (lambda: stage(1.0, np.inf), DomainError, "noise_cost"),
        (lambda: stage(np.ones(2), np.ones(3)), ShapeError, "broadcast"),
        (lambda: overtraining_in_stages(1.0, 0.1), ShapeError, "axis"),
        (lambda: overtraining_in_stages([np.nan], 0.1), DomainError, "sigma"),
    ):
        with pytest.raises(refusal, match=word):
            call()


def test_equal_features_of_an_svd():
    """The singular values of an orthogonal matrix differ by rounding; they stop together all the same."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    values = np.linalg.svd(turn, compute_uv=False)
    assert np.unique(values).size > 1
    assert np.isclose(overtraining_in_stages(values, 0.1), overtraining_in_stages(np.ones(6), 0.1), rtol=1e-12)
    assert np.isclose(overtraining_in_stages(np.ones(6), 0.1), 0.03, rtol=1e-12)
    assert np.isclose(overtraining_in_stages([1.0, 1 + 1e-9], 0.1), 0.005, rtol=1e-6)  # these are not


def test_refuses_what_overflows():
    for given in ((1e200, 1.0), (1.0, 1e200)):
        with pytest.raises(DomainError, match="1e153"):
            stage(*given)


def test_what_the_limit_of_stages_misses_at_ordinary_starts():
    """Features that are close for their start turn together: the numbers of the docstring."""
    sigma, c = np.array([1.0, 0.9]), 0.3
    exact = [minima(sigma, epsilon, c).increase.max() for epsilon in (1e-3, 1e-12, 1e-100)]
    np.testing.assert_allclose(exact, [0.08697, 0.05251, 0.045], atol=1e-5)
    np.testing.assert_allclose(overtraining_in_stages(sigma, c), 0.045)
