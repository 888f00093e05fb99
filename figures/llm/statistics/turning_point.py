"""The turning point of a series: between which lengths it may be, and whether the decline after it is real."""

from dataclasses import dataclass

import numpy as np

from overtraining.figures.llm.statistics.decline import chance
from overtraining.figures.llm.statistics.series import Series
from overtraining.figures.llm.statistics.smooth import GRID, curves
from overtraining.setting.errors import DomainError


@dataclass(frozen=True)
class TurningPoint:
    """What is known about the length beyond which the result only gets worse.

    best: the checkpoint with the best value.  low, high: the interval for the turning point; `high` is infinite where
    the data leave open that there is none in the range.  chance: probability that chance alone makes so large a
    decline; found: is it below 1 − confidence?  rise, rise_stderr: how much worse the last checkpoint is than the best,
    as seen, which is too much, since the best was chosen by looking.  decline, decline_low, decline_high: the same
    without that choice.
    """

    best: float
    low: float
    high: float
    chance: float
    rise: float
    rise_stderr: float
    decline: float
    decline_low: float
    decline_high: float
    confidence: float
    checkpoints: int

    @property
    def found(self) -> bool:
        return self.chance <= 1 - self.confidence

    @property
    def errors(self) -> float:
        """The decline as seen, in standard errors."""
        return self.rise / self.rise_stderr if self.rise > 0 else 0.0


def turning_point(
    series: Series, confidence: float = 0.95, draws: int = 4000, seed: int = 0, grid: int = GRID
) -> TurningPoint:
    """Interval and reality of a turning point, both with the search for the best checkpoint accounted for.

    The interval holds the central `confidence` of the places at which curves consistent with the data have their
    minimum; the reality is `chance` of statistics.decline. What both are worth is measured, on synthetic
    series with a known turning point and without one, by statistics.calibration. One seed, one answer.
    Raises DomainError.

    >>> s = Series(np.arange(1.0, 8.0), (np.arange(7.0) - 3) ** 2, np.full(7, 0.2))
    >>> t = turning_point(s)
    >>> t.found, t.best, 2 < t.low <= 4 <= t.high < 5
    (True, 4.0, True)
    """
    if not 0 < confidence < 1:
        raise DomainError(f"confidence = {confidence!r}", "it is a probability", "use a number such as 0.95")
    places, found = curves(series, draws, seed, grid)
    at, by_chance, best, last = found.argmin(axis=1), chance(series, draws, seed), int(series.value.argmin()), -1
    real = by_chance <= 1 - confidence
    # a real decline means that the best was before the end; without one the end may be the best
    where = places[at[at < places.size - 1]] if real else np.where(at < places.size - 1, places[at], np.inf)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = series.length_at(np.quantile(where, tails, method="nearest"))
    measured = found[:, np.searchsorted(places, series.clock)]  # a curve may dip lower between the checkpoints
    declines = np.quantile(measured[:, -1] - measured.min(axis=1), [0.5, *tails])
    return TurningPoint(
        best=float(series.length[best]), low=float(low), high=float(high) if real else np.inf, chance=by_chance,
        rise=float(series.value[last] - series.value[best]),
        rise_stderr=float(np.hypot(series.stderr[last], series.stderr[best])),
        decline=float(declines[0]), decline_low=float(declines[1]) if real else 0.0,
        decline_high=float(declines[2]), confidence=confidence, checkpoints=series.value.size,
    )  # fmt: skip
