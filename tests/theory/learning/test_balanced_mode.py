"""A3 against mpmath over its whole domain, with weight decay of any size."""

from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.integrate import solve_ivp

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from tests.judge import assert_right

SIGMA = (1e-6, 0.3, 1.0, 7.0, 1e6)
START = (1e-300, 1e-150, 1e-8, 0.5, 1.0, 1.0000001, 10.0)  # in units of σ, but never below 1e-300
CLOCK = (0.0, 1e-9, 0.3, 1.0, 5.0, 345.0, 360.0, 700.0, 1e4)  # in units of 1/σ
POINTS = [
    (min(clock / sigma, 1e6), sigma, max(start * sigma, 1e-300)) for sigma, start, clock in product(SIGMA, START, CLOCK)
]
DECAY = (0.0, 1e-12, 0.5, 1 - 1e-9, 1.0, 1 + 1e-9, 3.0, 1e4)  # in units of σ


def truth(t, sigma, epsilon, mu=0):
    kappa = mpmath.mpf(sigma) - mu
    if kappa == 0:
        return epsilon / (1 + 2 * epsilon * t)
    return kappa / (1 + (kappa / epsilon - 1) * mpmath.exp(-2 * kappa * t))


def rest(t, sigma, epsilon, mu=0):
    return sigma - truth(t, sigma, epsilon, mu)


def test_singular_value_without_decay():
    assert_right(singular_value, truth, POINTS)


def test_unlearned_without_decay():
    assert_right(unlearned, converging, POINTS)


def converging(t, sigma, epsilon):
    """The residual by a second form, so that the judge need not subtract nearly equal numbers at t → ∞."""
    grown = (sigma / epsilon - 1) * mpmath.exp(-2 * sigma * t)
    return sigma * grown / (1 + grown)


@pytest.mark.parametrize(("sigma", "epsilon"), [(1.0, 1e-3), (0.3, 2.0), (0.0, 0.7), (1.0, 1.0)])
def test_solves_its_equation(sigma, epsilon):
    """Against DOP853 on `ṡ = 2s(σ − s)`, which knows nothing of the closed form."""
    t = np.linspace(0, 12, 40)
    flow = solve_ivp(lambda _, s: 2 * s * (sigma - s), (0, 12), [epsilon], "DOP853", t, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(singular_value(t, sigma, epsilon), flow.y[0], rtol=1e-11)


@given(st.floats(0, 1e6), st.just(0.0) | st.floats(1e-75, 1e6), st.floats(1e-300, 1e7))
def test_stays_between_start_and_teacher(t, sigma, epsilon):
    low, high = sorted((sigma, epsilon))
    assert low * (1 - 1e-12) <= singular_value(t, sigma, epsilon) <= high * (1 + 1e-12)


def test_a_tiny_start_under_a_huge_teacher():
    """Where `e^{−2κt}` is subnormal, with few digits left, and still decides."""
    assert_right(
        singular_value, truth, [(x / (2 * sigma), sigma, 1e-305) for x in (712, 735, 743) for sigma in (1e9, 1e40)]
    )


def test_edges():
    assert singular_value(0.0, 3.0, 1e-300) == 1e-300
    assert singular_value(1e6, 1e6, 1e-300) == 1e6
    assert singular_value(400.0, 1.0, 1e-3) == 1.0  # where cosh/sinh forms are NaN
    assert 0 < unlearned(340.0, 1.0, 1e-3) < 1e-290  # where σ − s is 0 in float64


@pytest.mark.parametrize("decay", DECAY)
def test_singular_value_with_decay(decay):
    assert_right(singular_value, truth, [(*p, decay * p[1]) for p in POINTS[::2]])


@pytest.mark.parametrize("decay", DECAY[1:])
def test_unlearned_with_decay(decay):
    assert_right(unlearned, rest, [(*p, decay * p[1]) for p in POINTS[::3]])


@pytest.mark.parametrize(("mu", "end"), [(0.0, 1.0), (0.25, 0.75), (1.0, 5e-7), (2.0, 0.0)])
def test_where_it_ends(mu, end):
    assert singular_value(1e6, 1.0, 1e-3, mu) == pytest.approx(end, rel=1e-3)
    assert unlearned(1e6, 1.0, 1e-3, mu) == pytest.approx(1 - end, rel=1e-3)


def test_the_mode_without_teacher_dies_algebraically():
    assert_right(
        lambda t, e: singular_value(t, 0.0, e),
        lambda t, e: e / (1 + 2 * e * t),
        [(0.0, 2.0), (3.0, 2.0), (1e6, 1e-300)],
    )


def test_everything_broadcasts():
    shape = singular_value(np.zeros((4, 1, 1)), np.ones((3, 1)), np.ones(2), 0.5).shape
    assert shape == unlearned(np.zeros((4, 1, 1)), np.ones((3, 1)), np.ones(2), 0.5).shape == (4, 3, 2)
    assert isinstance(unlearned(1.0, 1.0, 0.1), float)


@pytest.mark.parametrize("function", [singular_value, unlearned])
@pytest.mark.parametrize(
    ("arguments", "error", "names"),
    [
        ((-1.0, 1.0, 1.0), DomainError, "time = -1"),
        ((1.0, -1.0, 1.0), DomainError, "sigma = -1"),
        ((1.0, 1.0, 0.0), DomainError, "epsilon = 0"),
        ((1.0, 1.0, 1e-320), DomainError, "reciprocal overflows"),
        ((1.0, 1.0, 1.0, -0.1), DomainError, "weight_decay = -0.1"),
        ((1.0, 1.0, 1.0, 1e80), DomainError, "weight_decay: it is beyond 1e75"),
        ((np.nan, 1.0, 1.0), DomainError, "time = nan"),
        (([1.0, np.inf], 1.0, 1.0), DomainError, r"time\[1\] = inf"),
        ((np.ones(2), np.ones(3), 1.0), ShapeError, "broadcast"),
    ],
)
def test_refusals_name_what_and_why(function, arguments, error, names):
    with pytest.raises(error, match=names):
        function(*arguments)
