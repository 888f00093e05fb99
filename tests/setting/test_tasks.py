"""Downstream tasks: their matrices, and what is refused."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, Task, check_task_fits, task_matrix
from overtraining.setting.teachers import (
    Geometric,
    Matrix,
    PowerLaw,
    Spectrum,
    Teacher,
    full_frames,
    mode_count,
    singular_values,
    teacher_matrix,
)


@pytest.mark.parametrize(
    ("build", "kind"),
    [(lambda: FineTuning(RotatedTeacher(-0.1)), DomainError), (lambda: FineTuning(SharedVectors([])), ShapeError)],
)
def test_tasks_refuse(build, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        build()


TEACHER = PowerLaw(2)


def test_a_task_with_shared_vectors_has_its_values_in_the_teacher_s_modes() -> None:
    u, v = full_frames(TEACHER, 3, 4)
    matrix = task_matrix(SharedVectors((0.5, -0.2)), TEACHER, 3, 4)
    np.testing.assert_allclose(u.T @ matrix @ v, np.pad(np.diag([0.5, -0.2]), ((0, 1), (0, 2))), atol=1e-15)


def test_shared_vectors_may_have_more_values_than_the_teacher_has_modes() -> None:
    matrix = task_matrix(SharedVectors((0.5, 0.2, 0.1)), TEACHER, 3, 4)
    np.testing.assert_allclose(np.linalg.svd(matrix)[1], [0.5, 0.2, 0.1], atol=1e-15)
    with pytest.raises(ShapeError, match=r"4 values: a 3 × 4 matrix has 3"):
        task_matrix(SharedVectors(np.ones(4)), TEACHER, 3, 4)


def test_a_rotated_teacher_keeps_its_singular_values() -> None:
    teacher = teacher_matrix(TEACHER, 3, 4)
    np.testing.assert_allclose(task_matrix(RotatedTeacher(0.0), TEACHER, 3, 4), teacher, atol=1e-15)
    rotated = task_matrix(RotatedTeacher(1.0, scale=2.0), TEACHER, 3, 4)
    np.testing.assert_allclose(np.linalg.svd(rotated)[1], [2.0, 1.0, 0.0], atol=1e-14)
    assert not np.allclose(rotated, 2 * teacher)


def test_the_planes_of_a_rotation_follow_from_its_seed() -> None:
    """One seed at two angles: a larger rotation; another seed: another one."""
    once, twice = (task_matrix(RotatedTeacher(angle), Matrix(np.eye(3)), 3, 3) for angle in (0.3, 0.6))
    other = task_matrix(RotatedTeacher(0.3, frame_seed=1), Matrix(np.eye(3)), 3, 3)
    assert np.linalg.norm(twice - np.eye(3)) > np.linalg.norm(once - np.eye(3))
    assert not np.allclose(once, other)


@pytest.mark.parametrize("task", [PowerLaw(3), PowerLaw(3, frame_seed=5), Geometric(2), Spectrum((2.0, 1.0, 0.0))])
def test_a_spectrum_is_a_task_with_vectors_of_its_own(task: Teacher) -> None:
    """Its singular values are those that it says, and in no case is its matrix the pretraining teacher's."""
    matrix = task_matrix(task, TEACHER, 3, 4)
    found = np.linalg.svd(matrix, compute_uv=False)[: mode_count(task)]
    np.testing.assert_allclose(found, singular_values(task), atol=1e-15)
    assert np.linalg.norm(matrix - teacher_matrix(task, 3, 4)) > 0.5 * np.linalg.norm(matrix)


def test_a_matrix_is_a_task_as_it_stands() -> None:
    assert (task_matrix(Matrix(np.eye(3, 4)), TEACHER, 3, 4) == np.eye(3, 4)).all()


def test_the_values_of_another_teacher_in_this_one_s_vectors() -> None:
    task = SharedVectors.of(Geometric(2, frame_seed=7))
    assert task == SharedVectors((1.0, 0.5))
    assert SharedVectors.of(Matrix(np.diag([1.0, 2.0]))) == SharedVectors((2.0, 1.0))


@pytest.mark.parametrize("task", [Matrix(np.eye(4)), PowerLaw(4), SharedVectors((1.0, 1.0, 1.0, 1.0))])
def test_a_task_that_does_not_fit_is_refused(task: Task) -> None:
    with pytest.raises(ShapeError):
        check_task_fits(task, 3, 3)
