"""Networks as tuples of layers: linear of any depth, or two layers with an activation; with or without biases."""

from collections.abc import Callable
from functools import partial, reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "gelu": partial(jax.nn.gelu, approximate=False),  # x Φ(x) itself, not its tanh approximation
}

AnyArray = Array | np.ndarray


class Layer(NamedTuple):
    """`x ↦ W x + b`, as arrays of JAX or NumPy; leading axes, if any, count checkpoints."""

    weight: Float[AnyArray, "*batch out in"]
    bias: Float[AnyArray, "*batch out"] | None = None


Layers = tuple[Layer, ...]


def product(layers: Layers) -> Float[AnyArray, "*batch d_out d_in"]:
    """`W_L … W_1`, the matrix of a linear network.

    >>> float(product((Layer(2 * jnp.eye(1)), Layer(3 * jnp.eye(1))))[0, 0])
    6.0
    """
    return reduce(lambda below, layer: layer.weight @ below, layers[1:], layers[0].weight)


def outputs(
    layers: Layers, inputs: Float[Array, "example d_in"], activation: str = "linear"
) -> Float[Array, "example d_out"]:
    """`f(x)` for every row x of the inputs; the activation acts on every layer but the last.

    >>> outputs((Layer(jnp.eye(2)), Layer(jnp.ones((1, 2)))), jnp.array([[1.0, -3.0]]), "relu").tolist()
    [[1.0]]
    """
    *hidden, last = layers
    for layer in hidden:
        inputs = ACTIVATIONS[activation](_affine(layer, inputs))
    return _affine(last, inputs)


def _affine(layer: Layer, x: Float[Array, "example in"]) -> Float[Array, "example out"]:
    image = x @ layer.weight.T
    return image if layer.bias is None else image + layer.bias[None, :]
