"""Series: pooled errors, scatter between neighbours, a length of 0, refusals."""

import numpy as np
import pytest

from overtraining.figures.llm.statistics.series import Series, neighbours_scatter, pooled
from overtraining.setting import limits
from overtraining.setting.errors import DomainError, SchemaError, ShapeError
from tests.figures.llm.samples import series


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


def test_a_length_of_zero_has_its_place() -> None:
    one = series([3.0, 1.0, 0.5, 2.0, 2.5], length=[0.0, 1e9, 2e9, 4e9, 8e9])
    assert one.clock[0] == 0
    np.testing.assert_allclose(one.length_at(one.clock), one.length, rtol=1e-12, atol=1e-3)


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: series([1.0, 2.0, 3.0]), SchemaError, "3 checkpoints"),
        (lambda: series([1.0, 2.0, 3.0, np.nan]), DomainError, "value"),
        (lambda: series([1.0, 2.0, 3.0, 4.0], 0.0), DomainError, "stderr"),
        (lambda: series([1.0, 2.0, 3.0, 4.0], length=[1.0, 2.0, 2.0, 3.0]), DomainError, "increase"),
        (lambda: series([1.0, 2.0, 3.0, 4.0], length=[1.0, 2.0, 3.0]), ShapeError, "per checkpoint"),
        (lambda: series([1.0, 2.0, 3.0, 4.0], freedom=0.0), DomainError, "freedom"),
    ],
)
def test_refusals(call, refusal, word: str) -> None:
    with pytest.raises(refusal, match=word):
        call()


def test_a_curve_of_too_many_checkpoints_is_refused_with_what_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CHECKPOINTS", 10)
    n = np.arange(1.0, 12.0)
    assert Series(n[:10], n[:10], n[:10]).value.size == 10
    with pytest.raises(SchemaError, match=r"11 checkpoints.*keep one of every 2"):
        Series(n, n, n)
