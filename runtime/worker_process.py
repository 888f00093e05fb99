"""One worker process: a new Python of one thread, which ends with the process that started it, even at SIGKILL."""

import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

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

BEGUN = object()
PROGRAM = Path(__file__).with_name("worker_main.py")


class WorkerProcess:
    """A process that calls functions on jobs, one after another; its `connection` can be waited for.

    It is a program of its own: it does not import the script that started it, which needs no `__main__` guard, and its
    environment is given to it, while that of this process stays as it is.
    without: libraries that it does not import, although what it imports would if they are installed.
    """

    def __init__(self, without: Sequence[str] = ()) -> None:
        ours, theirs = socket.socketpair()
        options = [f"-W{option}" for option in sys.warnoptions] + ["-B"] * sys.dont_write_bytecode
        with theirs, _no_interrupt():
            self._process = subprocess.Popen(
                [sys.executable, "-P", *options, str(PROGRAM), str(theirs.fileno())],
                env=os.environ | WORKER_ENVIRONMENT | cache_variables(),
                stdin=subprocess.PIPE,  # closed when this process ends in whatever way, and the worker with it
                pass_fds=(theirs.fileno(),),
            )
        self.connection = Connection(ours.detach())
        self._without = tuple(without)

    def send(self, function: Callable[[Any], Any], job: Any) -> None:
        """Begin a job; `receive` has the answer.

        function: of a module, since the process finds it by its name. Raises OSError if the process is gone.
        """
        self.connection.send((sys.path, self._without))  # first, since they say where the function is found
        self.connection.send((function, job))

    def receive(self) -> Any:
        """Wait for what comes next: BEGUN, once all imports of the function are done, or what it returned or raised.

        Raises EOFError or OSError if the process died.
        """
        message = self.connection.recv_bytes()
        return pickle.loads(message) if message else BEGUN

    def done(self) -> bool:
        """Whether the job that was sent is answered, or the process died. Does not wait."""
        try:
            while self.connection.poll():
                if self.receive() is not BEGUN:
                    return True
        except (EOFError, OSError):
            return True
        return False

    def end(self) -> int:
        """End the process, whatever it does; its exit code."""
        self._process.kill()  # nothing, if it has ended already
        self.connection.close()
        with self._process:
            return self._process.wait()


def other_variables() -> dict[str, str]:
    """The variables of a worker's environment that differ in this process, or are missing."""
    return {name: value for name, value in WORKER_ENVIRONMENT.items() if os.environ.get(name) != value}


def is_worker() -> bool:
    """Whether this process runs one thread, as every worker does."""
    return not other_variables()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Processes started inside never see Ctrl-C, which a terminal sends to all of them: their driver ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # an interrupt that came meanwhile comes now
