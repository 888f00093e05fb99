"""Workers of a cluster: those that have joined the scheduler of dask.distributed at an address."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any

from overtraining.setting.errors import Refusal
from overtraining.simulations.sweeps.worker import ChunkOutcome, ChunkTask, compute

AGAIN = "look at its logs, and run the same command again; what is finished is kept"


class ClusterRefused(Refusal):
    """A cluster on which a sweep cannot run, or no longer."""


class Cluster:
    """Computes tasks on Dask workers; the tasks of one that dies go to another.

    address: of the scheduler.  patience: seconds for it to answer, and for a first worker to join.
    Raises ClusterRefused where Dask is not installed, nobody answers, scheduler or workers lack the project, or the
    scheduler goes away.
    """

    def __init__(self, address: str, patience: float = 60.0) -> None:
        self._address, self._patience = address, patience

    def __enter__(self) -> "Cluster":
        with ExitStack() as stack:
            self._client = stack.enter_context(self._connected())
            self._refuse_workers_without_project()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def outcomes(self, next_task: Callable[[], ChunkTask | None]) -> Iterator[tuple[ChunkTask, ChunkOutcome]]:
        """Every task with its outcome as it comes; two tasks are under way for each worker, so that none waits."""
        finished = _distributed().as_completed(loop=self._client.loop)
        running: dict[Any, ChunkTask] = {}
        while True:
            while len(running) < self._wanted() and (task := next_task()) is not None:
                future = self._client.submit(compute, task, pure=False)
                running[future] = task
                finished.add(future)
            if not running:
                return
            future = next(finished)
            task = running.pop(future)
            yield task, self._outcome(task, future)

    def _wanted(self) -> int:
        """How many tasks should be under way; workers join and leave."""
        try:
            return 2 * max(1, len(self._client.nthreads()))
        except OSError as error:
            raise self._refused(f"its scheduler is gone ({error})", AGAIN) from None

    def _outcome(self, task: ChunkTask, future: Any) -> ChunkOutcome:
        distributed = _distributed()
        try:
            outcome: ChunkOutcome = future.result()
        except distributed.KilledWorker as killed:
            why = f"its worker died, and so did {killed.allowed_failures} more that tried"
            return ChunkOutcome(crashed=dict.fromkeys(task.lanes, why))
        except Refusal:
            raise
        except (distributed.CancelledError, Exception) as fault:
            raise self._refused(f"it lost a task ({type(fault).__name__}: {fault})", AGAIN) from fault
        return outcome

    def _connected(self) -> Any:
        try:
            return _distributed().Client(self._address, set_as_default=False, timeout=self._patience)
        except (OSError, ValueError) as error:
            raise self._refused(f"nobody answers there ({error})", "start a scheduler, or correct it") from None

    def _refuse_workers_without_project(self) -> None:
        """Refuse a scheduler or worker without the project, where every task would fail with an obscure error."""
        try:
            self._client.wait_for_workers(1, timeout=self._patience)
        except TimeoutError:
            raise self._refused(f"no worker joined it within {self._patience:g} s", "start workers") from None
        # a function of Python's own: it can be called where nothing of ours is installed
        specs = {"the scheduler": self._client.run_on_scheduler(find_spec, "overtraining")}
        workers = self._client.run(find_spec, "overtraining", on_error="ignore")
        specs |= {f"worker {name}": spec for name, spec in workers.items()}
        if lacking := [name for name, spec in specs.items() if spec is None]:
            raise self._refused(f"{', '.join(lacking)} lack this project", "install it wherever they run")

    def _refused(self, why: str, instead: str) -> ClusterRefused:
        return ClusterRefused(f"the Dask cluster {self._address}", why, instead)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise ClusterRefused(
            "a Dask scheduler",
            "dask.distributed is not installed",
            "install the extra: pip install 'overtraining[cluster]'",
        ) from None
    return distributed
