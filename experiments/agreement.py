"""z-scores of a measurement against a prediction, their distribution, and the error that they can detect."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy import stats

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.responses import Quantity, curve


@dataclass(frozen=True)
class Agreement:
    """z-scores of a measurement against a prediction, one per grid point.

    z: (measured − predicted) / standard error.  leverage: predicted / standard error, that is, by how much z shifts per
    relative error of the prediction.
    """

    z: Float[np.ndarray, " points"]
    leverage: Float[np.ndarray, " points"]

    @property
    def ks_p(self) -> float:
        """p-value of the z-scores' Kolmogorov–Smirnov test against N(0, 1)."""
        return float(stats.kstest(self.z, "norm").pvalue)

    @property
    def common(self) -> float:
        """z-score of a relative error δ common to all points, which shifts every z by −δ · leverage.

        The least-squares estimate of −δ is `Σ z·leverage / Σ leverage²`, its standard error `1/√Σ leverage²`.
        """
        return float(self.z @ self.leverage / np.sqrt((self.leverage**2).sum()))

    @property
    def detectable(self) -> float:
        """Smallest relative error of the whole prediction that this measurement detects at four sigma."""
        return float(4 / np.sqrt((self.leverage**2).sum()))

    @property
    def agrees(self) -> bool:
        """Whether every |z| is below 4 and the KS test does not reject N(0, 1) at 1%."""
        return bool(np.abs(self.z).max() < 4 and self.ks_p > 0.01)


def compare(predicted: xr.Dataset, measured: xr.Dataset, quantity: Quantity = "sensitivity") -> Agreement:
    """Compare two Responses on the same grid, point by point; the random draws at different points must be independent.

    Raises ShapeError if the grids differ, DomainError if a point of the measurement has no standard error.
    """
    expected = curve(predicted, quantity).value
    observed = curve(measured, quantity)
    if expected.dims != observed.value.dims or any(
        not np.array_equal(expected[d].values, observed.value[d].values) for d in expected.dims
    ):
        raise ShapeError("two Responses on different grids", "their points do not correspond", "use one protocol")
    if not bool((observed.stderr > 0).all()):
        swapped = bool((curve(predicted, quantity).stderr > 0).all())
        remedy = "pass the prediction first, the measurement second" if swapped else "leave out strength 0"
        raise DomainError("a standard error of 0", "a z-score divides by the standard error", remedy)
    z = ((observed.value - expected) / observed.stderr).values.ravel()
    return Agreement(z, (expected / observed.stderr).values.ravel())
