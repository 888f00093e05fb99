"""The laboratory's measures: many runs of one plan as one compiled program, over the cells and their seeds."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Key

from simulations import runs
from simulations.measured import as_response, as_trajectory, check, compared, seeded
from simulations.plan import Numbers, Plan, planned
from simulations.sweeps.measures import Measure, Ran
from theory.errors import Refusal
from theory.protocol import Protocol

Run = Callable[[Plan, Numbers, Key[Array, ""]], dict[str, Array]]


def program(protocol: Protocol) -> Hashable:
    """What is compiled for a protocol: its plan, the shapes of its numbers, and how many seeds."""
    plan, numbers = planned(protocol)
    leaves, structure = jax.tree.flatten(numbers)
    return plan, structure, tuple(np.shape(leaf) for leaf in leaves), protocol.sampling.seeds


def batched(run: Run, finish: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Callable[..., Ran]:
    """A measure's `run` from a pure function of one run, vmapped over seeds and cells of one program."""

    def together(protocols: Sequence[Protocol], keys: Sequence[int]) -> Ran:
        plans, numbers = zip(*map(planned, protocols), strict=True)
        seeds = range(protocols[0].sampling.seeds)
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *numbers)
        drawn = jnp.stack([jnp.stack([seeded(key, seed) for seed in seeds]) for key in keys])
        seen = {name: np.asarray(values) for name, values in _compiled(run)(plans[0], stacked, drawn).items()}
        refused = {}
        for place, solved in enumerate(seen.pop("solved").all(axis=1)):
            try:
                check(protocols[place], solved)
            except Refusal as refusal:
                refused[place] = str(refusal)
        return Ran(finish(seen), refused)

    return together


@cache
def _compiled(run: Run) -> Callable[[Plan, Numbers, Array], dict[str, Array]]:
    def cells(plan: Plan, numbers: Numbers, keys: Array) -> dict[str, Array]:
        return jax.vmap(jax.vmap(partial(run, plan), (None, 0)))(numbers, keys)

    return jax.jit(cells, static_argnums=0)


def _of_response(protocol: Protocol) -> tuple[int, ...]:
    return protocol.sampling.seeds, len(protocol.lengths), len(protocol.strengths)


def _of_trajectory(protocol: Protocol) -> tuple[int, ...]:
    return protocol.sampling.seeds, len(protocol.lengths), protocol.network.width, protocol.network.depth


RESPONSE = Measure(batched(runs.measure, compared), as_response, program, True, _of_response)
TRAJECTORY = Measure(batched(runs.observe, dict), as_trajectory, program, True, _of_trajectory)
