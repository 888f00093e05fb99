"""What is said of a sweep before it runs: its cells, programs and memory."""

import pytest

from overtraining.simulations.sweeps.preview import outline_lines
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
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
