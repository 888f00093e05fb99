"""The queue of tasks: the missing chunks, and the halves of chunks in which a cell crashed."""

from collections import deque
from collections.abc import Iterable

import numpy as np

from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.worker import ChunkOutcome, ChunkTask


class TaskQueue:
    """Hands out tasks and merges their outcomes.

    If cells crash, their task is halved until a single cell crashes alone: so the others are saved.
    """

    def __init__(self, recipe: str, plan: SweepPlan, missing_chunks: Iterable[int]) -> None:
        self._recipe, self._plan, self._missing = recipe, plan, iter(missing_chunks)
        self._halves: deque[ChunkTask] = deque()
        self._open: dict[int, int] = {}
        self._parts: dict[int, list[ChunkOutcome]] = {}

    def take(self) -> ChunkTask | None:
        """The next task, or None if there is none now; outcomes may bring more."""
        if self._halves:
            return self._halves.popleft()
        chunk = next(self._missing, None)
        if chunk is None:
            return None
        self._open[chunk], self._parts[chunk] = 1, []
        return ChunkTask(self._recipe, chunk, tuple(range(self._plan.size(chunk))))

    def put(self, task: ChunkTask, outcome: ChunkOutcome) -> ChunkOutcome | None:
        """Take the outcome of a task; returns the outcome of its whole chunk once nothing of it is open."""
        crashed = sorted(outcome.crashed)
        if crashed and len(task.lanes) > 1:
            middle = (len(crashed) + 1) // 2
            halves = [tuple(half) for half in (crashed[:middle], crashed[middle:]) if half]
            self._halves.extend(ChunkTask(self._recipe, task.chunk, half) for half in halves)
            self._open[task.chunk] += len(halves)
            outcome = outcome._replace(crashed={})
        self._parts[task.chunk].append(outcome)
        self._open[task.chunk] -= 1
        if self._open[task.chunk]:
            return None
        del self._open[task.chunk]
        return merge_outcomes(self._parts.pop(task.chunk))


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
