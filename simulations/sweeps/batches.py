"""The measures `response` and `trajectory`: the runs of many cells and seeds with one plan as one compiled program."""

from collections.abc import Callable, Hashable, Sequence
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from overtraining.setting.errors import Refusal
from overtraining.setting.protocol import Protocol
from overtraining.simulations import runs
from overtraining.simulations.compilation import LOOP
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.measurements import as_response, as_trajectory, check_solved, response_variables, seed_key
from overtraining.simulations.memory import response_memory, trajectory_memory
from overtraining.simulations.sweeps.measures import BatchResult, Measure
from overtraining.simulations.training_plan import RunNumbers, TrainingPlan, plan_training

RunFunction = Callable[[TrainingPlan, RunNumbers, Key[Array, ""]], dict[str, Array]]
"""A run as a pure function, such as `runs.measure`."""


class Program(NamedTuple):
    """What is compiled: a plan, the structure, shapes and types of its numbers, and how many seeds."""

    plan: TrainingPlan
    structure: jax.tree_util.PyTreeDef
    leaves: tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
    seeds: int


def program(protocol: Protocol) -> Program:
    """What is compiled for a protocol."""
    plan, numbers = _planned(protocol)
    leaves, structure = jax.tree.flatten(numbers)
    return Program(plan, structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves), protocol.sampling.seeds)


@lru_cache(maxsize=1024)
def _planned(protocol: Protocol) -> tuple[TrainingPlan, RunNumbers]:
    """Cached, since it is needed twice, for the program and to run it, and random frames take a millisecond."""
    return plan_training(protocol)


def batched(
    run: RunFunction, finish: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
) -> Callable[..., BatchResult]:
    """A measure's `run` from a run as a pure function, vmapped over seeds and cells of one program."""

    @in_double_precision
    def run_batch(protocols: Sequence[Protocol], keys: Sequence[int]) -> BatchResult:
        plans, numbers = zip(*map(_planned, protocols), strict=True)
        stacked_numbers = jax.tree.map(lambda *leaves: np.stack(leaves), *numbers)
        seeds = range(protocols[0].sampling.seeds)
        stacked_keys = jnp.stack([jnp.stack([seed_key(key, seed) for seed in seeds]) for key in keys])
        compiled = _compiled(run, plans[0])
        results = {name: np.asarray(values) for name, values in compiled(stacked_numbers, stacked_keys).items()}
        refused = {}
        for place, solved in enumerate(np.atleast_1d(results.pop("solved").all(axis=1))):
            try:
                check_solved(protocols[place], solved)
            except Refusal as refusal:
                refused[place] = str(refusal)
        return BatchResult(finish(results), refused)

    return run_batch


@lru_cache(maxsize=4)
def _compiled(run: RunFunction, plan: TrainingPlan) -> Callable[[RunNumbers, Array], dict[str, Array]]:
    """A small cache: blocks come one after another, and the programs of those long past must not fill the memory."""
    return jax.jit(jax.vmap(jax.vmap(partial(run, plan), (None, 0))), compiler_options=LOOP)


def result_shapes(run: RunFunction) -> Callable[[Protocol], Hashable]:
    """A measure's `shape`: names and shapes of the results of a run, without running it."""

    @cache
    @in_double_precision
    def shapes_of_program(plan_and_shapes: Program) -> Hashable:
        leaves = [jax.ShapeDtypeStruct(*leaf) for leaf in plan_and_shapes.leaves]
        numbers = jax.tree.unflatten(plan_and_shapes.structure, leaves)
        results = jax.eval_shape(partial(run, plan_and_shapes.plan), numbers, jax.random.key(0))
        return plan_and_shapes.seeds, tuple((name, values.shape) for name, values in sorted(results.items()))

    return lambda protocol: shapes_of_program(program(protocol))


def of_all_starts(memory: Callable[[Protocol], int]) -> Callable[[Protocol], int]:
    """A measure's `memory` from that of one start: all starts of a cell run together."""
    return lambda protocol: protocol.sampling.seeds * memory(protocol)


RESPONSE = Measure(
    run=batched(runs.measure, response_variables),
    as_dataset=as_response,
    program=program,
    batched=True,
    shape=result_shapes(runs.measure),
    memory=of_all_starts(response_memory),
)
TRAJECTORY = Measure(
    run=batched(runs.observe, dict),
    as_dataset=as_trajectory,
    program=program,
    batched=True,
    shape=result_shapes(runs.observe),
    memory=of_all_starts(trajectory_memory),
)
