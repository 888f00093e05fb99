"""A7: features learned one after another: the limit ε → 0 at time `t = τ · ½ln(1/ε)`, and its error at finite ε."""

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative
from overtraining.setting.errors import DomainError
from overtraining.theory.checks import check_rescaled_mode


def feature_limit(tau: Numbers, sigma: Numbers) -> Values:
    """The student's singular value as ε → 0, `σ·1{στ > 1}`, and `σ/(1 + σ)` exactly at `στ = 1` (claim A7).

    A feature is absent until τ = 1/σ and complete after it. ε, and with it σ, is measured in the unit in which the
    logarithm `½ln(1/ε)` is taken; only the value at `στ = 1`, judged in float64, depends on that unit.
    tau: time in units of `½ln(1/ε)`, >= 0.  sigma: teacher singular value >= 0.
    Raises DomainError outside, ShapeError where arrays do not broadcast.
    Source: Gidel, Bach, Lacoste-Julien 2019 (arXiv 1904.13262), theorem 2.

    >>> feature_limit([0.5, 1.0, 2.0], sigma=1.0).tolist()
    [0.0, 0.5, 1.0]
    """
    tau, sigma = check_broadcast(tau=nonnegative("tau", tau), sigma=nonnegative("sigma", sigma))
    with np.errstate(over="ignore"):  # beyond 1 in any case
        phase = sigma * tau
    return np.where(phase > 1, sigma, np.where(phase < 1, 0.0, sigma / (1 + sigma)))[()]  # A7


def feature(tau: Numbers, sigma: Numbers, epsilon: Numbers) -> Values:
    """The student's singular value at finite ε, exactly: `s = σ / (1 + (σ − ε) ε^{στ−1})` (claim A7).

    This is claim A3 in the rescaled time τ.
    tau, sigma: as in `feature_limit`, sigma > 0.  epsilon: start, 0 < ε < 1, so that time runs forward.
    Raises DomainError outside, ShapeError where arrays do not broadcast.

    >>> feature([0.5, 1.0, 2.0], sigma=1.0, epsilon=1e-6).round(6).tolist()
    [0.000999, 0.5, 0.999999]
    """
    tau, sigma, epsilon = check_rescaled_mode(tau, sigma, epsilon)
    exponent = sigma * tau * np.log(epsilon)
    half = np.exp(exponent / 2)  # a factor used twice: ε^{στ}/ε is normal where ε^{στ} is subnormal
    return 1 / (-np.expm1(exponent) / sigma + half * (half / epsilon))  # A7


def limit_error(tau: Numbers, sigma: Numbers, epsilon: Numbers) -> Values:
    """Upper bound on `|feature − feature_limit|` where `στ ≠ 1` and ε < σ (claim A7), of order `ε^{|στ−1|}`.

    `σ(σ − ε)ε^{στ−1}` after the feature is learned, `σ ε^{1−στ}/(σ − ε)` before it, and never more than σ. It is not
    uniform: within `|στ − 1| ~ 1/ln(1/ε)` the error stays of order one however small ε is. Arguments as in `feature`.
    Raises DomainError also where epsilon >= sigma, or στ = 1 (there is no small error to bound).

    >>> limit_error([0.5, 2.0], sigma=1.0, epsilon=1e-6).round(9).tolist()
    [0.001000001, 1e-06]
    """
    tau, sigma, epsilon = np.broadcast_arrays(*check_rescaled_mode(tau, sigma, epsilon))
    if (epsilon >= sigma).any():
        raise DomainError("epsilon", "it is not below sigma: nothing is left to learn", "start below the teacher")
    phase = sigma * tau
    if (phase == 1).any():
        raise DomainError("tau", "the limit changes at tau = 1/sigma", "use feature_limit there")
    order = np.exp(np.abs(phase - 1) * np.log(epsilon))
    return np.minimum(order * np.where(phase > 1, sigma * (sigma - epsilon), sigma / (sigma - epsilon)), sigma)  # A7
