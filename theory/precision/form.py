"""A closed form of the theory beside the same formula in mpmath."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from overtraining.theory.precision.judge import PRECISIONS, Truth, agreed, condition_number, relative_error


@dataclass(frozen=True)
class Form:
    """One closed form: `engine` of columns of float64 inputs, `truth` of one point in mpmath.

    claim: its identifier.  name: `module.function`, and which of its results, if it has several.
    engine: takes one array per input, returns one value (or row of values, compared as one vector) per point.
    digits: precisions at which the truth is computed, or a function of the point that gives them; the first must be
    large enough that the truth does not cancel to exactly 0.
    """

    claim: str
    name: str
    engine: Callable[..., Any]
    truth: Truth
    digits: Sequence[int] | Callable[..., Sequence[int]] = PRECISIONS

    def errors(self, points: np.ndarray) -> np.ndarray:
        """Relative error of the engine, called once with all rows of `points`; NaN where its answer is NaN.

        >>> double = Form("X1", "twice", lambda x: 2.0 * x, lambda x: 2 * x)
        >>> double.errors(np.array([[1.0], [3.0]])).tolist()
        [0.0, 0.0]
        """
        found = np.asarray(self.engine(*points.T))
        return np.array(
            [
                relative_error(value, agreed(self.truth, *point, precisions=self._digits(point)))
                for value, point in zip(found, points.tolist(), strict=True)
            ]
        )

    def condition(self, point: Sequence[float]) -> float:
        """Condition number of the form with respect to its inputs."""
        return condition_number(self.truth, *point, digits=max(120, self._digits(point)[0]))

    def _digits(self, point: Sequence[float]) -> Sequence[int]:
        return self.digits(*point) if callable(self.digits) else self.digits


def each(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """An engine of columns from a function of one point, for what does not broadcast.

    >>> each(lambda a, b: a + b)(np.ones(2), np.ones(2)).tolist()
    [2.0, 2.0]
    """
    return lambda *columns: np.array([function(*map(float, row)) for row in zip(*columns, strict=True)])
