"""A3: the singular value of one balanced mode under gradient flow, in a form that neither overflows nor cancels.

Every function broadcasts. Times are gradient-flow times, learning rate × steps. Inputs of variance ξ along the mode
multiply the speed of learning by ξ and leave the weight decay as it is: pass `ξ time` and `μ/ξ`.
"""

import numpy as np
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.theory.checks import check_mode


def singular_value(time: Numbers, sigma: Numbers, epsilon: Numbers, weight_decay: Numbers = 0.0) -> Values:
    """Student singular value `s(t) = κ / (1 + (κ/ε − 1) e^{−2κt})`, `κ = σ − μ`, of a balanced mode (claim A3).

    It solves `ṡ = 2s(κ − s)`, `s(0) = ε`, and is computed as `1/s = (1 − e^{−2κt})/κ + e^{−2κt}/ε`, a sum of positive
    terms whose first one has the limit 2t as κ → 0; for κ < 0 both are multiplied by `e^{2κt}`.

    time: t >= 0, gradient-flow time.  sigma: teacher singular value >= 0.  epsilon: start > 0, on either side of sigma.
    weight_decay: μ >= 0. A mode with σ < μ decays exponentially, one with σ = μ algebraically, `s = ε/(1 + 2εt)`.
    Raises DomainError outside this domain (also for epsilon = 0, which never leaves the saddle), ShapeError where the
    arrays do not broadcast.
    Source: Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 7, in our notation.

    >>> singular_value([0.0, 3.0, 1e6], sigma=1.0, epsilon=1e-3).round(6).tolist()
    [0.001, 0.287664, 1.0]
    """
    time, sigma, epsilon, mu = check_mode(time, sigma, epsilon, weight_decay)
    return _learned(time, sigma - mu, epsilon)


def unlearned(time: Numbers, sigma: Numbers, epsilon: Numbers, weight_decay: Numbers = 0.0) -> Values:
    """Unlearned part `σ − s(t) = μ + s (κ − ε) e^{−2κt}/ε`, `κ = σ − μ` (claim A3), accurate where s is near σ.

    Domain, units and errors as in `singular_value`; negative where the student is above the teacher. With weight decay
    it ends at `min(σ, μ)`.

    >>> float(unlearned(40.0, sigma=1.0, epsilon=1e-3)) / 1.8030e-32
    1.000...
    """
    return learned_and_unlearned(time, sigma, epsilon, weight_decay)[1]


def learned_and_unlearned(
    time: Numbers, sigma: Numbers, epsilon: Numbers, weight_decay: Numbers = 0.0
) -> tuple[Values, Values]:
    """`singular_value` and `unlearned` in one pass, for large grids. Domain, units and errors as there.

    >>> s, rest = learned_and_unlearned(3.0, sigma=1.0, epsilon=1e-3)
    >>> round(float(s + rest), 12)
    1.0
    """
    time, sigma, epsilon, mu = check_mode(time, sigma, epsilon, weight_decay)
    kappa = sigma - mu
    s = _learned(time, kappa, epsilon)
    half = np.exp(-np.maximum(kappa, 0) * time)
    growing = s * (half / epsilon) * half * (kappa - epsilon)
    return s, np.where(kappa > 0, mu + growing, sigma - s)[()]  # A3


def _learned(time: np.ndarray, kappa: Values, epsilon: np.ndarray) -> Values:
    x = 2 * kappa * time
    half = np.exp(-np.maximum(x, 0) / 2)  # a factor used twice: e^{−2κt}/ε is normal where e^{−2κt} is subnormal
    return np.exp(np.minimum(x, 0)) / (2 * time * exprel(-np.abs(x)) + half * (half / epsilon))  # A3
