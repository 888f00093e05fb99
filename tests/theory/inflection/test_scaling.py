"""C5: the formula at high precision, and against every minimum of dense and of steep spectra."""

import itertools

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.inflection.noisy_path import minima
from overtraining.theory.inflection.scaling import dense_inflection_time, features_under_way


@pytest.mark.parametrize(
    ("c", "epsilon", "alpha"),
    [*itertools.product((1e-12, 1e-3, 0.3), (1e-300, 1e-60, 1e-14), (0.500001, 1.0, 3.0, 1e3))],
)
def test_formulas(c, epsilon, alpha):
    values = []
    for digits in (50, 80):
        with mpmath.workdps(digits):
            p, e, a = map(mpmath.mpf, (c, epsilon, alpha))
            log = mpmath.log(2 * p / e)
            values.append(((log - 2 + 1 / a) / (4 * p), (2 * p) ** (-1 / a) / (a * log)))
    for low, high, got in zip(
        *values, (dense_inflection_time(alpha, epsilon, c), features_under_way(alpha, epsilon, c)), strict=True
    ):
        assert abs(low - high) < abs(high) * mpmath.mpf(10) ** -40
        # the logarithms of c and ε are subtracted
        condition = 1 + (abs(np.log(2 * c)) + abs(np.log(epsilon))) / (np.log(2 * c) - np.log(epsilon) - 2 + 1 / alpha)
        assert abs(float((mpmath.mpf(float(got)) - high) / high)) <= 1e-13 * condition


@pytest.mark.parametrize(("alpha", "modes"), [(0.7, 4000), (1.0, 1500)])
def test_dense_spectra_turn_there(alpha, modes):
    """The error in 4c t* is of order 1/ln(2c/ε). The top of a power law is never dense, so an early one may precede."""
    c, sigma = 0.01, np.arange(1, modes + 1) ** -alpha
    for epsilon in (1e-10, 1e-15):
        found = minima(sigma, epsilon, c)
        off = 4 * c * (found.at("best") - dense_inflection_time(alpha, epsilon, c))
        assert found.at("best") == found.at("last")
        assert (found.times[:-1] < 0.05 * found.at("last")).all()
        assert abs(off) * np.log(2 * c / epsilon) < 4
        assert features_under_way(alpha, epsilon, c) > 1


def test_steep_spectra_do_not():
    c, epsilon, alpha = 0.01, 1e-30, 3.0
    found = minima(np.arange(1, 60) ** -alpha, epsilon, c)
    assert found.times.size > 1
    assert features_under_way(alpha, epsilon, c) < 0.1


def test_inverse_in_the_variance():
    times = dense_inflection_time(1.0, 1e-250, np.array([1e-6, 2e-6]))
    assert np.isclose(times[0] / times[1], 2, rtol=2e-3)


@pytest.mark.parametrize(
    ("change", "refusal", "word"),
    [
        ({"noise_cost": 0.0}, DomainError, "noise"),
        ({"noise_cost": 0.5}, DomainError, "2c"),
        ({"alpha": 0.5}, DomainError, "½"),
        ({"epsilon": 0.0}, DomainError, "saddle"),
        ({"epsilon": 0.1}, DomainError, "start learned"),
        ({"epsilon": 0.01, "alpha": 9.0}, DomainError, "expansion"),
        ({"noise_cost": [0.1, 0.2], "alpha": [1.0, 2.0, 3.0]}, ShapeError, "broadcast"),
    ],
)
def test_refuses_by_name(change, refusal, word):
    with pytest.raises(refusal, match=word):
        dense_inflection_time(**({"noise_cost": 0.01, "epsilon": 1e-9, "alpha": 1.0} | change))


def test_expansion_without_a_positive_value():
    """ln(2c/ε) within 1 of 2 − 1/α, below it: a length before the start is refused."""
    c, alpha = 0.01, 2.0
    with pytest.raises(DomainError, match="expansion"):
        dense_inflection_time(alpha, 2 * c * np.exp(-1.2), c)
    assert dense_inflection_time(alpha, 2 * c * np.exp(-1.6), c) > 0
