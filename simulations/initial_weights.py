"""Starts: the weights before pretraining. Only frames inside a network and Gaussian entries are drawn from a key."""

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian, start_frames
from overtraining.setting.teachers import singular_frames
from overtraining.simulations.networks import Layer, Layers
from overtraining.simulations.random_arrays import sample_arrays


class FramedStart(NamedTuple):
    """`W_1 = R_1 first`, `W_l = R_l diag(middle) R_{l−1}ᵀ`, `W_L = last R_{L−1}ᵀ`, with random frames R_l inside."""

    first: Float[Array, "inner d_in"]
    middle: Float[Array, " inner"]
    last: Float[Array, "d_out inner"]


StartNumbers = FramedStart | Float[Array, " layer"]
"""The numbers of a start: factors between which frames are drawn, or every layer's standard deviation."""


def start_numbers(protocol: Protocol) -> StartNumbers:
    """The numbers of a protocol's start, which need no key."""
    n = protocol.network
    match protocol.start:
        case Aligned(epsilon, imbalance):
            left, sigma, right = singular_frames(protocol.teacher, n.d_out, n.d_in)
            return _framed(n, left, right, min(sigma.size, n.width), epsilon, imbalance)
        case Balanced(epsilon, _, imbalance):
            left, right = start_frames(protocol.start, protocol.teacher, n.d_out, n.d_in)
            return _framed(n, left, right.T, n.width, epsilon, imbalance, everywhere=True)
        case SmallGaussian(std):
            return jnp.asarray(np.full(n.depth, std))
        case FanIn(gain):
            return jnp.asarray(gain / np.sqrt([fan_in for _, fan_in in n.shapes]))


def initial_layers(network: Network, start: StartNumbers, key: Key[Array, ""]) -> Layers:
    """The layers at the start. Hidden frames are Haar-random: with the identity, a mistake in a hidden index could
    not show. Biases are 0."""
    weights = _between_frames(network, start, key) if isinstance(start, FramedStart) else _gaussian(network, start, key)
    return tuple(Layer(w, jnp.zeros(w.shape[0]) if network.bias else None) for w in weights)


def _framed(
    n: Network, left: np.ndarray, right: np.ndarray, modes: int, epsilon: float, imbalance: float,
    everywhere: bool = False,
) -> FramedStart:  # fmt: skip
    """Factors with `modes` singular values epsilon in the frames left (columns) and right (rows).

    everywhere: the imbalance holds in every hidden unit; those that carry no mode have a weight on one side only.
    """
    if n.depth == 1:
        return FramedStart(*map(jnp.asarray, (epsilon * right[:modes], np.ones(modes), left[:, :modes])))
    below, above = _sides(epsilon, imbalance, n.depth)
    first, last = np.zeros((2, n.h))
    first[:modes], last[:modes] = below, above
    if everywhere:
        (last if imbalance > 0 else first)[modes:] = np.sqrt(np.abs(imbalance))
    middle = np.where(np.arange(n.h) < modes, epsilon ** (1 / n.depth), 0.0)
    a, b = min(n.h, left.shape[1]), min(n.h, len(right))  # what lies beyond has the weight 0
    first = np.pad(first[:b, None] * right[:b], ((0, n.h - b), (0, 0)))
    last = np.pad(left[:, :a] * last[:a], ((0, 0), (0, n.h - a)))
    return FramedStart(*map(jnp.asarray, (first, middle, last)))


def _sides(epsilon: float, imbalance: float, depth: int) -> tuple[float, float]:
    """The sizes of a mode in the first and in the last layer: for two layers `w1 w2 = ε`, `w2² − w1² = λ`."""
    if imbalance == 0:
        root = epsilon ** (1 / depth)
        return root, root
    large = float(np.sqrt((np.abs(imbalance) + np.hypot(imbalance, 2 * epsilon)) / 2))
    return (epsilon / large, large) if imbalance > 0 else (large, epsilon / large)


def _between_frames(network: Network, start: FramedStart, key: Key[Array, ""]) -> list[Array]:
    first, middle, last = start
    if network.depth == 1:
        return [last @ first]
    frames = jax.random.orthogonal(key, network.h, (network.depth - 1,))
    inside = [(new * middle[None, :]) @ old.T for old, new in pairwise(frames)]
    return [frames[0] @ first, *inside, last @ frames[-1].T]


def _gaussian(network: Network, stds: Float[Array, " layer"], key: Key[Array, ""]) -> list[Array]:
    drawn = sample_arrays(jax.random.normal, jax.random.split(key, network.depth), network.shapes)
    return [std * numbers for std, numbers in zip(stds, drawn, strict=True)]
