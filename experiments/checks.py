"""The ways in which a prediction can fail: by z-scores, by a bound, by the order of an error.

Each check also asks itself whether it could have failed: the theory × 1.05 must be refuted by the same numbers. One
that cannot tell the two apart is no evidence, and raises NotSolved instead of passing.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from scipy import stats

from overtraining.experiments.agreement import Agreement, compare
from overtraining.experiments.outcome import Check
from overtraining.setting.arrays import Numbers
from overtraining.setting.errors import NotSolved
from overtraining.setting.responses import Quantity

CHANCE = 1e-4  # of refuting a true claim, per check: some sixty checks then err once in 150 runs of all
WRONG = 1.05
DETECTABLE = 0.02


def by_z(name: str, predicted: xr.Dataset, measured: Sequence[xr.Dataset], quantity: Quantity = "sensitivity") -> Check:
    """A Response against runs from independent keys, point by point, in units of the runs' standard errors.

    Raises NotSolved where the runs would not notice a common error of 2%, or do not refute the theory × 1.05.
    """
    found = [compare(predicted, one, quantity) for one in measured]
    return from_z(name, np.concatenate([a.z for a in found]), np.concatenate([a.leverage for a in found]))


def from_z(name: str, z: Numbers, leverage: Numbers) -> Check:
    """z-scores of any measured quantity; `leverage` is the prediction in units of the same standard errors."""
    found = Agreement(np.ravel(z), np.ravel(leverage))
    wrong = Agreement(found.z - (WRONG - 1) * found.leverage, WRONG * found.leverage)
    if found.detectable > DETECTABLE or _plausible(wrong):
        weak = f"these runs notice an error of {found.detectable:.1%} at best, {DETECTABLE:.0%} is asked"
        raise NotSolved(name, weak, "take more draws")
    numbers = {
        "max_abs_z": float(np.abs(found.z).max()),
        "ks_p": found.ks_p,
        "common_z": found.common,
        "points": float(found.z.size),
        "detectable": found.detectable,
        "common_z_of_1.05": wrong.common,
    }
    says = (
        f"max |z| {numbers['max_abs_z']:.2f} of {found.z.size} points, KS p {found.ks_p:.2g}, common error at "
        f"{found.common:.2f} σ; {found.detectable:.2%} would be noticed, the theory × 1.05 is at {wrong.common:.1f} σ"
    )
    return Check(name, _plausible(found), says, numbers, found.z)


def by_bound(name: str, predicted: Numbers, measured: Numbers, bound: float, why: str) -> Check:
    """Deterministic numbers: the largest difference, relative to the largest prediction, against a reasoned bound.

    why: where the bound comes from. Raises NotSolved where the theory × 1.05 would pass.
    """
    predicted, measured = np.broadcast_arrays(predicted, measured)
    scale = np.abs(predicted).max()
    error, wrong = (float(np.abs(measured - factor * predicted).max() / scale) for factor in (1.0, WRONG))
    if not wrong > bound:
        raise NotSolved(name, f"a bound of {bound:.2g} cannot refute the theory × 1.05", "compare more precisely")
    says = f"largest error {error:.2g} of the largest value, bound {bound:.2g} ({why}); the theory × 1.05: {wrong:.2g}"
    return Check(name, error <= bound, says, {"error": error, "bound": bound, "error_of_1.05": wrong})


def by_order(name: str, size: Numbers, error: Numbers, order: float, what: str) -> Check:
    """Does the error vanish as `size**order`? The slope in log-log, to a tenth of the order (of 1, if it is higher)."""
    fit = stats.linregress(np.log(size), np.log(error))
    slope, stderr = float(fit.slope), float(fit.stderr)
    says = f"error ∝ {what}^({slope:.3f} ± {stderr:.3f}), expected {order:g}"
    return Check(
        name, abs(slope - order) <= 0.1 * min(order, 1), says, {"slope": slope, "slope_stderr": stderr, "order": order}
    )


def mapped(name: str, says: str, numbers: Mapping[str, float]) -> Check:
    """A limit of the claim, drawn and named; it neither supports nor refutes."""
    return Check(name, None, says, numbers)


def _plausible(found: Agreement) -> bool:
    """Neither the largest z, nor a common error, nor the distribution is rejected; the three share CHANCE."""
    share = CHANCE / 3
    largest = np.abs(found.z).max() <= stats.norm.isf(share / 2 / found.z.size)
    return bool(largest and abs(found.common) <= stats.norm.isf(share / 2) and found.ks_p > share)
