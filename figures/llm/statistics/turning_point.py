"""The turning point of a series: an interval for it, and a test whether the decline after it is real."""

from dataclasses import dataclass

import numpy as np

from overtraining.figures.llm.statistics.decline import p_value
from overtraining.figures.llm.statistics.series import Series
from overtraining.figures.llm.statistics.smooth import GRID, consistent_curves
from overtraining.setting.errors import DomainError

LONG_PLATEAU = 0.6
"""Part of the logarithmic range from which on a plateau is long: intervals there contain too few of the turning points
(`statistics.calibration.plateau_course`)."""


@dataclass(frozen=True)
class TurningPoint:
    """What the data say about the length beyond which the result only gets worse.

    best: the checkpoint with the best value.  low, high: the interval for the turning point; `high` is infinite if the
    data do not exclude that there is none in the range, and so is `low` if they exclude every place before the end.
    p_value: probability that noise alone makes a decline this large.  rise, rise_stderr: how much worse the last
    checkpoint is than the best, as observed; this is biased upward, since the best checkpoint was chosen after seeing
    the values.  decline, decline_low, decline_high: median and interval of the decline without that bias.  plateau:
    the part of the logarithmic range along which the mean curve is nearer to its lowest value than half of its fall to
    it and half of its rise from it.
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
    plateau: float

    @property
    def on_long_plateau(self) -> bool:
        """Whether the curve is so long near its lowest value that the interval is too narrow."""
        return self.plateau >= LONG_PLATEAU

    @property
    def significant(self) -> bool:
        """Whether the decline is significant: `p_value <= 1 − confidence`."""
        return self.p_value <= 1 - self.confidence

    @property
    def rise_in_errors(self) -> float:
        """The observed decline in standard errors."""
        return self.rise / self.rise_stderr if self.rise > 0 else 0.0


def find_turning_point(
    series: Series, confidence: float = 0.95, draws: int = 2000, key: int = 0, grid: int = GRID
) -> TurningPoint:
    """Interval and significance of a turning point; both account for the search for the best checkpoint.

    The interval reaches from the first to the last place at which curves that are consistent with the data are as low
    as at the checkpoint of their lowest mean, in more than `1 − confidence` of the draws: the other places are worse,
    significantly. It always contains the best checkpoint. The places of the curves' own minima would make a narrower
    interval, which misses the end of a long plateau: a smooth curve rises before a kink. Places are left out between
    two checkpoints of which both are worse than the best one by more than the largest rise that was seen and three
    standard errors: a wide gap after a steep fall would otherwise allow a dip that no other part of the series
    suggests. The significance is that of statistics.decline. statistics.calibration measures how good both are, on
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
    near = _near_the_best(series, places)
    here = np.searchsorted(places, series.clock)  # between checkpoints a curve may be lower
    p = p_value(series, key=key)
    real = p <= 1 - confidence
    inside = places.size - real  # after a real decline the end is not the best
    lowest, as_low, total = -1, np.zeros(places.size), np.zeros(places.size)
    declines = []
    for curves in blocks:
        if lowest < 0:
            lowest = int(here[curves[:, here].mean(axis=0)[: here.size - real].argmin()])
        as_low += np.count_nonzero(curves <= curves[:, [lowest]], axis=0)
        total += curves.sum(axis=0)
        declines.append(curves[:, -1] - curves[:, here].min(axis=1))
    best, last = int(series.value.argmin()), -1
    as_low[here[best]] = draws  # a smooth curve may pass it, but it was measured to be the best
    plausible = np.flatnonzero((near & (as_low > (1 - confidence) * draws))[:inside])
    low, high = series.length_at(np.where(plausible < places.size - 1, places[plausible], np.inf)[[0, -1]])
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    middle, least, most = np.quantile(np.concatenate(declines), [0.5, *tails])
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
        plateau=_plateau(places, total / draws),
    )


def _plateau(places: np.ndarray, curve: np.ndarray) -> float:
    """The part of the range around the lowest value where the curve rises by at most half of its smaller change."""
    lowest = int(curve[:-1].argmin())
    change = min(curve[: lowest + 1].max(), curve[-1]) - curve[lowest]
    above = np.flatnonzero(curve > curve[lowest] + change / 2)
    after = np.searchsorted(above, lowest)
    begin = above[after - 1] + 1 if after else 0
    end = above[after] - 1 if after < above.size else places.size - 1
    return float(max(places[end] - places[begin], 0.0))


def _near_the_best(series: Series, places: np.ndarray) -> np.ndarray:
    """Whether the better of the checkpoints on both sides of each place is no worse than the curve was seen to rise."""
    sides = [np.searchsorted(series.clock, places, side=side) for side in ("left", "right")]
    value, stderr = series.value, series.stderr
    after, before = sides[0], sides[1] - 1
    better = np.where(value[after] < value[before], after, before)
    best = value.argmin()
    lasting = np.minimum(value, np.append(value[1:], value[-1]))  # not of a single odd checkpoint
    largest_rise = (lasting - np.minimum.accumulate(value)).max()
    near: np.ndarray = value[better] - value[best] <= largest_rise + 3 * np.hypot(stderr[better], stderr[best])
    return near
