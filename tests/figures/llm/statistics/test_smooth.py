"""Consistent curves: mean and covariance of the draws, by direct conditioning; blocks; growth of memory."""

import numpy as np
import pytest
from scipy.stats import chi2, multivariate_normal

from benchmarks.measure import peak_memory
from overtraining.figures.llm.statistics import smooth
from overtraining.figures.llm.statistics.series import Series
from tests.figures.llm.samples import series

FLAT = 1e3  # variance of the ends of the line: so large that they are unknown


def drawn(one: Series, **options: int) -> tuple[np.ndarray, np.ndarray]:
    places, blocks = smooth.consistent_curves(one, **options)
    return places, np.concatenate(list(blocks))


def conditioned(
    one: Series, places: np.ndarray, scale: float, size: float, error: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Logarithm of the likelihood, mean and covariance of the curves, with matrices of all covariances."""
    r = np.sqrt(3) * np.abs(places[:, None] - places) / scale
    prior = size**2 * (1 + r) * np.exp(-r) + FLAT * (1 + np.outer(places - 0.5, places - 0.5))
    here = np.searchsorted(places, one.clock)
    data = prior[np.ix_(here, here)] + np.diag((error * one.stderr) ** 2)
    gain = prior[:, here] @ np.linalg.inv(data)
    likelihood = multivariate_normal.logpdf(one.value, np.zeros(here.size), data)
    return float(likelihood), gain @ one.value, prior - gain @ prior[here]


@pytest.mark.parametrize("freedom", [np.inf, 4.0])
def test_curves_are_draws_from_the_mixture_of_processes(freedom: float) -> None:
    """Every scale, height and scale of the errors in proportion to its likelihood."""
    values = [3.0, 1.0, 2.9, 0.7, 2.0, 2.5, 2.6, 0.9]
    one = Series(np.geomspace(1, 50, 8), np.array(values), np.linspace(0.3, 0.6, 8), freedom)
    places, _ = drawn(one, draws=1, grid=9)
    found = np.concatenate([drawn(one, draws=40_000, key=key, grid=9)[1] for key in range(4)])
    typical = np.sqrt(np.mean(one.stderr**2))
    errors = [1.0] if np.isinf(freedom) else np.sqrt(freedom / chi2.ppf([0.1, 0.3, 0.5, 0.7, 0.9], freedom))
    parts = [
        conditioned(one, places, scale, size, error)
        for scale in 0.1 * 30 ** (np.arange(6) / 5)
        for size in np.geomspace(0.1 * typical, 10 * np.ptp(values), 10)
        for error in errors
    ]
    likelihoods, means, covariances = (np.array(part) for part in zip(*parts, strict=True))
    weight = np.exp(likelihoods - likelihoods.max())
    weight /= weight.sum()
    mean = weight @ means
    covariance = np.einsum("i,ijk->jk", weight, covariances + np.einsum("ij,ik->ijk", means - mean, means - mean))
    error = np.sqrt(np.diag(covariance) / len(found))
    assert np.all(np.abs(found.mean(axis=0) - mean) < 4 * error)
    np.testing.assert_allclose(np.cov(found.T), covariance, atol=0.02 * np.diag(covariance).max())


def test_blocks_are_draws_of_the_same_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    one = series([3.0, 1.0, 0.5, 2.0, 2.5], [0.1, 0.3, 0.2, 0.1, 0.4])
    _, whole = drawn(one, draws=6_000, grid=9)
    monkeypatch.setattr(smooth, "BLOCK", 1_000)
    places, blocks = smooth.consistent_curves(one, draws=6_000, grid=9)
    parts = list(blocks)
    assert max(part.size for part in parts) <= 1_000
    curves = np.concatenate(parts)
    assert curves.shape == whole.shape == (6_000, places.size)
    error = np.sqrt(2 / 6_000) * whole.std(axis=0)
    assert np.all(np.abs(curves.mean(axis=0) - whole.mean(axis=0)) < 4 * error)


def test_measures_with_the_same_lengths_share_what_depends_on_lengths_only() -> None:
    smooth._free_curves.cache_clear()
    for values in ([3.0, 1.0, 0.5, 2.0], [0.1, 0.2, 0.3, 0.4], [5.0, 4.0, 3.0, 2.0]):
        drawn(series(values, 0.2), draws=12, grid=9)
    assert (smooth._free_curves.cache_info().misses, smooth._free_curves.cache_info().hits) == (1, 2)


def test_shared_curves_are_independent_of_the_noise_of_one_series() -> None:
    """A seed without a spawn key is the same as one with zeros behind it: the two would share random numbers."""
    free = np.random.SeedSequence(0, spawn_key=(0,)).generate_state(4)
    assert not np.isin(free, np.random.SeedSequence(0).generate_state(4)).any()
    first = smooth._free_curves((0.0, 0.5, 1.0), 4_000, 0, 0)
    second = smooth._free_curves((0.0, 0.5, 1.0), 4_000, 0, 1)
    assert abs(np.corrcoef(first[0, 0], second[0, 0])[0, 1]) < 4 / np.sqrt(4_000)


def test_memory_does_not_grow_as_the_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices of all covariances would take 60 × 8 n² bytes: 18 MiB for 200 checkpoints."""
    monkeypatch.setattr(smooth, "BLOCK", 2**14)
    one = series(np.cos(np.arange(200.0)), 0.5, np.arange(1.0, 201))
    assert peak_memory(lambda: next(smooth.consistent_curves(one, draws=12, grid=9)[1])) < 4
