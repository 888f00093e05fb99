"""A7: the curve in the clock ½ln(1/ε) against mpmath, its limit, and the bound on the error at a finite ε."""

from itertools import product

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.learning.incremental import feature, feature_limit, limit_error
from tests.judge import assert_right


def truth(tau, sigma, epsilon):
    return sigma / (1 + (sigma - epsilon) * epsilon ** (sigma * tau - 1))


PHASE = (0.0, 1e-6, 0.5, 0.999, 1.0, 1.001, 2.0, 3.0, 1e4)
POINTS = [(p / s, s, e) for p, s, e in product(PHASE, (1e-6, 0.3, 1.0, 1e6), (1e-300, 1e-30, 1e-3, 0.9))]


def test_feature():
    assert_right(feature, truth, POINTS, precisions=(400, 500))


def test_a_tiny_start_under_a_huge_teacher():
    """Where `ε^{στ}` is subnormal, with few digits left, and still decides."""
    points = [(phase / s, s, 7e-292) for phase, s in product((1.06, 1.08, 1.1), (1e20, 6e51))]
    assert_right(feature, truth, points, precisions=(800, 900))


def test_feature_is_the_balanced_mode_in_another_clock():
    tau, sigma, epsilon = np.array([0.2, 1.0, 3.0]), 0.7, 1e-5
    t = tau * np.log(1 / epsilon) / 2
    np.testing.assert_allclose(feature(tau, sigma, epsilon), singular_value(t, sigma, epsilon), rtol=1e-12)


def test_limit():
    tau, sigma = np.array([0.0, 0.49, 0.5, 0.51, 9.0]), 2.0
    np.testing.assert_allclose(feature_limit(tau, sigma), [0, 0, 2 / 3, 2, 2], rtol=1e-15)
    np.testing.assert_allclose(feature(tau, sigma, 1e-300), feature_limit(tau, sigma), atol=5e-6)
    assert feature_limit(5.0, 0.0) == 0


@pytest.mark.parametrize("epsilon", [1e-300, 1e-30, 1e-6, 1e-2])
@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_error_is_bounded_and_of_that_order(sigma, epsilon):
    """At phases on both sides; where the bound is small the error is nearly the bound."""
    tau = np.array([0.1, 0.5, 0.8, 0.95, 1.05, 1.3, 2.0]) / sigma
    for x, bound in zip(tau, limit_error(tau, sigma, epsilon), strict=True):
        with mpmath.workdps(700):
            exact = truth(*map(mpmath.mpf, (x, sigma, epsilon)))
            error = float(abs(exact - (sigma if x * sigma > 1 else 0)))
        assert error <= bound * (1 + 1e-12)
        if bound < 1e-3 * sigma:
            assert error > bound * 0.95


def test_the_bound_is_never_more_than_the_feature():
    np.testing.assert_array_equal(limit_error([0.99, 0.112], [1.0, 9.0], 0.5), [1.0, 9.0])


def test_the_error_is_not_uniform():
    for epsilon in (1e-3, 1e-30, 1e-300):
        close = (1 + 1 / np.log(1 / epsilon)) / 1.0
        assert feature(close, 1.0, epsilon) == pytest.approx(1 / (1 + np.exp(-1)), rel=1e-2)


@pytest.mark.parametrize(
    ("call", "error", "names"),
    [
        (lambda: feature(-1.0, 1.0, 0.1), DomainError, "tau = -1"),
        (lambda: feature(1.0, 0.0, 0.1), DomainError, "sigma = 0"),
        (lambda: feature(1.0, 1.0, 0.0), DomainError, "epsilon = 0"),
        (lambda: feature(1.0, 2.0, 1.0), DomainError, "larger unit"),
        (lambda: limit_error(1.0, 1.0, 0.1), DomainError, "tau = 1/sigma"),
        (lambda: limit_error(2.0, 0.1, 0.5), DomainError, "not below sigma"),
        (lambda: limit_error(2.0, 0.25, 0.25), DomainError, "not below sigma"),
        (lambda: feature_limit(1.0, -1.0), DomainError, "sigma = -1"),
        (lambda: feature_limit(np.ones(2), np.ones(3)), ShapeError, "broadcast"),
    ],
)
def test_refusals_name_what_and_why(call, error, names):
    with pytest.raises(error, match=names):
        call()
