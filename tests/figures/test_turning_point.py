"""The statistics of a turning point: the test against brute force, the curves against algebra, both by calibration."""

import itertools

import numpy as np
import pytest
from scipy import stats

from overtraining.figures.llm.statistics import calibration, smooth
from overtraining.figures.llm.statistics.calibration import trials
from overtraining.figures.llm.statistics.decline import holm, largest_contrast, p_value
from overtraining.figures.llm.statistics.series import Series, neighbours_scatter, pooled
from overtraining.figures.llm.statistics.turning_point import find_turning_point
from overtraining.setting.errors import DomainError, SchemaError, ShapeError


def series(value, stderr=0.1, length=None, **more) -> Series:
    value = np.asarray(value, float)
    length = 1e9 * 2.0 ** np.arange(value.size) if length is None else np.asarray(length, float)
    return Series(length, value, np.broadcast_to(np.asarray(stderr, float), value.shape).copy(), **more)


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
    found = [
        p_value(series(errors * rng.normal(size=5), s * errors, freedom=freedom), draws=999) for s in scales
    ]  # fmt: skip
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


def test_ties_are_no_decline() -> None:
    assert p_value(series([1.0, 1.0, 1.0, 1.0, 1.0])) > 0.5
    assert find_turning_point(series([3.0, 1.0, 1.0, 1.0, 1.0])).found is False


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.01, 0.5])).tolist() == [0.03, 0.03, 0.5]
    assert holm(np.array([0.9, 0.9])).tolist() == [1.0, 1.0]


def test_pooled_errors() -> None:
    """The pooled variance is the mean of the variances where all have as many repetitions."""
    draws = np.random.default_rng(3).normal(size=(6, 4))
    mean, stderr, freedom = pooled(list(draws))
    np.testing.assert_allclose(mean, draws.mean(axis=1))
    np.testing.assert_allclose(stderr, np.sqrt(draws.var(axis=1, ddof=1).mean() / 4))
    assert freedom == 18
    with pytest.raises(SchemaError, match="repetitions"):
        pooled([np.array([1.0]), np.array([2.0])])


def test_scatter_between_neighbours() -> None:
    """Right on noise about a line, on an uneven grid; blind to a few jumps; degrees of freedom not too many."""
    rng, clock = np.random.default_rng(4), np.sort(np.random.default_rng(5).uniform(0, 1, 30))
    found = np.array([neighbours_scatter(clock, 3 * clock + 0.2 * rng.normal(size=30)) for _ in range(2000)])
    assert np.median(found[:, 0]) == pytest.approx(0.2, rel=0.05)
    square = found[:, 0] ** 2
    assert 2 * square.mean() ** 2 / square.var() == pytest.approx(found[0, 1], rel=0.3)
    jump = 3 * clock + 0.2 * rng.normal(size=30) + 100 * (clock > 0.5)
    assert neighbours_scatter(clock, jump)[0] < 0.4
    with pytest.raises(SchemaError, match="eight"):
        neighbours_scatter(np.arange(7.0), np.arange(7.0))


def test_curves_are_draws_from_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one scale and size: mean and covariance of the draws are those of Gaussian conditioning, done directly."""
    monkeypatch.setattr(smooth, "SCALES", np.array([0.4]))
    monkeypatch.setattr(smooth, "HEIGHTS", 1)
    one = series([3.0, 1.0, 0.5, 2.0, 2.5], [0.1, 0.3, 0.2, 0.1, 0.4])
    places, found = smooth.consistent_curves(one, draws=40_000, grid=9)
    size = 0.1 * np.sqrt(np.mean(one.stderr**2))  # the first of the sizes that are tried
    r = np.sqrt(3) * np.abs(places[:, None] - places) / 0.4
    prior = size**2 * (1 + r) * np.exp(-r) + 1e3 * (1 + np.outer(places - 0.5, places - 0.5))
    here = np.searchsorted(places, one.clock)
    gain = prior[:, here] @ np.linalg.inv(prior[np.ix_(here, here)] + np.diag(one.stderr**2))
    covariance = prior - gain @ prior[here]
    error = np.sqrt(np.diag(covariance) / 40_000)
    assert np.all(np.abs(found.mean(axis=0) - gain @ one.value) < 5 * error + 1e-6)
    np.testing.assert_allclose(np.cov(found.T), covariance, atol=0.04 * np.diag(covariance).max())


def test_a_precise_parabola() -> None:
    """The minimum of a parabola on the clock, to one spacing: between checkpoints the course may do what it likes."""
    length = 1e9 * 2.0 ** np.arange(9)
    found = find_turning_point(series((np.log2(length / 1e9) - 4.3) ** 2, 0.01, length))
    assert found.found
    assert found.low < 1e9 * 2**4.3 < found.high < 2 * found.low
    assert found.best == 1e9 * 2**4
    assert found.rise == pytest.approx(3.7**2 - 0.3**2)
    assert found.decline_low < 3.7**2 - 0.3**2 < found.decline_high


def test_only_hurts_and_only_helps() -> None:
    rising, falling = find_turning_point(series(np.arange(6.0))), find_turning_point(series(-np.arange(6.0)))
    assert rising.found
    assert rising.low == rising.best == 1e9
    assert not falling.found
    assert falling.low == falling.high == np.inf
    assert falling.decline_low == 0


def test_the_same_seed_gives_the_same_answer() -> None:
    one = series([3.0, 1.0, 0.8, 1.0, 2.0], 0.4)
    assert find_turning_point(one) == find_turning_point(one)
    assert find_turning_point(one).low != find_turning_point(one, key=1).low or find_turning_point(
        one
    ) != find_turning_point(one, key=1)


def test_a_length_of_zero_has_its_place() -> None:
    one = series([3.0, 1.0, 0.5, 2.0, 2.5], length=[0.0, 1e9, 2e9, 4e9, 8e9])
    assert one.clock[0] == 0
    np.testing.assert_allclose(one.length_at(one.clock), one.length, rtol=1e-12, atol=1e-3)
    assert find_turning_point(one).found


def test_calibration() -> None:
    """A small version of the table: intervals and decline cover 95%, a plain bootstrap does not, alarms are rare."""
    some = list(trials(calibration.turning_course, 100, draws=400, grid=41))
    good = lambda hits, level: stats.binomtest(int(hits), 100, level).pvalue
    assert good(sum(t.covered for t in some), 0.95) > 0.01
    assert good(sum(t.decline_covered for t in some), 0.95) > 0.01
    assert good(sum(t.bootstrap_covered for t in some), 0.95) < 1e-4
    without = list(trials(calibration.course_without_turn, 100, draws=400, grid=21))
    assert stats.binomtest(sum(t.answer.found for t in without), 100, 0.05, alternative="greater").pvalue > 0.01
    shown = calibration.as_text(some, without)
    assert "with a turning point, all" in shown
    assert "without, flat" in shown


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: series([1.0, 2.0, 3.0]), SchemaError, "3 checkpoints"),
        (lambda: series([1.0, 2.0, 3.0, np.nan]), DomainError, "value"),
        (lambda: series([1.0, 2.0, 3.0, 4.0], 0.0), DomainError, "stderr"),
        (lambda: series([1.0, 2.0, 3.0, 4.0], length=[1.0, 2.0, 2.0, 3.0]), DomainError, "increase"),
        (lambda: series([1.0, 2.0, 3.0, 4.0], length=[1.0, 2.0, 3.0]), ShapeError, "per checkpoint"),
        (lambda: series([1.0, 2.0, 3.0, 4.0], freedom=0.0), DomainError, "freedom"),
        (lambda: find_turning_point(series([1.0, 2.0, 3.0, 4.0]), confidence=1.0), DomainError, "confidence"),
    ],
)
def test_refusals(call, refusal, word: str) -> None:
    with pytest.raises(refusal, match=word):
        call()
