"""C5: how the inflection point moves with the strength of the noise, for spectra with many features."""

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, normal_inverse, positive
from overtraining.setting.errors import DomainError


def dense_inflection_time(c: Numbers, epsilon: Numbers, alpha: Numbers) -> Values:
    """Inflection point for a dense power law `σ_i = i^{−α}`, `t* = [ln(2c/ε) − (2 − 1/α)]/(4c)` (claim C5).

    The features being learned at the inflection are those at `σ = 2c`, whatever the exponent, so to leading order
    `t* = ln(1/ε)/(4c)`: inverse in the variance of the noise. The next term is exact to `O(1/ln(2c/ε))` in `4c t*`.
    Dense means many features under way at once, see `features_under_way`; a steep spectrum has a minimum per feature
    (`noisy_path.minima`). Deeper networks: `deep_stages.deep_inflection_time`. Gradient-flow time.

    c: price > 0, below ½, or there is no feature at 2c (`noise.mode_cost`).  epsilon: start > 0.  alpha: > ½.
    Raises DomainError outside, also where the expansion has no positive value; ShapeError.
    Source: ours.

    >>> float(dense_inflection_time(0.01, epsilon=1e-20, alpha=1.0).round(4))
    1028.492
    """
    c, epsilon, alpha = _dense(c, epsilon, alpha)
    numerator = np.log(2 * c) - np.log(epsilon) - (2 - 1 / alpha)
    if np.any(numerator <= 0):
        raise DomainError("epsilon", "the expansion in 1/ln(2c/ε) needs ln(2c/ε) > 2 − 1/α", "start from a smaller one")
    return numerator / (4 * c)  # C5


def features_under_way(c: Numbers, epsilon: Numbers, alpha: Numbers) -> Values:
    """How many features of `σ_i = i^{−α}` are learned at the same time as those at 2c: `(2c)^{−1/α}/(α ln(2c/ε))` (C5).

    The spectrum is dense for claim C5 where this is well above 1. Arguments and errors as in `dense_inflection_time`.

    >>> float(features_under_way(0.01, epsilon=1e-20, alpha=1.0).round(4))
    1.1865
    """
    c, epsilon, alpha = _dense(c, epsilon, alpha)
    return np.exp(-np.log(2 * c) / alpha - np.log(alpha)) / (np.log(2 * c) - np.log(epsilon))  # C5


def _dense(c: Numbers, epsilon: Numbers, alpha: Numbers) -> tuple[np.ndarray, ...]:
    c, epsilon, alpha = check_broadcast(
        c=normal_inverse("c", c, "without noise there is no inflection"),
        epsilon=normal_inverse("epsilon", epsilon, "start from a small positive number; 0 is a saddle"),
        alpha=positive("alpha", alpha),
    )
    if np.any(2 * c >= 1):
        raise DomainError("c", "no feature of i^{−α} exceeds 2c, so pretraining as a whole hurts", "use c < ½")
    if np.any(alpha <= 0.5):
        raise DomainError("alpha", "Σσ² is infinite for α <= ½", "use alpha > ½")
    if np.any(epsilon >= 2 * c):
        raise DomainError("epsilon", "the features at 2c start learned", "use epsilon < 2c")
    return c, epsilon, alpha
