"""Perturbations: what is refused, and the strength of rounding."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.perturbations import FineTuning, Noise, Quantization, bits
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.teachers import Matrix, Spectrum


@pytest.mark.parametrize(
    ("build", "kind"),
    [
        (lambda: Noise(((1.0, 1.0),)), ShapeError),
        (lambda: FineTuning(RotatedTeacher(0.1), replay_share=1.0), DomainError),
        (lambda: Noise(law="cauchy"), DomainError),
        (lambda: Noise(convention="percent"), DomainError),
        (lambda: Quantization(per="column"), DomainError),
        (lambda: Quantization(rounding="up"), DomainError),
    ],
)
def test_perturbations_refuse(build, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        build()


def test_scales_per_layer() -> None:
    assert Noise().per_layer(3) == (1.0, 1.0, 1.0)
    assert Noise((1, 0.5)).per_layer(2) == (1.0, 0.5)


@pytest.mark.parametrize(("number", "strength"), [(2, 1.0), (3, 1 / 3), (4, 1 / 7), (8, 1 / 127)])
def test_bits_are_levels_on_both_sides_of_0(number: int, strength: float) -> None:
    assert bits(number) == strength


def test_one_bit_is_refused() -> None:
    with pytest.raises(DomainError, match="number = 1"):
        bits(1)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"task": 3.0}, "task = 3.0: it is not a task"),
        ({"training": "sgd"}, "training = 'sgd': it is not a kind of training"),
        ({"anchor": -1.0}, "anchor = -1.0"),
        ({"replay_share": 1.0}, "replay_share = 1.0.*below 1"),
        ({"rank": 0}, "rank = 0"),
        ({"label_noise": np.nan}, "label_noise"),
    ],
)
def test_fine_tuning_refuses_by_name(fields: dict[str, object], says: str, untyped) -> None:
    built = object.__new__(FineTuning)
    with pytest.raises(DomainError, match=says):
        untyped(FineTuning.__init__)(built, **{"task": RotatedTeacher(0.3)} | fields)


def test_a_task_may_be_an_array_as_a_teacher_may(untyped) -> None:
    def task(given: object) -> object:
        made = object.__new__(FineTuning)
        untyped(FineTuning.__init__)(made, given)
        return made.task

    own = np.diag([0.3, 1.0]).astype(np.float32)
    assert task(own) == Matrix(own)
    assert task([1.0, 0.3]) == Spectrum((1.0, 0.3))
    with pytest.raises(DomainError, match="noname"):
        task("noname.npy")
