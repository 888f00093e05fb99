"""Run a sweep: compute and store the missing chunks, then gather all of them into one file."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol as Interface

from overtraining.simulations.sweeps.local_workers import LocalWorkers
from overtraining.simulations.sweeps.recipe import recipe_text
from overtraining.simulations.sweeps.result import consolidate, crashes, failures
from overtraining.simulations.sweeps.spec import Sweep
from overtraining.simulations.sweeps.store import Store, open_store, refuse_disk_errors
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.task_queue import TaskQueue
from overtraining.simulations.sweeps.time_left import TimeLeft
from overtraining.simulations.sweeps.worker import ChunkOutcome, ChunkTask


class Workers(Interface):
    """What computes: `outcomes` gives every task that `next_task` gives, with its outcome, in any order."""

    def outcomes(self, next_task: Callable[[], ChunkTask | None]) -> Iterator[tuple[ChunkTask, ChunkOutcome]]: ...


@dataclass(frozen=True)
class FinishedSweep:
    """Where the result is, and which cells are not in it: their names with the reason."""

    result: Path
    failed: tuple[tuple[str, str], ...]


def run_sweep(
    sweep: Sweep,
    folder: Path,
    workers: Callable[[], AbstractContextManager[Workers]] = LocalWorkers,
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int, float | None], None] = lambda done, cells, left: None,
) -> FinishedSweep:
    """Run a sweep in a folder, or the part of it that is missing there.

    workers: makes the workers: `LocalWorkers`, by default one process of this machine, or a `Cluster`.
    report: called with a line for everything unusual.
    progress: called with the numbers of cells done and of all cells, and the seconds left, None as long as unknown.
    If it is stopped by an exception, such as KeyboardInterrupt, the cells that are finished are stored.
    Raises StoreRefused where the folder is another sweep's, in use, full or not writable; nothing is damaged by it.
    """
    plan = SweepPlan(sweep)  # first: it refuses a measure that is none
    recipe = recipe_text(sweep)
    with refuse_disk_errors(folder), open_store(folder, recipe, report) as store:
        if not (store.sealed(report) and not crashes(store.result)):
            missing_chunks = store.missing(plan.chunks, plan.size, report)
            _compute(plan, store, missing_chunks, workers, progress)
            _gather(plan, store)
        if not crashes(store.result):
            store.clear()
        return FinishedSweep(store.result, failures(store.result, plan))


def _gather(plan: SweepPlan, store: Store) -> None:
    store.unseal()
    consolidate(store.result, store.recipe, plan, store.read)
    store.seal()


def _compute(
    plan: SweepPlan,
    store: Store,
    missing_chunks: dict[int, int],
    workers: Callable[[], AbstractContextManager[Workers]],
    progress: Callable[[int, int, float | None], None],
) -> None:
    cells = plan.sweep.cells
    before = cells - sum(missing_chunks.values())
    progress(before, cells, None)
    if not missing_chunks:
        return
    queue, time_left = TaskQueue(store.recipe, plan, missing_chunks, store.kept), TimeLeft(plan, missing_chunks)
    try:
        with workers() as running:
            for task, outcome in running.outcomes(queue.take):
                time_left.finish(task.chunk, outcome.seconds, queue.at_work)
                finished = queue.put(task, outcome)
                if finished is not None:
                    store.write(task.chunk, finished)
                    queue.forget(task.chunk)
                progress(before + queue.cells, cells, time_left.seconds())
    except BaseException:
        with suppress(OSError):  # a full disk has been told already
            for chunk, outcome in queue.unstored():
                store.write(chunk, outcome)
        raise
