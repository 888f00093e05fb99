"""float64 matrices as they are, in exact arithmetic: the judge of engine functions that take matrices."""

from fractions import Fraction

import numpy as np


def fractions(*matrices: np.ndarray) -> tuple[np.ndarray, ...]:
    """The same numbers as arrays of Fraction, in which sums and products of matrices make no error."""
    return tuple(np.vectorize(Fraction, otypes=[object])(np.asarray(m, float)) for m in matrices)
