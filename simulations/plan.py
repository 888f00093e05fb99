"""A protocol as a plan and its numbers: what decides the compiled program, and what may change from run to run."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from simulations.data import Task, task
from simulations.pretraining import traced
from simulations.starts import Beginning, beginning
from theory.errors import DomainError
from theory.perturbations import FineTuning, Noise, Pruning, Quantization
from theory.protocol import Network, Protocol
from theory.training import GradientDescent, GradientFlow, Pretraining


@dataclass(frozen=True)
class Plan:
    """What of a protocol decides the compiled program; equal plans and equal shapes of the numbers compile once."""

    network: Network
    samples: int | None
    pretraining: Pretraining
    perturbation: Noise | Quantization | Pruning
    draws: int
    antithetic: bool


class Numbers(NamedTuple):
    """What may change without compiling again; every leaf is an array, so that runs can be stacked and vmapped."""

    task: Task
    start: Beginning
    pretraining: dict[str, Array]
    lengths: Float[Array, " length"]
    strengths: Float[Array, " strength"]
    scales: Float[Array, " layer"]


def planned(protocol: Protocol) -> tuple[Plan, Numbers]:
    """The plan of a protocol and its numbers. Raises DomainError for what no run can do.

    >>> from theory import GradientDescent, PowerLaw
    >>> runs = [Protocol(PowerLaw(2), (0, 1), (0.1,), pretraining=GradientDescent(rate)) for rate in (0.1, 0.5)]
    >>> planned(runs[0])[0] == planned(runs[1])[0]
    True
    """
    n, how, what = protocol.network, protocol.pretraining, protocol.perturbation
    if isinstance(how, GradientDescent) and how.warmup and how.schedule != "warmup-stable-decay":
        raise DomainError(
            f"warmup = {how.warmup} with schedule {how.schedule!r}", "only 'warmup-stable-decay' warms up",
            "use that schedule, or warmup=0",
        )  # fmt: skip
    if isinstance(what, FineTuning):
        raise DomainError(repr(what), "no simulation of it exists yet", "use Noise, Quantization or Pruning")
    draws, antithetic = protocol.sampling.draws, protocol.sampling.antithetic
    scales = (1.0,) * n.depth
    if isinstance(what, Noise):
        what, scales = replace(what, scales=()), what.per_layer(n.depth)
    elif antithetic:
        raise DomainError(f"antithetic draws of {what!r}", "nothing of it is drawn", "use antithetic=False")
    plan = Plan(n, protocol.inputs.samples, _compiled(how), what, draws, antithetic)
    grid = (jnp.array(values) for values in (protocol.lengths, protocol.strengths, scales))
    return plan, Numbers(task(protocol), beginning(protocol), traced(how, protocol.lengths), *grid)


def _compiled(how: Pretraining) -> Pretraining:
    """The pretraining with its traced numbers forgotten."""
    if isinstance(how, GradientFlow):
        return GradientFlow()
    return replace(how, learning_rate=1.0, momentum=0.0, weight_decay=0.0)
