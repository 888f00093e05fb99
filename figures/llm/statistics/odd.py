"""Odd checkpoints: values that do not fit between their neighbours, as of a file that was swapped by mistake."""

import numpy as np

from overtraining.figures.llm.statistics.series import SCATTER_MINIMUM, Series, neighbours_distance

LIMIT = 2.5  # standard errors outside what the neighbours allow; found by simulation


def odd_checkpoints(series: Series) -> np.ndarray:
    """Lengths of the checkpoints whose value is far outside what the two checkpoints on each side allow.

    The neighbours allow all from the lowest to the highest of their values and of the lines through two on one side, so
    that steps, kinks and sharp minima are not odd. Far is 2.5 standard errors of the difference of two values, with the
    error of the series or the scatter between neighbours, whichever is larger: by this rule 1 of 2,500 synthetic series
    (statistics.calibration; 10 to 40 checkpoints) has an odd checkpoint by chance. The first and the last checkpoint
    have neighbours on one side only and are never odd; nor are two swapped neighbours between which the curve is
    monotone. Among fewer than eight checkpoints a sharp minimum is as likely: none is odd.

    >>> value = np.array([5, 4, 3, 9, 2, 2, 2, 2.0])
    >>> odd_checkpoints(Series(np.arange(1.0, 9.0), value, np.full(8, 0.1))).tolist()
    [4.0]
    """
    clock, value, n = series.clock, series.value, series.value.size
    if n < SCATTER_MINIMUM:
        return np.empty(0)
    # the lower quartile of |normal| is 0.3186; the median could be that of an odd checkpoint and its two neighbours
    scatter = np.quantile(neighbours_distance(clock, value), 0.25) / 0.318639
    stderr = np.maximum(series.stderr, scatter)
    odd = [i for i in range(1, n - 1) if _outside(clock, value, i) > LIMIT * np.sqrt(2) * stderr[i]]
    return series.length[odd]


def _outside(clock: np.ndarray, value: np.ndarray, i: int) -> float:
    """How far the value at place i is outside what its neighbours allow; negative inside."""
    allowed = []
    for near, far in ((i - 1, i - 2), (i + 1, i + 2)):
        allowed.append(value[near])
        if 0 <= far < value.size:
            slope = (value[near] - value[far]) / (clock[near] - clock[far])
            allowed += [value[far], value[near] + slope * (clock[i] - clock[near])]
    return float(max(value[i] - max(allowed), min(allowed) - value[i]))
