"""A8: what the limit of small Gaussian starts misses at a finite size of the weights, to first order.

In the limit mode i follows `x_i = ε_i e^{2θ_i} q_i`, `θ_i = ∫κ_i dt`, `q_i = 1/(1 + ε_i J_i)`, `J_i = 2∫e^{2θ_i} dt`,
at rates κ_i that may change, as from one task to the next. What a later mode j has along the hidden direction of mode
i, of variance v at the start, is `A_ij = v e^{2θ_j} q_i q_j`: it grows until mode i is learned. It delays mode i, which
is changed by `δ_i = −v x_i q_i ln(1 + ε_j J_j)/ε_j`. Both vanish with the size of the weights, and are the error. Where
mode j is not learned, q_j = 1, this is the first order; where it is, A and δ are small, and above it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import exprel

from overtraining.setting.arrays import Values
from overtraining.setting.domain import one_nonnegative, one_positive, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_range, check_singular_value
from overtraining.theory.learning.random_start import SMALLEST_VARIANCE, random_starts, start_variance

STEP = 0.6  # of `2κt`, between the times at which the error is computed
MARGIN = 5.0  # of `2κt`, before the strongest start is half learned and after the weakest
LARGEST = 300.0  # exponent of what is cut off anyway
HIGHER_ORDERS = 1.5  # times the first


class SmallStart(NamedTuple):
    """What small Gaussian weights of one network are, apart from the law of ε.

    freedom: of the modes that have a hidden direction of their own.  variance: v.  flat: variance along one hidden
    direction of all that does not grow.  unbalanced: mean square of what decays of one mode.  fixed, norm: what is left
    of the loss and of a layer's squared norm.
    """

    freedom: Float[np.ndarray, " mode"]
    variance: float
    flat: float
    unbalanced: float
    fixed: float
    norm: float


class Growth(NamedTuple):
    """Of every mode at some points of a path: θ, `ln J`, the exponent of its unbalanced part, and the time."""

    theta: Float[np.ndarray, "point mode"]
    log_integral: Float[np.ndarray, "point mode"]
    fading: Float[np.ndarray, "point mode"]
    time: Float[np.ndarray, "point 1"]


def small_start(modes: int, *, d_in: int, h: int, d_out: int, std_in: float, std_out: float) -> SmallStart:
    """The start of a network of this shape, of whose modes this many count."""
    first, second, v = std_in**2, std_out**2, float(start_variance(std_in, std_out))
    flat, fixed = ((d_in - 1) * first + (d_out - 1) * second) / 2, h * d_in * d_out * first * second / 2
    return SmallStart(
        np.arange(h, max(h - modes, 0), -1.0), v, flat, h * v, fixed, h * max(d_in * first, d_out * second)
    )


def grown(time: Float[np.ndarray, " point"], sigma: Float[np.ndarray, " mode"], weight_decay: float) -> Growth:
    """Growth at the constant rates `κ = σ − μ`, of either sign."""
    y = 2 * time[:, None] * (sigma - weight_decay)
    with np.errstate(divide="ignore"):  # ln 0 at the start
        log_integral = np.log(2 * time[:, None]) + np.maximum(y, 0) + np.log(exprel(-np.abs(y)))
    return Growth(y / 2, log_integral, -time[:, None] * (sigma + weight_decay), time[:, None])


def grown_after(first: Growth, second: Growth) -> Growth:
    """Growth through every point of one phase and then to every point of another, the latter varying fastest."""

    def joined(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (a[:, None] + b).reshape(-1, a.shape[1])

    integral = np.logaddexp(first.log_integral[:, None], 2 * first.theta[:, None] + second.log_integral)
    return Growth(
        joined(first.theta, second.theta),
        integral.reshape(-1, first.theta.shape[1]),
        joined(first.fading, second.fading),
        joined(first.time, second.time),
    )


def limit_errors(
    growth: Growth, start: SmallStart, targets: Sequence[np.ndarray]
) -> Float[np.ndarray, "quantity point"]:
    """What the limit misses of the mean of `½Σ(τ − x)²`, for every target τ, and last of a layer's mean squared norm.

    By overlaps, with the sums over j and with signs that do not cancel between modes,
    `|Σ_j (x_i − τ_j) A_ij + (x_i − τ_i) δ_i| + Σ_j x_j A_ij` and `|Σ_j A_ij + δ_i|`. In each start this ends where mode
    i's hidden direction holds another mode instead: `y/(1 + y/y_most)` stands for it.
    """
    starts = random_starts(start.variance, start.freedom)
    log_q, shared, delay, own = _sources(growth, start, *starts)
    errors = np.zeros((len(targets) + 1, len(growth.theta)))
    for which, target in enumerate(targets):
        errors[which] = start.unbalanced * np.exp(2 * growth.fading) @ np.abs(target) + start.fixed
    errors[-1] = start.norm
    largest = np.maximum.accumulate(np.abs(targets).max(axis=0)[::-1])[::-1]
    top = np.maximum(shared, delay).max(axis=1, keepdims=True)
    weights = np.append(np.ones(growth.theta.shape[1]), start.flat / start.variance)
    shared, delay = np.exp(shared - top) * weights, np.exp(delay - top) * weights
    for i, (epsilon, weight) in enumerate(zip(*(array.T for array in starts), strict=True)):
        size = start.variance * np.exp(np.minimum(top + log_q[i], LARGEST))  # (point, node)
        x = np.exp(np.log(epsilon) + 2 * growth.theta[:, i, None] + log_q[i])
        later = slice(i + 1, None)
        a, d, beside = (y[:, later].sum(axis=1)[:, None] for y in (shared, delay, own * shared))
        for which, target in enumerate(targets):
            asked = (shared[:, later] @ np.append(target, 0.0)[later])[:, None]
            change = np.abs(x * a - asked + (target[i] - x) * x * d) + beside  # of −δ_i, x d is what is left
            errors[which] += _at_most(largest[i] ** 2 / 2, size * change) @ weight  # A8
        errors[-1] += _at_most(largest[i], size * np.abs(a - x * d)) @ weight  # A8
    return HIGHER_ORDERS * errors


def _sources(
    growth: Growth, start: SmallStart, epsilon: np.ndarray, weight: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """`ln q_i`, (point, node); for every mode j, and last for what does not grow, `ln E A_ij/(v q_i)`,
    `ln E |δ_i|/(v x_i q_i)`, and the mean of x_j with the weight of A_ij."""
    log_q = []
    with np.errstate(divide="ignore"):  # ln 0 at the start
        shared = np.hstack([2 * growth.theta, np.zeros_like(growth.time)])  # of modes without a direction of their own
        delay = np.hstack([growth.log_integral, np.log(2 * growth.time)])
        own = np.zeros_like(shared)
        for j, (seed, at) in enumerate(zip(epsilon.T, weight.T, strict=True)):
            log_q.append(-np.logaddexp(0.0, np.log(seed) + growth.log_integral[:, j, None]))
            grows = np.exp(np.minimum(2 * growth.theta[:, j, None] + log_q[j], LARGEST))
            shared[:, j], delay[:, j] = np.log(grows @ at), np.log((-log_q[j] / seed) @ at)
            own[:, j] = (grows**2 * seed) @ at / np.maximum(grows @ at, np.finfo(float).tiny)
    return log_q, shared, delay, own


def _at_most(most: float, first_order: Values) -> Values:
    return first_order / (1 + first_order / most) if most else np.zeros_like(first_order)


def start_error(
    sigma: Float[np.ndarray, " modes"],
    *,
    d_in: int,
    h: int,
    d_out: int,
    std_in: float,
    std_out: float,
    weight_decay: float = 0.0,
) -> float:
    """Estimate of what the limit of small starts misses: of `½Σσ²` in the mean loss, of `Σ(σ − μ)` in norms (A8).

    It is the larger of the two, at the worst time: 1.5 times the effects of first order, the mean over starts of
    `v (κ_i/ε_i)^r`, `r = κ_j/κ_i`, times a function of r and of the time. Its order is `ς^{2(1−r)}`, but `ς^{(1−r)/r}`
    where r > ½ belongs to the h-th mode, and ς² with a logarithm for what does not grow. It is an estimate, no bound:
    of 200 random networks in the tests none has a larger error. As r goes to 1 it does not vanish with ς, but with 1/h.

    sigma: the teacher's singular values in decreasing order.  d_in, h, d_out: widths.  std_in, std_out: ς₁, ς₂ > 0.
    weight_decay: μ >= 0.
    Raises DomainError outside, and where every σ <= μ; ShapeError if sigma is not sorted.

    >>> round(start_error(np.array([1.0, 0.5]), d_in=3, h=4, d_out=3, std_in=1e-3, std_out=1e-3), 6)
    0.000252
    """
    sigma, decay = check_singular_value("sigma", sigma), one_nonnegative("weight_decay", weight_decay)
    h, d_in, d_out = whole("h", h), whole("d_in", d_in), whole("d_out", d_out)
    first, second = one_positive("std_in", std_in), one_positive("std_out", std_out)
    check_range(sigma, std_in=np.array(first), std_out=np.array(second))
    if sigma.ndim != 1 or (np.diff(sigma) > 0).any():
        raise ShapeError(f"sigma {sigma.shape}", "it is no list that decreases", "pass one value per mode, sorted")
    grows = sigma[sigma > decay]
    if not grows.size or float(start_variance(first, second)) < SMALLEST_VARIANCE:
        raise DomainError("sigma", "weight decay ends every mode, or the start underflows", "rescale units")
    start = small_start(grows.size, d_in=d_in, h=h, d_out=d_out, std_in=first, std_out=second)
    growth = grown(_times(grows - decay, start), grows, decay)
    loss, norm = limit_errors(growth, start, [grows]).max(axis=1)
    return float(max(loss / ((sigma**2).sum() / 2), norm / (grows - decay)[:h].sum()))  # A8


def _times(kappa: np.ndarray, start: SmallStart) -> np.ndarray:
    """The start, and times around which each mode is learned, from its strongest starts to its weakest."""
    found = [np.zeros(1)]
    for rate, seeds in zip(kappa, random_starts(start.variance, start.freedom).epsilon.T, strict=False):
        early, late = np.log(rate / seeds[-1]) - MARGIN, np.log(rate / seeds[0]) + MARGIN
        found.append(np.arange(max(early, 0.0), late, STEP) / (2 * rate))
    return np.concatenate(found)
