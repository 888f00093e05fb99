"""Observables of a network's weights: norms, imbalance of neighbouring layers, and the linear part."""

from itertools import pairwise

import jax.numpy as jnp
from jaxtyping import Array, Float

from overtraining.simulations.data import Examples
from overtraining.simulations.networks import AnyArray, Layer, Layers, outputs, product


def layer_norms(layers: Layers) -> dict[str, Array]:
    """`layer_norm`, `‖W_l‖²_F`; `bias_norm`, `‖b_l‖²`; `weight_norm`, `Σ_l ‖W_l‖²_F`; `imbalance` of neighbours.

    imbalance: `(Σ_l ‖W_{l+1}ᵀW_{l+1} − W_lW_lᵀ − b_lb_lᵀ‖²_F)^½`, which gradient flow of a linear network conserves
    term by term (claim A1). A single layer has none; without biases there is no `bias_norm`.
    """
    squares = jnp.stack([jnp.sum(layer.weight**2) for layer in layers])
    norms = {"layer_norm": squares, "weight_norm": jnp.sum(squares)}
    if biases := [layer.bias for layer in layers if layer.bias is not None]:
        norms["bias_norm"] = jnp.stack([jnp.sum(b**2) for b in biases])
    if len(layers) > 1:
        differences = [after.weight.T @ after.weight - _gram(before) for before, after in pairwise(layers)]
        norms["imbalance"] = jnp.sqrt(sum(jnp.sum(d**2) for d in differences))
    return norms


def linear_part(layers: Layers, activation: str, held_out: Examples | None) -> Float[AnyArray, "d_out d_in"]:
    """The matrix P of a linear network; with an activation, that of the affine map nearest to f on held-out inputs."""
    if held_out is None:
        return product(layers)
    x, images = (m - m.mean(axis=0, keepdims=True) for m in (held_out.x, outputs(layers, held_out.x, activation)))
    return jnp.linalg.lstsq(x, images)[0].T


def _gram(layer: Layer) -> Float[AnyArray, "out out"]:
    gram = layer.weight @ layer.weight.T
    return gram if layer.bias is None else gram + layer.bias[:, None] * layer.bias[None, :]
