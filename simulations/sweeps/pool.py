"""Workers without Dask: a process of this machine, or this process itself where it is a worker already."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

from overtraining.simulations.sweeps.crew import Crew, Died
from overtraining.simulations.sweeps.work import Outcome, Task, work


class Pool:
    """Computes tasks, one after another, in a process of its own, which is ended on leaving the context."""

    def __init__(self) -> None:
        self._crew = Crew(work)

    def __enter__(self) -> "Pool":
        self._crew.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.__exit__()

    def outcomes(self, take: Callable[[], Task | None]) -> Iterator[tuple[Task, Outcome]]:
        """Every task with its outcome, until `take` gives none."""
        for task, answer in self._crew.answers(take):
            if isinstance(answer, Exception):
                raise answer
            yield task, Outcome(crashed=dict.fromkeys(task.lanes, answer.why)) if isinstance(answer, Died) else answer


class Here(nullcontext[Any]):
    """Computes tasks in this process, which has to run one thread, as the processes of a Crew do."""

    def __enter__(self) -> "Here":
        return self

    def outcomes(self, take: Callable[[], Task | None]) -> Iterator[tuple[Task, Outcome]]:
        """Every task with its outcome, until `take` gives none."""
        while (task := take()) is not None:
            yield task, work(task)
