"""C1: when does one balanced mode stop helping the loss after noise?"""

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import nonnegative, normal_inverse, positive, together
from overtraining.theory.scale import moderate


def inflection_time(sigma: Numbers, epsilon: Numbers, c: Numbers) -> Values:
    """Pretraining length at which one mode starts to hurt, `t = (1/2σ) ln[(σ/ε − 1)(σ − c)/c]` (claim C1).

    On the balanced aligned path a mode contributes `½(σ − s)² + c s` to the loss after noise; it helps until
    `s = σ − c`. Beyond the formula's interior: 0 where it only hurts (σ <= c, or the start is already past σ − c),
    inf where it never hurts (c = 0, or a start at or above σ, from which s only comes down).
    Computed as `ln(1 + (σ/ε)(σ − c − ε)/c) / 2σ`, which keeps its relative accuracy where the time is short. Where the
    layers differ: `noisy_unbalanced_mode`.

    sigma: teacher singular value > 0.  epsilon: start > 0.  c: price per singular value >= 0 (`noise.mode_cost`).
    Gradient-flow time. Raises DomainError outside and beyond 1e±75 (`scale.moderate`), ShapeError where arrays do not
    broadcast.

    >>> inflection_time([1.0, 1.0, 0.1], epsilon=1e-3, c=[0.2, 0.0, 0.2]).round(6).tolist()
    [4.146525, inf, 0.0]
    """
    sigma, epsilon, c = together(
        sigma=positive("sigma", sigma, "leave out modes that the teacher does not have"),
        epsilon=normal_inverse("epsilon", epsilon, "start from a small positive number; 0 is a saddle"),
        c=nonnegative("c", c, "compute it with noise.mode_cost"),
    )
    moderate(sigma, epsilon=epsilon, c=c)
    gap = (sigma - c) - epsilon  # > 0 exactly where there is something to gain before the noise wins
    with np.errstate(divide="ignore", over="ignore"):  # c = 0 gives the limit, inf
        ratio = sigma / epsilon
        # beyond 1.8e308 the difference of logarithms; below, it would lose digits where both are tiny
        growth = np.where(np.isinf(ratio), np.log(sigma) - np.log(epsilon), np.log(ratio))
        exponent = growth + np.log(np.where(gap > 0, gap, sigma)) - np.log(c)
    time = np.logaddexp(0.0, exponent) / (2 * sigma)  # C1
    time = np.where(gap > 0, time, 0.0)
    return np.where(epsilon >= sigma, np.inf, time)
