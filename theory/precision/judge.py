"""The exact value of a formula, with many digits, and its condition number: how accurate an answer can be.

A value is known when mpmath gives it at two precisions that agree to 25 digits. An answer is right within 1e-12 of it,
or within 100 roundings of the inputs where the condition number is large; values below 1e-300 are compared absolutely.
"""

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np

from overtraining.setting.errors import NotSolved

EPS, TOLERANCE, ROUNDINGS = 2.0**-52, 1e-12, 100
PRECISIONS = (50, 100, 400, 1600)
_SMALLEST, _NOTHING = mpmath.mpf("1e-300"), mpmath.mpf("1e-330")

Truth = Callable[..., Any]
"""A formula on mpmath numbers: one number, or a list of them that is judged as one vector."""


def agreed(truth: Truth, *point: float, precisions: Sequence[int] = PRECISIONS) -> tuple[Any, ...]:
    """`truth` at growing numbers of digits, until two precisions agree to 25 digits.

    precisions: in digits; larger ones are needed where the first two could both cancel to 0. Raises NotSolved where no
    two successive ones agree.

    >>> [mpmath.nstr(x, 20) for x in agreed(mpmath.exp, 1.0)]
    ['2.7182818284590452354']
    """
    low: tuple[Any, ...] | None = None
    for digits in precisions:
        with mpmath.workdps(digits):
            high = _listed(truth(*map(mpmath.mpf, point)))
            if low is not None and _distance(high, low) <= max(_size(high) * mpmath.mpf(10) ** -25, _NOTHING):
                return high
            low = high
    raise NotSolved(f"the value at {point}", f"no two of {tuple(precisions)} digits agree", "pass more precisions")


def relative_error(value: Any, exact: Sequence[Any]) -> float:
    """`‖value − exact‖ / ‖exact‖`, absolute below 1e-300; NaN where the value is.

    >>> relative_error(1.5, [mpmath.mpf(1)])
    0.5
    """
    with mpmath.workdps(50):
        found = [mpmath.mpf(float(x)) for x in np.ravel(value)]
        return float(_distance(found, exact) / max(_size(exact), _SMALLEST))


def condition_number(truth: Truth, *point: float, digits: int = 120) -> float:
    """`Σ ‖x ∂f/∂x‖ / ‖f‖` over the inputs x, by difference quotients; 1 where no input matters.

    ‖f‖ is at least 1e-300. Rounding the inputs alone makes even the best answer wrong by 1.1e-16 times this number.

    >>> round(condition_number(lambda x: x - 1, 1.001), 6)
    1001.0
    """
    with mpmath.workdps(digits):
        given, step = [mpmath.mpf(x) for x in point], mpmath.mpf(10) ** -40
        value = _listed(truth(*given))
        moved = [_listed(truth(*(x * (1 + step * (i == j)) for j, x in enumerate(given)))) for i in range(len(given))]
        changes = [_distance(m, value) for m in moved]
        return float(mpmath.fsum(changes) / step / max(_size(value), _SMALLEST)) if any(changes) else 1.0


def allowed(condition: float) -> float:
    """The largest relative error of an answer that counts as right.

    >>> allowed(1.0), allowed(1e6)
    (1e-12, 2.220446049250313e-08)
    """
    return max(TOLERANCE, ROUNDINGS * EPS * condition)


def _listed(value: Any) -> tuple[Any, ...]:
    return tuple(map(mpmath.mpf, value)) if isinstance(value, list | tuple) else (mpmath.mpf(value),)


def _size(values: Sequence[Any]) -> Any:
    return mpmath.sqrt(mpmath.fsum(x * x for x in values))


def _distance(a: Sequence[Any], b: Sequence[Any]) -> Any:
    return _size([x - y for x, y in zip(a, b, strict=True)])
