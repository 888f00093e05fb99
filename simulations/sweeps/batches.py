"""The measures `response` and `trajectory`: the runs of many cells and seeds with one plan as one compiled program."""

from collections.abc import Callable, Hashable, Sequence
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from overtraining.setting.errors import Refusal
from overtraining.setting.perturbations import FineTuning, Noise, Quantization
from overtraining.setting.protocol import Network, Protocol
from overtraining.simulations import runs
from overtraining.simulations.compilation import LOOP
from overtraining.simulations.curvature import BLOCK, PROBES, ROWS, WRITTEN_OUT
from overtraining.simulations.data import HELD_OUT
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.finetuning import is_random
from overtraining.simulations.measurements import as_response, as_trajectory, check_solved, response_variables, seed_key
from overtraining.simulations.random_arrays import extra_numbers
from overtraining.simulations.sweeps.measures import BatchResult, Measure
from overtraining.simulations.training_plan import RunNumbers, TrainingPlan, plan_training

SCALARS = 256
"""How many numbers even the smallest run holds: counters, keys, step sizes."""

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


def response_memory(protocol: Protocol) -> int:
    """Twice what checkpoints, examples and the largest batch of perturbed networks of a cell take, in bytes."""
    n, weights, examples = _sizes(protocol)
    perturbation, budgets = protocol.perturbation, len(protocol.strengths)
    per_draw = runs.network_numbers(n) + extra_numbers(n.shapes)
    draws, results, most = 1, 0, runs.MOST_NOISY
    if isinstance(perturbation, Noise) or (isinstance(perturbation, Quantization) and perturbation.dithered):
        draws = protocol.sampling.draws
    elif isinstance(perturbation, FineTuning):
        draws = protocol.sampling.draws if is_random(perturbation) else 1
        most = runs.MOST_TUNED
        # checkpoints at every budget, a batch; losses of every draw, budget and example
        batch = getattr(perturbation.training, "batch", None) or 0
        per_draw = per_draw * (budgets + 1) + batch * (n.d_in + n.h + n.d_out)
        per_draw += extra_numbers([(batch, n.d_in), (batch, n.d_out)])
        results = draws * budgets * (2 * (1 if n.activation == "linear" else HELD_OUT) + 1)
    at_once = min(draws, max(1, most // per_draw))
    numbers = per_draw * at_once + weights * len(protocol.lengths) + examples + results + SCALARS
    return 16 * protocol.sampling.seeds * numbers


def trajectory_memory(protocol: Protocol) -> int:
    """Twice what checkpoints, examples and the curvature's vectors of a cell take, in bytes."""
    _, weights, examples = _sizes(protocol)
    if weights <= WRITTEN_OUT:
        vectors, hessian = min(weights, ROWS), weights**2 * 5 // 2
    else:
        vectors, hessian = BLOCK, weights * PROBES * 2
    numbers = weights * len(protocol.lengths) + hessian + examples * (2 + vectors // runs.GROUPS) + SCALARS
    return 16 * protocol.sampling.seeds * numbers


def _sizes(protocol: Protocol) -> tuple[Network, int, int]:
    """The network, its number of weights, and the numbers in the examples that a run holds, hidden units included."""
    n = protocol.network
    examples = (protocol.inputs.samples or 0) + (0 if n.activation == "linear" else HELD_OUT)
    return n, runs.network_weights(n), examples * (n.d_in + n.h + n.d_out)


RESPONSE = Measure(
    run=batched(runs.measure, response_variables),
    as_dataset=as_response,
    program=program,
    batched=True,
    shape=result_shapes(runs.measure),
    memory=response_memory,
)
TRAJECTORY = Measure(
    run=batched(runs.observe, dict),
    as_dataset=as_trajectory,
    program=program,
    batched=True,
    shape=result_shapes(runs.observe),
    memory=trajectory_memory,
)
