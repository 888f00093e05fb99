"""A covariance as it comes from data: symmetric and without negative eigenvalues, both up to rounding in float32."""

from typing import Any

import numpy as np
from jaxtyping import Float

from overtraining.setting.domain import finite
from overtraining.setting.errors import DomainError, ShapeError

Square = Float[np.ndarray, "d d"]
FLOAT32_ROUNDING = 8 * float(np.finfo(np.float32).eps)
"""Asymmetry, and negative eigenvalues, that are rounding errors: about 1e-6 of the largest entry or eigenvalue."""

SAME = 1e-10
"""Singular values, variances and axes that are the same, relative to the largest: what float64 loses in a few steps."""


def symmetric_covariance(name: str, matrix: Any) -> Square:
    """The matrix, made symmetric; ShapeError, and DomainError for asymmetry or negative eigenvalues beyond rounding.

    >>> symmetric_covariance("Σx", [[1, -1], [-1, 1 - 4e-9]]).tolist()
    [[1.0, -1.0], [-1.0, 0.999999996]]
    >>> symmetric_covariance("Σx", [[1, 2], [2, 1]])
    Traceback (most recent call last):
    overtraining.setting.errors.DomainError: Σx: it is not positive semidefinite: its eigenvalues go from -1 to 3. \
Instead: pass E[x xᵀ].
    """
    return _symmetric(name, matrix)[0]


def positive_covariance(name: str, matrix: Any) -> Square:
    """The same with negative eigenvalues set to 0, except for rounding errors of float64.

    >>> positive_covariance("Σx", np.diag([1.0, -4e-9])).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    symmetric, least = _symmetric(name, matrix)
    if least >= -8 * len(symmetric) * np.finfo(float).eps:
        return symmetric
    eigenvalues, axes = np.linalg.eigh(symmetric)
    return (axes * np.maximum(eigenvalues, 0.0)) @ axes.T


def _symmetric(name: str, matrix: Any) -> tuple[Square, float]:
    """The matrix, made symmetric, and its least eigenvalue in units of its largest entry."""
    given = finite(name, matrix)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or not given.size:
        raise ShapeError(f"{name} of shape {given.shape}", "a covariance is a square matrix", "pass d_in × d_in")
    scale = np.abs(given).max()
    if scale == 0:
        return given, 0.0
    off = np.abs(given / scale - given.T / scale)
    if off.max() > FLOAT32_ROUNDING:
        i, j = (int(k) for k in np.unravel_index(off.argmax(), off.shape))
        why = f"it is not symmetric: entry [{i}, {j}] is {given[i, j]:.9g}, and [{j}, {i}] is {given[j, i]:.9g}"
        raise DomainError(name, why, "pass E[x xᵀ]")
    symmetric = np.where(given == given.T, given, given / 2 + given.T / 2)
    eigenvalues = np.linalg.eigvalsh(symmetric / scale)
    if eigenvalues[0] < -FLOAT32_ROUNDING * eigenvalues[-1]:
        least, most = eigenvalues[0] * scale, eigenvalues[-1] * scale
        why = f"it is not positive semidefinite: its eigenvalues go from {least:.3g} to {most:.3g}"
        raise DomainError(name, why, "pass E[x xᵀ]")
    return symmetric, float(eigenvalues[0])


def eigenvalues_and_axes(symmetric: Square) -> tuple[Float[np.ndarray, " d"], Square]:
    """The eigenvalues, in increasing order, those that are 0 up to rounding set to 0, and the axes (columns)."""
    scale = np.abs(symmetric).max() or 1.0
    eigenvalues, axes = np.linalg.eigh(symmetric / scale)
    return without_rounding(eigenvalues) * scale, axes


def without_rounding(variances: Float[np.ndarray, " d"]) -> Float[np.ndarray, " d"]:
    """The variances, of which those below 8dε of the largest are 0: negative ones, and rounding errors of 0.

    >>> without_rounding(np.array([2.0, 1e-13, 1e-15, -1e-9])).tolist()
    [2.0, 1e-13, 0.0, 0.0]
    """
    return np.where(variances > 8 * variances.size * np.finfo(float).eps * variances.max(), variances, 0.0)


def common_frames(
    left: Float[np.ndarray, "d_out d_out"],
    right: Float[np.ndarray, "d_in d_in"],
    sigma: Float[np.ndarray, " modes"],
    input_covariance: Float[np.ndarray, "d_in d_in"],
) -> tuple[Float[np.ndarray, "d_out d_out"], Float[np.ndarray, "d_in d_in"]]:
    """U and V of the teacher in which Σx is diagonal, if there are such frames.

    Equal singular values leave their singular vectors open, and so do those that are 0. Within them V is turned to the
    axes of Σx, largest variance first, and U with it, so that A stays the same.

    >>> u, v = common_frames(np.eye(2), np.eye(2), np.ones(2), np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> np.allclose(u @ v.T, np.eye(2)), np.allclose(v.T @ [[2.0, 1.0], [1.0, 2.0]] @ v, np.diag([3.0, 1.0]))
    (True, True)
    """
    left, right = left.copy(), right.copy()
    every = np.pad(sigma, (0, len(right) - sigma.size))
    steps = np.flatnonzero(-np.diff(every) > SAME * every[0]) + 1
    for first, end in zip([0, *steps], [*steps, every.size], strict=True):
        vectors = right[:, first:end]
        turn = np.linalg.eigh(vectors.T @ input_covariance @ vectors)[1][:, ::-1]
        right[:, first:end] = vectors @ turn
        if end <= len(left):  # else the singular values are 0, and U is as open as V
            left[:, first:end] = left[:, first:end] @ turn
    return left, right


def off_diagonal(right: Float[np.ndarray, "d_in d_in"], input_covariance: Float[np.ndarray, "d_in d_in"]) -> float:
    """The largest entry of `VᵀΣxV` beside the diagonal, relative to the largest on it."""
    entries = np.abs(right.T @ (input_covariance / np.abs(input_covariance).max()) @ right)
    largest = np.diag(entries).max()
    np.fill_diagonal(entries, 0.0)
    return float(entries.max() / largest)
