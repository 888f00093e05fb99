"""Both losses after fine-tuning, from a path: the two ways agree, and other kinds of fine-tuning are refused."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import NoFormula
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import RotatedTeacher, SharedVectors
from overtraining.setting.teachers import Matrix, PowerLaw
from overtraining.setting.training import GradientDescent, GradientFlow
from overtraining.theory.solvers.fine_tuned_path import check_plain_flow, losses
from overtraining.theory.solvers.solutions import solve

LENGTHS = (0.0, 2.0, 20.0)
NAMES = ("before", "after", "downstream_before", "downstream_after")


def asked(tuning: FineTuning, **parts: object) -> Protocol:
    return Protocol(PowerLaw(3), LENGTHS, (0.5, 3.0), **{"start": Aligned(0.02), "perturbation": tuning} | parts)


@pytest.mark.parametrize("imbalance", [0.0, 0.3])
@pytest.mark.parametrize("inputs", [Inputs(), Inputs((2.0, 1.0, 0.5))])
def test_mode_by_mode_and_by_matrices_agree(imbalance: float, inputs: Inputs) -> None:
    """The same task as values in the teacher's modes and as a matrix."""
    tuning = FineTuning(SharedVectors((0.5, 1.2, 0.3)))
    by_modes = resolve(asked(tuning, start=Aligned(0.02, imbalance), inputs=inputs))
    same_task = replace(tuning, task=Matrix(by_modes.task))
    by_matrices = resolve(asked(same_task, start=Aligned(0.02, imbalance), inputs=inputs))
    one, _ = losses(by_modes, tuning, solve(by_modes).at(np.array(LENGTHS)))
    other, _ = losses(by_matrices, same_task, solve(by_matrices).at(np.array(LENGTHS)))
    for name in NAMES:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-13)


def test_a_task_equal_to_the_teacher_only_continues_pretraining() -> None:
    tuning = FineTuning(RotatedTeacher(0.0))
    resolved = resolve(asked(tuning))
    solution = solve(resolved)
    found, never_learned = losses(resolved, tuning, solution.at(np.array(LENGTHS)))
    for column, budget in enumerate((0.5, 3.0)):
        longer = solution.at(np.array(LENGTHS) + budget).loss
        np.testing.assert_allclose(found["after"][:, column], longer, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(found["downstream_after"][:, column], longer, rtol=1e-9, atol=1e-15)
    assert never_learned.size == 0


def test_values_of_the_other_sign_and_beyond_the_width_are_never_learned() -> None:
    tuning = FineTuning(SharedVectors((0.5, -0.2, 0.3)))
    resolved = resolve(asked(tuning, network=Network(3, 2, 3)))
    _, never_learned = losses(resolved, tuning, solve(resolved).at(np.array(LENGTHS)))
    assert never_learned.tolist() == [0.3, 0.2]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"training": GradientDescent(0.1)}, "continuous time.*GradientFlow"),
        ({"training": GradientFlow(weight_decay=0.1)}, "no formula has weight decay.*weight_decay=0"),
        ({"anchor": 0.1}, "anchor = 0.1.*anchor=0"),
        ({"replay_share": 0.1}, "replay_share = 0.1.*one Matrix"),
        ({"rank": 1}, "rank = 1.*rank=None"),
    ],
)
def test_other_fine_tuning_is_refused_with_a_remedy(change: dict[str, object], says: str) -> None:
    check_plain_flow(FineTuning(RotatedTeacher(0.3)))
    with pytest.raises(NoFormula, match=f"{says}.*simulations.respond"):
        check_plain_flow(FineTuning(RotatedTeacher(0.3), **change))


def test_three_layers_have_no_formula() -> None:
    tuning = FineTuning(RotatedTeacher(0.3))
    resolved = resolve(asked(tuning, network=Network(3, 3, 3, depth=3)))
    with pytest.raises(NoFormula, match="depth=2"):
        losses(resolved, tuning, solve(resolved).at(np.array(LENGTHS)))
