"""C1's engine against mpmath at two precisions, over its whole domain, with its limits and refusals."""

import itertools

import mpmath
import numpy as np
import pytest

from theory import DomainError, ShapeError
from theory.balanced_mode import singular_value
from theory.noisy_mode import inflection_time

SIGMA = (1e-6, 0.3, 1.0, 7.0, 1e6)
START = (1e-300, 1e-12, 1e-3, 0.3, 0.999999)  # as a fraction of σ
COST = (1e-290, 1e-9, 0.01, 0.5, 0.99, 0.999999)  # as a fraction of σ


def agreed(function, *point):
    """The value at 60 digits, where 120 digits say the same; 400 more digits carry what starts of 1e-300 cost."""
    values = []
    for digits in (460, 520):
        with mpmath.workdps(digits):
            values.append(function(*map(mpmath.mpf, point)))
    assert abs(values[0] - values[1]) <= abs(values[1]) * mpmath.mpf(10) ** -40
    return values[1]


def exact(sigma, epsilon, c):
    return mpmath.log((sigma / epsilon - 1) * (sigma - c) / c) / (2 * sigma)


@pytest.mark.parametrize(("sigma", "start", "cost"), [*itertools.product(SIGMA, START, COST)])
def test_inside_and_on_the_limits(sigma, start, cost):
    epsilon, c = max(sigma * start, 1e-300), sigma * cost
    got = float(inflection_time(sigma, epsilon, c))
    gap = (sigma - c) - epsilon
    if gap <= 0:
        assert got == 0
        return
    truth = agreed(exact, sigma, epsilon, c)
    growth = float(2 * sigma * truth)
    condition = 1 + -np.expm1(-growth) / growth * (3 + (sigma + epsilon + c) / gap)
    assert abs(float((mpmath.mpf(got) - truth) / truth)) <= 100 * condition * np.finfo(float).eps


@pytest.mark.parametrize(("sigma", "epsilon", "c"), [(1.0, 1e-6, 0.3), (20.0, 1e-9, 1.0), (0.2, 0.01, 0.05)])
def test_the_path_is_at_the_turn(sigma, epsilon, c):
    assert np.isclose(singular_value(inflection_time(sigma, epsilon, c), sigma, epsilon), sigma - c, rtol=1e-13)


@pytest.mark.parametrize(
    ("sigma", "epsilon", "c", "expected"),
    [
        (1.0, 0.5, 0.0, np.inf),
        (1.0, 2.0, 0.1, np.inf),
        (1.0, 1.0, 2.0, np.inf),
        (1.0, 0.5, 0.6, 0.0),
        (1.0, 0.1, 1.0, 0.0),
    ],
)
def test_limits(sigma, epsilon, c, expected):
    assert inflection_time(sigma, epsilon, c) == expected


def test_broadcasts():
    shape = inflection_time(np.ones((4, 1, 1)), np.full((3, 1), 1e-3), np.linspace(0, 1, 5)).shape
    assert shape == (4, 3, 5)


@pytest.mark.parametrize(
    ("change", "refusal", "word"),
    [
        ({"sigma": 0.0}, DomainError, "sigma"),
        ({"sigma": np.nan}, DomainError, "sigma"),
        ({"epsilon": 0.0}, DomainError, "saddle"),
        ({"c": -0.1}, DomainError, "negative"),
        ({"c": [0.1, 0.2], "sigma": [1.0, 2.0, 3.0]}, ShapeError, "broadcast"),
    ],
)
def test_refuses_by_name(change, refusal, word):
    with pytest.raises(refusal, match=word):
        inflection_time(**({"sigma": 1.0, "epsilon": 1e-3, "c": 0.1} | change))
