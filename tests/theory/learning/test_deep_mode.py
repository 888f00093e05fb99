"""A6 against the integral of its own differential equation, taken numerically by mpmath at two precisions."""

from functools import cache
from itertools import product

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, NoFormula, ShapeError
from overtraining.theory.derivations.claims.a6_depth import inverse_error
from overtraining.theory.learning import balanced_mode
from overtraining.theory.learning.deep_mode import learned_and_unlearned, singular_value, time_to_reach, unlearned
from tests.judge import assert_right


@cache  # asked at two precisions for the same numbers, it compares two of its own
def quadrature(s, sigma, epsilon, depth):
    """`∫ ds/(L s^q (σ − s))` from ε, in the log-odds of `s/σ` or `σ/s`, in pieces."""
    ratio = lambda y: y / (sigma - y) if epsilon < sigma else sigma / (y - sigma)
    exponent = mpmath.mpf(2) / depth - 1 if epsilon < sigma else 2 - mpmath.mpf(2) / depth
    ends = [mpmath.log(ratio(y)) for y in (epsilon, s)]
    pieces = mpmath.linspace(*ends, 2 + int(abs(ends[1] - ends[0]) / 6))
    values = []
    for digits in (22, 34):
        with mpmath.workdps(digits):
            values.append(mpmath.quad(lambda z: (1 + mpmath.exp(-z)) ** -exponent, pieces))
    assert abs(values[0] - values[1]) <= abs(values[1]) * mpmath.mpf(10) ** -18
    return values[1] / (depth * sigma ** (2 - mpmath.mpf(2) / depth))


def stage(sigma, start, depth):
    """About the time of learning."""
    return max(start ** (2 / depth - 1), 1.0) / (depth * sigma ** (2 - 2 / depth))


STARTS = (1e-294, 1e-20, 0.1, 0.49, 0.51, 1 - 1e-9, 1 + 1e-9, 1.9, 2.1, 10.0)


@pytest.mark.parametrize(("depth", "sigma"), [(3, 1e-6), (4, 1e6), (7, 1.0), (1000, 30.0)])
def test_singular_value_and_residual(depth, sigma):
    for start, part in product(STARTS, (1e-3, 0.4, 0.999, 1.0, 1.3, 20.0)):
        point = (min(part * stage(sigma, start, depth), 1e6), sigma, start * sigma, depth)
        found = tuple(map(float, learned_and_unlearned(*point)))
        assert sum(found) == pytest.approx(sigma, rel=0, abs=1e-15 * max(found[0], sigma))
        if min(abs(found[1]), found[0]) > 1e-290:
            assert inverse_error(quadrature, found, *point) < 1e-14, point


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 50])
def test_time_to_reach_undoes_singular_value(depth):
    t = np.array([0.01, 0.3, 1.0, 2.0]) / depth  # later s is too near to σ to tell the time
    for sigma, epsilon in ((1.0, 0.3), (1.0, 0.7), (2.0, 3.0), (0.5, 2.0)):
        s = singular_value(t, sigma, epsilon, depth)
        np.testing.assert_allclose(time_to_reach(s, sigma, epsilon, depth), t, rtol=1e-10)


@pytest.mark.parametrize("depth", [3, 20, 300])
def test_just_before_half_the_teacher(depth):
    """Where the early formula is used for the last time, and is farthest from the power that it starts from."""
    for s, epsilon in product((0.45, 0.4997), (0.03, 0.3)):
        t = time_to_reach(s, 1.0, epsilon, depth)
        assert singular_value(t, 1.0, epsilon, depth) == pytest.approx(s, rel=1e-11)


@pytest.mark.parametrize("depth", [3, 4, 10, 300])
def test_time_to_reach_against_quadrature(depth):
    for sigma, epsilon, s in ((1.0, 1e-9, 0.5), (3.0, 1e-3, 2.999), (1.0, 0.6, 0.7), (1.0, 9.0, 3.0), (1.0, 1.4, 1.1)):
        truth = quadrature(*map(mpmath.mpf, (s, sigma, epsilon)), depth)
        assert float(time_to_reach(s, sigma, epsilon, depth)) == pytest.approx(float(truth), rel=1e-12)


@pytest.mark.parametrize(
    ("depth", "truth"),
    [
        (1, lambda s, sigma, start: mpmath.log((sigma - start) / (sigma - s))),
        (2, lambda s, sigma, start: mpmath.log(s * (sigma - start) / (start * (sigma - s))) / (2 * sigma)),
    ],
)
def test_time_to_reach_of_shallow_networks(depth, truth):
    """Also far below and far above the teacher, where the logarithms nearly cancel: a plain difference of them is 0."""
    starts = product(
        (1e-3, 1.0, 7e5), (1e-200, 1e-20, 1e-12, 0.3, 1 - 1e-9, 1 + 1e-9, 3.0, 1e20), (0.01, 0.5, 0.999, 1 - 1e-12)
    )
    points = [(sigma * x ** (1 - part), sigma, sigma * x) for sigma, x, part in starts if x ** (1 - part) not in (x, 1)]
    assert_right(lambda s, sigma, start: time_to_reach(s, sigma, start, depth), truth, points, precisions=(500, 600))


@pytest.mark.parametrize("depth", [3, 4, 5, 8, 50])
def test_time_to_reach_what_is_near_a_tiny_start(depth):
    """Where both ends of the clock have lost the digits of their difference: 4 times what rounding allows before."""
    starts, shares = (1e-300, 3e-273, 7e-251), (1e-12, 1e-8, 1e-3, 0.3)
    points = [(e * (1 + share), 1.7, e) for e, share in product(starts, shares)]
    clock = lambda s, sigma, e: quadrature(s, sigma, e, depth)
    assert_right(lambda s, sigma, e: time_to_reach(s, sigma, e, depth), clock, points)


def test_a_teacher_that_is_hardly_felt():
    def clock(s, sigma, epsilon, depth):
        pace = lambda z: mpmath.exp(z * (mpmath.mpf(2) / depth - 1)) / (depth * (mpmath.exp(z) - sigma))
        return mpmath.quad(pace, mpmath.linspace(mpmath.log(s), mpmath.log(epsilon), 12))

    for depth, part in product((3, 8), (0.1, 1.0, 30.0)):
        start = 2e11
        point = (part * start ** (2 / depth - 2) / depth, 1.0, start, depth)
        found = float(singular_value(*point)), float(unlearned(*point))
        assert inverse_error(clock, found, *point) < 1e-14, point


@pytest.mark.parametrize("epsilon", [1e-6, 0.5, 1.0, 3.0])
def test_depth_one_is_exponential_and_two_is_the_balanced_mode(epsilon):
    t = np.array([0.0, 1e-9, 0.5, 3.0, 40.0, 600.0])
    points = [(x, 1.25, epsilon) for x in t]
    assert_right(lambda *p: singular_value(*p, 1), lambda t, a, e: a + (e - a) * mpmath.exp(-t), points)
    assert_right(lambda *p: unlearned(*p, 1), lambda t, a, e: (a - e) * mpmath.exp(-t), points)
    np.testing.assert_array_equal(singular_value(t, 1.25, epsilon, 2), balanced_mode.singular_value(t, 1.25, epsilon))
    np.testing.assert_array_equal(unlearned(t, 1.25, epsilon, 2), balanced_mode.unlearned(t, 1.25, epsilon))


def test_one_layer_with_weight_decay():
    """`ṡ = σ − s − μs`, on both sides of where it ends, σ/(1 + μ)."""
    truth = lambda t, a, e, mu: a / (1 + mu) + (e - a / (1 + mu)) * mpmath.exp(-(1 + mu) * t)
    points = list(product((0.0, 1e-9, 0.7, 30.0, 1e6), (0.0, 1e-6, 2.0), (1e-300, 0.3, 9.0), (1e-9, 0.5, 3.0, 1e6)))
    digits = {"precisions": (400, 500)}  # for a start of 1e-300
    assert_right(lambda t, a, e, mu: singular_value(t, a, e, 1, mu), truth, points, **digits)
    left = lambda t, a, e, mu: a - truth(t, a, e, mu)
    assert_right(lambda t, a, e, mu: unlearned(t, a, e, 1, mu), left, points, **digits)


@pytest.mark.parametrize("depth", [1, 2, 3, 7])
def test_both_at_once_are_each(depth):
    t, decay = np.linspace(0, 9, 7)[:, None], 0.3 if depth < 3 else 0.0
    both = learned_and_unlearned(t, np.array([0.0, 0.5, 2.0]), 0.3, depth, decay)
    for one, function in zip(both, (singular_value, unlearned), strict=True):
        np.testing.assert_array_equal(one, function(t, np.array([0.0, 0.5, 2.0]), 0.3, depth, decay))


@pytest.mark.parametrize("depth", [3, 7])
def test_starts_on_both_sides_of_the_teacher_at_once(depth):
    epsilon = np.array([*STARTS[1:], 1.0])
    each = np.array([learned_and_unlearned(0.7, 1.0, start, depth) for start in epsilon])
    np.testing.assert_allclose(learned_and_unlearned(0.7, 1.0, epsilon, depth), each.T, rtol=1e-13)


@pytest.mark.parametrize("depth", [3, 4, 100])
@pytest.mark.parametrize("sigma", [0.0, 1e-60])
def test_without_teacher_it_dies_algebraically(depth, sigma):
    def truth(t, epsilon):
        q = 2 - mpmath.mpf(2) / depth
        return (epsilon**-q + 2 * (depth - 1) * t) ** (-1 / q)

    points = [(0.0, 1.0), (1e-9, 1e6), (2.0, 3.0), (1e6, 1e-20), (1e6, 10.0)]
    assert_right(lambda t, e: singular_value(t, sigma, e, depth), truth, points)


def test_learning_time_grows_as_a_power_of_the_start():
    for depth in (3, 4, 6):
        slow = time_to_reach([0.5, 0.9], 2.0, 1e-40, depth) * (depth - 2) * 2.0 * 1e-40 ** (1 - 2 / depth)
        np.testing.assert_allclose(slow, 1, rtol=1e-9)


def test_ends_starts_and_limits():
    for depth in (1, 2, 3, 30):
        assert singular_value(0.0, 1.0, 1e-5, depth) == pytest.approx(1e-5, rel=1e-15)
        assert singular_value(1e6, 1.0, 0.5, depth) == 1
        assert singular_value(3.0, 1.0, 1.0, depth) == 1
        assert unlearned(3.0, 1.0, 1.0, depth) == 0
        assert time_to_reach(1.0, 1.0, 0.5, depth) == np.inf
        assert time_to_reach(0.5, 1.0, 0.5, depth) == time_to_reach(1.0, 1.0, 1.0, depth) == 0


def test_everything_broadcasts():
    shape = singular_value(np.zeros((4, 1, 1)), np.ones((3, 1)), np.full(2, 0.1), 3).shape
    assert shape == unlearned(np.zeros((4, 1, 1)), np.ones((3, 1)), np.full(2, 0.1), 3).shape == (4, 3, 2)
    assert time_to_reach(0.5, np.ones((3, 1)), np.full(2, 0.1), 4).shape == (3, 2)
    assert isinstance(singular_value(1.0, 1.0, 0.1, 3), float)


@pytest.mark.parametrize(
    ("function", "arguments", "error", "names"),
    [
        (singular_value, (-1.0, 1.0, 0.1, 3), DomainError, "time = -1"),
        (singular_value, (1.0, -1.0, 0.1, 3), DomainError, "sigma = -1"),
        (unlearned, (1.0, 1.0, 0.0, 3), DomainError, "epsilon = 0"),
        (singular_value, (1.0, 1e10, 1e-303, 3), DomainError, "epsilon/sigma"),
        (singular_value, (1.0, 1.0, 0.1, 0), DomainError, "depth = 0"),
        (singular_value, (1.0, 1.0, 0.1, 3, 0.1), NoFormula, "weight decay at depth 3"),
        (unlearned, (1.0, 1.0, 0.1, 1, -0.1), DomainError, "weight_decay = -0.1"),
        (unlearned, (np.ones(3), 1.0, 0.1, 1, np.ones(2)), ShapeError, "broadcast"),
        (singular_value, (np.ones(2), np.ones(3), 0.1, 3), ShapeError, "broadcast"),
        (time_to_reach, (0.05, 1.0, 0.1, 3), DomainError, "never reached"),
        (time_to_reach, (1.5, 1.0, 0.1, 3), DomainError, "never reached"),
        (time_to_reach, (0.5, 1.0, 1.0, 3), DomainError, "never reached"),
        (time_to_reach, (0.5, 0.0, 1.0, 3), DomainError, "sigma = 0"),
        (time_to_reach, (3.0, 1.0, 2.0, 3), DomainError, "never reached"),
    ],
)
def test_refusals_name_what_and_why(function, arguments, error, names):
    with pytest.raises(error, match=names):
        function(*arguments)
