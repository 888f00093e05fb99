"""Is the final decline real? A test that has searched all checkpoints for the best one, and accounts for that."""

from functools import lru_cache
from typing import Any

import numpy as np

from overtraining.figures.llm.statistics.series import Series
from overtraining.setting.domain import whole


def largest_contrast(value: np.ndarray, stderr: np.ndarray) -> Any:
    """Standard errors by which the last checkpoint is worse than something before it, at most.

    `T = max (last value − mean of a window before it) / its standard error`, over windows of 1, 2, 4, … checkpoints,
    means weighted by `1/s²`. value: (..., n); stderr: (n,). Returns the shape without the last axis.

    >>> float(largest_contrast(np.array([3.0, 1.0, 1.0, 4.0]), np.ones(4)).round(3))
    2.449
    """
    n, weight = value.shape[-1], stderr**-2.0
    zero = np.zeros((*value.shape[:-1], 1))
    sums = np.concatenate([zero, np.cumsum(value * weight, axis=-1)], axis=-1)
    weights, best = np.concatenate([[0.0], np.cumsum(weight)]), np.full(value.shape[:-1], -np.inf)
    for window in (2**i for i in range(n.bit_length()) if 2**i < n):
        share = weights[window:n] - weights[: n - window]
        before = (sums[..., window:n] - sums[..., : n - window]) / share
        contrast = (value[..., -1:] - before) / np.sqrt(stderr[-1] ** 2 + 1 / share)
        best = np.maximum(best, contrast.max(axis=-1))
    return best


def chance(series: Series, draws: int = 4000, seed: int = 0) -> float:
    """Probability that chance alone makes so large a final decline, the search for the best checkpoint included.

    That of T or more when nothing changes along training. Among all courses whose last checkpoint is the best this is
    the most favourable to T, since every contrast then has a mean of at most 0: so the test errs on the safe side for
    each of them. Normal errors, independent between checkpoints; a common scale with ν degrees of freedom where it was
    estimated. Means over the end would see a slow decline better, and take a hump that is over for one.

    >>> s = Series(np.arange(1.0, 6.0), np.array([3.0, 1.0, 1.0, 2.0, 4.0]), np.full(5, 0.1))
    >>> round(chance(s), 5)
    0.00025
    """
    seen = float(largest_contrast(series.value, series.stderr))
    by_chance = _by_chance(tuple(series.stderr / series.stderr.max()), series.freedom, whole("draws", draws), seed)
    return float((1 + np.count_nonzero(by_chance >= seen)) / (draws + 1))


@lru_cache(maxsize=64)  # the tasks of one table mostly share their checkpoints and errors' ratios
def _by_chance(stderr: tuple[float, ...], freedom: float, draws: int, seed: int) -> np.ndarray:
    rng, errors = np.random.default_rng(seed), np.array(stderr)
    contrasts: np.ndarray = largest_contrast(errors * rng.standard_normal((draws, errors.size)), errors)
    if np.isfinite(freedom):
        contrasts = contrasts * np.sqrt(freedom / rng.chisquare(freedom, draws))
    return contrasts


def holm(chances: np.ndarray) -> np.ndarray:
    """Chances of several series adjusted for having looked at all of them (Holm 1979).

    >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(chances, kind="stable")
    steps = np.maximum.accumulate(chances[order] * np.arange(chances.size, 0, -1))
    adjusted = np.empty_like(chances)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
