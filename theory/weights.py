"""The checks at the door of formulas that take weight matrices: they chain, fit the teacher and fit the inputs."""

from typing import Any

import numpy as np

from overtraining.setting.domain import finite
from overtraining.setting.errors import DomainError, ShapeError


def chained(*weights: Any) -> tuple[np.ndarray, ...]:
    """W1, …, WL as float64 matrices for which `W_L … W_1` is defined; ShapeError otherwise.

    >>> [w.shape for w in chained([[1, 2]], [[1], [2], [3]])]
    [(1, 2), (3, 1)]
    """
    layers = tuple(finite(f"w{i}", w) for i, w in enumerate(weights, 1))
    for i, layer in enumerate(layers, 1):
        if layer.ndim != 2 or layer.size == 0:
            raise ShapeError(f"w{i} of shape {layer.shape}", "a layer is a non-empty matrix", "pass outputs × inputs")
        if i > 1 and layer.shape[1] != (before := layers[i - 2].shape)[0]:
            raise ShapeError(
                f"w{i - 1} {before}, w{i} {layer.shape}", f"w{i} @ w{i - 1} is not defined", "pass W1 … WL in order"
            )
    if not layers:
        raise ShapeError("no layers", "a network has at least one", "pass W1 … WL")
    return layers


def fitting(teacher: Any, layers: tuple[np.ndarray, ...]) -> np.ndarray:
    """The teacher as a float64 matrix of the network's own shape; ShapeError otherwise."""
    matrix, shape = finite("teacher", teacher), (layers[-1].shape[0], layers[0].shape[1])
    if matrix.shape != shape:
        raise ShapeError(f"a teacher of shape {matrix.shape}", f"the network is {shape}", "let them agree")
    return matrix


def covariance(given: Any, layers: tuple[np.ndarray, ...]) -> np.ndarray:
    """Σx as a checked matrix, the identity where None is given; ShapeError, DomainError otherwise."""
    d_in = layers[0].shape[1]
    return np.eye(d_in) if given is None else input_covariance_of(given, d_in)


def input_covariance_of(given: Any, d_in: int) -> np.ndarray:
    """Σx as a checked matrix: d_in × d_in, symmetric, positive semidefinite; ShapeError, DomainError otherwise."""
    covariance = finite("input_covariance", given)
    if covariance.shape != (d_in, d_in):
        raise ShapeError(f"input_covariance {covariance.shape}", f"w1 takes {d_in} inputs", "pass d_in × d_in")
    # rounding of a symmetric eigenproblem: a few ulp of the largest entry per dimension
    slack = 8 * d_in * np.finfo(float).eps * np.abs(covariance).max()
    if np.abs(covariance - covariance.T).max() > slack or np.linalg.eigvalsh(covariance)[0] < -slack:
        raise DomainError("input_covariance", "it is not symmetric positive semidefinite", "pass E[x xᵀ]")
    return covariance
