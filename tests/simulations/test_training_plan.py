"""Plans: which changes need a new compilation, and which protocols are refused."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning, Noise, Pruning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned, SmallGaussian
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.teachers import PowerLaw
from overtraining.setting.training import GradientDescent, GradientFlow
from overtraining.simulations.training_plan import plan_after_pretraining, plan_of_pretraining, plan_training

ONE = Protocol(PowerLaw(2), (0.0, 1.0), (0.1,), pretraining=GradientDescent(0.1), sampling=Sampling(draws=8))


def shapes(numbers: object) -> object:
    return jax.tree.map(lambda leaf: leaf.shape, numbers), jax.tree.structure(numbers)


@pytest.mark.parametrize(
    "other",
    [
        {"teacher": PowerLaw(2, 0.5)},
        {"lengths": (0.0, 3.0)},
        {"strengths": (0.3,)},
        {"start": Aligned(0.2, 0.1)},
        {"pretraining": GradientDescent(0.5, weight_decay=0.1)},
        {"perturbation": Noise((1.0, 0.5))},
    ],
    ids=lambda other: next(iter(other)),
)
def test_numbers_do_not_compile_anew(other: dict[str, object]) -> None:
    plan, numbers = plan_training(ONE)
    other_plan, other_numbers = plan_training(replace(ONE, **other))
    assert plan == other_plan
    assert shapes(numbers) == shapes(other_numbers)


@pytest.mark.parametrize(
    "other",
    [
        {"network": Network(3, 2, 2)},
        {"pretraining": GradientFlow()},
        {"pretraining": GradientDescent(0.1, 4)},
        {"perturbation": Noise(law="sign")},
        {"perturbation": Pruning()},
        {"sampling": Sampling(draws=16)},
        {"sampling": Sampling(draws=8, antithetic=True)},
    ],
    ids=str,
)
def test_other_programs_have_other_plans(other: dict[str, object]) -> None:
    assert plan_training(ONE)[0] != plan_training(replace(ONE, **other))[0]


def test_what_nothing_is_random_in_is_run_once() -> None:
    tuned = replace(ONE, perturbation=FineTuning(RotatedTeacher(1.0), GradientDescent(0.1)))
    assert plan_training(tuned)[0].draws == 1
    batches = replace(tuned, perturbation=FineTuning(RotatedTeacher(1.0), GradientDescent(0.1, batch=4)))
    assert plan_training(batches)[0].draws == 8


def test_pretraining_and_what_follows_are_programs_of_their_own() -> None:
    tuned = replace(ONE, strengths=(0.1, 0.4), perturbation=FineTuning(RotatedTeacher(1.0)))
    before, other_before = (plan_of_pretraining(*plan_training(one)) for one in (ONE, tuned))
    assert before[0] == other_before[0]
    assert shapes(before[1]) == shapes(other_before[1])
    flow = replace(ONE, pretraining=GradientFlow(), start=SmallGaussian(0.1))
    after, other_after = (plan_after_pretraining(*plan_training(one)) for one in (ONE, flow))
    assert after[0] == other_after[0]
    assert shapes(after[1]) == shapes(other_after[1])
    sampled = replace(ONE, inputs=Inputs(samples=8))
    assert plan_after_pretraining(*plan_training(sampled))[0] == after[0]
    replayed = replace(sampled, perturbation=FineTuning(RotatedTeacher(1.0), GradientDescent(0.1), replay_share=0.5))
    assert plan_after_pretraining(*plan_training(replayed))[0].samples == 8


def test_numbers_are_those_of_the_protocol() -> None:
    _, numbers = plan_training(replace(ONE, perturbation=Noise((1.0, 0.5))))
    np.testing.assert_array_equal(numbers.scales, [1.0, 0.5])
    np.testing.assert_array_equal(numbers.lengths, ONE.lengths)
    np.testing.assert_array_equal(numbers.pretraining["steps"], [0, 10])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"perturbation": Pruning(), "sampling": Sampling(antithetic=True)}, "not random with a sign"),
        ({"pretraining": GradientDescent(0.1, warmup_share=0.1)}, "only 'warmup-stable-decay' warms up"),
        ({"lengths": (0.0, 0.25)}, "length 0.25: not a multiple of the step 0.1"),
    ],
)
def test_refusals(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(DomainError, match=why):
        plan_training(replace(ONE, **wrong))
