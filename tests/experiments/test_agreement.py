"""z-scores of a measurement against a prediction: their scale, their distribution, and what cannot be compared."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from overtraining.experiments.agreement import Agreement, compare
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.protocol import Protocol
from overtraining.setting.teachers import PowerLaw
from overtraining.theory.solvers.exact import respond as predict

PROTOCOL = Protocol(PowerLaw(2), (1.0, 2.0, 4.0), (0.1, 0.3))


def measured(shift: float, stderr: float) -> xr.Dataset:
    """The prediction as a measurement with this standard error, off by so many of them."""
    data = predict(PROTOCOL).copy(deep=True)
    for name in ("before", "after", "sensitivity"):
        if name in data:
            data[f"{name}_stderr"] = xr.full_like(data[name], stderr)
    data["sensitivity"] = data["sensitivity"] + shift * stderr
    return data


@pytest.mark.parametrize("shift", [-3.0, 0.0, 1.5])
def test_z_is_the_difference_in_standard_errors(shift: float) -> None:
    agreement = compare(predict(PROTOCOL), measured(shift, 0.01))
    np.testing.assert_allclose(agreement.z, np.full(6, shift), atol=1e-9)
    np.testing.assert_allclose(agreement.leverage, predict(PROTOCOL).sensitivity.values.ravel() / 0.01)


@pytest.mark.parametrize(
    ("change", "agrees"),
    [
        (lambda z: z, True),
        (lambda z: z + 0.4, False),
        (lambda z: 1.5 * z, False),
        (lambda z: 0.5 * z, False),
        (lambda z: np.append(z, 4.5), False),
    ],
)
def test_a_shifted_a_widened_and_a_pointwise_wrong_sample_are_detected(
    change: Callable[[np.ndarray], np.ndarray], agrees: bool
) -> None:
    z = change(np.random.default_rng(0).normal(size=200))
    assert Agreement(z, np.full(z.shape, 100.0)).agrees is agrees


def test_a_common_relative_error_is_estimated_with_its_standard_error() -> None:
    """A relative error δ of the prediction shifts z by −δ · leverage; in units of `1/√Σ leverage²`."""
    leverage = np.array([10.0, 20.0, 20.0])
    assert Agreement(-0.1 * leverage, leverage).common == pytest.approx(-0.1 * 30)
    assert Agreement(np.zeros(3), leverage).detectable == pytest.approx(4 / 30)


def test_different_grids_are_refused() -> None:
    with pytest.raises(ShapeError, match="different grids"):
        compare(predict(replace(PROTOCOL, lengths=(0.0, 1.0))), measured(0.0, 0.01))
    with pytest.raises(ShapeError, match="different grids"):
        compare(predict(replace(PROTOCOL, strengths=(0.1, 0.4))), measured(0.0, 0.01))


def test_a_measurement_without_scatter_is_refused() -> None:
    with pytest.raises(DomainError, match="leave out strength 0"):
        compare(predict(PROTOCOL), predict(PROTOCOL))
    with pytest.raises(DomainError, match="prediction first"):
        compare(measured(0.0, 0.01), predict(PROTOCOL))
