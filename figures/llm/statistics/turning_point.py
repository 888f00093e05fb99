"""The turning point of a series: an interval for it, and a test whether the decline after it is real."""

from dataclasses import dataclass

import numpy as np

from overtraining.figures.llm.statistics.decline import p_value
from overtraining.figures.llm.statistics.series import Series
from overtraining.figures.llm.statistics.smooth import GRID, consistent_curves
from overtraining.setting.errors import DomainError


@dataclass(frozen=True)
class TurningPoint:
    """What the data say about the length beyond which the result only gets worse.

    best: the checkpoint with the best value.  low, high: the interval for the turning point; `high` is infinite if the
    data do not exclude that there is none in the range.  p_value: probability that noise alone makes a decline this
    large.  rise, rise_stderr: how much worse the last checkpoint is than the best, as observed; this is biased upward,
    since the best checkpoint was chosen after seeing the values.  decline, decline_low, decline_high: median and
    interval of the decline without that bias.
    """

    best: float
    low: float
    high: float
    p_value: float
    rise: float
    rise_stderr: float
    decline: float
    decline_low: float
    decline_high: float
    confidence: float
    checkpoints: int

    @property
    def significant(self) -> bool:
        """Whether the decline is significant: `p_value <= 1 − confidence`."""
        return self.p_value <= 1 - self.confidence

    @property
    def rise_in_errors(self) -> float:
        """The observed decline in standard errors."""
        return self.rise / self.rise_stderr if self.rise > 0 else 0.0


def find_turning_point(
    series: Series, confidence: float = 0.95, draws: int = 4000, key: int = 0, grid: int = GRID
) -> TurningPoint:
    """Interval and significance of a turning point; both account for the search for the best checkpoint.

    The interval contains the central `confidence` of the places at which curves that are consistent with the data have
    their minimum; the significance is that of statistics.decline. statistics.calibration measures how good both are, on
    synthetic series with and without a turning point. The same `key` gives the same answer.
    Raises DomainError.

    >>> s = Series(np.arange(1.0, 8.0), (np.arange(7.0) - 3) ** 2, np.full(7, 0.2))
    >>> t = find_turning_point(s)
    >>> t.significant, t.best, 2 < t.low <= 4 <= t.high < 5
    (True, 4.0, True)
    """
    if not 0 < confidence < 1:
        raise DomainError(f"confidence = {confidence!r}", "it is a probability", "use a number such as 0.95")
    places, blocks = consistent_curves(series, draws, key, grid)
    here = np.searchsorted(places, series.clock)  # between checkpoints a curve may be lower
    found = [(curves.argmin(axis=1), curves[:, -1] - curves[:, here].min(axis=1)) for curves in blocks]
    at, declines = map(np.concatenate, zip(*found, strict=True))
    p = p_value(series, draws, key)
    best, last = int(series.value.argmin()), -1
    real = p <= 1 - confidence
    # after a real decline the best length was before the end; otherwise the end may be the best
    where = places[at[at < places.size - 1]] if real else np.where(at < places.size - 1, places[at], np.inf)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = series.length_at(np.quantile(where, tails, method="nearest"))
    middle, least, most = np.quantile(declines, [0.5, *tails])
    return TurningPoint(
        best=float(series.length[best]),
        low=float(low),
        high=float(high) if real else np.inf,
        p_value=p,
        rise=float(series.value[last] - series.value[best]),
        rise_stderr=float(np.hypot(series.stderr[last], series.stderr[best])),
        decline=float(middle),
        decline_low=float(least) if real else 0.0,
        decline_high=float(most),
        confidence=confidence,
        checkpoints=series.value.size,
    )
