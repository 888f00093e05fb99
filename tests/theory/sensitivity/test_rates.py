"""B7 against mpmath's zeta and sums, from one feature to 10¹⁵, and against the path itself."""

import itertools
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from overtraining.theory.sensitivity.rates import features_learned, power_law_rates, staircase_loss, staircase_norm

ALPHA = (0.5 + 1e-9, 0.6, 0.999999999, 1.0, 1.000001, 1.5, 3.0, 40.0)
COUNT = (0, 1, 2, 63, 64, 65, 1000, 10**6, 10**12)


def between(count, alpha):
    """A rescaled length with that many features learned, in the middle between two steps."""
    return float((count + 0.5) ** alpha)


@pytest.mark.parametrize(
    ("alpha", "count"), [(a, n) for a, n in itertools.product(ALPHA, COUNT) if a * np.log10(n + 1) < 300]
)
def test_sums(alpha, count):
    tau, values = between(count, alpha), []
    if features_learned(tau, alpha) != count:  # τ^{1/α} is rounded: 10¹² features need a few digits more
        assert count == 10**12
        count = int(features_learned(tau, alpha))
    for digits in (280, 300) if alpha > 10 else (30, 45):  # its zeta has absolute, not relative precision
        with mpmath.workdps(digits):
            a = mpmath.mpf(alpha)
            loss = mpmath.zeta(2 * a, count + 1) / 2
            # analytic continuation: ζ(α, 1) − ζ(α, n + 1) is the finite sum for every α but 1
            norm = mpmath.harmonic(count) if alpha == 1 else mpmath.zeta(a, 1) - mpmath.zeta(a, count + 1)
            values.append((loss, norm))
    for low, high, got in zip(*values, (staircase_loss(tau, alpha), staircase_norm(tau, alpha)), strict=True):
        assert abs(low - high) <= abs(high) * mpmath.mpf(10) ** -17
        near_half = 2 * alpha / (2 * alpha - 1)  # ζ(2α) has a pole at α = ½
        assert abs(float(got) - float(high)) <= 1e-13 * near_half * float(abs(high)) + 1e-300


@pytest.mark.parametrize("alpha", [*ALPHA, 2.0])
def test_exponents_and_factors(alpha):
    got, a = power_law_rates(alpha), Fraction(alpha)
    truth = [2 - 1 / a, 1 / (2 * (2 * a - 1)), 1 / a - 1] + ([1 / (1 - a)] if alpha != 1 else [])
    for value, exact in zip(vars(got).values(), truth, strict=False):
        assert abs(Fraction(float(value)) - exact) <= abs(exact) * Fraction(1, 10**15)
    assert np.isclose(got.loss_exponent + got.norm_exponent, 1, rtol=1e-15)
    assert alpha != 1 or got.norm_factor == np.inf


@pytest.mark.parametrize("alpha", [0.6, 0.75, 1.5])
def test_rates_are_the_staircase_far_out(alpha):
    rates, tau = power_law_rates(alpha), between(10**7, alpha)
    assert np.isclose(staircase_loss(tau, alpha), rates.loss_factor * tau**-rates.loss_exponent, rtol=1e-6)
    other = between(10**6, alpha)
    rise = rates.norm_factor * (tau**rates.norm_exponent - other**rates.norm_exponent)
    assert np.isclose(staircase_norm(tau, alpha) - staircase_norm(other, alpha), rise, rtol=1e-5)


def test_is_the_limit_of_the_path():
    alpha, tau, epsilon = 0.8, 4.0, 1e-300
    sigma, t = np.arange(1, 200_001) ** -alpha, 4.0 * np.log(1 / epsilon) / 2
    assert features_learned(tau, alpha) == 5
    s, left = singular_value(t, sigma, epsilon), unlearned(t, sigma, epsilon)
    tail = float(mpmath.zeta(2 * alpha, 200_001)) / 2
    assert np.isclose((left**2).sum() / 2 + tail, staircase_loss(tau, alpha), rtol=1e-10)
    assert np.isclose(s.sum(), staircase_norm(tau, alpha), rtol=1e-10)


def test_broadcasts_and_refuses():
    assert staircase_norm(np.ones((3, 1)), np.full(4, 0.7)).shape == (3, 4)
    for call, refusal, word in (
        (lambda: power_law_rates(0.5), DomainError, "½"),
        (lambda: power_law_rates(np.nan), DomainError, "alpha"),
        (lambda: staircase_loss(0.0, 1.0), DomainError, "tau"),
        (lambda: staircase_norm(1e300, 0.6), DomainError, "2⁵³"),
        (lambda: staircase_loss(np.ones(2), np.ones(3)), ShapeError, "broadcast"),
        (lambda: staircase_norm(np.ones(2), np.ones(3)), ShapeError, "broadcast"),
    ):
        with pytest.raises(refusal, match=word):
            call()


@pytest.mark.parametrize("count", [65, 80, 200, 3000])
def test_every_term_of_the_expansion_counts(count):
    """α = 0.6: the third Euler–Maclaurin term at the 64th feature is 1e-13, and the sum is right to 3e-14."""
    with mpmath.workdps(40):
        exact = mpmath.fsum(mpmath.mpf(i) ** -mpmath.mpf(0.6) for i in range(1, count + 1))
    assert abs(float(staircase_norm(between(count, 0.6), 0.6) - exact)) < 3e-14 * (1 + count / 1000)


def test_counts_no_more_than_float64_can():
    """2⁵⁴ features would be a wrong number, not a rounded one."""
    with pytest.raises(DomainError, match="2⁵³"):
        features_learned(2.0**54, 1.0)
    assert features_learned(2.0**52, 1.0) == 2.0**52
