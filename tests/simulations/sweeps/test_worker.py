"""The work of one worker, and the processes that may be workers."""

import numpy as np
import pytest

from benchmarks.environment import environment
from overtraining.runtime.worker_process import WORKER_ENVIRONMENT, is_worker
from overtraining.simulations.sweeps import recipe
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.worker import ChunkTask, WorkerDiffers, compute, peak_memory
from tests.simulations.sweeps.conftest import small
from tests.simulations.sweeps.measures import NAN, RAISES, REFUSES, measured


def test_the_cells_of_a_task_are_measured_with_their_keys() -> None:
    plan = SweepPlan(small())
    outcome = compute(ChunkTask(recipe.recipe_text(small()), 5, (1, 3)))
    assert outcome.done == (1, 3)
    for place, lane in enumerate(outcome.done):
        cell = plan.cell(5, lane)
        assert outcome.keys[place] == cell.key
        for name, values in measured(cell.protocol, cell.key).items():
            np.testing.assert_array_equal(outcome.values[name][place], values)
    assert outcome.seconds > 0
    assert 0 < outcome.peak <= peak_memory()


def test_a_cell_is_refused_for_good_or_crashed_for_now() -> None:
    sweep = small(**{"teacher.alpha": [RAISES, NAN, REFUSES, 20.0], "teacher.modes": [2], "repeat": [0]})
    plan, text = SweepPlan(sweep), recipe.recipe_text(sweep)
    outcomes = {plan.cell(0, lane).place["teacher.alpha"]: compute(ChunkTask(text, 0, (lane,))) for lane in range(4)}
    assert not outcomes[20.0].crashed | outcomes[20.0].refused
    assert "always raises" in next(iter(outcomes[RAISES].crashed.values()))
    assert "not all finite" in next(iter(outcomes[NAN].refused.values()))
    assert "this cell is refused" in next(iter(outcomes[REFUSES].refused.values()))
    assert all(not outcomes[alpha].done for alpha in (RAISES, NAN, REFUSES))


@pytest.mark.parametrize("variable", WORKER_ENVIRONMENT)
def test_other_numbers_of_threads_are_refused(variable: str) -> None:
    task = ChunkTask(recipe.recipe_text(small()), 0, (0,))
    assert is_worker()
    with environment({variable: "2"}):
        assert not is_worker()
        with pytest.raises(WorkerDiffers, match=f"{variable}.*several threads"):
            compute(task)


def test_other_software_is_refused() -> None:
    text = recipe.recipe_text(small()).replace('"threads": 1', '"threads": 2')
    with pytest.raises(WorkerDiffers, match="threads: 1 there, 2 here"):
        compute(ChunkTask(text, 0, (0,)))
