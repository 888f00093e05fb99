"""What is said of a sweep before it runs: its cells, programs and memory."""

from dataclasses import replace
from typing import Any

import pytest

from overtraining.simulations.sweeps import preview
from overtraining.simulations.sweeps.preview import DRIVER, STORED, estimate, outline_lines
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.worker import ChunkOutcome, ChunkTask
from tests.simulations.sweeps.conftest import small


@pytest.mark.parametrize(
    ("modes", "said"), [([2], "20 cells in 5 chunks of 4, 1 compiled program"), ([2, 3], "2 compiled programs")]
)
def test_the_outline_counts_cells_and_programs(modes: list[int], said: str) -> None:
    plan = SweepPlan(small(**{"teacher.modes": modes, "teacher.alpha": [1.0], "start.epsilon": [0.1, 0.2, 0.3, 0.4]}))
    first, second = outline_lines(plan)
    assert first.endswith(said)
    assert second == f"memory: at most {(700e6 + plan.memory) / 1e6:,.0f} MB for each worker, " + (
        "700 MB for the process that stores"
    )


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("batched", [True, False])
def test_the_estimate_counts_starts_programs_and_tasks(
    workers: int, batched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that takes 3 s to start, 5 s for each new program and half a second for a task."""
    plan = SweepPlan(small())
    plan.measure = replace(plan.measure, batched=batched)
    used, compiled = 3.0, set[int]()

    def tried(_: Any, task: ChunkTask) -> tuple[float, ChunkOutcome]:
        nonlocal used
        if task.lanes:
            used += 0.5 + 5.0 * (task.chunk // plan.chunks_of_block not in compiled)
            compiled.add(task.chunk // plan.chunks_of_block)
        return used, ChunkOutcome(task.lanes)

    monkeypatch.setattr(preview, "_try", tried)
    tasks = 16 if batched else 60
    work = workers * (3.0 + 2 * 5.0) + 0.5 * tasks
    made = estimate(plan, workers)
    driver = DRIVER + 60 * STORED
    assert made.processor == pytest.approx(driver + work)
    assert made.wall == pytest.approx(driver + work / workers)
    assert made.longest == pytest.approx(5.5)
    assert {len(outcome.done) for outcome in made.outcomes} == {4 if batched else 1}
