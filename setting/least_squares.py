"""The least-squares map of data (X, Y): the teacher that a linear network learns from them."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from overtraining.setting.domain import finite
from overtraining.setting.errors import DomainError, ShapeError


class LeastSquares(NamedTuple):
    """The map A, `d_out × d_in`, of smallest norm where X leaves it open; the second moment of x; what A leaves over.

    rank: of X; below d_in the examples do not tell all of A.
    label_noise: estimated standard deviation of the rest of one label, `‖Y − XAᵀ‖ / √(d_out (n − rank))`; 0 where
    there are no more examples than the rank, so that A leaves nothing over.
    """

    teacher: Float[np.ndarray, "d_out d_in"]
    input_covariance: Float[np.ndarray, "d_in d_in"]
    rank: int
    label_noise: float


def least_squares(X: Any, Y: Any) -> LeastSquares:
    """`A = Yᵀ X (XᵀX)⁻¹`, by least squares, and `Σx = XᵀX / n`; one example per row, `X: n × d_in`, `Y: n × d_out`.

    Its loss over the population is the mean loss `½‖f(x) − y‖²` of these very examples, but for a constant. Σx is
    E[x xᵀ] without a mean taken off. Singular values of X below the rounding of its own type count as 0.
    Raises ShapeError for other shapes, and DomainError where all of X is 0.

    >>> found = least_squares([[1, 0], [0, 2], [1, 2]], [[3], [2], [5]])
    >>> found.teacher.round(12).tolist(), found.rank, round(found.label_noise, 12)
    ([[3.0, 1.0]], 2, 0.0)
    """
    x, y = (_examples(*pair) for pair in (("X", X), ("Y", Y)))
    if len(x) != len(y):
        transposed = x.shape[1] == y.shape[1]
        why = "examples stand in columns" if transposed else "they have different numbers of examples"
        raise ShapeError(
            f"X of shape {x.shape} and Y of shape {y.shape}",
            why,
            "pass X.T and Y.T" if transposed else "pass one example per row in both, X: n × d_in and Y: n × d_out",
        )
    scale = float(np.abs(x).max())
    if scale == 0:
        raise DomainError("X", "all of it is 0: nothing can be learned from one input", "pass inputs that vary")
    if not 1e-75 < scale < 1e75 or np.abs(y).max() > 1e75:
        raise DomainError("X or Y", "squares of its numbers leave float64's range", "rescale units")
    precise = np.finfo(kind).eps if (kind := getattr(X, "dtype", None)) in _FLOATS else np.finfo(float).eps
    map_in_rows, _, rank, _ = np.linalg.lstsq(x / scale, y, rcond=float(precise) * max(x.shape))
    rest = y - x / scale @ map_in_rows
    unused = len(x) - int(rank)
    noise = np.linalg.norm(rest) / (y.shape[1] * unused) ** 0.5 if unused else 0.0
    covariance = (x / scale).T @ (x / scale) / len(x) * scale**2
    return LeastSquares(map_in_rows.T / scale, covariance, int(rank), float(noise))


_FLOATS = (np.float16, np.float32, np.float64)


def _examples(name: str, data: Any) -> Float[np.ndarray, "n d"]:
    array = finite(name, data)
    if array.ndim == 1 and array.size:
        raise ShapeError(f"{name} of shape {array.shape}", "it is not one row per example", f"pass {name}[:, None]")
    if array.ndim != 2 or not array.size:
        raise ShapeError(f"{name} of shape {array.shape}", "it is not one row per example", "pass a 2-d array")
    return array
