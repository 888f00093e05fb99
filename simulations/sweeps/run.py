"""Running a sweep: what is missing is computed, stored, and in the end gathered into one file."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol as Interface

from overtraining.simulations.sweeps.atomic_files import replacing
from overtraining.simulations.sweeps.recipe import written
from overtraining.simulations.sweeps.result import consolidate, crashes, failures
from overtraining.simulations.sweeps.spec import Sweep
from overtraining.simulations.sweeps.store import Store, opened, telling
from overtraining.simulations.sweeps.sweep_plan import Plan
from overtraining.simulations.sweeps.task_queue import Queue
from overtraining.simulations.sweeps.worker import Outcome, Task
from overtraining.simulations.sweeps.worker_processes import Pool


class Workers(Interface):
    """Who computes: `outcomes` gives every task that `take` gives, with its outcome, in any order."""

    def outcomes(self, take: Callable[[], Task | None]) -> Iterator[tuple[Task, Outcome]]: ...


@dataclass(frozen=True)
class Finished:
    """Where the result is, and which cells are not in it: their names with the reason."""

    result: Path
    failed: tuple[tuple[str, str], ...]


def run(
    sweep: Sweep,
    folder: Path,
    workers: Callable[[], AbstractContextManager[Workers]] = Pool,
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, cells: None,
) -> Finished:
    """Run a sweep in a folder, or what is left of it.

    workers: makes what computes; `Pool`, one process of this machine, or a `overtraining.simulations.sweeps.cluster`.
    report: gets a line for everything unusual.  progress: gets the number of cells done, and of all cells.
    Raises StoreRefused where the folder is another sweep's, in use, full or not writable; nothing is damaged by it.
    """
    recipe, plan = written(sweep), Plan(sweep)
    with telling(folder), opened(folder, recipe) as store:
        if not (store.sealed(report) and not crashes(store.result)):
            missing = store.missing(plan.chunks, report)
            _compute(plan, store, missing, workers, progress)
            _gather(plan, store)
        if not crashes(store.result):
            store.clear()
        return Finished(store.result, failures(store.result))


def _gather(plan: Plan, store: Store) -> None:
    store.unseal()
    with replacing(store.result) as temporary:
        consolidate(temporary, store.recipe, plan, store.read)
    store.seal()


def _compute(
    plan: Plan,
    store: Store,
    missing: list[int],
    workers: Callable[[], AbstractContextManager[Workers]],
    progress: Callable[[int, int], None],
) -> None:
    cells = plan.sweep.cells
    done = cells - sum(map(plan.size, missing))
    progress(done, cells)
    if not missing:
        return
    queue = Queue(store.recipe, plan, missing)
    with workers() as crew:
        for task, outcome in crew.outcomes(queue.take):
            whole = queue.put(task, outcome)
            if whole is not None:
                store.write(task.chunk, whole)
                done += plan.size(task.chunk)
                progress(done, cells)
