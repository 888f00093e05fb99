"""The user's own weights as the start of pretraining."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from overtraining.setting import limits
from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import at_most, check_fields, finite, freeze, listed, one_nonnegative
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.near_names import NamedFields
from overtraining.setting.shown import shown

FLOAT32_IMBALANCE = 1e-6
"""Imbalance over the squared norm of the weights that rounding to float32 may cause."""


@dataclass(frozen=True, init=False, repr=False)
class Weights(NamedFields):
    """Start from these weights: `W_1, …, W_L`, each `out × in` as PyTorch keeps them; biases start at 0.

    Arrays of NumPy, JAX or PyTorch, of any precision, kept as nested tuples. Without a `network`, a Protocol takes it
    from their shapes. Every seed of a simulation starts from them.
    layers: the weights, from the input's layer; also one by one, `Weights(W1, W2)`.
    tolerance: how far from balanced they may be for theory to answer: `‖W_{l+1}ᵀW_{l+1} − W_lW_lᵀ − λI‖_F` over
    `‖W_l‖² + ‖W_{l+1}‖²`. The default accepts what rounding to float32 causes. Theory computes with balanced weights
    near them, and says how much of its answer that may change.

    Raises ShapeError for weights that do not follow each other, or with hidden layers of different widths.

    >>> Weights(np.ones((3, 4)), np.ones((2, 3))).shapes
    ((3, 4), (2, 3))
    """

    layers: Sequenced
    tolerance: float = FLOAT32_IMBALANCE

    def __init__(self, *weights: Any, layers: Any = None, tolerance: float = FLOAT32_IMBALANCE) -> None:
        if weights and layers is not None:
            raise DomainError("weights and layers", "they are the same", "pass the weights one by one, or layers=…")
        freeze(self, layers=weights if layers is None else tuple(listed("layers", layers)), tolerance=tolerance)
        check_fields(self, layers=_layers, tolerance=one_nonnegative)

    def __repr__(self) -> str:
        return shown(self)

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Shapes (out, in) of W_1 … W_L."""
        return tuple((len(layer), len(layer[0])) for layer in self.layers)

    @property
    def matrices(self) -> tuple[np.ndarray, ...]:
        """W_1 … W_L as arrays."""
        return tuple(np.array(layer) for layer in self.layers)


def _layers(_: str, weights: Any) -> list[Any]:
    layers = [_matrix(f"W{number}", weight) for number, weight in enumerate(weights, 1)]
    if not layers:
        raise ShapeError("no weights", "a network has at least one layer", "pass Weights(W1, W2, …)")
    for number, (below, above) in enumerate(pairwise(layers), 2):
        if above.shape[1] != below.shape[0]:
            given = f"W{number} of shape {above.shape} after W{number - 1} of shape {below.shape}"
            raise ShapeError(given, "it does not take what the layer before it gives", "pass each as out × in")
    if len(widths := {len(layer) for layer in layers[:-1]}) > 1:
        raise ShapeError(f"hidden layers of widths {sorted(widths)}", "a Network has one width h", "use equal widths")
    at_most(
        "the number of weights", sum(layer.size for layer in layers), limits.MATRIX, "they are kept as Python's numbers"
    )
    if not any(layer.any() for layer in layers):
        raise DomainError("weights that are all 0", "it is a saddle, which training never leaves", "pass other weights")
    return [layer.tolist() for layer in layers]


def _matrix(name: str, weight: Any) -> np.ndarray:
    if hasattr(weight, "detach"):  # a tensor of PyTorch that is being trained does not become an array by itself
        weight = weight.detach().cpu()
    matrix = finite(name, weight)
    if matrix.ndim != 2 or not matrix.size:
        raise ShapeError(f"{name} of shape {matrix.shape}", "weights are a matrix", "pass Weights(W1, W2, …)")
    return matrix
