"""The time left: none before it is known, then what simulated workers really need."""

import heapq
from dataclasses import replace

import pytest

from overtraining.simulations.sweeps import time_left
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.time_left import TimeLeft
from tests.simulations.sweeps.conftest import small

START, COMPILE, RUN = 30.0, 5.0, 0.25


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_of_workers_that_compile_each_program_once(
    workers: int, batched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two programs; a worker takes its time to start, and more for its first task of each program."""
    plan = SweepPlan(small(repeat={"whole": [0, 99]}))
    plan.measure = replace(plan.measure, batched=batched)
    size = (lambda chunk: 1) if batched else plan.size
    tasks = [chunk for chunk in range(plan.chunks) for _ in range(size(chunk))]
    waiting = iter(tasks)
    clock, compiled, told = 0.0, set(), []
    monkeypatch.setattr(time_left, "monotonic", lambda: clock)
    left = TimeLeft(plan, {chunk: plan.size(chunk) for chunk in range(plan.chunks)})

    def begin(worker: int, at: float) -> None:
        if (chunk := next(waiting, None)) is not None:
            program = (worker, chunk // plan.chunks_of_block)
            seconds = RUN if program in compiled else RUN + COMPILE
            compiled.add(program)
            heapq.heappush(busy, (at + seconds, worker, chunk, seconds))

    busy: list[tuple[float, int, int, float]] = []
    for worker in range(workers):
        begin(worker, START)
    while busy:
        clock, worker, chunk, seconds = heapq.heappop(busy)
        left.finish(chunk, seconds, len(busy) + 1)
        told.append((clock, left.seconds()))
        begin(worker, clock)
    known = [(at, said) for at, said in told[:-1] if said is not None]
    assert told[-1][1] == 0.0
    assert len(told) == len(tasks)
    assert [at for at, _ in known] == [at for at, _ in told[2 * workers - 1 : -1]]
    for at, said in known:
        if clock - at > COMPILE:  # it is not known before which tasks will be the last ones
            assert 0.5 < said / (clock - at) < 2
    if workers == 1:
        assert known[0][1] == pytest.approx(clock - known[0][0], rel=1e-9)


def test_of_programs_of_one_task_each() -> None:
    """Every task compiles, so that the second one says what the others take."""
    plan = SweepPlan(small(repeat=[0], **{"start.epsilon": [0.1], "teacher.alpha": [1.0], "teacher.modes": [2, 3, 4]}))
    left = TimeLeft(plan, dict.fromkeys(range(3), 1))
    left.finish(0, 5.0, 1)
    assert left.seconds() is None
    left.finish(1, 5.0, 1)
    assert left.seconds() is not None
    left.finish(2, 5.0, 1)
    assert left.seconds() == 0.0
