"""Odd checkpoints: spikes and swapped files are found; steps, kinks, sharp minima, ends and noise are not."""

import numpy as np
import pytest

from overtraining.figures.llm.statistics import calibration
from overtraining.figures.llm.statistics.odd import odd_checkpoints
from tests.figures.llm.samples import series

STEADY = 10.0 - np.arange(12.0)


def swapped(i: int, j: int) -> np.ndarray:
    order = np.arange(12)
    order[[i, j]] = j, i
    return STEADY[order]


@pytest.mark.parametrize("height", [-1.0, 1.0])
def test_a_spike_is_odd_from_some_errors_of_a_difference_on(height: float) -> None:
    """Beside a plateau: 2.5√2 · 0.1 = 0.354."""
    for size, odd in ((0.35, []), (0.36, [2.0**5])):
        value = np.zeros(12)
        value[5] = height * size
        assert odd_checkpoints(series(value, 0.1, 2.0 ** np.arange(12))).tolist() == odd


def test_swapped_checkpoints_are_odd() -> None:
    assert odd_checkpoints(series(swapped(3, 9), 0.1, 2.0 ** np.arange(12))).tolist() == [2.0**3, 2.0**9]
    assert odd_checkpoints(series(swapped(5, 6), 0.1, 2.0 ** np.arange(12))).size == 0


@pytest.mark.parametrize(
    "course",
    [
        STEADY,
        np.abs(np.arange(12.0) - 5),  # a kink
        np.where(np.arange(12) < 6, 5.0, 0.0),  # a step
        (np.arange(12.0) - 5) ** 2,
        np.exp(-np.arange(12.0)) * 1e3,
        np.concatenate([np.zeros(11), [9.0]]),  # the end
        np.concatenate([[9.0], np.zeros(11)]),
    ],
)
def test_a_course_is_not_odd(course: np.ndarray) -> None:
    assert odd_checkpoints(series(course, 0.01)).size == 0


def test_scatter_beyond_the_errors_is_not_odd() -> None:
    noise = np.random.default_rng(0).normal(size=40)
    assert odd_checkpoints(series(noise, 0.001)).size == 0


def test_seven_checkpoints_have_no_odd_one() -> None:
    value = np.array([5, 4, 3, 9, 2, 2, 2.0])
    assert odd_checkpoints(series(value)).size == 0
    assert odd_checkpoints(series(np.append(value, 2.0))).tolist() == [8e9]


def test_few_courses_have_an_odd_checkpoint_by_chance() -> None:
    found = []
    for i in range(1000):
        rng = np.random.default_rng([31, i])
        make = calibration.turning_course if i % 2 else calibration.course_without_turn
        _, one, _ = calibration.measured(make(rng), rng)
        if one.value.size >= 8:
            found.append(odd_checkpoints(one).size > 0)
    assert np.mean(found) <= 0.01
