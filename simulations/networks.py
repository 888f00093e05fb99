"""The two-layer linear network, its starts and its loss, written directly from their definitions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.errors import DomainError
from theory.protocol import Protocol
from theory.starts import Aligned, SmallGaussian
from theory.teachers import singular_frames, teacher_matrix


class Weights(NamedTuple):
    """The weights of `f = W2 W1`; leading axes, if any, count checkpoints."""

    w1: Float[Array, "*batch h d_in"]
    w2: Float[Array, "*batch d_out h"]


def loss(weights: Weights, teacher: Float[Array, "d_out d_in"]) -> Float[Array, ""]:
    """Population loss `½‖W2 W1 − A‖²_F` for whitened inputs."""
    return jnp.sum((weights.w2 @ weights.w1 - teacher) ** 2) / 2


def initialize(protocol: Protocol, key: Key[Array, ""]) -> tuple[Weights, Float[Array, "d_out d_in"]]:
    """The weights at the start of a protocol, and its teacher matrix A.

    An aligned start has the teacher's singular vectors outside and a Haar-random frame inside; every mode that the
    width can carry begins at the singular value epsilon, split evenly between the layers.
    """
    n = protocol.network
    teacher = teacher_matrix(protocol.teacher, n.d_out, n.d_in)
    match protocol.start:
        case Aligned(epsilon):
            left, sigma, right = singular_frames(protocol.teacher, n.d_out, n.d_in)
            modes = min(sigma.size, n.h)
            # a random orthonormal frame: with the identity, a mistake in the hidden index could not show
            hidden = jax.random.orthogonal(key, n.h)[:, :modes]
            root = jnp.sqrt(epsilon)
            return Weights(root * hidden @ right[:modes], root * left[:, :modes] @ hidden.T), jnp.asarray(teacher)
        case SmallGaussian(std):
            first, second = jax.random.split(key)
            w1 = std * jax.random.normal(first, (n.h, n.d_in))
            w2 = std * jax.random.normal(second, (n.d_out, n.h))
            return Weights(w1, w2), jnp.asarray(teacher)
        case _:
            raise DomainError(repr(protocol.start), "no simulation of it exists yet", "use Aligned or SmallGaussian")
