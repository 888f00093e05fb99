"""Zeros of the slope for many costs: against one cost at a time, against mpmath, and near rounding errors."""

import mpmath
import numpy as np
import pytest

from overtraining.theory.inflection.noisy_mode import inflection_time
from overtraining.theory.inflection.turning_points import IntervalBounds, product_bounds, turning_lengths


def test_what_rounding_could_hide_is_not_decided():
    """`Σ w(c − u)` is of one sign only beyond 2048 ulp of its terms, the error of e^{−x} for x up to 700."""
    one, u = np.ones((1, 2)), np.array([[0.5, 1.5]])
    bounds = IntervalBounds(one, one, u, u, one, one)  # an interval of no length, w = 1
    costs = np.array([0.9, 1 - 1e-11, 1 - 1e-14, 1.0, 1 + 1e-14, 1 + 1e-11, 1.1])
    first, last = bounds.undecided(costs, np.array([0]), np.array([7]))
    assert (first.tolist(), last.tolist()) == ([2], [5])


@pytest.mark.parametrize("seed", range(4))
def test_every_zero_is_a_sign_change_in_many_digits(seed):
    """The slope `Σ su(c − u)` has the other sign just after each zero; minima and maxima alternate."""
    generator = np.random.default_rng(seed)
    sigma = generator.uniform(0.2, 1.5, 3)
    epsilon = sigma * 10 ** generator.uniform(-8, -2, 3)
    costs = np.sort(generator.uniform(0.01, 0.5, 4))
    which, lengths, rises = turning_lengths(sigma, epsilon, costs)

    def slope(length, cost):
        s = [v / (1 + (v / e - 1) * mpmath.exp(-2 * v * length)) for v, e in zip(sigma, epsilon, strict=True)]
        return mpmath.fsum(a * (v - a) * (cost - v + a) for a, v in zip(s, sigma, strict=True))

    assert set(which) == {0, 1, 2, 3}
    with mpmath.workdps(40):
        for index, length, up in zip(which, lengths, rises, strict=True):
            if length > 0:
                step = mpmath.mpf(float(length)) * mpmath.mpf(10) ** -11
                before, after = (slope(float(length) + side, float(costs[index])) for side in (-step, step))
                assert (before < 0 < after) if up else (before > 0 > after)
    for index in range(4):
        assert rises[which == index].tolist() == [True] + [False, True] * (sum(which == index) // 2)


def test_one_mode_turns_at_its_inflection_time_in_the_order_of_the_costs():
    costs = np.array([0.05, 0.2, 0.4, 2.0])
    which, lengths, rises = turning_lengths(np.array([1.0]), np.array([1e-4]), costs)
    assert rises.all()
    assert which.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(lengths, inflection_time(1.0, 1e-4, costs), rtol=1e-11)
    assert lengths[-1] == 0  # noise that costs more than the mode gains: pretraining hurts from the start


def test_the_bounds_of_products_hold():
    generator = np.random.default_rng(1)
    p0, q0 = generator.uniform(0, 1, 100), generator.normal(size=100)
    p1, q1 = p0 + generator.uniform(0, 1, 100), q0 + generator.uniform(0, 1, 100)
    low, high = product_bounds(p0, p1, q0, q1)
    for part in np.linspace(0, 1, 5):
        for other in np.linspace(0, 1, 5):
            value = (p0 + part * (p1 - p0)) * (q0 + other * (q1 - q0))
            assert (low <= value + 1e-15).all()
            assert (value <= high + 1e-15).all()
