"""A series: one measure of one model at several checkpoints, oriented so that lower is better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from overtraining.setting.domain import finite, nonnegative, positive
from overtraining.setting.errors import DomainError, SchemaError, ShapeError

LEAST = 4  # checkpoints: with three, a curve through them fits anything


@dataclass(frozen=True)
class Series:
    """Lengths (rising), values (lower is better), and standard errors, of which `freedom` degrees support the scale.

    freedom: infinite where the errors are known; the degrees of freedom of their common scale where that was estimated.
    errors_from: what the errors contain.  sign: −1 where the values are the negative of a score, for printing.
    Raises DomainError, ShapeError; SchemaError with fewer than four checkpoints, or without errors.
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
        stderr = positive("stderr", self.stderr, "a measured value has an error; give it")
        if not length.shape == value.shape == stderr.shape or length.ndim != 1:
            shapes = f"length {length.shape}, value {value.shape}, stderr {stderr.shape}"
            raise ShapeError(shapes, "these are not three numbers per checkpoint", "pass three equal rows")
        if length.size < LEAST:
            why = "fewer than four cannot tell a turning point from chance"
            raise SchemaError(f"{length.size} checkpoints", why, "measure more checkpoints")
        if (np.diff(length) <= 0).any():
            raise DomainError("length", "the lengths do not rise", "sort them, and the values with them")
        if not self.freedom >= 1:
            raise DomainError(f"freedom = {self.freedom!r}", "an error needs at least one", "repeat a measurement")

    @property
    def clock(self) -> np.ndarray:
        """Lengths on a logarithmic scale from 0 to 1."""
        low, high, _ = self._logarithmic
        scaled: np.ndarray = (self._log(self.length) - low) / (high - low)
        return scaled

    def length_at(self, clock: Any) -> Any:
        """The lengths of places on the clock; infinite stays infinite."""
        low, high, first = self._logarithmic
        log = low + np.minimum(clock, 1.0) * (high - low)
        return np.where(np.isinf(clock), np.inf, first * (np.exp(log) if self.length[0] > 0 else np.expm1(log)))

    @property
    def _logarithmic(self) -> tuple[float, float, float]:
        low, high = self._log(self.length[[0, -1]])
        return float(low), float(high), float(self.length[self.length > 0][0])

    def _log(self, length: np.ndarray) -> np.ndarray:
        ratio = length / self.length[self.length > 0][0]
        log: np.ndarray = np.log(ratio) if self.length[0] > 0 else np.log1p(ratio)  # a length of 0 has its place, too
        return log


def pooled(values: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, float]:
    """Means, standard errors and degrees of freedom of repetitions whose scatter is the same at all checkpoints.

    values: one row of repetitions (seeds) per checkpoint. Raises SchemaError where no checkpoint has two.

    >>> mean, stderr, freedom = pooled([np.array([1.0, 3.0]), np.array([2.0])])
    >>> mean.tolist(), stderr.round(4).tolist(), freedom
    ([2.0, 2.0], [1.0, 1.4142], 1.0)
    """
    counts = np.array([len(v) for v in values])
    freedom = float((counts - 1).sum())
    if freedom < 1:
        raise SchemaError("no repetitions", "nothing shows how large chance is", "give standard errors or seeds")
    variance = sum(float(((v - v.mean()) ** 2).sum()) for v in values) / freedom
    return np.array([v.mean() for v in values]), np.sqrt(variance / counts), freedom


def neighbours_scatter(clock: np.ndarray, value: np.ndarray) -> tuple[float, float]:
    """Standard error of one value from how far each lies off the line through its neighbours, and degrees of freedom.

    The median of the distances, so that a few sharp bends do no harm; a curve that bends everywhere is taken for
    scatter, which errs to the large side (Gasser, Sroka and Jennen-Steinmetz 1986).
    Raises SchemaError with fewer than eight checkpoints.

    >>> round(neighbours_scatter(np.arange(9.0), np.array([0.0, 1.0] * 4 + [0.0]))[0], 3)
    1.211
    """
    if clock.size < 8:
        why = "without standard errors chance has to be judged by the scatter of neighbours, which takes eight"
        raise SchemaError(f"{clock.size} checkpoints", why, "give standard errors, test items or seeds")
    share = (clock[2:] - clock[1:-1]) / (clock[2:] - clock[:-2])
    off = value[1:-1] - share * value[:-2] - (1 - share) * value[2:]
    distance = np.abs(off) / np.sqrt(1 + share**2 + (1 - share) ** 2)
    # 0.24 degrees of freedom per distance, by simulation: they overlap, and a median knows less than a mean square
    return float(np.median(distance) / 0.674490), max(1.0, 0.24 * (clock.size - 2))
