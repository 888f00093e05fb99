"""Worker processes of this machine: replaced when they die, ended with the process that started them."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from tqdm import tqdm

from overtraining.simulations.sweeps.worker import ONE_THREAD, ChunkOutcome, ChunkTask, compute

TRIES = 3
"""How often a job may take its process down before it is held to be the cause."""

Job = TypeVar("Job")


@dataclass(frozen=True)
class WorkerDied:
    """The answer to a job whose processes all died of it."""

    why: str


class WorkerProcesses(Generic[Job]):
    """Calls a function on jobs, each in one of so many processes of one thread, which end on leaving the context.

    function: found by its name in a new process, as are the jobs and the answers that pass between them.
    """

    def __init__(self, function: Callable[[Job], Any], workers: int = 1) -> None:
        self._function, self._workers = function, workers
        self._processes: dict[Connection, BaseProcess] = {}
        self._idle: list[Connection] = []

    def __enter__(self) -> "WorkerProcesses[Job]":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()  # what is not finished is not wanted any more
            process.join()

    def answers(self, take: Callable[[], Job | None]) -> Iterator[tuple[Job, Any]]:
        """Every job with its answer as it comes, until `take` gives none and all are answered.

        An answer is what the function returned, the exception that it raised, or WorkerDied.
        """
        busy: dict[Connection, tuple[Job, int]] = {}
        while True:
            while len(busy) < self._workers and (job := take()) is not None:
                busy[self._hand_out(job)] = job, 1
            if not busy:
                return
            for pipe in [pipe for pipe in wait(list(busy)) if isinstance(pipe, Connection)]:
                job, tries = busy.pop(pipe)
                try:
                    answer = pipe.recv()
                except (EOFError, OSError):
                    answer = WorkerDied(f"its worker died (exit code {self._buried(pipe)})")
                    if tries < TRIES:
                        busy[self._hand_out(job)] = job, tries + 1
                        continue
                else:
                    self._idle.append(pipe)
                yield job, answer

    def _hand_out(self, job: Job) -> Connection:
        """The pipe on which the answer will come; a process that died while it was idle is replaced."""
        while self._idle:
            pipe = self._idle.pop()
            try:
                pipe.send(job)
            except OSError:
                self._buried(pipe)
            else:
                return pipe
        pipe = self._started()
        pipe.send(job)
        return pipe

    def _started(self) -> Connection:
        context = multiprocessing.get_context("spawn")  # a forked JAX deadlocks
        pipe, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._function), daemon=True)
        with environment(ONE_THREAD), no_interrupt():
            process.start()
        theirs.close()  # or we would not notice that it is gone
        self._processes[pipe] = process
        return pipe

    def _buried(self, pipe: Connection) -> int | None:
        """The exit code of a process that is gone."""
        process = self._processes.pop(pipe)
        process.join()
        pipe.close()
        return process.exitcode


class OneWorker:
    """Computes tasks, one after another, in a process of its own, which is ended on leaving the context."""

    def __init__(self) -> None:
        self._crew = WorkerProcesses(compute)

    def __enter__(self) -> "OneWorker":
        self._crew.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.__exit__()

    def outcomes(self, take: Callable[[], ChunkTask | None]) -> Iterator[tuple[ChunkTask, ChunkOutcome]]:
        """Every task with its outcome, until `take` gives none."""
        for task, answer in self._crew.answers(take):
            if isinstance(answer, Exception):
                raise answer
            yield (
                task,
                ChunkOutcome(crashed=dict.fromkeys(task.lanes, answer.why))
                if isinstance(answer, WorkerDied)
                else answer,
            )


class ThisProcess(nullcontext[Any]):
    """Computes tasks in this process, which has to run one thread, as WorkerProcesses do."""

    def __enter__(self) -> "ThisProcess":
        return self

    def outcomes(self, take: Callable[[], ChunkTask | None]) -> Iterator[tuple[ChunkTask, ChunkOutcome]]:
        """Every task with its outcome, until `take` gives none."""
        while (task := take()) is not None:
            yield task, compute(task)


def _serve(pipe: Connection, function: Callable[[Any], Any]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tqdm.set_lock(threading.RLock())  # its own is a semaphore of the system, which a killed process leaves behind
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            answer = function(job)
        except Exception as fault:
            fault.add_note(f"In a worker: {traceback.format_exc()}")  # where it was raised is not told by the exception
            answer = fault
        pipe.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # in the middle of whatever it computes


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These variables, for processes started inside."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def no_interrupt() -> Iterator[None]:
    """Processes started inside never see Ctrl-C, which a terminal sends to all of them: their driver ends them."""
    resource_tracker.ensure_running()  # with the first process otherwise, and its start ends by letting SIGINT through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # an interrupt that came meanwhile comes now
