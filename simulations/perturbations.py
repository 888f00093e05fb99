"""Perturbations of the weights after pretraining: noise, rounding, pruning. Biases stay as they are."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from overtraining.setting.perturbations import Noise, Pruning, Quantization
from overtraining.simulations.networks import AnyArray, Layer, Layers
from overtraining.simulations.random_arrays import ArrayShape, sample_arrays


def _uniform(key: Key[Array, ""], shape: ArrayShape) -> Array:
    return jax.random.uniform(key, shape, minval=-(3**0.5), maxval=3**0.5)


def _signs(key: Key[Array, ""], shape: ArrayShape) -> Array:
    return jax.random.rademacher(key, shape, float)


NOISE_LAWS = {"gaussian": jax.random.normal, "uniform": _uniform, "sign": _signs}
"""Laws of zero mean and unit variance."""


def noise_sizes(layers: Layers, start: Layers, noise: Noise, scales: Float[Array, " layer"]) -> list[Array]:
    """Standard deviation of every weight's noise, layer by layer: the scale times the convention's unit."""
    unit = {
        "absolute": lambda now, then: 1.0,
        "initialization": lambda now, then: _rms(then),
        "relative": lambda now, then: _rms(now),
        "multiplicative": lambda now, then: jnp.abs(now),
    }[noise.convention]
    layer_pairs = zip(scales, layers, start, strict=True)
    return [scale * unit(now.weight, then.weight) for scale, now, then in layer_pairs]


def shift_weights(layers: Layers, shifts: list[Array]) -> Layers:
    """The layers with a matrix added to every weight matrix."""
    return tuple(layer._replace(weight=layer.weight + shift) for layer, shift in zip(layers, shifts, strict=True))


def sample_noise(layers: Layers, noise: Noise, sizes: list[Array], key: Key[Array, ""]) -> list[Array]:
    """A sample of the noise, layer by layer."""
    shapes = [layer.weight.shape for layer in layers]
    samples = sample_arrays(NOISE_LAWS[noise.law], jax.random.split(key, len(layers)), shapes)
    return [size * sample for size, sample in zip(sizes, samples, strict=True)]


def sample_offsets(layers: Layers, key: Key[Array, ""]) -> list[Array]:
    """A sample of the offsets of dithered rounding, in steps: uniform over one step, layer by layer."""
    shapes = [layer.weight.shape for layer in layers]
    return sample_arrays(_offsets, jax.random.split(key, len(layers)), shapes)


def compress(
    layers: Layers, perturbation: Quantization | Pruning, strength: Float[Array, ""], offsets: list[Array] | None = None
) -> Layers:
    """The layers after rounding or pruning. offsets: of dithered rounding; without them, rounding is to nearest."""
    if isinstance(perturbation, Pruning):
        return tuple(layer._replace(weight=prune_weights(layer.weight, strength, perturbation.per)) for layer in layers)

    def rounded(layer: Layer, offset: Array | float) -> Layer:
        return layer._replace(weight=round_weights(layer.weight, strength, perturbation.per, offset))

    return tuple(map(rounded, layers, offsets or (0.0,) * len(layers)))


def round_weights(
    w: Float[AnyArray, "out in"],
    strength: Float[Array, ""],
    per: str | None,
    offset: Float[AnyArray, "out in"] | float = 0.0,
) -> Float[Array, "out in"]:
    """Every weight as the nearest multiple of the step; ties go toward 0, a step of 0 changes nothing.

    strength: the step or, with `per` "tensor" or "row", the step over the largest weight of the tensor or row.
    offset: in steps, added before rounding and subtracted afterwards.

    >>> round_weights(jnp.array([[4.0, -1.4]]), jnp.asarray(0.25), "tensor").tolist()
    [[4.0, -1.0]]
    """
    axes = {"tensor": (0, 1), "row": (1,)}
    step = strength if per is None else strength * jnp.max(jnp.abs(w), axes[per], keepdims=True)
    shifted = w + offset * step
    multiple = jnp.abs(shifted) / step
    # beyond 2^52 steps float64 has no halves: such a weight is its own multiple, as is every weight if the step is 0
    return jnp.where(multiple < 2.0**52, jnp.sign(shifted) * jnp.ceil(multiple - 0.5) * step - offset * step, w)


def prune_weights(w: Float[AnyArray, "out in"], pruned_share: Float[Array, ""], per: str) -> Float[Array, "out in"]:
    """A share of the weights of every tensor or row, rounded to a whole number, set to 0: the smallest ones; of equal
    ones, the first.

    >>> prune_weights(jnp.array([[4.0, -1.0], [2.0, 3.0]]), jnp.asarray(0.5), "tensor").tolist()
    [[4.0, 0.0], [0.0, 3.0]]
    """
    groups = jnp.abs(w).reshape((1, -1) if per == "tensor" else w.shape)
    rank = jnp.argsort(jnp.argsort(groups, axis=1), axis=1).astype(float)
    return jnp.where((rank < jnp.round(pruned_share * groups.shape[1])).reshape(w.shape), 0.0, w)


def _offsets(key: Key[Array, ""], shape: ArrayShape) -> Array:
    return jax.random.uniform(key, shape, minval=-0.5, maxval=0.5)


def _rms(w: Float[Array, "out in"]) -> Float[Array, ""]:
    return jnp.sqrt(jnp.mean(w**2))
