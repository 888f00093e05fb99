"""The work of one worker: check its software and its number of threads, and compute some cells of a chunk."""

import os
import resource
import sys
import time
from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from overtraining.runtime.worker_process import other_variables
from overtraining.setting.errors import Refusal
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.sweeps.cells import Cell
from overtraining.simulations.sweeps.identity import processor
from overtraining.simulations.sweeps.recipe import differences, recipe_text, sweep_in_recipe
from overtraining.simulations.sweeps.sweep_plan import SweepPlan


class WorkerDiffers(Refusal):
    """A worker that might compute other bits: other software, or another number of threads."""


class ChunkTask(NamedTuple):
    """The cells at some places (lanes) of a chunk, of the sweep with this recipe."""

    recipe: str
    chunk: int
    lanes: tuple[int, ...]


class ChunkOutcome(NamedTuple):
    """The outcome of a task.

    keys, values: of the cells that have numbers, in the order of `done`, their lanes.
    refused: why a cell has no numbers, and never will.  crashed: what went wrong with it; it may not another time.
    seconds: that it took.  peak: the most memory that the worker has used so far, in bytes.
    """

    done: tuple[int, ...] = ()
    keys: tuple[int, ...] = ()
    values: Mapping[str, np.ndarray] = {}
    refused: Mapping[int, str] = {}
    crashed: Mapping[int, str] = {}
    processor: str = ""
    seconds: float = 0.0
    peak: int = 0


@in_double_precision
def compute(task: ChunkTask) -> ChunkOutcome:
    """Compute the cells of a task. Errors of its cells are part of the outcome. Raises WorkerDiffers."""
    _check_worker(task.recipe)
    began = time.perf_counter()
    plan = _plan(task.recipe)
    cells, refused = _cells(plan, task)
    rows: dict[int, Mapping[str, np.ndarray]] = {}
    crashed: dict[int, str] = {}
    for lanes in _lanes_by_program(plan, cells):
        try:
            rows |= _run(plan, cells, lanes, refused)
        except Exception as fault:  # a measure is anybody's code: whatever it does, the other cells go on
            final = isinstance(fault, Refusal) and len(task.lanes) == 1
            (refused if final else crashed).update(dict.fromkeys(lanes, f"{type(fault).__name__}: {fault}"))
    done = tuple(sorted(rows))
    names = rows[done[0]] if done else ()
    return ChunkOutcome(
        done=done,
        keys=tuple(cells[lane].key for lane in done),
        values={name: np.stack([rows[lane][name] for lane in done]) for name in names},
        refused=refused,
        crashed=crashed,
        processor=processor(),
        seconds=time.perf_counter() - began,
        peak=peak_memory(),
    )


def peak_memory() -> int:
    """The most bytes that this process has held so far."""
    try:  # what getrusage says would include the process that started this one
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):  # no /proc: not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _cells(plan: SweepPlan, task: ChunkTask) -> tuple[dict[int, Cell], dict[int, str]]:
    cells, refused = {}, {}
    for lane in task.lanes:
        try:
            cells[lane] = plan.cell(task.chunk, lane)
        except Refusal as refusal:
            refused[lane] = str(refusal)
    return cells, refused


def _lanes_by_program(plan: SweepPlan, cells: Mapping[int, Cell]) -> list[list[int]]:
    """The lanes that share a compiled program: all of a chunk, except where fast axes change the program together."""
    groups: dict[Hashable, list[int]] = {}
    for lane, cell in cells.items():
        try:
            program = plan.measure.program(cell.protocol)
        except Refusal:  # alone, so that no other cell is refused with it
            program = cell.key
        groups.setdefault(program, []).append(lane)
    return list(groups.values())


def _run(
    plan: SweepPlan, cells: Mapping[int, Cell], lanes: list[int], refused: dict[int, str]
) -> dict[int, Mapping[str, np.ndarray]]:
    """The numbers of some lanes; in a compiled batch the other lanes hold copies, for one program and equal bits."""
    places = range(plan.lanes) if plan.measure.batched else lanes
    batch = [cells[lane if lane in lanes else lanes[0]] for lane in places]
    result = plan.measure.run([cell.protocol for cell in batch], [cell.key for cell in batch])
    rows: dict[int, Mapping[str, np.ndarray]] = {}
    for place, lane in enumerate(places):
        if lane in lanes:
            row = {name: array[place] for name, array in result.values.items()}
            if place in result.refused:
                refused[lane] = result.refused[place]
            elif not row or not all(np.isfinite(array).all() for array in row.values()):
                refused[lane] = "its numbers are not all finite"
            else:
                rows[lane] = row
    return rows


def _check_worker(recipe: str) -> None:
    if unlike := other_variables():
        raise WorkerDiffers(
            f"a worker on {os.uname().nodename} without {', '.join(f'{k}={v}' for k, v in unlike.items())}",
            "it may run several threads or other programs, which changes bits",
            "start it with these variables, as docs/how-to/cluster.md shows",
        )
    if other := _software_differences(recipe):
        raise WorkerDiffers(f"the software on {os.uname().nodename}", "; ".join(other), "install the same everywhere")


@cache
def _software_differences(recipe: str) -> tuple[str, ...]:
    return tuple(differences(recipe_text(sweep_in_recipe(recipe)), recipe))


@cache
def _plan(recipe: str) -> SweepPlan:
    return SweepPlan(sweep_in_recipe(recipe))
