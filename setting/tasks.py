"""Downstream tasks: what a pretrained network is fine-tuned on, given by its relation to the pretraining teacher."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import finite, freeze, instance, one_nonnegative, one_positive, whole
from overtraining.setting.errors import ShapeError
from overtraining.setting.teachers import (
    Geometric,
    Matrix,
    PowerLaw,
    Spectrum,
    Teacher,
    full_frames,
    random_rotation,
    teacher_matrix,
)


@dataclass(frozen=True)
class SharedVectors:
    """A task with the teacher's singular vectors and other singular values, `B = U diag(values) Vᵀ`.

    values: in the order of the teacher's modes, of either sign; as many as the teacher has modes.
    """

    values: Sequenced

    def __post_init__(self) -> None:
        values = finite("values", self.values)
        if values.ndim != 1 or values.size == 0:
            raise ShapeError(f"values of shape {values.shape}", "it is one number per mode", "pass a 1-d array")
        freeze(self, values=values)


@dataclass(frozen=True)
class RotatedTeacher:
    """The teacher itself, turned: `B = scale · R U diag(σ) Vᵀ R'ᵀ` with rotations of largest plane angle `angle`.

    The planes of the turns are random, drawn from `frame_seed`; the task with angle 0 and scale 1 is the teacher's.
    """

    angle: float
    scale: float = 1.0
    frame_seed: int = 0

    def __post_init__(self) -> None:
        freeze(self, angle=one_nonnegative("angle", self.angle), scale=one_positive("scale", self.scale))
        freeze(self, frame_seed=whole("frame_seed", self.frame_seed, least=0))


Task = SharedVectors | RotatedTeacher | Teacher


def task_matrix(task: Task, teacher: Teacher, d_out: int, d_in: int) -> Float[np.ndarray, "d_out d_in"]:
    """The downstream teacher B that a description means, beside a pretraining teacher.

    Raises ShapeError where the task does not fit the teacher.

    >>> task_matrix(SharedVectors((2.0, 0.0)), Matrix(((3.0, 0.0), (0.0, 1.0))), 2, 2).tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    instance("task", task, *get_args(Task))
    match task:
        case PowerLaw() | Geometric() | Spectrum() | Matrix():
            return teacher_matrix(task, d_out, d_in)
        case RotatedTeacher(angle, scale, frame_seed):
            generator, matrix = np.random.default_rng(frame_seed), teacher_matrix(teacher, d_out, d_in)
            left, right = (random_rotation(d, angle, generator) for d in matrix.shape)
            return scale * left @ matrix @ right.T
        case SharedVectors(values):
            left, right = full_frames(teacher, d_out, d_in)
            if (n := len(values)) > min(d_out, d_in):
                raise ShapeError(f"{n} values", f"a {d_out} × {d_in} matrix has {min(d_out, d_in)}", "pass fewer")
            return (left[:, :n] * np.array(values)) @ right[:, :n].T
