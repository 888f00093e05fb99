"""Types of the arguments and results of formulas."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Real

Numbers = Real[np.ndarray, "..."] | np.number[Any] | Sequence[Any] | float | int
"""Real numbers of any shape: an array, a nested list or a scalar; all arguments of a formula broadcast together."""

Values = Float[np.ndarray, "..."] | np.float64
"""float64 numbers in the broadcast shape of the arguments; as in NumPy, a scalar where all of them are scalars."""

Sequenced = Sequence[Any] | np.ndarray
"""What a field of a protocol accepts where it keeps a tuple of numbers: a list, a range, an array."""
