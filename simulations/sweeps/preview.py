"""A preview of a sweep: its cells, chunks and memory, and the time that it will take, from some chunks that are run."""

from collections.abc import Iterator

import numpy as np

from overtraining.simulations.sweeps.local_workers import LocalWorkers
from overtraining.simulations.sweeps.recipe import recipe_text
from overtraining.simulations.sweeps.spec import Sweep
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.worker import ChunkOutcome, ChunkTask

TRIED = 3
"""How many blocks are tried; the others are assumed to be like these on average."""

BASE = 700_000_000
"""Bytes that Python, JAX and a compilation take without any cell (measured: 300 to 600 MB)."""


def outline_lines(plan: SweepPlan) -> list[str]:
    """The lines that are known before anything is computed.

    >>> from overtraining.simulations.sweeps.spec import find_sweep
    >>> outline_lines(SweepPlan(find_sweep("noise-against-length")))[0]
    '2,400 cells in 75 chunks of 32, 1 compiled program'
    """
    programs = f"{plan.blocks:,} compiled program{'s' if plan.blocks > 1 else ''}"
    worker, driver = (f"{bytes_ / 1e6:,.0f} MB" for bytes_ in (BASE + plan.memory, BASE))
    return [
        f"{plan.sweep.cells:,} cells in {plan.chunks:,} chunks of {plan.lanes}, {programs}",
        f"memory: at most {worker} for each worker, {driver} for the process that stores",
    ]


def preview_lines(sweep: Sweep, workers: int = 1) -> list[str]:
    """The outline, and the memory, size and time of a trial run, whose results are not kept."""
    plan = SweepPlan(sweep)  # first: it refuses a measure that is none
    recipe = recipe_text(sweep)
    blocks = np.unique(np.linspace(0, plan.blocks - 1, min(TRIED, plan.blocks)).astype(int))
    with LocalWorkers() as worker:
        tried = [list(_tried(worker, recipe, plan, int(block) * plan.chunks_of_block)) for block in blocks]
    outcomes = [outcome for pair in tried for outcome in pair]
    failed = sum(len(outcome.crashed) + len(outcome.refused) for outcome in outcomes)
    seconds = [pair[0].seconds + (plan.chunks_of_block - 1) * pair[-1].seconds for pair in tried]
    total = float(np.mean(seconds)) * plan.blocks / workers
    each = max(sum(v.nbytes for v in outcome.values.values()) / max(1, len(outcome.done)) for outcome in outcomes)
    return [
        *outline_lines(plan),
        f"memory when tried: {max(outcome.peak for outcome in outcomes) / 1e6:,.0f} MB for a worker",
        f"result: {_size(each * sweep.cells)}",
        f"time: about {_duration(total)} with {workers} worker{'s' if workers > 1 else ''}",
        *([f"of {sum(len(o.done) for o in outcomes) + failed} cells tried, {failed} failed"] if failed else []),
    ]


def _tried(worker: LocalWorkers, recipe: str, plan: SweepPlan, first: int) -> Iterator[ChunkOutcome]:
    """The outcomes of the first chunk of a block: with compilation, and once more without."""
    tasks = [ChunkTask(recipe, first, tuple(range(plan.size(first))))] * (2 if plan.chunks_of_block > 1 else 1)
    waiting = iter(tasks)
    for _, outcome in worker.outcomes(lambda: next(waiting, None)):
        yield outcome


def _size(bytes_: float) -> str:
    return f"{bytes_ / 1e6:,.0f} MB" if bytes_ >= 1e7 else f"{bytes_ / 1e3:,.0f} kB"


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s" if rest >= 60 else f"{rest} s"
