"""Test whether a final decline is real, accounting for the search for the best checkpoint."""

from functools import lru_cache
from typing import Any

import numpy as np

from overtraining.figures.llm.statistics.series import Series
from overtraining.setting.domain import whole

BLOCK = 2**20  # random numbers at a time: 8 MiB


def largest_contrast(value: np.ndarray, stderr: np.ndarray) -> Any:
    """The largest number of standard errors by which the last checkpoint is worse than a window before it.

    `T = max (last value − mean of a window before it) / its standard error`, over windows of 1, 2, 4, … checkpoints,
    means weighted by `1/s²`. value: (..., n); stderr: (n,). Returns the shape without the last axis.

    >>> float(largest_contrast(np.array([3.0, 1.0, 1.0, 4.0]), np.ones(4)).round(3))
    2.449
    """
    n = value.shape[-1]
    weight = stderr**-2.0
    zero = np.zeros((*value.shape[:-1], 1))
    sums = np.concatenate([zero, np.cumsum(value * weight, axis=-1)], axis=-1)
    weights = np.concatenate([[0.0], np.cumsum(weight)])
    largest = np.full(value.shape[:-1], -np.inf)
    for window in (2**i for i in range(n.bit_length()) if 2**i < n):
        total = weights[window:n] - weights[: n - window]
        before = (sums[..., window:n] - sums[..., : n - window]) / total
        contrast = (value[..., -1:] - before) / np.sqrt(stderr[-1] ** 2 + 1 / total)
        largest = np.maximum(largest, contrast.max(axis=-1))
    return largest


def p_value(series: Series, draws: int = 4000, key: int = 0) -> float:
    """Probability that noise alone makes a final decline this large, the search for the best checkpoint included.

    It is the probability of a `largest_contrast` T or larger if nothing changes along training. Among all curves whose
    last checkpoint is the best, the flat curve makes a large T most probable, since every contrast then has a mean of
    at most 0; so the test is conservative for all of them. The errors are normal and independent between checkpoints;
    a common scale that was estimated has `series.freedom` degrees of freedom. Averages over the last checkpoints would
    detect a slow decline better, but would also report a peak that ended before the last checkpoint.

    Where no draw reaches T, draws cannot tell how small the probability is, and the `union_bound` takes their place:
    otherwise not even the smallest of several hundred p-values could be significant after their adjustment.

    >>> s = Series(np.arange(1.0, 6.0), np.array([3.0, 1.0, 1.0, 2.0, 4.0]), np.full(5, 1.0))
    >>> round(p_value(s), 4)
    0.0277
    """
    observed = float(largest_contrast(series.value, series.stderr))
    stderr = tuple(series.stderr / series.stderr.max())
    under_noise = _contrasts_of_noise(stderr, series.freedom, whole("draws", draws), key)
    reached = np.count_nonzero(under_noise >= observed)
    p = float((1 + reached) / (draws + 1))
    return p if reached else min(p, union_bound(observed, len(stderr), series.freedom))


def union_bound(largest: float, checkpoints: int, freedom: float = np.inf) -> float:
    """Upper bound of the probability that noise alone makes the `largest_contrast` this large or larger.

    It is the sum of that probability over all contrasts, each of which has Student's t distribution.

    >>> f"{union_bound(8.0, checkpoints=5):.2g}"
    '5e-15'
    """
    from scipy.stats import t

    contrasts = sum(checkpoints - 2**i for i in range(checkpoints.bit_length()) if 2**i < checkpoints)
    return float(min(1.0, contrasts * t.sf(largest, freedom)))


@lru_cache(maxsize=64)  # most tasks of a table have the same checkpoints and the same ratios of errors
def _contrasts_of_noise(stderr: tuple[float, ...], freedom: float, draws: int, key: int) -> np.ndarray:
    rng = np.random.default_rng(key)
    errors = np.array(stderr)
    rows = max(1, BLOCK // errors.size)
    blocks = (rng.standard_normal((min(rows, draws - first), errors.size)) for first in range(0, draws, rows))
    contrasts: np.ndarray = np.concatenate([largest_contrast(errors * block, errors) for block in blocks])
    if np.isfinite(freedom):
        contrasts = contrasts * np.sqrt(freedom / rng.chisquare(freedom, draws))
    return contrasts


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values of several series, adjusted for testing all of them (Holm 1979).

    >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * np.arange(p_values.size, 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
