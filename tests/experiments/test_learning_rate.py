"""Trends of tuned learning rates, and when a loss counts as rising again."""

import numpy as np
import pytest
import xarray as xr

from overtraining.experiments.learning_rate import GRID, judge_inflection, rises_again, trend, with_label_noise


@pytest.mark.parametrize(
    ("places", "expected"),
    [((3, 1, 1), "falls"), ((1, 2, 4), "rises"), ((3, 0, 2), "valley"), ((0, 3, 1), "hill"), ((2, 1, 2), "level")],
)
def test_trends_of_rates_on_a_grid(places: tuple[int, ...], expected: str) -> None:
    """One step of the grid is no change."""
    assert trend(GRID[list(places)]) == expected


@pytest.mark.parametrize(
    ("loss", "stderr", "expected"),
    [
        ((1.0, 0.5, 1.0), 0.01, 1.0),
        ((1.0, 0.5, 0.5), 0.01, 0.0),
        ((1.0, 0.5, 0.52), 0.001, 0.0),  # significant, but less than 5% of the loss
        ((1.0, 0.5, 0.6), 0.1, 0.0),  # more than 5%, but within chance
    ],
)
def test_a_loss_rises_again_by_more_than_chance_and_by_5_percent(
    loss: tuple[float, ...], stderr: float, expected: float
) -> None:
    dims = ("task", "noise", "pretraining", "strength")
    values = np.array(loss).reshape(1, 1, 3, 1)
    cases = xr.Dataset({"tuned": (dims, values), "tuned_stderr": (dims, np.full(values.shape, stderr))})
    assert rises_again(cases, "tuned").tolist() == [[[expected]]]


@pytest.mark.parametrize(
    ("after", "passed"),
    [
        ((0.5, 0.3, 0.1, 0.2, 0.4), True),
        ((0.5, 0.1, 0.2, 0.3, 0.4), False),  # least before the checkpoint that fits the task
        ((0.5, 0.3, 0.1, 0.1, 0.11), False),  # no rise by more than chance
    ],
)
def test_the_inflection_stays_at_the_checkpoint_that_fits_the_task(after: tuple[float, ...], passed: bool) -> None:
    response = xr.Dataset({"downstream_after": ("pretraining", list(after))})
    response["downstream_after_stderr"] = xr.full_like(response.downstream_after, 0.01)
    assert judge_inflection(with_label_noise("quick"), response).passed is passed
