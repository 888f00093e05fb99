"""The time that is left of a sweep, from the tasks that are done."""

from collections import Counter
from collections.abc import Mapping
from time import monotonic

from overtraining.simulations.sweeps.sweep_plan import SweepPlan


class TimeLeft:
    """Estimates the seconds until all tasks are done.

    The first tasks of a block, one for each worker, also compile its program; the others are assumed to take equally
    long. The clock runs from the moment at which every worker has finished its first task, so that the start of the
    workers does not count; there is no estimate before they have finished as many again. Times are monotonic: a clock
    that is set meanwhile changes nothing.
    """

    def __init__(self, plan: SweepPlan, missing_chunks: Mapping[int, int]) -> None:
        self._chunks_of_block = plan.chunks_of_block
        self._tasks: Counter[int] = Counter()
        for chunk, cells in missing_chunks.items():
            self._tasks[chunk // plan.chunks_of_block] += 1 if plan.measure.batched else cells
        self._finished: Counter[int] = Counter()
        self._workers = 0
        self._compiling, self._other = _Kind(), _Kind()
        self._began: float | None = None
        self._work = 0.0

    def finish(self, chunk: int, seconds: float, at_work: int) -> None:
        """A task of this chunk took so many seconds.  at_work: how many tasks were at work, this one included."""
        if not self._workers:
            self._workers = at_work
            self._compiling.left = sum(min(at_work, tasks) for tasks in self._tasks.values())
            self._other.left = self._tasks.total() - self._compiling.left
        block = chunk // self._chunks_of_block
        kind = self._compiling if self._finished[block] < self._workers else self._other
        self._finished[block] += 1
        kind.left, kind.done, kind.seconds = kind.left - 1, kind.done + 1, kind.seconds + seconds
        if self._began is not None:
            self._work += seconds
        elif self._finished.total() >= self._workers:
            self._began = monotonic()

    def seconds(self) -> float | None:
        """The seconds that are left, or None as long as there is no estimate."""
        kinds = [kind for kind in (self._compiling, self._other) if kind.left > 0]
        if not kinds:
            return 0.0
        known = self._finished.total() >= 2 * self._workers and all(kind.done for kind in kinds)
        if self._began is None or not self._work or not known:
            return None
        return (monotonic() - self._began) / self._work * sum(kind.left * kind.seconds / kind.done for kind in kinds)


class _Kind:
    """Tasks of one kind: how many are left and done, and the seconds that these took."""

    left, done, seconds = 0, 0, 0.0
