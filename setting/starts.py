"""Starts: how the weights are initialized, and the singular vectors that the product f(0) has as a result."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from overtraining.setting.domain import (
    check_fields,
    instance,
    normal_inverse,
    one_finite,
    one_nonnegative,
    one_positive,
    whole_nonnegative,
)
from overtraining.setting.errors import DomainError
from overtraining.setting.near_names import NamedFields
from overtraining.setting.random_frames import random_rotations
from overtraining.setting.teachers import Teacher, full_frames
from overtraining.setting.weights import Weights


def _epsilon(name: str, x: Any) -> float:
    remedy = "start from a small positive number; 0 is a saddle"
    return float(normal_inverse(name, one_finite(name, x), remedy))


@dataclass(frozen=True)
class Aligned(NamedFields):
    """Start on the aligned path: every teacher mode that fits into the narrowest layer begins at `s_i(0) = epsilon`.

    epsilon: the singular value of every mode at the start.
    imbalance: `λ = w2² − w1²` of every mode (two layers only); 0 is the balanced start, `w1 = w2 = √epsilon`.

    The hidden frames are Haar-random, drawn from a simulation's key; only what depends on them can notice them.
    """

    epsilon: float = 1e-3
    imbalance: float = 0.0

    def __post_init__(self) -> None:
        check_fields(self, epsilon=_epsilon, imbalance=one_finite)


@dataclass(frozen=True)
class Balanced(NamedFields):
    """Start balanced, `W2ᵀW2 = W1W1ᵀ`, with all singular values epsilon, in frames rotated away from the teacher's.

    epsilon: every singular value at the start.
    angle: largest angle, in radians, by which the rotation of each frame moves a vector; 0 is aligned.
    imbalance: `λ` of the λ-balanced start `W2ᵀW2 − W1W1ᵀ = λI` (two layers;
    `h ≤ d_out` for λ > 0, `h ≤ d_in` for λ < 0).
    frame_seed: what the planes of the rotations are drawn from, independently of the frames that others draw from this
    seed.

    Hidden frames are as in `Aligned`.
    """

    epsilon: float = 1e-3
    angle: float = 0.5
    imbalance: float = 0.0
    frame_seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self, epsilon=_epsilon, angle=one_nonnegative, imbalance=one_finite, frame_seed=whole_nonnegative)
        if self.angle > np.pi:
            raise DomainError(f"angle = {self.angle:g}", "no rotation moves a vector further than π", "pass 0 to π")


@dataclass(frozen=True)
class SmallGaussian(NamedFields):
    """Start from independent Gaussian weights of standard deviation `std`, neither balanced nor aligned.

    std: the same in every layer. Theory answers where it is small: means over starts, in the limit.
    """

    std: float = 1e-2

    def __post_init__(self) -> None:
        check_fields(self, std=one_positive)


@dataclass(frozen=True)
class FanIn(NamedFields):
    """The standard start: independent Gaussian weights of standard deviation `gain / √fan_in`, biases 0.

    gain: 1 for the standard start. Theory answers where it is small: means over starts, in the limit.
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        check_fields(self, gain=one_positive)


Start = Aligned | Balanced | SmallGaussian | FanIn | Weights


def start_frames(
    start: Balanced, teacher: Teacher, d_out: int, d_in: int
) -> tuple[Float[np.ndarray, "d_out d_out"], Float[np.ndarray, "d_in d_in"]]:
    """The frames U₀, V₀ (columns) in which a balanced start has its singular values: the teacher's, rotated.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> u, v = start_frames(Balanced(angle=0.0), PowerLaw(2), 3, 2)
    >>> np.allclose(u @ u.T, np.eye(3)), v.shape
    (True, (2, 2))
    """
    instance("start", start, Balanced)
    return rotated_frames(start, *full_frames(teacher, d_out, d_in))


def rotated_frames(
    start: Balanced, left: Float[np.ndarray, "d_out d_out"], right: Float[np.ndarray, "d_in d_in"]
) -> tuple[Float[np.ndarray, "d_out d_out"], Float[np.ndarray, "d_in d_in"]]:
    """The same, where the teacher's full frames are known."""
    turn_out, turn_in = random_rotations("start", start.frame_seed, len(left), len(right), start.angle)
    return turn_out @ left, turn_in @ right
