"""The decision of the experiment on annealing: when features count as restored."""

import jax
import pytest
import xarray as xr

from overtraining.experiments.annealing import LEARNING_RATE, SCHEDULES, SIGMA, judge_restoration, schedule


@pytest.mark.parametrize(
    ("shrinkage", "passed"),
    [((0.4, 0.1, 0.19), True), ((0.4, 0.1, 0.21), False), ((0.4, 0.3, 0.1), False), ((0.1, 0.1, 0.1), False)],
)
def test_every_annealed_schedule_must_undo_more_than_half(shrinkage: tuple[float, ...], passed: bool) -> None:
    runs = {
        name: xr.Dataset({name: ("pretraining", [SIGMA.sum(), SIGMA.sum() - lost])})
        for name, lost in zip(SCHEDULES, shrinkage, strict=True)
    }
    assert judge_restoration(runs).passed is passed


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_have_the_same_largest_rate_and_all_but_the_constant_one_end_near_0(name: str) -> None:
    with jax.numpy_dtype_promotion("standard"):  # optax compares steps with floats
        rates = schedule(name, 100)
    assert rates.shape == (100,)
    assert rates.max() == pytest.approx(LEARNING_RATE)
    assert rates.min() >= 0
    assert (rates[-1] < 0.06 * LEARNING_RATE) == (name != "constant")
