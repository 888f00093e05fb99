"""Verdicts: how an experiment decides between *agrees*, *refuted* and *limits-mapped*.

An experiment asks several questions of its runs, and each answer is a Check. A quantity that is measured by sampling is
judged by its z-scores (`judge_response`, `judge_z_scores`), a deterministic one by a bound on its error with a stated
reason (`judge_bound`), and an approximation by the order at which its error vanishes (`judge_order`). Where a claim
does not apply any more, `map_limit` reports what was measured there, which neither supports nor refutes the claim.
One failed Check refutes the experiment's claims: `Outcome.verdict`.

A check that no error could fail is no evidence. Each check by z-scores or by a bound is therefore repeated on a
control, the prediction × 1.05. If neither the prediction nor the control is rejected, the check raises NotSolved: there
is no verdict.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import xarray as xr
from scipy import stats

from overtraining.experiments.agreement import Agreement, compare
from overtraining.setting.arrays import Numbers
from overtraining.setting.errors import NotSolved
from overtraining.setting.responses import Quantity

ExperimentVerdict = Literal["agrees", "refuted", "limits-mapped"]

FALSE_ALARM = 1e-4
"""Probability that a check by z-scores rejects a true claim: with some sixty checks, once in 150 runs of everything."""

DETECTABLE = 0.02
"""The relative error of the whole prediction that a check by z-scores must be able to detect at four sigma.

The mistakes that a derivation can contain, a wrong factor or a forgotten term, change the prediction by more than 2%:
with `d_in + d_out = 15`, the sum off by one is an error of 7%.
"""

CONTROL = 1.05
"""The factor of the control, which must be rejected where the prediction passes.

An experiment that detects 2% at four sigma puts 5% at ten sigma, where chance plays no part: a control that passes
shows that the experiment is at fault, not that it was unlucky.
"""


@dataclass(frozen=True)
class Check:
    """The answer to one question that an experiment asks.

    passed: whether the claim survived; None where a limit of the claim was mapped and nothing could fail.
    answer: one sentence with the numbers.  z: the z-scores behind it, empty for a deterministic check.
    """

    name: str
    passed: bool | None
    answer: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    z: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class Outcome:
    """All checks of an experiment, and by name the Responses and Trajectories on which they were made."""

    checks: tuple[Check, ...]
    data: Mapping[str, xr.Dataset]

    @property
    def verdict(self) -> ExperimentVerdict:
        """*refuted* if one check failed; else *limits-mapped* if a limit of the claim was mapped too; else *agrees*."""
        if any(check.passed is False for check in self.checks):
            return "refuted"
        if any(check.passed is None for check in self.checks):
            return "limits-mapped"
        return "agrees"

    @property
    def z(self) -> np.ndarray:
        """All z-scores."""
        return np.concatenate([np.empty(0), *(check.z for check in self.checks)])

    @property
    def max_abs_z(self) -> float | None:
        """The largest |z|, or None if the experiment is deterministic."""
        return float(np.abs(self.z).max()) if self.z.size else None

    @property
    def ks_p(self) -> float | None:
        """p-value of the Kolmogorov–Smirnov test of all z-scores against the standard normal distribution."""
        return float(stats.kstest(self.z, "norm").pvalue) if self.z.size else None


def judge_response(
    name: str, predicted: xr.Dataset, measured: Sequence[xr.Dataset], quantity: Quantity = "sensitivity"
) -> Check:
    """Judge a predicted Response by measured ones from independent keys, point by point, as `judge_z_scores` does."""
    agreements = [compare(predicted, one, quantity) for one in measured]
    z = np.concatenate([agreement.z for agreement in agreements])
    return judge_z_scores(name, z, np.concatenate([agreement.leverage for agreement in agreements]))


def judge_z_scores(name: str, z: Numbers, leverage: Numbers) -> Check:
    """Judge z-scores of any measured quantity; `leverage` is the prediction in units of the same standard errors.

    The claim fails if the largest |z|, a relative error common to all points, or the distribution of the z-scores is
    too improbable. Raises NotSolved if these runs could not detect a common error of 2%, or reject neither the claim
    nor the control.
    """
    agreement = Agreement(np.ravel(z), np.ravel(leverage))
    control = Agreement(agreement.z - (CONTROL - 1) * agreement.leverage, CONTROL * agreement.leverage)
    if agreement.detectable > DETECTABLE:
        reason = f"these runs can detect an error of {agreement.detectable:.1%} at best, and {DETECTABLE:.0%} is needed"
        raise NotSolved(name, reason, "take more draws")
    passed = _is_plausible(agreement)
    if passed and _is_plausible(control):
        raise NotSolved(name, "these runs reject neither the theory nor the theory × 1.05", "take more draws")
    numbers = {
        "max_abs_z": float(np.abs(agreement.z).max()),
        "ks_p": agreement.ks_p,
        "common_z": agreement.common,
        "points": float(agreement.z.size),
        "detectable": agreement.detectable,
        "common_z_of_1.05": control.common,
    }
    answer = (
        f"largest |z| {numbers['max_abs_z']:.2f} at {agreement.z.size} points; KS test of the z-scores p = "
        f"{agreement.ks_p:.2g}; an error common to all points is at {agreement.common:.2f} σ. An error of "
        f"{agreement.detectable:.2%} would have been detected; the control, theory × 1.05, is at {control.common:.1f} σ"
    )
    return Check(name, passed, answer, numbers, agreement.z)


def judge_bound(name: str, predicted: Numbers, measured: Numbers, bound: float, reason: str) -> Check:
    """Judge deterministic numbers: their largest difference, relative to the largest prediction, is below a bound.

    reason: why the error may be as large as the bound, and not larger. Raises NotSolved if both the prediction and the
    prediction × 1.05 are within the bound.
    """
    predicted, measured = np.broadcast_arrays(predicted, measured)
    scale = np.abs(predicted).max()
    error, control = (float(np.abs(measured - factor * predicted).max() / scale) for factor in (1.0, CONTROL))
    if error <= bound and not control > bound:
        raise NotSolved(name, f"a bound of {bound:.2g} cannot reject the theory × 1.05", "compare more precisely")
    answer = (
        f"largest error {error:.2g}, relative to the largest value; bound {bound:.2g} ({reason}); the control, theory "
        f"× 1.05, is off by {control:.2g}"
    )
    return Check(name, error <= bound, answer, {"error": error, "bound": bound, "error_of_1.05": control})


def judge_order(name: str, size: Numbers, error: Numbers, order: float, symbol: str) -> Check:
    """Judge an approximation: its error vanishes in proportion to `size**order`.

    The fitted slope in log-log may differ from the order by a tenth of it, or by 0.1 if the order is above 1. symbol:
    how the answer writes `size`.
    """
    fit = stats.linregress(np.log(size), np.log(error))
    slope, stderr = float(fit.slope), float(fit.stderr)
    answer = f"error ∝ {symbol}^({slope:.3f} ± {stderr:.3f}), expected {order:g}"
    numbers = {"slope": slope, "slope_stderr": stderr, "order": order}
    return Check(name, abs(slope - order) <= 0.1 * min(order, 1), answer, numbers)


def map_limit(name: str, answer: str, numbers: Mapping[str, float]) -> Check:
    """Report what was measured where the claim does not apply; it neither supports nor refutes the claim."""
    return Check(name, None, answer, numbers)


def _is_plausible(agreement: Agreement) -> bool:
    """No test rejects the z-scores: of the largest, of a common error, of the distribution; they share FALSE_ALARM."""
    level = FALSE_ALARM / 3
    largest = np.abs(agreement.z).max() <= stats.norm.isf(level / 2 / agreement.z.size)
    common = abs(agreement.common) <= stats.norm.isf(level / 2)
    return bool(largest and common and agreement.ks_p > level)
