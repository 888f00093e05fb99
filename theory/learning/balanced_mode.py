"""A3: one balanced mode under gradient flow, in forms that neither overflow nor cancel.

Every function broadcasts; times are in gradient-flow time, which is learning rate × steps. Inputs of variance ξ along
the mode run the clock ξ times as fast with ξ times less decay: pass `ξ t` and `μ/ξ`.
"""

import numpy as np
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative, normal_inverse
from overtraining.theory.checks import check_range


def singular_value(t: Numbers, sigma: Numbers, epsilon: Numbers, decay: Numbers = 0.0) -> Values:
    """Student singular value `s(t) = κ / (1 + (κ/ε − 1) e^{−2κt})`, `κ = σ − μ`, of a balanced mode (claim A3).

    It solves `ṡ = 2s(κ − s)`, `s(0) = ε`, and is computed as `1/s = (1 − e^{−2κt})/κ + e^{−2κt}/ε`, a sum of positive
    terms whose first one has the limit 2t as κ → 0, times `e^{2κt}` where κ < 0.

    t: pretraining length >= 0, gradient-flow time.  sigma: teacher singular value >= 0.  epsilon: start > 0, on
    either side of sigma.  decay: weight decay μ >= 0.  A mode with σ < μ dies exponentially, with σ = μ algebraically,
    `s = ε/(1 + 2εt)`.
    Raises DomainError outside this domain (epsilon = 0 included: it never leaves the saddle), ShapeError where the
    arrays do not broadcast.
    Source: Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 7, in our notation.

    >>> singular_value([0.0, 3.0, 1e6], sigma=1.0, epsilon=1e-3).round(6).tolist()
    [0.001, 0.287664, 1.0]
    """
    t, sigma, epsilon, mu = _mode(t, sigma, epsilon, decay)
    return _learned(t, sigma - mu, epsilon)


def unlearned(t: Numbers, sigma: Numbers, epsilon: Numbers, decay: Numbers = 0.0) -> Values:
    """What is left to learn, `σ − s(t) = μ + s (κ − ε) e^{−2κt}/ε`, `κ = σ − μ` (claim A3), accurate where s is near σ.

    Domain, units and errors as in `singular_value`; negative where the student is above the teacher. With weight decay
    it ends at `min(σ, μ)`.

    >>> float(unlearned(40.0, sigma=1.0, epsilon=1e-3)) / 1.8030e-32
    1.000...
    """
    return learned_and_left(t, sigma, epsilon, decay)[1]


def learned_and_left(t: Numbers, sigma: Numbers, epsilon: Numbers, decay: Numbers = 0.0) -> tuple[Values, Values]:
    """`singular_value` and `unlearned` in one pass, for large grids. Domain, units and errors as there.

    >>> s, left = learned_and_left(3.0, sigma=1.0, epsilon=1e-3)
    >>> round(float(s + left), 12)
    1.0
    """
    t, sigma, epsilon, mu = _mode(t, sigma, epsilon, decay)
    kappa = sigma - mu
    s = _learned(t, kappa, epsilon)
    half = np.exp(-np.maximum(kappa, 0) * t)
    learning = s * (half / epsilon) * half * (kappa - epsilon)
    return s, np.where(kappa > 0, mu + learning, sigma - s)[()]  # A3


def _learned(t: np.ndarray, kappa: Values, epsilon: np.ndarray) -> Values:
    x = 2 * kappa * t
    half = np.exp(-np.maximum(x, 0) / 2)  # twice, since e^{−2κt} is subnormal while it is not beside a tiny ε
    return np.exp(np.minimum(x, 0)) / (2 * t * exprel(-np.abs(x)) + half * (half / epsilon))  # A3


def _mode(t: Numbers, sigma: Numbers, epsilon: Numbers, decay: Numbers) -> tuple[np.ndarray, ...]:
    t, sigma, epsilon, mu = check_broadcast(
        t=nonnegative("t", t, "measure pretraining forward from the start, t >= 0"),
        sigma=nonnegative("sigma", sigma, "a singular value is not negative; put the sign into the singular vectors"),
        epsilon=normal_inverse("epsilon", epsilon, "start from a small positive number; 0 is a saddle"),
        decay=nonnegative("decay", decay),
    )
    check_range(sigma, t=t, epsilon=epsilon, decay=mu)
    return t, sigma, epsilon, mu
