"""Worker processes: replaced when they die or take too long for a job, ended with the process that started them."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from overtraining.runtime.worker_process import BEGUN, WorkerProcess

UNUSED = ("dask",)
"""What xarray imports if it is installed, for half a second, and measurements in one process do not use."""

TRIES = 3
"""How many processes may die of a job before it is given up."""

Job = TypeVar("Job")


@dataclass(frozen=True)
class WorkerDied:
    """The answer to a job of which all its processes died."""

    why: str


@dataclass(frozen=True)
class TooLong:
    """The answer to a job that was not done within the limit."""

    seconds: float


@dataclass
class _Task(Generic[Job]):
    job: Job
    tries: int = 1
    deadline: float | None = None


class WorkerProcesses(Generic[Job]):
    """Calls a function on jobs in processes of one thread each, which end on leaving the context.

    function: of a module, since a new process finds it by its name; jobs and answers are pickled.
    without: libraries that the processes do not import, although others would if they are installed.
    limit: seconds for a job, without those for importing its function; after them its process is replaced.
    """

    def __init__(
        self, function: Callable[[Job], Any], workers: int = 1, without: Sequence[str] = (), limit: float | None = None
    ) -> None:
        self._function, self._workers, self._without, self._limit = function, workers, tuple(without), limit
        self._processes: dict[Connection, WorkerProcess] = {}
        self._idle: list[Connection] = []

    def __enter__(self) -> "WorkerProcesses[Job]":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.end()  # unfinished jobs are not needed any more

    def answers(self, next_job: Callable[[], Job | None]) -> Iterator[tuple[Job, Any]]:
        """Every job with its answer as it comes, until `next_job` gives none and all are answered.

        An answer is what the function returned, the exception that it raised, WorkerDied or TooLong. After each of them
        `next_job` is asked again, so that a job may wait for the answers of others.
        """
        busy: dict[Connection, _Task[Job]] = {}
        while True:
            while len(busy) < self._workers and (job := next_job()) is not None:
                busy[self._send(job)] = _Task(job)
            if not busy:
                return
            for pipe in [pipe for pipe in wait(list(busy), _seconds_left(busy)) if isinstance(pipe, Connection)]:
                task = busy[pipe]
                try:
                    answer = self._processes[pipe].receive()
                except (EOFError, OSError):
                    del busy[pipe]
                    answer = WorkerDied(f"its worker died (exit code {self._remove(pipe)})")
                    if task.tries < TRIES:
                        busy[self._send(task.job)] = _Task(task.job, task.tries + 1)
                        continue
                else:
                    if answer is BEGUN:
                        task.deadline = None if self._limit is None else time.monotonic() + self._limit
                        continue
                    del busy[pipe]
                    self._idle.append(pipe)
                yield task.job, answer
            for pipe, task in list(busy.items()):
                if self._limit is not None and task.deadline is not None and time.monotonic() >= task.deadline:
                    del busy[pipe]
                    self._remove(pipe)
                    yield task.job, TooLong(self._limit)

    def _send(self, job: Job) -> Connection:
        """The connection on which the answer will come; a process that died while it was idle is replaced."""
        while self._idle:
            pipe = self._idle.pop()
            try:
                self._processes[pipe].send(self._function, job)
            except OSError:
                self._remove(pipe)
            else:
                return pipe
        process = WorkerProcess(self._without)
        self._processes[process.connection] = process
        with suppress(OSError):  # it died already, which is seen when its answer is awaited
            process.send(self._function, job)
        return process.connection

    def _remove(self, pipe: Connection) -> int:
        """End a process, or what is left of one that died; its exit code."""
        return self._processes.pop(pipe).end()


def _seconds_left(busy: dict[Connection, _Task[Job]]) -> float | None:
    """Until the first limit is over; None if there is none."""
    deadlines = [task.deadline for task in busy.values() if task.deadline is not None]
    return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
