"""A protocol split in two: the plan, which decides the compiled program, and the numbers, which vary between runs."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import FineTuning, Noise, Perturbation
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.resolved import resolve
from overtraining.setting.training import GradientDescent, GradientFlow, Pretraining
from overtraining.simulations.data import LearningProblem, learning_problem
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.finetuning import TuningNumbers, compiled_tuning, is_random, tuning_numbers
from overtraining.simulations.initial_weights import StartNumbers, start_numbers
from overtraining.simulations.pretraining import compiled_training, traced_numbers


@dataclass(frozen=True)
class TrainingPlan:
    """The part of a protocol that decides the compiled program; equal plans and shapes of numbers compile once."""

    network: Network
    samples: int | None
    pretraining: Pretraining
    perturbation: Perturbation
    draws: int
    antithetic: bool


class RunNumbers(NamedTuple):
    """The part of a protocol that may change without compiling again: arrays, so that runs can be stacked."""

    problem: LearningProblem
    start: StartNumbers
    pretraining: dict[str, Array]
    lengths: Float[Array, " length"]
    strengths: Float[Array, " strength"]
    scales: Float[Array, " layer"]
    tuning: TuningNumbers | None = None


@in_double_precision
def plan_training(protocol: Protocol) -> tuple[TrainingPlan, RunNumbers]:
    """The plan of a protocol and its numbers. Raises DomainError for what no run can do.

    >>> from overtraining.setting.training import GradientDescent
    >>> from overtraining.setting.teachers import PowerLaw
    >>> runs = [Protocol(PowerLaw(2), (0, 1), (0.1,), pretraining=GradientDescent(rate)) for rate in (0.1, 0.5)]
    >>> plan_training(runs[0])[0] == plan_training(runs[1])[0]
    True
    """
    resolved = resolve(protocol)
    network, sampling, perturbation = protocol.network, protocol.sampling, protocol.perturbation
    _check_warmup(protocol.pretraining)
    if sampling.antithetic and not isinstance(perturbation, Noise):
        raise DomainError(
            f"antithetic draws of {perturbation!r}", "it is not random with a sign", "use antithetic=False"
        )
    scales = (1.0,) * network.depth
    draws = sampling.draws
    tuning = None
    if isinstance(perturbation, Noise):
        scales = perturbation.per_layer(network.depth)
        perturbation = replace(perturbation, scales=())
    elif isinstance(perturbation, FineTuning):
        _check_warmup(perturbation.training)
        tuning = tuning_numbers(resolved)
        draws = draws if is_random(perturbation) else 1
        perturbation = compiled_tuning(perturbation)
    plan = TrainingPlan(
        network,
        protocol.inputs.samples,
        compiled_training(protocol.pretraining),
        perturbation,
        draws,
        sampling.antithetic,
    )
    # here and in what follows device_put, since `jnp.asarray` compiles a program for every shape
    numbers = RunNumbers(
        problem=learning_problem(resolved),
        start=start_numbers(resolved),
        pretraining=traced_numbers(protocol.pretraining, protocol.lengths),
        lengths=jax.device_put(np.array(protocol.lengths)),
        strengths=jax.device_put(np.array(protocol.strengths)),
        scales=jax.device_put(np.array(scales)),
        tuning=tuning,
    )
    return plan, numbers


def plan_of_pretraining(plan: TrainingPlan, numbers: RunNumbers) -> tuple[TrainingPlan, RunNumbers]:
    """What pretraining needs beside its start: one compiled program, whatever is done to the checkpoints later."""
    nothing = jax.device_put(np.zeros(0))
    plan = replace(plan, perturbation=Noise(), draws=1, antithetic=False)
    return plan, numbers._replace(start=nothing, strengths=nothing, scales=nothing, tuning=None)


def plan_after_pretraining(plan: TrainingPlan, numbers: RunNumbers) -> tuple[TrainingPlan, RunNumbers]:
    """What is needed after pretraining: one compiled program, however the network was pretrained.

    Of a training set and label noise, only a replay makes use.
    """
    replayed = isinstance(plan.perturbation, FineTuning) and plan.perturbation.replay_share > 0
    plan = replace(plan, pretraining=GradientFlow(), samples=plan.samples if replayed else None)
    problem = numbers.problem if replayed else numbers.problem._replace(label_noise=None)
    return plan, numbers._replace(problem=problem, start=jax.device_put(np.zeros(0)), pretraining={})


def _check_warmup(training: Pretraining) -> None:
    if isinstance(training, GradientDescent) and training.warmup_share and training.schedule != "warmup-stable-decay":
        raise DomainError(
            f"warmup_share = {training.warmup_share} with schedule {training.schedule!r}",
            "only 'warmup-stable-decay' warms up",
            "use that schedule, or warmup_share=0",
        )
