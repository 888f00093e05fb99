"""The queue of tasks: chunks in which a cell crashes are halved, and their parts are put together."""

from dataclasses import replace

import numpy as np

from overtraining.simulations.sweeps.spec import Sweep
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.task_queue import TaskQueue, merge_outcomes
from overtraining.simulations.sweeps.worker import ChunkOutcome, ChunkTask
from tests.simulations.sweeps.conftest import small


def together(sweep: Sweep) -> SweepPlan:
    """A plan whose measure gets all cells of a chunk at once, as those do that compile."""
    plan = SweepPlan(sweep)
    plan.measure = replace(plan.measure, batched=True)
    return plan


def numbers(task: ChunkTask) -> ChunkOutcome:
    values = {"x": np.array([float(lane) for lane in task.lanes])}
    return ChunkOutcome(task.lanes, tuple(10 + lane for lane in task.lanes), values)


def test_parts_of_a_chunk_are_put_together_in_the_order_of_its_cells() -> None:
    parts = [
        ChunkOutcome((3, 5), (13, 15), {"x": np.array([3.0, 5.0])}, {1: "refused"}, {}, "b", 1.0, 9),
        ChunkOutcome((0, 4), (10, 14), {"x": np.array([0.0, 4.0])}, {}, {2: "crashed"}, "a", 2.0, 8),
    ]
    whole = merge_outcomes(parts)
    assert (whole.done, whole.keys) == ((0, 3, 4, 5), (10, 13, 14, 15))
    assert whole.values["x"].tolist() == [0.0, 3.0, 4.0, 5.0]
    assert (whole.refused, whole.crashed, whole.processor) == ({1: "refused"}, {2: "crashed"}, "a; b")


def test_a_task_with_crashes_is_halved_until_single_cells_crash() -> None:
    """One of four cells always crashes: it alone is named; the chunk is complete when nothing of it is open."""
    queue = TaskQueue("recipe", together(small()), [3], lambda chunk: ChunkOutcome())
    finished, sizes = [], []
    while (task := queue.take()) is not None:
        sizes.append(len(task.lanes))
        died = ChunkOutcome(crashed=dict.fromkeys(task.lanes, "died"))
        outcome = died if 2 in task.lanes else numbers(task)
        finished.append(queue.put(task, outcome))
    assert sizes == [4, 2, 2, 1, 1]
    assert finished[:-1] == [None] * 4
    assert finished[-1].done == (0, 1, 3)
    assert finished[-1].crashed == {2: "died"}
    assert finished[-1].values["x"].tolist() == [0.0, 1.0, 3.0]
    assert queue.cells == 4


def test_only_what_is_not_kept_is_a_task() -> None:
    """All of it at once for a measure that compiles, else cell by cell; the outcome is of the whole chunk."""
    kept = ChunkOutcome((2,), (12,), {"x": np.array([2.0])}, {0: "refused"})
    for plan, lanes in ((SweepPlan(small()), [(1,), (3,)]), (together(small()), [(1, 3)])):
        queue = TaskQueue("recipe", plan, [0, 5], {0: kept, 5: ChunkOutcome()}.__getitem__)
        tasks, at_work = [], []
        for _ in lanes:
            tasks.append(queue.take())
            at_work.append(queue.at_work)
        assert [task.lanes for task in tasks if task] == lanes
        assert at_work == list(range(1, len(lanes) + 1))
        *_, outcome = [queue.put(task, numbers(task)) for task in tasks if task]
        assert outcome is not None
        assert (outcome.done, outcome.refused) == ((1, 2, 3), {0: "refused"})
        assert (queue.cells, queue.at_work) == (2, 0)
        assert (following := queue.take()) is not None
        assert following.chunk == 5


def test_what_is_not_stored_is_named_until_it_is() -> None:
    queue = TaskQueue("recipe", SweepPlan(small()), [0], lambda chunk: ChunkOutcome())
    for _ in range(3):
        assert (task := queue.take()) is not None
        assert queue.put(task, numbers(task)) is None
    ((chunk, outcome),) = queue.unstored()
    assert (chunk, outcome.done) == (0, (0, 1, 2))
    assert (task := queue.take()) is not None
    assert queue.put(task, numbers(task)) is not None
    queue.forget(0)
    assert not list(queue.unstored())
