"""One worker process on this machine, without Dask: replaced when it dies, gone when its driver is."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection

from simulations.sweeps.work import ONE_THREAD, Outcome, Task, work

TRIES = 3
"""How often a task may take its worker down before it is held to be the cause."""


class Pool:
    """Computes tasks, one after another, in a process of its own, which is ended on leaving the context."""

    workers = 1

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()  # what is not stored is not wanted any more
            self._process.join()

    def outcomes(self, take: Callable[[], Task | None]) -> Iterator[tuple[Task, Outcome]]:
        """Every task with its outcome, until `take` gives none."""
        while (task := take()) is not None:
            yield task, self._outcome(task)

    def _outcome(self, task: Task) -> Outcome:
        for _ in range(TRIES):
            if self._process is None:
                self._start()
            assert self._process is not None
            try:
                self._pipe.send(task)
                answer = self._pipe.recv()
            except (EOFError, OSError):
                self._process.join()
                died, self._process = f"its worker died (exit code {self._process.exitcode})", None
                continue
            if isinstance(answer, Exception):
                raise answer
            return answer
        return Outcome(crashed=dict.fromkeys(task.lanes, died))

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with environment(ONE_THREAD), no_interrupt():
            self._process.start()
        theirs.close()  # or we would not notice that it is gone


def _serve(pipe: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            answer: Outcome | Exception = work(task)
        except Exception as fault:
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
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # an interrupt that came meanwhile comes now
