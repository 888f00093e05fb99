"""The decision of the experiment on invariants: when gradient flow counts as conserving them."""

import pytest

from overtraining.experiments.invariants import TOLERANCES, judge_conservation


@pytest.mark.parametrize(("power", "passed"), [(1.0, True), (2.0, True), (0.95, True), (0.8, False), (0.0, False)])
def test_the_drift_must_vanish_with_the_tolerance_or_faster(power: float, passed: bool) -> None:
    assert judge_conservation(0.3 * TOLERANCES**power).passed is passed
