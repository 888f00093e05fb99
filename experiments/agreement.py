"""Does a measurement agree with a prediction? z-scores, their distribution, and the error that would be noticed."""

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

    z: (measured − predicted) / standard error.  leverage: predicted / standard error, by how much a relative error of
    the prediction shifts z.
    """

    z: Float[np.ndarray, " points"]
    leverage: Float[np.ndarray, " points"]

    @property
    def ks_p(self) -> float:
        """p-value of the z-scores' Kolmogorov–Smirnov test against N(0, 1)."""
        return float(stats.kstest(self.z, "norm").pvalue)

    @property
    def common(self) -> float:
        """z-score of a relative error that all points share: a shift of z by δ · leverage, with `1/√Σ leverage²`."""
        return float(self.z @ self.leverage / np.sqrt((self.leverage**2).sum()))

    @property
    def detectable(self) -> float:
        """Smallest relative error of the whole prediction that this measurement would find at four sigma."""
        return float(4 / np.sqrt((self.leverage**2).sum()))

    @property
    def agrees(self) -> bool:
        """No point at |z| >= 4 and a distribution not rejected at 1%."""
        return bool(np.abs(self.z).max() < 4 and self.ks_p > 0.01)


def compare(predicted: xr.Dataset, measured: xr.Dataset, quantity: Quantity = "sensitivity") -> Agreement:
    """Compare two Responses on the same grid, point by point; the draws at different points must be independent.

    Raises ShapeError where the grids differ, DomainError where a point was measured without a standard error.
    """
    expected = curve(predicted, quantity).value
    pair = curve(measured, quantity)
    if expected.dims != pair.value.dims or any(
        not np.array_equal(expected[d].values, pair.value[d].values) for d in expected.dims
    ):
        raise ShapeError("two Responses on different grids", "their points do not correspond", "use one protocol")
    if not bool((pair.stderr > 0).all()):
        swapped = bool((curve(predicted, quantity).stderr > 0).all())
        remedy = "pass the prediction first, the measurement second" if swapped else "leave out strength 0"
        raise DomainError("a standard error of 0", "z-scores need a scatter", remedy)
    z = ((pair.value - expected) / pair.stderr).values.ravel()
    return Agreement(z, (expected / pair.stderr).values.ravel())
