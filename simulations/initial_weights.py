"""The weights at the start of pretraining: random ones, those between random hidden frames, and the user's own."""

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from overtraining.setting.protocol import Network
from overtraining.setting.resolved import ResolvedProtocol
from overtraining.setting.starts import Aligned, Balanced, FanIn, SmallGaussian
from overtraining.setting.weights import Weights
from overtraining.simulations.networks import Layer, Layers
from overtraining.simulations.random_arrays import sample_arrays


class FramedStart(NamedTuple):
    """`W_1 = R_1 first`, `W_l = R_l diag(middle) R_{l−1}ᵀ`, `W_L = last R_{L−1}ᵀ`, with random frames R_l inside."""

    first: Float[Array, "inner d_in"]
    middle: Float[Array, " inner"]
    last: Float[Array, "d_out inner"]


class GivenStart(NamedTuple):
    """`W_1, …, W_L` themselves."""

    weights: tuple[Float[Array, "out in"], ...]


StartNumbers = FramedStart | GivenStart | Float[Array, " layer"]
"""The numbers of a start: factors between random frames, the weights, or every layer's standard deviation if it is
Gaussian."""


def start_numbers(resolved: ResolvedProtocol) -> StartNumbers:
    """The numbers of a protocol's start; the rest of it is sampled by `initial_layers`."""
    n = resolved.protocol.network
    match resolved.protocol.start:
        case Aligned(epsilon, imbalance):
            left, sigma, right = resolved.singular_frames
            return _framed(n, left, right, min(sigma.size, n.width), epsilon, imbalance)
        case Balanced(epsilon, _, imbalance):
            left, right = resolved.start_frames
            return _framed(n, left, right.T, n.width, epsilon, imbalance, everywhere=True)
        case SmallGaussian(std):
            return jax.device_put(np.full(n.depth, std))
        case Weights():
            return GivenStart(jax.device_put(resolved.protocol.start.matrices))
        case FanIn(gain):
            return jax.device_put(gain / np.sqrt([fan_in for _, fan_in in n.shapes]))


def initial_layers(network: Network, start: StartNumbers, key: Key[Array, ""]) -> Layers:
    """The layers at the start: sampled Gaussian weights, weights between random frames, or given ones. Biases are 0.

    Hidden frames are Haar-random: with the identity, a mistake in a hidden index could not show.
    """
    if isinstance(start, FramedStart):
        weights = _weights_in_frames(network, start, key)
    elif isinstance(start, GivenStart):
        weights = list(start.weights)
    else:
        weights = _gaussian_weights(network, start, key)
    return tuple(Layer(w, jnp.zeros(w.shape[0]) if network.bias else None) for w in weights)


def _framed(
    n: Network,
    left_frame: np.ndarray,
    right_frame: np.ndarray,
    modes: int,
    epsilon: float,
    imbalance: float,
    everywhere: bool = False,
) -> FramedStart:
    """Factors with `modes` singular values epsilon; the left frame's vectors are columns, the right one's rows.

    everywhere: the imbalance holds in every hidden unit; those that carry no mode have a weight on one side only.
    """
    if n.depth == 1:
        return FramedStart(*jax.device_put((epsilon * right_frame[:modes], np.ones(modes), left_frame[:, :modes])))
    first_size, last_size = _mode_sizes(epsilon, imbalance, n.depth)
    first, last = np.zeros((2, n.h))
    first[:modes], last[:modes] = first_size, last_size
    if everywhere:
        (last if imbalance > 0 else first)[modes:] = np.sqrt(np.abs(imbalance))
    middle = np.where(np.arange(n.h) < modes, epsilon ** (1 / n.depth), 0.0)
    # frames may have more vectors than there are hidden units; those beyond have the weight 0
    last_count, first_count = min(n.h, left_frame.shape[1]), min(n.h, len(right_frame))
    first = np.pad(first[:first_count, None] * right_frame[:first_count], ((0, n.h - first_count), (0, 0)))
    last = np.pad(left_frame[:, :last_count] * last[:last_count], ((0, 0), (0, n.h - last_count)))
    return FramedStart(*jax.device_put((first, middle, last)))


def _mode_sizes(epsilon: float, imbalance: float, depth: int) -> tuple[float, float]:
    """The sizes of a mode in the first and in the last layer: for two layers `w1 w2 = ε`, `w2² − w1² = λ`."""
    if imbalance == 0:
        root = epsilon ** (1 / depth)
        return root, root
    large = float(np.sqrt((np.abs(imbalance) + np.hypot(imbalance, 2 * epsilon)) / 2))
    return (epsilon / large, large) if imbalance > 0 else (large, epsilon / large)


def _weights_in_frames(network: Network, start: FramedStart, key: Key[Array, ""]) -> list[Array]:
    first, middle, last = start
    if network.depth == 1:
        return [last @ first]
    frames = jax.random.orthogonal(key, network.h, (network.depth - 1,))
    inside = [(new * middle[None, :]) @ old.T for old, new in pairwise(frames)]
    return [frames[0] @ first, *inside, last @ frames[-1].T]


def _gaussian_weights(network: Network, stds: Float[Array, " layer"], key: Key[Array, ""]) -> list[Array]:
    samples = sample_arrays(jax.random.normal, jax.random.split(key, network.depth), network.shapes)
    return [std * sample for std, sample in zip(stds, samples, strict=True)]
