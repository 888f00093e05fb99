"""The formulas of A8 and D1r, means over small Gaussian starts, in mpmath."""

from functools import partial
from typing import Any

import mpmath
import numpy as np

from overtraining.setting.arrays import Values
from overtraining.theory.fine_tuning.tuned_flow import fine_tune_mode
from overtraining.theory.learning import balanced_mode, random_start
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


def tuned_mean(t: Any, sigma: Any, variance: Any, k: Any, budget: Any, task: Any) -> Any:
    """`E x` after fine-tuning a mode on σ′, over `ε = v χ²_k` (D1r), between the same breaks."""
    paid = mpmath.expm1(2 * sigma * t) / sigma + mpmath.exp(2 * sigma * t) * mpmath.expm1(2 * task * budget) / task
    centre, width = mpmath.log(k), mpmath.sqrt(2 / k)
    low, high = centre - 160 / k - 12 * width, centre + mpmath.log1p(160 / k) + mpmath.sqrt(160 / k)
    steps = {low, high, *(centre + n * width for n in (-12, -8, -5, -2, 0, 2, 5, 8)), -mpmath.log(variance * paid)}

    def integrand(y: Any) -> Any:
        chi2 = mpmath.exp(y)
        density = mpmath.exp(k / 2 * (y - mpmath.log(2)) - chi2 / 2 - mpmath.loggamma(k / 2))
        x = variance * chi2 * mpmath.exp(2 * sigma * t + 2 * task * budget) / (1 + variance * chi2 * paid)
        return density * x

    return mpmath.quad(integrand, sorted(y for y in steps if low <= y <= high), maxdegree=9)


def _tuned_mean(t: float, sigma: float, variance: float, k: float, budget: float, task: float) -> float:
    epsilon, weight = random_start.random_starts(variance, np.array([k]))
    x = fine_tune_mode(budget, balanced_mode.singular_value(t, sigma, epsilon), task)[0]
    return float((weight * x).sum())


def _mean(which: int, *point: Any) -> Values:
    return random_start.mean_mode(*point)[which]


FORMS = (
    Form("A8", "random_start.mean_mode, E s", partial(_mean, 0), partial(mean, 1), INTEGRALS),
    Form("A8", "random_start.mean_mode, E s²", partial(_mean, 1), partial(mean, 2), INTEGRALS),
    Form("A8", "random_start.start_variance", random_start.start_variance, lambda a, b: (a**2 + b**2) / 4),
    Form("A8", "random_start.random_starts, E x after fine-tuning", each(_tuned_mean), tuned_mean, INTEGRALS),
)
