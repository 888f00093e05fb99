"""Random frames and rotations: each role in a protocol draws its own, so that nothing shares vectors unasked."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from overtraining.setting import limits
from overtraining.setting.domain import one_of
from overtraining.setting.errors import DomainError

Role = Literal["teacher", "task", "rotated task", "start", "input axes"]
"""What random vectors are drawn for: the pretraining teacher; a teacher given as a task; the planes in which a
RotatedTeacher and a Balanced start are rotated; the axes of inputs that are not the teacher's."""

SPAWN_KEYS: dict[Role, tuple[int, ...]] = {
    "teacher": (),  # its vectors are those of default_rng(frame_seed)
    "task": (1,),
    "rotated task": (2,),
    "start": (3,),
    "input axes": (4,),
}
"""By role, what NumPy mixes with the seed; it keeps these apart from every seed below 2¹²⁸."""


def generator_for(role: Role, frame_seed: int) -> np.random.Generator:
    """The random numbers of a role and a seed: equal seeds in two roles give independent ones.

    `default_rng([seed, 1])` instead would be the generator of another seed, `seed + 2³²`.

    >>> [int(generator_for(role, 0).integers(1000)) for role in ("teacher", "task")]
    [850, 662]
    """
    one_of("role", role, Role)
    return np.random.default_rng(np.random.SeedSequence(frame_seed, spawn_key=SPAWN_KEYS[role]))


def random_frame(d: int, generator: np.random.Generator) -> Float[np.ndarray, "d d"]:
    """A Haar-random orthonormal frame (Mezzadri 2007, from a Gaussian matrix); DomainError for one that would fill the
    memory.

    >>> frame = random_frame(3, np.random.default_rng(0))
    >>> bool(np.allclose(frame @ frame.T, np.eye(3)))
    True
    """
    if d > limits.FRAME:
        raise DomainError(f"a random frame of {d} dimensions", "it takes more than 3 GiB", "use a smaller network")
    if d == 1:  # the group is {+1, −1}
        return generator.choice([-1.0, 1.0], size=(1, 1))
    return _orthonormalized(generator.normal(size=(d, d)))


def random_frames(
    role: Role, frame_seed: int, d_out: int, d_in: int
) -> tuple[Float[np.ndarray, "d_out d_out"], Float[np.ndarray, "d_in d_in"]]:
    """Haar-random left and right frames."""
    generator = generator_for(role, frame_seed)
    return random_frame(d_out, generator), random_frame(d_in, generator)


def completed_frame(frame: Float[np.ndarray, "d k"]) -> Float[np.ndarray, "d d"]:
    """A frame with random columns, the same each time, beside the given ones."""
    d, k = frame.shape
    fresh = generator_for("teacher", 0).standard_normal((d, d - k))
    return np.hstack([frame, _orthonormalized(np.hstack([frame, fresh]))[:, k:]])


def random_rotations(
    role: Role, frame_seed: int, d_out: int, d_in: int, angle: float
) -> tuple[Float[np.ndarray, "d_out d_out"], Float[np.ndarray, "d_in d_in"]]:
    """Random rotations of the left and of the right frame by the same angle."""
    generator = generator_for(role, frame_seed)
    return random_rotation(d_out, angle, generator), random_rotation(d_in, angle, generator)


def random_rotation(d: int, angle: float, generator: np.random.Generator) -> Float[np.ndarray, "d d"]:
    """The rotation by a random skew-symmetric generator whose largest plane angle is `angle`, in radians."""
    from scipy.linalg import expm  # takes a tenth of a second to import, and only rotated frames need it

    square = generator.standard_normal((d, d))
    skew = square - square.T
    size = np.linalg.norm(skew, 2)
    return expm(angle / size * skew) if size > 0 else np.eye(d)  # one dimension has no rotation


def _orthonormalized(columns: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    q, r = np.linalg.qr(columns)
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)  # signs differ between libraries
