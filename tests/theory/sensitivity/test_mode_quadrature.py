"""Quadrature of sums: exact for polynomials, for few modes the sum itself; its error estimate against true errors."""

import math

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, NotSolved
from overtraining.theory.sensitivity import mode_quadrature
from overtraining.theory.sensitivity.mode_quadrature import COARSE, FINE, gauss_rule, lobatto_rule, sum_over_modes

DEGREE = {gauss_rule: 2 * FINE - 1, lobatto_rule: 2 * COARSE - 3}


@pytest.mark.parametrize("points", [1, 2, 19, 20, 21, 40, 1000, 2**40])
@pytest.mark.parametrize("rule", DEGREE)
def test_rules_are_exact_for_polynomials(points, rule):
    """Power sums about the middle, in units of half the block; beyond 10⁴ points the integral."""
    if rule is lobatto_rule and points <= FINE:
        return
    (x,), (w,) = rule(np.array([float(points)]))
    for power in (0, 1, 2, 4, 12, DEGREE[rule] - 1, DEGREE[rule]):
        if points <= 10**4:
            middle = (np.arange(points) - (points - 1) / 2) / max(points / 2, 1)
            exact = math.fsum(middle**power)
        else:
            exact = points / (power + 1) * (power % 2 == 0)
        got = (w * (x / max(points / 2, 1)) ** power).sum()
        assert got == pytest.approx(exact, rel=1e-12, abs=1e-13 * points)


@pytest.mark.parametrize("rule", DEGREE)
def test_one_degree_more_is_not(rule):
    (x,), (w,) = rule(np.array([200.0]))
    power, middle = DEGREE[rule] + 1, (np.arange(200) - 99.5) / 100
    assert abs((w * (x / 100) ** power).sum() / math.fsum(middle**power) - 1) > 1e-11


def test_lobatto_has_the_ends():
    (x, _), _ = lobatto_rule(np.array([200.0, 3e5]))
    assert x[[0, -1]] == pytest.approx([-99.5, 99.5], rel=1e-14)


FUNCTIONS = {
    "power": lambda i, row: (i**-0.6)[None],
    "constant": lambda i, row: np.ones_like(i)[None],
    "front": lambda i, row: (1 / (1 + np.exp(np.clip((i - 300) / (1 + row), -700, 700))))[None],
    "both signs": lambda i, row: (np.cos(np.log(i)) / i)[None],
    "two": lambda i, row: np.stack([1 / i, i**-3.0]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_against_the_sum(name):
    """Up to 10⁵ modes, one by one; the estimate bounds the true error, and is itself small."""
    terms = FUNCTIONS[name]
    stops = np.array([2.0, 3, 16, 17, 18, 300, 12_345, 100_001])
    found = sum_over_modes(terms, stops)
    for row, stop in enumerate(stops):
        values = terms(np.arange(1, stop)[None], np.array([[row]]))[:, 0]
        for quantity, each in enumerate(values):
            error = abs(found.value[quantity, row] - math.fsum(each))
            assert error <= found.error_estimate[quantity, row] <= 1e-11 * math.fsum(np.abs(each))


def test_a_step_between_two_modes_is_found():
    """Not smooth on any scale, at every place of an octave: two rules that are alike would miss some of them."""
    places = np.append(np.arange(2000, 4200), [12_345, 70_000, 99_999])
    found = sum_over_modes(lambda i, row: (i <= places[row]).astype(float)[None], np.full(places.size, 100_001.0))
    assert np.allclose(found.value[0], places, rtol=1e-13, atol=0)


def test_rows_are_independent_and_many():
    stops = np.geomspace(2, 1e6, 300).round()
    terms = lambda i, row: ((1 + row) / i)[None]
    found = sum_over_modes(terms, stops)
    assert found.value.shape == found.error_estimate.shape == (1, 300)
    for row in (0, 127, 128, 299):
        alone = sum_over_modes(lambda i, r, row=row: ((1 + row) / i)[None], stops[row : row + 1])
        assert found.value[0, row] == pytest.approx(alone.value[0, 0], rel=1e-13)


def test_beyond_what_float64_can_count():
    """Σ i^−2 up to 1e300, of which ζ(2) is left."""
    found = sum_over_modes(lambda i, row: (i**-2.0)[None], np.array([2.0**900]))
    assert found.value[0, 0] == pytest.approx(np.pi**2 / 6, rel=1e-14)


def test_refuses_noise_and_what_overflows(monkeypatch):
    monkeypatch.setattr(mode_quadrature, "MOST", 2000)
    rough = lambda i, row: (np.modf(np.sin(i * 12.9898) * 43758.5453)[0] ** 2)[None]
    with pytest.raises(NotSolved, match="not smooth"):
        sum_over_modes(rough, np.array([1e9]))
    with pytest.raises(DomainError, match="finite"):
        sum_over_modes(lambda i, row: np.full((1, *i.shape), np.inf), np.array([100.0]))
