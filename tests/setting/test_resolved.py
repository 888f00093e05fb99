"""A resolved protocol has the values of its parts, and computes each of them once."""

from dataclasses import replace

import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.inputs import Inputs, input_axes, input_covariance
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import ResolvedProtocol, resolve
from overtraining.setting.starts import Balanced, start_frames
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, task_matrix
from overtraining.setting.teachers import (
    Geometric,
    Matrix,
    PowerLaw,
    Spectrum,
    Teacher,
    full_frames,
    singular_frames,
    singular_values,
    teacher_matrix,
)

D_OUT, D_IN = 3, 4
MATRIX = Matrix(((1.0, 2.0, 0.0, 0.3), (0.1, 0.2, -1.0, 0.0), (0.0, 0.5, 0.4, 2.0)))
TEACHERS = (PowerLaw(2), Geometric(3, frame_seed=2), Spectrum((1.0, 0.0)), MATRIX)
INPUTS = (Inputs(), Inputs((2.0,) * 4), Inputs((4.0, 3.0, 2.0, 1.0)), Inputs((4.0, 3.0, 2.0, 1.0), shared=False))


def protocol(teacher: Teacher = TEACHERS[0], **parts: object) -> Protocol:
    return Protocol(teacher, (0.0, 1.0), (0.1,), Network(D_IN, 3, D_OUT), **parts)


@pytest.mark.parametrize("teacher", TEACHERS)
def test_the_teacher_has_the_matrix_the_frames_and_the_values_of_its_own_functions(teacher: Teacher) -> None:
    resolved = resolve(protocol(teacher))
    assert (resolved.sigma == singular_values(teacher)).all()
    assert (resolved.teacher == teacher_matrix(teacher, D_OUT, D_IN)).all()
    for one, other in zip(resolved.frames, full_frames(teacher, D_OUT, D_IN), strict=True):
        assert (one == other).all()
    for one, other in zip(resolved.singular_frames, singular_frames(teacher, D_OUT, D_IN), strict=True):
        assert (one == other).all()


@pytest.mark.parametrize("teacher", TEACHERS)
@pytest.mark.parametrize("task", [SharedVectors((0.5, -0.2)), RotatedTeacher(0.7, 1.5, frame_seed=3), PowerLaw(3)])
def test_the_task_is_that_of_task_matrix(teacher: Teacher, task: object) -> None:
    resolved = resolve(protocol(teacher, perturbation=FineTuning(task)))
    assert (resolved.task == task_matrix(task, teacher, D_OUT, D_IN)).all()


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize("teacher", TEACHERS)
def test_the_inputs_have_the_covariance_and_axes_of_their_own_functions(teacher: Teacher, inputs: Inputs) -> None:
    resolved = resolve(protocol(teacher, inputs=inputs))
    assert (resolved.input_axes == input_axes(inputs, teacher, D_OUT, D_IN)).all()
    assert (resolved.input_covariance == input_covariance(inputs, teacher, D_OUT, D_IN)).all()
    assert (resolved.variances == inputs.variances(D_IN)).all()
    assert resolved.isotropic == inputs.isotropic


def test_the_start_has_frames_of_its_own_only_if_it_is_balanced() -> None:
    start = Balanced(1e-3, 0.7, frame_seed=1)
    resolved = resolve(protocol(start=start))
    for one, other in zip(resolved.start_frames, start_frames(start, TEACHERS[0], D_OUT, D_IN), strict=True):
        assert (one == other).all()
    aligned = resolve(protocol())
    assert aligned.start_frames is aligned.frames


def test_everything_is_computed_once() -> None:
    resolved = resolve(protocol(perturbation=FineTuning(RotatedTeacher(0.7)), inputs=INPUTS[2]))
    for name in ("sigma", "singular_frames", "frames", "teacher", "task", "input_axes", "input_covariance"):
        assert getattr(resolved, name) is getattr(resolved, name)


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    """A frame of 30,000 dimensions would be refused; singular values need none."""
    large = Protocol(PowerLaw(30_000), (0.0,), (0.1,))
    resolved = resolve(large)
    assert resolved.sigma.size == 30_000
    with pytest.raises(DomainError, match="random frame of 30000 dimensions"):
        resolved.teacher  # noqa: B018


def test_refuses_a_task_without_fine_tuning_and_what_is_no_protocol(untyped) -> None:
    with pytest.raises(DomainError, match="only fine-tuning has a task"):
        resolve(protocol()).task  # noqa: B018
    with pytest.raises(DomainError, match="it is not Protocol"):
        untyped(ResolvedProtocol.__init__)(object.__new__(ResolvedProtocol), "a protocol")


def test_equal_protocols_resolve_equally() -> None:
    assert resolve(protocol()) == resolve(protocol())
    assert resolve(protocol()) != resolve(replace(protocol(), strengths=(0.2,)))
