"""The test for a decline: the contrast by brute force, uniform p-values, power, and Holm's adjustment."""

import itertools

import numpy as np
import pytest
from scipy import stats

from overtraining.figures.llm.statistics.decline import holm, largest_contrast, p_value, union_bound
from overtraining.figures.llm.statistics.turning_point import find_turning_point
from tests.figures.llm.samples import series


@pytest.mark.parametrize("n", [4, 5, 9, 16])
def test_the_contrast_by_brute_force(n: int) -> None:
    rng = np.random.default_rng(n)
    value, stderr = rng.normal(size=(3, n)), rng.uniform(0.5, 2, n)
    for row in value:
        found = -np.inf
        for i, w in itertools.product(range(n), (1, 2, 4, 8)):
            if i + w <= n - 1:
                weight = stderr[i : i + w] ** -2
                mean = (row[i : i + w] * weight).sum() / weight.sum()
                found = max(found, (row[-1] - mean) / np.sqrt(stderr[-1] ** 2 + 1 / weight.sum()))
        assert largest_contrast(row, stderr) == pytest.approx(found, rel=1e-12)
    assert largest_contrast(value, stderr).shape == (3,)


@pytest.mark.parametrize("freedom", [np.inf, 10.0, 3.0])
def test_false_alarms_where_nothing_happens(freedom: float) -> None:
    """The chance is uniform on flat series, the errors known or estimated; five points, uneven errors."""
    rng, errors = np.random.default_rng(0), np.array([1.0, 2.0, 1.0, 0.5, 1.0])
    scales = np.ones(2000) if np.isinf(freedom) else np.sqrt(rng.chisquare(freedom, 2000) / freedom)
    found = [p_value(series(errors * rng.normal(size=5), s * errors, freedom=freedom), draws=999) for s in scales]
    for level in (0.01, 0.05, 0.2):
        alarms = int(np.sum(np.array(found) <= level))
        assert stats.binomtest(alarms, 2000, level).pvalue > 1e-3


@pytest.mark.parametrize("course", [[4, 3, 2, 1, 0], [4, 0, 0, 0, 0], [0, 1, 2, 3, 0], [9, 9, 9, 0, 0]])
def test_fewer_alarms_where_the_last_is_the_best(course: list[int]) -> None:
    rng = np.random.default_rng(1)
    found = [p_value(series(np.array(course) + rng.normal(size=5), 1.0), draws=999) for _ in range(300)]
    assert np.mean(np.array(found) <= 0.05) <= 0.05


def test_a_real_decline_is_found() -> None:
    rng = np.random.default_rng(2)
    found = [p_value(series(np.array([3, 1, 0, 2, 5]) + rng.normal(size=5), 1.0), draws=999) for _ in range(200)]
    assert np.mean(np.array(found) <= 0.05) > 0.7


@pytest.mark.parametrize("freedom", [np.inf, 3.0])
def test_the_union_bound(freedom: float) -> None:
    """It is above the probability, by less than its number of contrasts; it is used where no draw reaches T."""
    errors = np.ones(5)
    noise = np.random.default_rng(3).normal(size=(400_000, 5))
    found = largest_contrast(noise, errors)
    if np.isfinite(freedom):
        found = found * np.sqrt(freedom / np.random.default_rng(4).chisquare(freedom, found.size))
    assert 1e-3 < union_bound(float(np.quantile(found, 0.999)), 5, freedom) < 4e-3
    assert union_bound(0.0, 5) == 1.0
    one = series([3.0, 1.0, 1.0, 2.0, 9.0], 1.0, freedom=np.inf)
    assert p_value(one, draws=9) == min(0.1, union_bound(float(largest_contrast(one.value, one.stderr)), 5))


def test_the_number_of_contrasts() -> None:
    """4 windows of one checkpoint, 3 of two, 1 of four."""
    assert union_bound(6.0, 5) == pytest.approx(8 * stats.norm.sf(6.0), rel=1e-12)
    assert union_bound(6.0, 5, 7.0) == pytest.approx(8 * stats.t.sf(6.0, 7), rel=1e-12)


def test_the_smallest_of_many_p_values_survives_the_adjustment() -> None:
    """4,000 draws alone could not tell a p-value below 1/4001, which 201 curves make larger than 5%."""
    found = p_value(series([3.0, 1.0, 1.0, 2.0, 9.0], 1.0))
    assert holm(np.array([found, *np.ones(200)]))[0] < 0.05


def test_ties_are_no_decline() -> None:
    assert p_value(series([1.0, 1.0, 1.0, 1.0, 1.0])) > 0.5
    assert find_turning_point(series([3.0, 1.0, 1.0, 1.0, 1.0])).significant is False


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.01, 0.5])).tolist() == [0.03, 0.03, 0.5]
    assert holm(np.array([0.9, 0.9])).tolist() == [1.0, 1.0]
