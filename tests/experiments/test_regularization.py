"""The decision of regularization: when a remedy counts as better than the frontier of both losses allows."""

import pytest

from overtraining.experiments.regularization import judge_frontier


@pytest.mark.parametrize(
    ("losses", "rank_losses", "passed"),
    [
        ([[0.5, 0.0]], [0.6, 0.2], True),  # on the frontier: ½‖A − B‖² = ½ at downstream loss 0
        ([[0.4, 0.0]], [0.6, 0.2], False),
        ([[0.5, 0.0]], [0.6, 0.05], False),  # a rank below its least downstream loss
    ],
)
def test_no_remedy_is_below_the_frontier(losses: list, rank_losses: list[float], passed: bool) -> None:
    assert judge_frontier(1.0, 0.1, [*losses, rank_losses], rank_losses).passed is passed
