"""Starts: how a network is initialized, and where that puts the product f(0) relative to the teacher."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from overtraining.setting.domain import (
    freeze,
    instance,
    normal_inverse,
    one_finite,
    one_nonnegative,
    one_positive,
    whole,
)
from overtraining.setting.errors import DomainError
from overtraining.setting.teachers import Teacher, full_frames, random_rotation


@dataclass(frozen=True)
class Aligned:
    """Start on the aligned path: every teacher mode that the width can carry begins at `s_i(0) = epsilon`.

    imbalance: `λ = w2² − w1²` of every mode (two layers only); 0 is the balanced start, `w1 = w2 = √epsilon`.
    The hidden frames are Haar-random, drawn from a simulation's key; only what depends on them sees them.
    """

    epsilon: float = 1e-3
    imbalance: float = 0.0

    def __post_init__(self) -> None:
        remedy = "start from a small positive number; 0 is a saddle and never leaves"
        freeze(self, epsilon=normal_inverse("epsilon", one_finite("epsilon", self.epsilon), remedy))
        freeze(self, imbalance=one_finite("imbalance", self.imbalance))


@dataclass(frozen=True)
class Balanced:
    """Start balanced, `W2ᵀW2 = W1W1ᵀ`, with all singular values epsilon, in frames turned away from the teacher's.

    angle: largest angle, in radians, by which the turn of each frame moves a vector; 0 is aligned. The plane of the
    turn is random, drawn from `frame_seed`.
    imbalance: `λ` of the λ-balanced start `W2ᵀW2 − W1W1ᵀ = λI` (two layers;
    `h ≤ d_out` for λ > 0, `h ≤ d_in` for λ < 0). Hidden frames as in `Aligned`.
    """

    epsilon: float = 1e-3
    angle: float = 0.5
    imbalance: float = 0.0
    frame_seed: int = 0

    def __post_init__(self) -> None:
        remedy = "start from a small positive number; 0 is a saddle and never leaves"
        freeze(self, epsilon=normal_inverse("epsilon", one_finite("epsilon", self.epsilon), remedy))
        freeze(self, angle=one_nonnegative("angle", self.angle), imbalance=one_finite("imbalance", self.imbalance))
        if self.angle > np.pi:
            raise DomainError(f"angle = {self.angle:g}", "no rotation moves a vector further than π", "pass 0 to π")
        freeze(self, frame_seed=whole("frame_seed", self.frame_seed, least=0))


@dataclass(frozen=True)
class SmallGaussian:
    """Start from independent Gaussian weights of standard deviation `std`, neither balanced nor aligned."""

    std: float = 1e-2

    def __post_init__(self) -> None:
        freeze(self, std=one_positive("std", self.std))


@dataclass(frozen=True)
class FanIn:
    """The standard start: independent Gaussian weights of standard deviation `gain / √fan_in`, biases 0."""

    gain: float = 1.0

    def __post_init__(self) -> None:
        freeze(self, gain=one_positive("gain", self.gain))


Start = Aligned | Balanced | SmallGaussian | FanIn


def start_frames(
    start: Balanced, teacher: Teacher, d_out: int, d_in: int
) -> tuple[Float[np.ndarray, "d_out d_out"], Float[np.ndarray, "d_in d_in"]]:
    """The frames U₀, V₀ (columns) in which a balanced start has its singular values: the teacher's, turned.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> u, v = start_frames(Balanced(angle=0.0), PowerLaw(2), 3, 2)
    >>> np.allclose(u @ u.T, np.eye(3)), v.shape
    (True, (2, 2))
    """
    instance("start", start, Balanced)
    left, right = full_frames(teacher, d_out, d_in)
    generator = np.random.default_rng(start.frame_seed)
    turns = (random_rotation(len(frame), start.angle, generator) for frame in (left, right))
    return next(turns) @ left, next(turns) @ right
