"""The second judge: mpmath at two precisions that agree."""

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np


def precisely(formula: Callable[..., Any], *inputs: float) -> mpmath.mpf:
    """`formula` of mpmath numbers, with so many digits that twice as many change nothing in the first 25."""
    digits = 40
    while digits < 3000:
        values = []
        for more in (digits, 2 * digits):
            with mpmath.workdps(more):
                values.append(formula(*map(mpmath.mpf, inputs)))
        with mpmath.workdps(30):
            if abs(values[0] - values[1]) <= abs(values[1]) * mpmath.mpf(10) ** -25:
                return values[1]
        digits *= 3
    raise AssertionError(f"no two precisions agree at {inputs}")


def errors(
    got: np.ndarray, formula: Callable[..., Any], points: Sequence[np.ndarray], condition: Any = 1.0
) -> np.ndarray:
    """Relative errors divided by the condition number; what is below 1e-300 is judged absolutely."""
    scale = np.broadcast_to(np.maximum(1.0, condition), got.shape)
    found = np.empty(got.shape)
    for i, inputs in enumerate(zip(*points, strict=True)):
        truth = precisely(formula, *map(float, inputs))
        found[i] = float(abs(mpmath.mpf(float(got[i])) - truth) / max(abs(truth), mpmath.mpf("1e-300"))) / scale[i]
    return found
