"""The queue of tasks: chunks in which a cell crashes are halved, and their parts are put together."""

import numpy as np

from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.task_queue import TaskQueue, merge_outcomes
from overtraining.simulations.sweeps.worker import ChunkOutcome
from tests.simulations.sweeps.conftest import small


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
    queue = TaskQueue("recipe", SweepPlan(small()), [3])
    finished, sizes = [], []
    while (task := queue.take()) is not None:
        sizes.append(len(task.lanes))
        if 2 in task.lanes:
            outcome = ChunkOutcome(crashed=dict.fromkeys(task.lanes, "died"))
        else:
            values = {"x": np.array([float(lane) for lane in task.lanes])}
            outcome = ChunkOutcome(task.lanes, tuple(10 + lane for lane in task.lanes), values)
        finished.append(queue.put(task, outcome))
    assert sizes == [4, 2, 2, 1, 1]
    assert finished[:-1] == [None] * 4
    assert finished[-1].done == (0, 1, 3)
    assert finished[-1].crashed == {2: "died"}
    assert finished[-1].values["x"].tolist() == [0.0, 1.0, 3.0]
