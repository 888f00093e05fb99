"""The queue of tasks: the missing cells of chunks, and the halves of chunks in which a cell crashed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.worker import ChunkOutcome, ChunkTask


class TaskQueue:
    """Hands out tasks and merges their outcomes.

    A measure that compiles gets the cells of a chunk in one task, any other measure cell by cell. If cells crash, their
    task is halved until a single cell crashes alone: so the others are saved.
    kept: what is stored of a chunk already.
    cells: how many are finished.
    """

    def __init__(
        self, recipe: str, plan: SweepPlan, missing_chunks: Iterable[int], kept: Callable[[int], ChunkOutcome]
    ) -> None:
        self._recipe, self._plan, self._missing, self._kept = recipe, plan, iter(missing_chunks), kept
        self._waiting: deque[ChunkTask] = deque()
        self._open: dict[int, int] = {}
        self._parts: dict[int, list[ChunkOutcome]] = {}
        self.cells = 0

    def take(self) -> ChunkTask | None:
        """The next task, or None if there is none now; outcomes may bring more."""
        if not self._waiting and (chunk := next(self._missing, None)) is not None:
            kept = self._kept(chunk)
            lanes = [lane for lane in range(self._plan.size(chunk)) if lane not in {*kept.done, *kept.refused}]
            together = [lanes] if self._plan.measure.batched else [[lane] for lane in lanes]
            self._waiting.extend(ChunkTask(self._recipe, chunk, tuple(some)) for some in together)
            self._open[chunk] = len(together)
            self._parts[chunk] = [kept] if len(lanes) < self._plan.size(chunk) else []
        return self._waiting.popleft() if self._waiting else None

    @property
    def at_work(self) -> int:
        """How many tasks were taken whose outcomes are not there."""
        return sum(self._open.values()) - len(self._waiting)

    def put(self, task: ChunkTask, outcome: ChunkOutcome) -> ChunkOutcome | None:
        """Take the outcome of a task; returns the outcome of its whole chunk once nothing of it is open."""
        crashed = sorted(outcome.crashed)
        if crashed and len(task.lanes) > 1:
            middle = (len(crashed) + 1) // 2
            halves = [tuple(half) for half in (crashed[:middle], crashed[middle:]) if half]
            self._waiting.extend(ChunkTask(self._recipe, task.chunk, half) for half in halves)
            self._open[task.chunk] += len(halves)
            outcome = outcome._replace(crashed={})
        self.cells += len(outcome.done) + len(outcome.refused) + len(outcome.crashed)
        self._parts[task.chunk].append(outcome)
        self._open[task.chunk] -= 1
        return None if self._open[task.chunk] else merge_outcomes(self._parts[task.chunk])

    def forget(self, chunk: int) -> None:
        """The outcome of this chunk is stored."""
        del self._open[chunk], self._parts[chunk]

    def unstored(self) -> Iterator[tuple[int, ChunkOutcome]]:
        """The chunks of which cells are finished and may not be stored, each with the outcome of these cells."""
        for chunk, parts in self._parts.items():
            if parts:
                yield chunk, merge_outcomes(parts)


def merge_outcomes(parts: list[ChunkOutcome]) -> ChunkOutcome:
    """The outcomes of different cells of a chunk as one, with its cells in order."""
    if len(parts) == 1:
        return parts[0]
    lanes = np.array([lane for part in parts for lane in part.done], int)
    order = np.argsort(lanes)
    keys = np.array([key for part in parts for key in part.keys], int)
    names = {name: None for part in parts for name in part.values}
    stacked = {name: np.concatenate([part.values[name] for part in parts if part.done])[order] for name in names}
    return ChunkOutcome(
        done=tuple(lanes[order].tolist()),
        keys=tuple(keys[order].tolist()),
        values=stacked,
        refused={lane: why for part in parts for lane, why in part.refused.items()},
        crashed={lane: why for part in parts for lane, why in part.crashed.items()},
        processor="; ".join(sorted({name for part in parts for name in part.processor.split("; ") if name})),
        seconds=sum(part.seconds for part in parts),
        peak=max(part.peak for part in parts),
    )
