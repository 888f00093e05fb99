"""A series: one benchmark or loss of one model at several checkpoints, with the sign that makes lower better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from overtraining.setting import limits
from overtraining.setting.domain import finite, nonnegative, positive
from overtraining.setting.errors import DomainError, SchemaError, ShapeError

MINIMUM = 4  # checkpoints: a curve can fit any three
SCATTER_MINIMUM = 8  # checkpoints from whose distances to their neighbours an error can be estimated


@dataclass(frozen=True)
class Series:
    """Increasing lengths, values (lower is better) and their standard errors, one of each per checkpoint.

    freedom: infinite if the errors are known; if their common scale was estimated, its degrees of freedom.
    errors_from: which sources of error the standard errors contain.  sign: −1 if the values are the negative of a
    score, so that they can be printed as scores.
    Raises DomainError, ShapeError; SchemaError for fewer than four checkpoints.
    """

    length: np.ndarray
    value: np.ndarray
    stderr: np.ndarray
    freedom: float = np.inf
    errors_from: str = "as given"
    unit: str = "1"
    sign: int = 1

    def __post_init__(self) -> None:
        length, value = nonnegative("length", self.length), finite("value", self.value)
        stderr = positive("stderr", self.stderr, "every measured value has an error; give it")
        if not length.shape == value.shape == stderr.shape or length.ndim != 1:
            shapes = f"length {length.shape}, value {value.shape}, stderr {stderr.shape}"
            raise ShapeError(shapes, "these are not three numbers per checkpoint", "pass three arrays of equal length")
        if length.size > limits.CHECKPOINTS:
            why = f"curves of more than {limits.CHECKPOINTS:,} take minutes to hours each"
            keep = f"keep one of every {-(-length.size // limits.CHECKPOINTS)} of them, or means of neighbouring ones"
            raise SchemaError(f"{length.size:,} checkpoints", why, keep)
        if length.size < MINIMUM:
            why = "fewer than four checkpoints cannot tell a turning point from noise"
            raise SchemaError(f"{length.size} checkpoints", why, "measure more checkpoints")
        if (np.diff(length) <= 0).any():
            raise DomainError("length", "the lengths do not increase", "sort them together with the values")
        if not self.freedom >= 1:
            raise DomainError(
                f"freedom = {self.freedom!r}",
                "an estimated error needs at least one degree of freedom",
                "repeat a measurement",
            )

    @property
    def clock(self) -> np.ndarray:
        """The lengths on a logarithmic scale from 0 to 1."""
        low, high, _ = self._logarithmic
        scaled: np.ndarray = (self._log(self.length) - low) / (high - low)
        return scaled

    def length_at(self, clock: Any) -> Any:
        """The lengths at given places of the clock; infinity stays infinity."""
        low, high, first = self._logarithmic
        log = low + np.minimum(clock, 1.0) * (high - low)
        return np.where(np.isinf(clock), np.inf, first * (np.exp(log) if self.length[0] > 0 else np.expm1(log)))

    @property
    def _logarithmic(self) -> tuple[float, float, float]:
        low, high = self._log(self.length[[0, -1]])
        return float(low), float(high), float(self.length[self.length > 0][0])

    def _log(self, length: np.ndarray) -> np.ndarray:
        ratio = length / self.length[self.length > 0][0]
        log: np.ndarray = (
            np.log(ratio) if self.length[0] > 0 else np.log1p(ratio)
        )  # log1p, so that a length of 0 has a place, too
        return log


def pooled(values: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, float]:
    """Means, standard errors and degrees of freedom of repetitions that scatter equally at all checkpoints.

    values: one row of repetitions (seeds) per checkpoint. Raises SchemaError if no checkpoint has two.

    >>> mean, stderr, freedom = pooled([np.array([1.0, 3.0]), np.array([2.0])])
    >>> mean.tolist(), stderr.round(4).tolist(), freedom
    ([2.0, 2.0], [1.0, 1.4142], 1.0)
    """
    counts = np.array([len(v) for v in values])
    freedom = float((counts - 1).sum())
    if freedom < 1:
        raise SchemaError(
            "no repetitions", "nothing shows how large the noise is", "give standard errors or several seeds"
        )
    if all(np.ptp(v) == 0 for v in values):
        why = "the repetitions of each checkpoint are the same, so that their errors cannot be estimated"
        raise SchemaError(f"{sum(counts)} repetitions", why, "leave out copies, or give standard errors")
    variance = sum(float(((v - v.mean()) ** 2).sum()) for v in values) / freedom
    return np.array([v.mean() for v in values]), np.sqrt(variance / counts), freedom


def neighbours_scatter(clock: np.ndarray, value: np.ndarray) -> tuple[float, float]:
    """Standard error of one value, from its distance to the line through its neighbours, and its degrees of freedom.

    The median of the distances is used, so that a few sharp bends do no harm; a curve that bends everywhere counts as
    noise, which makes the error too large rather than too small (Gasser, Sroka and Jennen-Steinmetz 1986).
    Raises SchemaError for fewer than eight checkpoints.

    >>> round(neighbours_scatter(np.arange(9.0), np.array([0.0, 1.0] * 4 + [0.0]))[0], 3)
    1.211
    """
    if clock.size < SCATTER_MINIMUM:
        why = "without standard errors the noise is estimated from neighbouring checkpoints, which takes eight of them"
        raise SchemaError(
            f"{clock.size} checkpoints", why, "give standard errors, numbers of test items, or several seeds"
        )
    distance = neighbours_distance(clock, value)
    # 0.24 degrees of freedom per distance, found by simulation: distances overlap, and a median uses less of the data
    return float(np.median(distance) / 0.674490), max(1.0, 0.24 * (clock.size - 2))


def neighbours_distance(clock: np.ndarray, value: np.ndarray) -> np.ndarray:
    """How far each value is from the line through its neighbours, in units that make it |normal| × the standard error.

    Returns one number per checkpoint with two neighbours.

    >>> neighbours_distance(np.arange(3.0), np.array([0.0, 1.0, 0.0])).round(3).tolist()
    [0.816]
    """
    weight = (clock[2:] - clock[1:-1]) / (clock[2:] - clock[:-2])
    off = value[1:-1] - weight * value[:-2] - (1 - weight) * value[2:]
    distance: np.ndarray = np.abs(off) / np.sqrt(1 + weight**2 + (1 - weight) ** 2)
    return distance
