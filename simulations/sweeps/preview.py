"""A preview of a sweep: its cells, chunks, memory and the time that it will take, from some tasks that are tried."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from time import process_time

import numpy as np

from overtraining.runtime.compilation_cache import JAX_FOLDER
from overtraining.runtime.worker_processes import WorkerDied, WorkerProcesses
from overtraining.simulations.sweeps.recipe import recipe_text
from overtraining.simulations.sweeps.spec import Sweep
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.worker import ChunkOutcome, ChunkTask, compute

TRIED = 3
"""How many blocks are tried; the others are assumed to be like these on average."""

BASE = 700_000_000
"""Bytes that Python, JAX and a compilation take without any cell (measured: 300 to 600 MB)."""

DRIVER = 2.0
"""Seconds of processor time until the process that stores has begun (measured: 1.5 to 2.5)."""

STORED = 2e-4
"""Seconds in which it stores and gathers a cell (`python -m benchmarks sweeps`)."""


@dataclass(frozen=True)
class Estimate:
    """What a sweep will take.

    processor: seconds of all its processes.  wall: seconds if every worker has a core.  longest: seconds of a task.
    outcomes: of the tasks that were tried.
    """

    processor: float
    wall: float
    longest: float
    outcomes: tuple[ChunkOutcome, ...]


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
    made = estimate(plan, workers)
    failed = sum(len(outcome.crashed) + len(outcome.refused) for outcome in made.outcomes)
    done = sum(len(outcome.done) for outcome in made.outcomes)
    each = max(sum(v.nbytes for v in outcome.values.values()) / max(1, len(outcome.done)) for outcome in made.outcomes)
    many = f"{workers} worker{'s' if workers > 1 else ''}"
    unit = "chunk" if plan.measure.batched else "cell"
    return [
        *outline_lines(plan),
        f"memory when tried: {max(outcome.peak for outcome in made.outcomes) / 1e6:,.0f} MB for a worker",
        f"result: {_size(each * sweep.cells)}",
        f"time: about {_duration(made.wall)} with {many}, {_duration(made.processor)} of processor time",
        f"a stop loses at most one {unit} of each worker, which takes up to {_duration(made.longest)}",
        *([f"of {done + failed} cells tried, {failed} failed"] if failed else []),
    ]


def estimate(plan: SweepPlan, workers: int = 1) -> Estimate:
    """Try the first task of some blocks twice: it compiles, and then it does not.

    Every worker compiles every program: a program that another one has stored takes less, but is not counted on.
    """
    tasks = plan.chunks_of_block if plan.measure.batched else plan.block
    compiling = min(workers, tasks)
    recipe = recipe_text(plan.sweep)
    blocks = np.unique(np.linspace(0, plan.blocks - 1, min(TRIED, plan.blocks)).astype(int))
    outcomes, seconds, longest = [], [], 0.0
    with WorkerProcesses(trial) as worker:
        start, _ = _try(worker, ChunkTask(recipe, 0, ()))
        before = start
        for block in blocks:
            chunk = int(block) * plan.chunks_of_block
            lanes = tuple(range(plan.size(chunk))) if plan.measure.batched else (0,)
            first, outcome = _try(worker, ChunkTask(recipe, chunk, lanes))
            again = _try(worker, ChunkTask(recipe, chunk, lanes))[0] if tasks > 1 else first
            outcomes.append(outcome)
            seconds.append(compiling * (first - before) + (tasks - compiling) * (again - first))
            longest = max(longest, first - before)
            before = again
    driver = DRIVER + STORED * plan.sweep.cells
    together = workers * start + float(np.mean(seconds)) * plan.blocks
    return Estimate(driver + together, driver + together / workers, longest, tuple(outcomes))


def trial(task: ChunkTask) -> tuple[float, ChunkOutcome]:
    """In a worker: compute a task, whose program is compiled and not read; the processor time of the worker so far."""
    os.environ.pop(JAX_FOLDER, None)  # the first task comes before JAX is imported
    outcome = compute(task)
    return process_time(), outcome


def _try(worker: WorkerProcesses[ChunkTask], task: ChunkTask) -> tuple[float, ChunkOutcome]:
    waiting: Iterator[ChunkTask] = iter([task])
    for _, answer in worker.answers(lambda: next(waiting, None)):
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, WorkerDied):
            return 0.0, ChunkOutcome(crashed=dict.fromkeys(task.lanes, answer.why))
        found: tuple[float, ChunkOutcome] = answer
    return found


def _size(bytes_: float) -> str:
    return f"{bytes_ / 1e6:,.0f} MB" if bytes_ >= 1e7 else f"{bytes_ / 1e3:,.0f} kB"


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes = f"{rest // 60} min {rest % 60} s" if rest >= 60 else f"{rest} s"
    return f"{hours} h {rest // 60} min" if hours else minutes if seconds >= 2 else f"{seconds:.2g} s"
