"""B7: power laws of the loss and of the norm of the weights for power-law spectra, in the limit of a small start."""

from dataclasses import dataclass

import numpy as np
from scipy.special import exprel, zeta

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, positive
from overtraining.setting.errors import DomainError
from overtraining.theory.checks import check_alpha

_KNOT = 64  # below it terms are added up; above it three Euler–Maclaurin terms suffice: a fourth is below 3e-17
_STEEP = 1100.0  # from here on 2^{−α} is 0 in float64, and sums are their first term; ζ(2α) may be NaN far beyond
_BERNOULLI = (1 / 12, -1 / 720, 1 / 30240)


@dataclass(frozen=True)
class Rates:
    """`L → loss_factor · τ^{−loss_exponent}`, and `Σs` grows as `norm_factor · τ^{norm_exponent}`.

    For α = 1 the norm grows as ln τ (factor inf, exponent 0); for α > 1 the norm is bounded, exponent and factor are
    negative, and they describe its distance to the bound ζ(α).
    """

    loss_exponent: Values
    loss_factor: Values
    norm_exponent: Values
    norm_factor: Values


def power_law_rates(alpha: Numbers) -> Rates:
    """Exponents for `σ_i = i^{−α}`: `β = 2 − 1/α` of the loss and `1/α − 1` of `Σs`, with their factors (claim B7).

    In the limit of a small start, in rescaled length `τ = t/m`, `m = ½ln(1/ε)`: `L → τ^{−β}/(2(2α − 1))` and
    `Σs → τ^{1/α−1}/(1 − α)`, each with relative error `O(τ^{−1/α})` or, for Σs, a constant. `β + (1/α − 1) = 1` (B8).
    First ε → 0, then τ → ∞: at a finite start `large_spectra.power_law_path` is exact.

    alpha: > ½, or the loss is infinite. Raises DomainError. Source: ours; the sums are standard.

    >>> r = power_law_rates(0.75)
    >>> float(r.loss_exponent.round(4)), float(r.norm_exponent.round(4)), float(r.norm_factor)
    (0.6667, 0.3333, 4.0)
    """
    alpha = check_alpha(alpha)
    with np.errstate(divide="ignore"):
        factor = np.where(alpha == 1, np.inf, 1 / (1 - alpha))
    return Rates(2 * ((alpha - 0.5) / alpha), 0.25 / (alpha - 0.5), (1 - alpha) / alpha, factor[()])  # B7


def features_learned(tau: Numbers, alpha: Numbers) -> Values:
    """Number of features of `i^{−α}` learned by `τ = t/m` in the limit of a small start, those with `σ > 1/τ` (B7).

    A feature exactly at 1/τ is half under way and counted as learned, up to rounding of `τ^{1/α}`.

    tau: t/m > 0.  alpha: > ½. Both broadcast. Raises DomainError outside the domain, ShapeError where arrays do not
    broadcast.

    >>> features_learned([0.5, 1.0, 10.0], alpha=0.5001).tolist()
    [0.0, 1.0, 99.0]
    """
    tau, alpha = check_broadcast(tau=positive("tau", tau, "it is t in units of ½ ln(1/ε)"), alpha=check_alpha(alpha))
    with np.errstate(over="ignore"):
        count = np.floor(tau ** (1 / alpha))
    if np.any(count > 2.0**53):
        raise DomainError("tau", "it learns more than 2⁵³ features, which float64 cannot count", "use power_law_rates")
    return count


def staircase_loss(tau: Numbers, alpha: Numbers) -> Values:
    """Loss in the limit of a small start, `½ Σ_{i>n} i^{−2α} = ½ζ(2α, n+1)` with n features learned (claim B7).

    tau: t/m > 0.  alpha: > ½. Exact for infinitely many features, with no sum over them. Raises as `features_learned`.

    >>> float(staircase_loss(0.5, alpha=1.0).round(6))
    0.822467
    """
    return zeta(2 * np.minimum(check_alpha(alpha), _STEEP), features_learned(tau, alpha) + 1) / 2  # B7


def staircase_norm(tau: Numbers, alpha: Numbers) -> Values:
    """`Σs = ‖W1‖² = ‖W2‖²` in the limit of a small start, `Σ_{i<=n} i^{−α}` with n features learned (claim B7).

    From the 64th feature on the Euler–Maclaurin formula replaces the sum. Arguments and errors as in `staircase_loss`.

    >>> float(staircase_norm(1e6, alpha=1.0).round(6))
    14.392727
    """
    n, alpha = np.broadcast_arrays(features_learned(tau, alpha), np.minimum(check_alpha(alpha), _STEEP))
    first = np.arange(1.0, _KNOT + 1)
    few = np.where(first <= n[..., None], first ** -alpha[..., None], 0.0).sum(axis=-1)
    many = np.maximum(n, _KNOT)
    ratio = np.log(many / _KNOT)

    def power(x: Values | int, k: int) -> Values:
        return x ** (-alpha - k)

    rest = _KNOT ** (1 - alpha) * ratio * exprel((1 - alpha) * ratio) + (power(many, 0) - power(_KNOT, 0)) / 2
    rising = alpha
    for k, b in enumerate(_BERNOULLI):  # the terms of a fixed expansion
        rest = rest - b * rising * (power(many, 2 * k + 1) - power(_KNOT, 2 * k + 1))
        rising = rising * (alpha + 2 * k + 1) * (alpha + 2 * k + 2)
    return few + rest  # B7
