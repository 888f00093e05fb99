"""Worker processes of this machine: replaced when they die, ended with the process that started them."""

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from tqdm import tqdm

from overtraining.runtime.compilation_cache import cache_variables

WORKER_ENVIRONMENT = {
    "JAX_PLATFORMS": "cpu",  # a graphics processor's memory would be taken by every worker
    "NPROC": "1",  # how many threads XLA makes on a processor
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "EQX_ON_ERROR": "nan",  # if diffrax's checks may raise, its programs call Python, and no cache keeps such a program
}
"""The environment of every worker: one thread, since bits differ between numbers of threads, and the same programs."""

UNUSED = ("dask",)
"""What xarray imports if it is installed, for half a second, and measurements in one process do not use."""

TRIES = 3
"""How many processes may die of a job before it is given up."""

Job = TypeVar("Job")


@dataclass(frozen=True)
class WorkerDied:
    """The answer to a job of which all its processes died."""

    why: str


class WorkerProcesses(Generic[Job]):
    """Calls a function on jobs in processes of one thread each, which end on leaving the context.

    function: of a module, since a new process finds it by its name; jobs and answers are pickled.
    without: libraries that the processes do not import, although others would if they are installed.
    """

    def __init__(self, function: Callable[[Job], Any], workers: int = 1, without: Sequence[str] = ()) -> None:
        self._function, self._workers, self._without = function, workers, tuple(without)
        self._processes: dict[Connection, BaseProcess] = {}
        self._idle: list[Connection] = []

    def __enter__(self) -> "WorkerProcesses[Job]":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()  # unfinished jobs are not needed any more
            process.join()

    def answers(self, next_job: Callable[[], Job | None]) -> Iterator[tuple[Job, Any]]:
        """Every job with its answer as it comes, until `next_job` gives none and all are answered.

        An answer is what the function returned, the exception that it raised, or WorkerDied.
        """
        busy: dict[Connection, tuple[Job, int]] = {}
        while True:
            while len(busy) < self._workers and (job := next_job()) is not None:
                busy[self._send(job)] = job, 1
            if not busy:
                return
            for pipe in [pipe for pipe in wait(list(busy)) if isinstance(pipe, Connection)]:
                job, tries = busy.pop(pipe)
                try:
                    answer = pipe.recv()
                except (EOFError, OSError):
                    answer = WorkerDied(f"its worker died (exit code {self._reap(pipe)})")
                    if tries < TRIES:
                        busy[self._send(job)] = job, tries + 1
                        continue
                else:
                    self._idle.append(pipe)
                yield job, answer

    def _send(self, job: Job) -> Connection:
        """The pipe on which the answer will come; a process that died while it was idle is replaced."""
        while self._idle:
            pipe = self._idle.pop()
            try:
                pipe.send(job)
            except OSError:
                self._reap(pipe)
            else:
                return pipe
        pipe = self._start()
        pipe.send(job)
        return pipe

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")  # a forked JAX deadlocks
        pipe, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._without), daemon=True)
        with environment(WORKER_ENVIRONMENT | cache_variables()), no_interrupt():
            process.start()
        theirs.close()  # while it is open here, we do not notice that the process is gone
        pipe.send(self._function)
        self._processes[pipe] = process
        return pipe

    def _reap(self, pipe: Connection) -> int | None:
        """Remove a process that is gone; its exit code."""
        process = self._processes.pop(pipe)
        process.join()
        pipe.close()
        return process.exitcode


def _serve(pipe: Connection, without: Sequence[str]) -> None:
    if "xarray" not in sys.modules:  # imported by the user's script, it has seen them already, and would insist
        sys.modules.update(dict.fromkeys(without))  # type: ignore[arg-type]  # None: Python does not look for it
    function = pipe.recv()  # only now, since with it comes its module, and all that this imports
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


def is_worker() -> bool:
    """Whether this process runs one thread, as every worker does."""
    return not other_variables()


def other_variables() -> dict[str, str]:
    """The variables of a worker's environment that differ in this process, or are missing."""
    return {name: value for name, value in WORKER_ENVIRONMENT.items() if os.environ.get(name) != value}


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
