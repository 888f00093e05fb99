"""Downstream tasks: what a pretrained network is fine-tuned on, given by its relation to the pretraining teacher."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import (
    check_fields,
    finite_list,
    instance,
    one_nonnegative,
    one_positive,
    whole,
    whole_nonnegative,
)
from overtraining.setting.errors import ShapeError
from overtraining.setting.near_names import NamedFields
from overtraining.setting.random_frames import random_rotations
from overtraining.setting.teachers import (
    Geometric,
    Matrix,
    PowerLaw,
    Spectrum,
    Teacher,
    check_fits,
    full_frames,
    singular_values,
    teacher_matrix,
)


@dataclass(frozen=True)
class SharedVectors(NamedFields):
    """A task with the teacher's singular vectors and other singular values, `B = U diag(values) Vᵀ`.

    values: in the order of the teacher's modes, of either sign; at most as many as the network has modes.
    """

    values: Sequenced

    def __post_init__(self) -> None:
        check_fields(self, values=finite_list)
        if not self.values:
            raise ShapeError("values of shape (0,)", "there is one number per mode", "pass at least one number")

    @classmethod
    def of(cls, other: Teacher) -> "SharedVectors":
        """The task with the singular values of another teacher.

        >>> SharedVectors.of(Geometric(3))
        SharedVectors(values=(1.0, 0.5, 0.25))
        """
        return cls(singular_values(other))


@dataclass(frozen=True)
class RotatedTeacher(NamedFields):
    """The teacher itself, rotated: `B = scale · R U diag(σ) Vᵀ R'ᵀ` with rotations of largest plane angle `angle`.

    angle: largest angle, in radians, by which the rotations move a vector.  scale: of the task to the teacher.
    frame_seed: what the planes of the rotations are drawn from, independently of the frames that others draw from this
    seed.

    The task with angle 0 and scale 1 is the teacher's.
    """

    angle: float
    scale: float = 1.0
    frame_seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self, angle=one_nonnegative, scale=one_positive, frame_seed=whole_nonnegative)


Task = SharedVectors | RotatedTeacher | Teacher


def task_matrix(task: Task, teacher: Teacher, d_out: int, d_in: int) -> Float[np.ndarray, "d_out d_in"]:
    """The matrix B of a downstream task, beside a pretraining teacher.

    A spectrum has singular vectors of its own, drawn from its `frame_seed` for the task: also of the teacher's seed, it
    does not share the teacher's vectors. `SharedVectors` does.
    Raises ShapeError if the task or the teacher does not fit into `d_out × d_in`.

    >>> task_matrix(SharedVectors((2.0, 0.0)), Matrix(((3.0, 0.0), (0.0, 1.0))), 2, 2).tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    d_out, d_in = whole("d_out", d_out), whole("d_in", d_in)
    check_task_fits(task, d_out, d_in)
    if isinstance(task, PowerLaw | Geometric | Spectrum | Matrix):
        return teacher_matrix(task, d_out, d_in, "task")
    if isinstance(task, RotatedTeacher):
        return rotated_matrix(task, teacher_matrix(teacher, d_out, d_in))
    return shared_matrix(task, *full_frames(teacher, d_out, d_in))


def rotated_matrix(task: RotatedTeacher, teacher: Float[np.ndarray, "d_out d_in"]) -> Float[np.ndarray, "d_out d_in"]:
    """`B = scale · R A R'ᵀ`, where the teacher's matrix A is known."""
    d_out, d_in = teacher.shape
    left, right = random_rotations("rotated task", task.frame_seed, d_out, d_in, task.angle)
    return task.scale * left @ teacher @ right.T


def shared_matrix(
    task: SharedVectors, left: Float[np.ndarray, "d_out d_out"], right: Float[np.ndarray, "d_in d_in"]
) -> Float[np.ndarray, "d_out d_in"]:
    """`B = U diag(values) Vᵀ`, where the teacher's full frames U and V are known."""
    modes = len(task.values)
    return (left[:, :modes] * np.array(task.values)) @ right[:, :modes].T


def check_task_fits(task: Task, d_out: int, d_in: int) -> None:
    """Refuse, with a ShapeError, a task that no `d_out × d_in` network can represent."""
    instance("task", task, *get_args(Task))
    if isinstance(task, SharedVectors):
        if (n := len(task.values)) > min(d_out, d_in):
            raise ShapeError(f"{n} values", f"a {d_out} × {d_in} matrix has {min(d_out, d_in)}", "pass fewer")
    elif not isinstance(task, RotatedTeacher):
        check_fits(task, d_out, d_in)
