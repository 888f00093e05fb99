"""What is seen inside a network: singular values, norms and balancedness."""

from itertools import pairwise

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from simulations.data import Examples
from simulations.networks import Layers, outputs, product


def norms(layers: Layers) -> dict[str, Array]:
    """`layer_norm`, `‖W_l‖²_F + ‖b_l‖²` per layer; `weight_norm`, their sum; and `imbalance` of neighbouring layers.

    imbalance: `(Σ_l ‖W_{l+1}ᵀW_{l+1} − W_lW_lᵀ − b_lb_lᵀ‖²_F)^½`, which gradient flow of a linear network conserves
    term by term (claim A1); a single layer has none.
    """
    each = jnp.stack([sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(layer)) for layer in layers])
    seen = {"layer_norm": each, "weight_norm": jnp.sum(each)}
    if len(layers) == 1:
        return seen
    differences = [after.weight.T @ after.weight - _gram(before) for before, after in pairwise(layers)]
    return seen | {"imbalance": jnp.sqrt(sum(jnp.sum(d**2) for d in differences))}


def linear_part(layers: Layers, activation: str, held_out: Examples | None) -> Float[Array, "d_out d_in"]:
    """The matrix P of a linear network; with an activation, that of the affine map nearest to f on held-out inputs."""
    if held_out is None:
        return product(layers)
    x, images = (m - m.mean(axis=0, keepdims=True) for m in (held_out.x, outputs(layers, held_out.x, activation)))
    return jnp.linalg.lstsq(x, images)[0].T


def _gram(layer):  # type: ignore[no-untyped-def]
    gram = layer.weight @ layer.weight.T
    return gram if layer.bias is None else gram + jnp.outer(layer.bias, layer.bias)
