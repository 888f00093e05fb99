"""The decision of many-minima: when turning points of the loss and its rise at the end count as predicted."""

import numpy as np
import pytest

from overtraining.experiments.many_minima import (
    EPSILON,
    NOISE_COST,
    SIGMA,
    judge_bounds,
    judge_rises_and_falls,
    protocol,
)
from overtraining.theory.inflection.noisy_path import overtraining_bounds

AFTER = np.array([0.5, 0.7, 0.3, 0.6])


@pytest.mark.parametrize(
    ("steps", "passed"),
    [((10.0, -20.0, 5.0), True), ((10.0, -20.0, 3.0), False), ((10.0, 20.0, 5.0), False), ((-10.0, -20.0, 5.0), False)],
)
def test_every_change_has_the_predicted_sign_and_is_more_than_chance(steps: tuple[float, ...], passed: bool) -> None:
    assert judge_rises_and_falls(np.array(steps), AFTER).passed is passed


@pytest.mark.parametrize(("place", "passed"), [(0.5, True), (0.0, True), (1.0, True), (-0.1, False), (1.1, False)])
def test_the_rise_lies_between_the_bounds(place: float, passed: bool) -> None:
    bounds = overtraining_bounds(SIGMA, EPSILON, NOISE_COST)
    rise = float(bounds.lower) + place * float(bounds.upper - bounds.lower)
    assert judge_bounds(np.array([1.0, 0.0, rise])).passed is passed


def test_the_protocol_visits_three_minima_two_maxima_and_the_end() -> None:
    assert len(protocol("quick").lengths) == 6
