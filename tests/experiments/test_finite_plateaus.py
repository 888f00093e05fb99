"""The decision of finite-plateaus: when the steps of the cost and their distance from the limit count as predicted."""

import numpy as np
import pytest

from overtraining.experiments.finite_plateaus import PAIR, PROMISED, SIGMA, judge_distance, judge_steps, protocol
from overtraining.setting.protocol import Network


@pytest.mark.parametrize(("measured", "passed"), [(-0.1, True), (0.01, False)])
def test_every_clear_step_must_have_its_sign(measured: float, passed: bool) -> None:
    predicted = np.array([[0.2, -0.1, 1e-7]])  # the last step is too small to be judged
    check = judge_steps(predicted, np.array([[0.2, measured, -1e-7]]))
    assert check.passed is passed
    assert check.numbers["steps"] == 2


def test_no_clear_step_is_no_success() -> None:
    assert judge_steps(np.zeros((1, 3)), np.zeros((1, 3))).passed is False


@pytest.mark.parametrize(("distance", "passed"), [(0.05, True), (0.1, True), (0.11, False)])
def test_no_cost_is_farther_from_the_limit_than_the_bound(distance: float, passed: bool) -> None:
    check = judge_distance(np.array([0.0, distance]), np.array([0.0, 0.1]))
    assert check.passed is passed
    assert check.numbers["tightest"] == pytest.approx(10 * distance)


def test_lengths_end_where_every_feature_is_learned() -> None:
    setup = protocol(PROMISED, (5.0,), PAIR, 1e-6, Network(2, 2, 2))
    left = PAIR / (1 + (PAIR / 1e-6 - 1) ** -1 * np.exp(2 * PAIR * setup.lengths[-1]))  # σ − s
    assert left.max() < 1.1e-10
    assert len(setup.lengths) == 3
    assert SIGMA[0] == 1  # so that budgets are values of ‖B‖T
