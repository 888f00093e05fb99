"""A3: one balanced mode under gradient flow, in forms that neither overflow nor cancel.

Every function broadcasts; times are in gradient-flow time, which is learning rate × steps.
"""

import numpy as np
from scipy.special import exprel

from theory.arrays import Numbers, Values
from theory.domain import nonnegative, normal_inverse, together


def singular_value(t: Numbers, sigma: Numbers, epsilon: Numbers) -> Values:
    """Student singular value `s(t) = σ / (1 + (σ/ε − 1) e^{−2σt})` of a balanced mode (claim A3).

    It solves `ṡ = 2s(σ − s)`, `s(0) = ε`, and is computed as `1/s = (1 − e^{−2σt})/σ + e^{−2σt}/ε`, a sum of positive
    terms whose first one has the limit 2t as σ → 0.

    t: pretraining length >= 0, gradient-flow time.  sigma: teacher singular value >= 0.  epsilon: start > 0, on
    either side of sigma.  At sigma = 0 the mode dies algebraically, `s = ε/(1 + 2εt)`.
    Raises DomainError outside this domain (epsilon = 0 included: it never leaves the saddle), ShapeError where the
    arrays do not broadcast.
    Source: Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 7, in our notation.

    >>> singular_value([0.0, 3.0, 1e6], sigma=1.0, epsilon=1e-3).round(6).tolist()
    [0.001, 0.287664, 1.0]
    """
    t, sigma, epsilon = _mode(t, sigma, epsilon)
    return 1 / (2 * t * exprel(-2 * sigma * t) + np.exp(-2 * sigma * t) / epsilon)  # A3


def unlearned(t: Numbers, sigma: Numbers, epsilon: Numbers) -> Values:
    """What is left to learn, `σ − s(t) = s (σ − ε) e^{−2σt}/ε` (claim A3), accurate where s has converged to σ.

    Domain, units and errors as in `singular_value`; negative where the mode started above sigma.

    >>> float(unlearned(40.0, sigma=1.0, epsilon=1e-3)) / 1.8030e-32
    1.000...
    """
    t, sigma, epsilon = _mode(t, sigma, epsilon)
    half = np.exp(-sigma * t)  # twice, since e^{−2σt} is subnormal while the result, divided by a tiny ε, is not
    return singular_value(t, sigma, epsilon) * (half / epsilon) * half * (sigma - epsilon)  # A3


def _mode(t: Numbers, sigma: Numbers, epsilon: Numbers) -> tuple[np.ndarray, ...]:
    return together(
        t=nonnegative("t", t, "measure pretraining forward from the start, t >= 0"),
        sigma=nonnegative("sigma", sigma, "a singular value is not negative; put the sign into the singular vectors"),
        epsilon=normal_inverse("epsilon", epsilon, "start from a small positive number; 0 is a saddle"),
    )
