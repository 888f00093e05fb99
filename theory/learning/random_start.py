"""A8: two layers from small Gaussian weights: the mean over starts of every mode, as the weights' size goes to 0.

With independent entries of variances ς₁² (W1) and ς₂² (W2), what grows of mode i is `z_i = (W1 v_i + W2ᵀ u_i)/2`,
Gaussian of variance `v = (ς₁² + ς₂²)/4` per hidden unit. The stronger modes, once learned, stop what z_i shares with
them: mode i follows a balanced mode (A3) from the rest, `ε_i ~ v χ²_{h−i+1}`, independent of the others. Inputs of
variance ξ multiply the speed of learning by ξ: pass `ξ time` and `μ/ξ`.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import gammainccinv, gammaincinv, gammaln

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative, one_positive, positive
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_range, check_singular_value, check_time
from overtraining.theory.learning.balanced_mode import learned_and_unlearned

CUT = 1e-20  # probability of the starts that either end of the quadrature leaves out
SMALLEST_VARIANCE = 1e-150  # ε, the product of it and a χ² above 1e-40, then stays within the range of A3


class RandomStarts(NamedTuple):
    """A quadrature: starts ε of every mode and their weights, (node, mode). A mean is `Σ weight g(epsilon)`."""

    epsilon: Float[np.ndarray, "node mode"]
    weight: Float[np.ndarray, "node mode"]


class MeanMode(NamedTuple):
    """Means over starts: `E s`, `E s²`, `E (σ − s)²`, and `E (ε/E ε) s`, for what is measured in units of the start."""

    learned: Values
    learned_squared: Values
    unlearned_squared: Values
    weighted: Values


def mean_mode(
    time: Numbers, sigma: Numbers, variance: Numbers, freedom: Numbers, weight_decay: Numbers = 0.0
) -> MeanMode:
    """Means over `ε = v χ²_k` of a balanced mode and its square: `E s(t; ε)`, `E s²`, `E (σ − s)²`, `E (ε/E ε) s` (A8).

    By the trapezoidal rule in ln χ², which converges exponentially: `E s` and `E s²` to 1e-12, the third mean within
    1e-12 of σ² and the last within 1e-12 of σ.

    time, sigma, weight_decay: as in `balanced_mode.singular_value`.  variance: v >= 1e-150, `start_variance`.
    freedom: k, a whole number from 1: `h − i + 1` for the i-th mode. All broadcast.
    Raises DomainError outside, ShapeError where the arrays do not broadcast.
    Source: ours; the law of ε is Bartlett's decomposition.

    >>> mean_mode([0.0, 3.0, 60.0], sigma=1.0, variance=1e-3, freedom=2).learned.round(6).tolist()
    [0.002, 0.363244, 1.0]
    """
    time, sigma, variance, k, decay = np.broadcast_arrays(*_checked(time, sigma, variance, freedom, weight_decay))
    means = np.empty((4, *time.shape))
    for dof in np.unique(k).tolist():
        here = k == dof
        chi2, weights = _nodes(dof)
        epsilon = variance[here][:, None] * chi2
        s, unlearned = learned_and_unlearned(time[here][:, None], sigma[here][:, None], epsilon, decay[here][:, None])
        for which, values in enumerate((s, s**2, unlearned**2, s * (chi2 / dof))):
            means[which, here] = np.asarray(values) @ weights
    return MeanMode(*(mean[()] for mean in means))  # A8


def random_starts(variance: float, freedom: Numbers) -> RandomStarts:
    """Starts at which any function of a mode's start has its mean, `E g(ε) = Σ w g(ε)` over `ε = v χ²_k` (A8).

    By the trapezoidal rule in ln χ², which converges exponentially for functions that are smooth in ln ε.

    variance: v >= 1e-150.  freedom: k, a whole number from 1, one for every mode.
    Raises DomainError outside, ShapeError where freedom is no list.

    >>> starts = random_starts(1e-3, np.array([2, 1]))
    >>> (starts.weight * starts.epsilon).sum(axis=0).round(9).tolist()
    [0.002, 0.001]
    """
    v = one_positive("variance", variance)
    k = _checked(0.0, 1.0, v, freedom, 0.0)[3]
    if k.ndim != 1:
        raise ShapeError(f"freedom of shape {k.shape}", "it is no list", "pass one number per mode")
    most = max((_nodes(dof)[0].size for dof in k.tolist()), default=0)
    nodes = [_nodes(dof, most) for dof in k.tolist()]
    return RandomStarts(v * np.stack([n[0] for n in nodes], axis=1), np.stack([n[1] for n in nodes], axis=1))


def start_variance(std_in: Numbers, std_out: Numbers) -> Values:
    """`v = (ς₁² + ς₂²)/4`: variance, per hidden unit, of what grows of a mode of weights of these deviations (A8).

    Broadcasts; both > 0. Raises DomainError, ShapeError.

    >>> float(start_variance(0.2, 0.2).round(3))
    0.02
    """
    first, second = check_broadcast(std_in=positive("std_in", std_in), std_out=positive("std_out", std_out))
    check_range(np.ones(1), std_in=np.asarray(first), std_out=np.asarray(second))
    return (first**2 + second**2) / 4  # A8


def _checked(time: Any, sigma: Any, variance: Any, freedom: Any, weight_decay: Any) -> tuple[np.ndarray, ...]:
    checked = check_broadcast(
        time=check_time("time", time),
        sigma=check_singular_value("sigma", sigma),
        variance=positive("variance", variance),
        freedom=positive("freedom", freedom),
        weight_decay=nonnegative("weight_decay", weight_decay),
    )
    if (checked[3] % 1).any():
        raise DomainError("freedom", "it counts hidden directions, and must be whole", "pass h − i + 1 for mode i")
    if (checked[2] < SMALLEST_VARIANCE).any():
        raise DomainError("variance", "it is below 1e-150, and starts would underflow", "rescale units")
    check_range(checked[1], variance=np.asarray(checked[2] * checked[3]))
    return checked


@lru_cache(maxsize=512)
def _nodes(freedom: float, least: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Values of χ²_k and their weights, which add up to 1: equal steps in its logarithm, at `least` so many.

    The density in `y = ln χ²`, `e^{ky/2 − e^y/2}`, is analytic; its width is 2 at k = 1 and `√(2/k)` for large k.
    """
    low, high = (float(np.log(2 * inverse(freedom / 2, CUT))) for inverse in (gammaincinv, gammainccinv))
    y = np.linspace(low, high, max(least, 2 + int((high - low) / min(0.25, 0.5 * (2 / freedom) ** 0.5))))
    log_density = freedom / 2 * (y - np.log(2)) - np.exp(y) / 2 - gammaln(freedom / 2)
    weights = np.exp(log_density)
    return np.exp(y), weights / weights.sum()
