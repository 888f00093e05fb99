"""Products whose intermediate results neither overflow nor underflow, and the refusal of results that overflow."""

from collections.abc import Callable
from functools import reduce
from operator import mul
from typing import Any

import numpy as np

from overtraining.setting.errors import DomainError


def product(*factors: Any) -> Any:
    """The product of arrays or numbers, with exponents added apart: only a result outside float64 becomes inf or 0.

    >>> float(product(2.0**1000, 2.0**-600, 2.0**-600)) == 2.0**-200, 2.0**1000 * (2.0**-600) ** 2
    (True, 0.0)
    """
    mantissas, exponents = zip(*(np.frexp(np.asarray(x, float)) for x in factors), strict=True)
    return np.ldexp(reduce(mul, mantissas), sum(exponents))


def refuse_overflow(what: str, compute: Callable[[], Any]) -> Any:
    """The result of `compute`, an array or a list of arrays; DomainError if it is too large for float64.

    >>> refuse_overflow("the loss", lambda: np.float64(1e200) ** 2)
    Traceback (most recent call last):
    overtraining.setting.errors.DomainError: the loss: it overflows in float64. Instead: rescale units.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # inf - inf and 0 * inf follow an overflow
        result = compute()
    arrays = result if isinstance(result, list | tuple) else [result]
    if not all(np.isfinite(x).all() for x in arrays):
        raise DomainError(what, "it overflows in float64", "rescale units")
    return result
