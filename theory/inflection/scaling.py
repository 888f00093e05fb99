"""C5: how the inflection point moves with the strength of the noise, for spectra with many features."""

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, normal_inverse
from overtraining.setting.errors import DomainError
from overtraining.theory.checks import check_alpha, check_epsilon


def dense_inflection_time(alpha: Numbers, epsilon: Numbers, noise_cost: Numbers) -> Values:
    """Inflection point for a dense power law `σ_i = i^{−α}`, `t* = [ln(2c/ε) − (2 − 1/α)]/(4c)` (claim C5).

    The features being learned at the inflection are those at `σ = 2c`, whatever the exponent, so that to leading order
    `t* = ln(1/ε)/(4c)`: proportional to 1/variance of the noise, up to a logarithm. The next term is exact to
    `O(1/ln(2c/ε))` in `4c t*`. Dense means that many features are learned at the same time, see `features_under_way`; a
    steep spectrum has a minimum per feature (`noisy_path.minima`). Deeper networks: `deep_stages.deep_inflection_time`.

    alpha: > ½.  epsilon: start, 0 < ε < 2c.  noise_cost: c of `noise.mode_cost`, 0 < c < ½; from ½ on no feature
    exceeds 2c. All broadcast. Gradient-flow time.
    Raises DomainError outside the domain, also where the expansion has no positive value; ShapeError.
    Source: ours.

    >>> float(dense_inflection_time(1.0, epsilon=1e-20, noise_cost=0.01).round(4))
    1028.492
    """
    alpha, epsilon, noise_cost = _dense_spectrum(alpha, epsilon, noise_cost)
    numerator = np.log(2 * noise_cost) - np.log(epsilon) - (2 - 1 / alpha)
    if np.any(numerator <= 0):
        raise DomainError("epsilon", "the expansion in 1/ln(2c/ε) needs ln(2c/ε) > 2 − 1/α", "start from a smaller one")
    return numerator / (4 * noise_cost)  # C5


def features_under_way(alpha: Numbers, epsilon: Numbers, noise_cost: Numbers) -> Values:
    """How many features of `σ_i = i^{−α}` are learned at the same time as those at 2c: `(2c)^{−1/α}/(α ln(2c/ε))` (C5).

    The spectrum is dense for claim C5 where this is well above 1. Arguments and errors as in `dense_inflection_time`.

    >>> float(features_under_way(1.0, epsilon=1e-20, noise_cost=0.01).round(4))
    1.1865
    """
    alpha, epsilon, noise_cost = _dense_spectrum(alpha, epsilon, noise_cost)
    count = np.exp(-np.log(2 * noise_cost) / alpha - np.log(alpha))
    return count / (np.log(2 * noise_cost) - np.log(epsilon))  # C5


def _dense_spectrum(alpha: Numbers, epsilon: Numbers, noise_cost: Numbers) -> tuple[np.ndarray, ...]:
    alpha, epsilon, noise_cost = check_broadcast(
        alpha=check_alpha(alpha),
        epsilon=check_epsilon(epsilon),
        noise_cost=normal_inverse("noise_cost", noise_cost, "without noise there is no inflection; pass a number > 0"),
    )
    if np.any(2 * noise_cost >= 1):
        raise DomainError(
            "noise_cost", "no feature of i^{−α} exceeds 2c, so that pretraining as a whole hurts", "use noise_cost < ½"
        )
    if np.any(epsilon >= 2 * noise_cost):
        raise DomainError("epsilon", "the features at 2c start learned", "use epsilon < 2c")
    return alpha, epsilon, noise_cost
