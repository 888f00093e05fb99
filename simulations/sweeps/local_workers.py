"""Compute the tasks of a sweep in worker processes of this machine, or in this process."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

from overtraining.runtime.worker_processes import WorkerDied, WorkerProcesses
from overtraining.simulations.sweeps.worker import ChunkOutcome, ChunkTask, compute


class LocalWorkers:
    """Computes tasks in so many processes of one thread, which are ended on leaving the context."""

    def __init__(self, workers: int = 1) -> None:
        self._processes = WorkerProcesses(compute, workers)

    def __enter__(self) -> "LocalWorkers":
        self._processes.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._processes.__exit__()

    def outcomes(self, next_task: Callable[[], ChunkTask | None]) -> Iterator[tuple[ChunkTask, ChunkOutcome]]:
        """Every task with its outcome, until `next_task` gives none."""
        for task, answer in self._processes.answers(next_task):
            if isinstance(answer, Exception):
                raise answer
            if isinstance(answer, WorkerDied):
                yield task, ChunkOutcome(crashed=dict.fromkeys(task.lanes, answer.why))
            else:
                yield task, answer


class ThisProcess(nullcontext[Any]):
    """Computes tasks in this process, which has to run one thread, as WorkerProcesses do."""

    def __enter__(self) -> "ThisProcess":
        return self

    def outcomes(self, next_task: Callable[[], ChunkTask | None]) -> Iterator[tuple[ChunkTask, ChunkOutcome]]:
        """Every task with its outcome, until `next_task` gives none."""
        while (task := next_task()) is not None:
            yield task, compute(task)
