"""The decision of the experiment on depth: a constant cost of noise at one layer, a growing one at any other depth."""

import pytest
import xarray as xr

from overtraining.experiments.depth import judge_growth


def ends(before: float, after: float) -> xr.Dataset:
    """A Response of one seed and strength at three lengths, with standard errors of 0.1."""
    dims = ("seed", "pretraining", "strength")
    return xr.Dataset(
        {"sensitivity": (dims, [[[before], [9.0], [after]]]), "sensitivity_stderr": (dims, [[[0.1], [0.1], [0.1]]])}
    )


@pytest.mark.parametrize(
    ("one_layer", "three_layers", "passed"),
    [((2.0, 2.3), (1.0, 3.0), True), ((2.0, 3.0), (1.0, 3.0), False), ((2.0, 2.0), (1.0, 1.3), False),
     ((2.0, 1.0), (1.0, 3.0), False)],
)  # fmt: skip
def test_growth_from_first_to_last_length(one_layer: tuple, three_layers: tuple, passed: bool) -> None:
    data = {"measured 1": ends(*one_layer), "measured 3": ends(*three_layers)}
    check = judge_growth((1, 3), data)
    assert check.passed is passed
    assert check.numbers["factor_3"] == pytest.approx(three_layers[1] / three_layers[0])
