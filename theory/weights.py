"""The checks at the door of formulas that take weight matrices: they chain, fit the teacher and fit the inputs."""

from typing import Any

import numpy as np

from theory.domain import finite
from theory.errors import ShapeError
from theory.noise import _covariance


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
    return np.eye(d_in) if given is None else _covariance(given, d_in)
