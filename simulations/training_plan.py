"""A protocol as a plan and its numbers: what decides the compiled program, and what may change from run to run."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import FineTuning, Noise, Perturbation
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.training import GradientDescent, GradientFlow, Pretraining
from overtraining.simulations.data import LearningProblem, learning_problem
from overtraining.simulations.finetuning import TuningNumbers, compiled_tuning, is_random, tuning_numbers
from overtraining.simulations.initial_weights import StartNumbers, start_numbers
from overtraining.simulations.pretraining import compiled_training, traced_numbers


@dataclass(frozen=True)
class TrainingPlan:
    """What of a protocol decides the compiled program; equal plans and equal shapes of the numbers compile once."""

    network: Network
    samples: int | None
    pretraining: Pretraining
    perturbation: Perturbation
    draws: int
    antithetic: bool


class RunNumbers(NamedTuple):
    """What may change without compiling again; every leaf is an array, so that runs can be stacked and vmapped."""

    task: LearningProblem
    start: StartNumbers
    pretraining: dict[str, Array]
    lengths: Float[Array, " length"]
    strengths: Float[Array, " strength"]
    scales: Float[Array, " layer"]
    tuning: TuningNumbers | None = None


def plan_training(protocol: Protocol) -> tuple[TrainingPlan, RunNumbers]:
    """The plan of a protocol and its numbers. Raises DomainError for what no run can do.

    >>> from overtraining.setting.training import GradientDescent

    >>> from overtraining.setting.teachers import PowerLaw
    >>> runs = [Protocol(PowerLaw(2), (0, 1), (0.1,), pretraining=GradientDescent(rate)) for rate in (0.1, 0.5)]
    >>> plan_training(runs[0])[0] == plan_training(runs[1])[0]
    True
    """
    n, how, what = protocol.network, protocol.pretraining, protocol.perturbation
    _check_warmup(how)
    draws, antithetic = protocol.sampling.draws, protocol.sampling.antithetic
    scales = (1.0,) * n.depth
    if isinstance(what, Noise):
        what, scales = replace(what, scales=()), what.per_layer(n.depth)
    elif antithetic:
        raise DomainError(f"antithetic draws of {what!r}", "nothing of it is drawn with a sign", "use antithetic=False")
    later = None
    if isinstance(what, FineTuning):
        _check_warmup(what.training)
        what, later, draws = compiled_tuning(what), tuning_numbers(protocol), draws if is_random(what) else 1
    plan = TrainingPlan(n, protocol.inputs.samples, compiled_training(how), what, draws, antithetic)
    lengths, strengths, per_layer = (jnp.array(values) for values in (protocol.lengths, protocol.strengths, scales))
    start, numbers = start_numbers(protocol), traced_numbers(how, protocol.lengths)
    return plan, RunNumbers(learning_problem(protocol), start, numbers, lengths, strengths, per_layer, later)


def plan_of_pretraining(plan: TrainingPlan, numbers: RunNumbers) -> tuple[TrainingPlan, RunNumbers]:
    """What pretraining knows of a run beside its start: whatever is done to checkpoints later, one compiled program."""
    alone, nothing = replace(plan, perturbation=Noise(), draws=1, antithetic=False), jnp.zeros(0)
    return alone, numbers._replace(start=nothing, strengths=nothing, scales=nothing, tuning=None)


def plan_after_pretraining(plan: TrainingPlan, numbers: RunNumbers) -> tuple[TrainingPlan, RunNumbers]:
    """What is known of a run once it is pretrained: however that was done, what follows is one compiled program."""
    return replace(plan, pretraining=GradientFlow()), numbers._replace(start=jnp.zeros(0), pretraining={})


def _check_warmup(how: Pretraining) -> None:
    if isinstance(how, GradientDescent) and how.warmup_share and how.schedule != "warmup-stable-decay":
        raise DomainError(
            f"warmup_share = {how.warmup_share} with schedule {how.schedule!r}", "only 'warmup-stable-decay' warms up",
            "use that schedule, or warmup_share=0",
        )  # fmt: skip
