"""The decision of shared-task: when forgetting counts as peaking inside the stage, and a loss as only falling."""

import numpy as np
import pytest
import xarray as xr

from overtraining.experiments.shared_task import judge_falls, judge_peak, length_of_zero_loss


@pytest.mark.parametrize("zero", [0.991, 1.0, 1.006])
def test_the_zero_of_a_line_is_exact(zero: float) -> None:
    lengths = np.linspace(0.99, 1.01, 5)
    assert length_of_zero_loss(lengths, (3 * (lengths - zero)) ** 2 / 2) == pytest.approx(zero)


@pytest.mark.parametrize(
    ("rise", "passed"),
    [((0.1, 0.5, 0.2), True), ((0.1, 0.5, 0.4), False), ((0.5, 0.3, 0.2), False), ((0.1, 0.3, 0.5), False)],
)
def test_forgetting_peaks_inside_the_stage(rise: tuple[float, ...], passed: bool) -> None:
    """The peak is neither at the first nor at the last length, and half as high again as the end."""
    assert judge_peak(np.array([0.1, 0.5, 1.0]), np.array(rise)).passed is passed


@pytest.mark.parametrize(("last", "passed"), [(0.1, True), (0.2, True), (0.21, False)])
def test_without_overshoot_the_loss_only_falls(last: float, passed: bool) -> None:
    falling = xr.Dataset({"after": ("pretraining", [0.5, 0.2, 0.1])})
    other = xr.Dataset({"after": ("pretraining", [0.5, 0.2, last])})
    assert judge_falls([falling, falling, other]).passed is passed
