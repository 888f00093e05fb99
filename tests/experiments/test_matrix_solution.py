"""The decision of matrix-solution: when a start counts as held at the saddle point, or as freed by an imbalance."""

import pytest

from overtraining.experiments.matrix_solution import judge_saddle


@pytest.mark.parametrize(
    ("balanced", "unbalanced", "passed"), [(0.08, 0.0, True), (0.07, 0.0, False), (0.08, 0.05, False)]
)
def test_a_whole_feature_stays_unlearned_only_without_imbalance(
    balanced: float, unbalanced: float, passed: bool
) -> None:
    assert judge_saddle(balanced, unbalanced).passed is passed
