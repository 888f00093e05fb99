"""The formulas of A8, means over small Gaussian starts, in mpmath."""

from functools import partial
from typing import Any

import mpmath
import numpy as np

from overtraining.setting.arrays import Values
from overtraining.theory.learning import random_start
from overtraining.theory.precision.features import balanced
from overtraining.theory.precision.form import Form, each

INTEGRALS = (50, 70, 120)


def mean(power: int, t: Any, sigma: Any, variance: Any, k: Any) -> Any:
    """`E s^power` over `ε = v χ²_k`, by Gauss–Legendre rules between breaks in `ln χ²`; to 30 digits (A8)."""
    centre, width = mpmath.log(k), mpmath.sqrt(2 / k)
    low, high = centre - 160 / k - 12 * width, centre + mpmath.log1p(160 / k) + mpmath.sqrt(160 / k)
    half_learned = mpmath.log(sigma / variance) - 2 * sigma * t
    steps = {low, high, *(centre + n * width for n in (-12, -8, -5, -2, 0, 2, 5, 8)), half_learned}

    def integrand(y: Any) -> Any:
        chi2 = mpmath.exp(y)
        density = mpmath.exp(k / 2 * (y - mpmath.log(2)) - chi2 / 2 - mpmath.loggamma(k / 2))
        return density * balanced(t, sigma, variance * chi2) ** power

    return mpmath.quad(integrand, sorted(y for y in steps if low <= y <= high), maxdegree=9)


def error(sigma: Any, ratio: Any, std_in: Any, std_out: Any) -> Any:
    """The estimate of the error for two modes σ, rσ in a 5 → 3 → 2 network (A8)."""
    v = (std_in**2 + std_out**2) / 4
    shares = []
    for kappa, r, k in ((sigma, ratio, 3), (ratio * sigma, mpmath.mpf(0), 2)):
        start = k * v
        shares.append(3 * v / kappa * (kappa / start) ** r)
        if r:
            shares.append(min(mpmath.mpf(1), (kappa / start * (3 * v / kappa) ** (1 / r)) ** (mpmath.mpf(k) / 2)))
    return max(shares) + 3 * max(5 * std_in**2, 2 * std_out**2) / (sigma * (1 + ratio))


def _mean(which: int, *point: Any) -> Values:
    return random_start.mean_mode(*point)[which]


def _error(sigma: float, ratio: float, std_in: float, std_out: float) -> float:
    spectrum = np.array([sigma, ratio * sigma])
    return random_start.start_error(spectrum, d_in=5, h=3, d_out=2, std_in=std_in, std_out=std_out)


FORMS = (
    Form("A8", "random_start.mean_mode, E s", partial(_mean, 0), partial(mean, 1), INTEGRALS),
    Form("A8", "random_start.mean_mode, E s²", partial(_mean, 1), partial(mean, 2), INTEGRALS),
    Form("A8", "random_start.start_variance", random_start.start_variance, lambda a, b: (a**2 + b**2) / 4),
    Form("A8", "random_start.start_error", each(_error), error),
)
