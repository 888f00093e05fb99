"""C1: the inflection time of one mode, balanced or not, under equal or unequal noise on the two layers.

By B1 a mode of imbalance `λ = w₂² − w₁²` contributes `½(σ − p)² + ½(a w₁² + b w₂²)`, where a and b are the costs of the
noise on the two layers, equal or not (`robust.layer_costs`). With `w₁² + w₂² = R = √(λ² + 4p²)`, and λ constant, this
is `½(σ − p)² + ½cR + ¼(b − a)λ`: only the arithmetic mean c of the two costs (`noise.mode_cost`) moves with training,
so that unequal noise on the layers enters the inflection time through c alone. The turn is at `(σ − p) R = 2cp`, where
`(σ − p)√(1 + (λ/2p)²)` has fallen to c; it falls from ∞ at p = 0 to 0 at p = σ. At λ = 0 that is `p = σ − c`.
"""

import numpy as np
from scipy.optimize import elementwise

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite
from overtraining.setting.errors import NotSolved
from overtraining.theory.checks import check_epsilon, check_noise_cost, check_range, check_sigma


def inflection_time(sigma: Numbers, epsilon: Numbers, noise_cost: Numbers) -> Values:
    """Pretraining length from which a balanced mode hurts, `t = (1/2σ) ln[(σ/ε − 1)(σ − c)/c]` (claim C1).

    On the balanced aligned path a mode contributes `½(σ − s)² + c s` to the loss after noise; it helps until
    `s = σ − c`. The result is 0 where the mode only hurts (σ <= c, or the start is already past σ − c), and inf where
    it never hurts (c = 0, or a start at or above σ, from which s only falls). For layers of unequal norm:
    `unbalanced_inflection_time`.

    sigma: teacher's singular value > 0.  epsilon: start > 0.  noise_cost: c >= 0, `noise.mode_cost`. All broadcast.
    Gradient-flow time.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.

    >>> inflection_time([1.0, 1.0, 0.1], epsilon=1e-3, noise_cost=[0.2, 0.0, 0.2]).round(6).tolist()
    [4.146525, inf, 0.0]
    """
    sigma, epsilon, noise_cost = check_broadcast(
        sigma=check_sigma(sigma), epsilon=check_epsilon(epsilon), noise_cost=check_noise_cost(noise_cost)
    )
    check_range(sigma, epsilon=epsilon, noise_cost=noise_cost)
    gap = (sigma - noise_cost) - epsilon  # > 0 exactly where the mode helps at first
    with np.errstate(divide="ignore", over="ignore"):  # c = 0 gives the limit, inf
        ratio = sigma / epsilon
        # beyond 1.8e308 the difference of logarithms; below, it would lose digits where both are tiny
        growth = np.where(np.isinf(ratio), np.log(sigma) - np.log(epsilon), np.log(ratio))
        exponent = growth + np.log(np.where(gap > 0, gap, sigma)) - np.log(noise_cost)
    # ln(1 + (σ/ε)(σ − c − ε)/c) / 2σ keeps its relative accuracy where the time is short
    time = np.logaddexp(0.0, exponent) / (2 * sigma)  # C1
    time = np.where(gap > 0, time, 0.0)
    return np.where(epsilon >= sigma, np.inf, time)


def turning_product(sigma: Numbers, imbalance: Numbers, noise_cost: Numbers) -> Values:
    """The product `p = w₁w₂` up to which a mode of imbalance λ helps, `(σ − p)√(λ² + 4p²) = 2cp` (claim C1).

    At λ = 0 it is `σ − c`, or 0 where σ <= c. With any imbalance it is between 0 and σ, however strong the noise, and
    it rises with |λ| to σ, because the weights of a lazy mode grow little: `σ(1 − 2c/|λ|)` to leading order in 1/|λ|.

    sigma: teacher's singular value > 0.  imbalance: λ, of either sign.  noise_cost: c >= 0, `noise.mode_cost`.
    All broadcast.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast, NotSolved.
    Source: ours.

    >>> turning_product(1.0, imbalance=[0.0, 1.0, -100.0], noise_cost=0.2).round(6).tolist()
    [0.8, 0.828752, 0.996017]
    """
    sigma, imbalance, noise_cost = check_broadcast(
        sigma=check_sigma(sigma), imbalance=finite("imbalance", imbalance), noise_cost=check_noise_cost(noise_cost)
    )
    check_range(sigma, imbalance=imbalance, noise_cost=noise_cost)
    return _turn(sigma, imbalance, noise_cost)[0][()]  # C1


def unbalanced_inflection_time(
    sigma: Numbers, initial_product: Numbers, imbalance: Numbers, noise_cost: Numbers
) -> Values:
    """Pretraining length from which a mode of imbalance λ hurts, `ln[Ψ(p*)/Ψ(p₀)]/r` (claim C1).

    `Ψ(p) = (R + κ)/(σ − p)`, `κ = (λ² + 4σp)/r`, `r = √(λ² + 4σ²)`, is A4's clock, `d ln Ψ = r dt`; p* is
    `turning_product`. The result is 0 where the start is past the turn, and inf where the mode never hurts: c = 0, a
    start at or above σ, or a balanced start at or below 0, which ends in the saddle. At λ = 0 and a start above 0 it is
    `inflection_time`.

    sigma: teacher's singular value > 0.  initial_product: p₀, of either sign.  imbalance: λ, of either sign.
    noise_cost: c >= 0, `noise.mode_cost`. All broadcast. Gradient-flow time.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast, NotSolved.
    Source: ours.

    >>> unbalanced_inflection_time(1.0, 1e-3, imbalance=[0.0, 0.1, -10.0], noise_cost=0.2).round(6).tolist()
    [4.146525, 2.50225, 0.323836]
    """
    sigma, start, lam, cost = check_broadcast(
        sigma=check_sigma(sigma),
        initial_product=finite("initial_product", initial_product),
        imbalance=finite("imbalance", imbalance),
        noise_cost=check_noise_cost(noise_cost),
    )
    check_range(sigma, imbalance=lam, noise_cost=cost, initial_product=start)
    sigma, lam, cost, start = np.broadcast_arrays(sigma, lam, cost, start)
    p, rest = _turn(sigma, lam, cost)
    helps = start < p
    r = np.hypot(lam, 2 * sigma)
    p0 = np.where(helps, start, p)  # elsewhere the answer is 0 or inf, below
    norm, log_sum = _clock(p, rest, lam, sigma)
    norm0, log_sum0 = _clock(p0, sigma - p0, lam, sigma)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # c = 0: never; λ = 0: C1's own formula
        ratio = np.log(sigma - p0) - np.log(rest) + log_sum - log_sum0
        # Ψ(p)/Ψ(p₀) − 1 as p − p₀ times a sum, for a short time
        growth = 4 * ((p + p0) / (norm + norm0) + sigma / r) * ((sigma - p0) / rest)
        short = np.log1p((p - p0) * (1 / rest + growth * np.exp(-log_sum0)))
        time = np.where(ratio < np.log(2), short, ratio) / r  # C1
    time = np.where(lam == 0, inflection_time(sigma, np.where(start > 0, start, sigma), cost), time)
    stays = (cost == 0) | (start >= sigma) | ((lam == 0) & (start <= 0))
    return np.where(stays, np.inf, np.where(helps, time, 0.0))[()]


def _clock(p: Values, rest: Values, lam: Values, sigma: Values) -> tuple[Values, Values]:
    """R and ln(R + κ); where κ < 0 from `R² − κ² = (2λ(σ − p)/r)²`, because a difference would lose its digits."""
    r, norm = np.hypot(lam, 2 * sigma), np.hypot(lam, 2 * p)
    kappa = lam * (lam / r) + 2 * p * (2 * sigma / r)
    with np.errstate(divide="ignore", invalid="ignore"):  # λ = 0, which is C1's
        log_product = 2 * (np.log(np.abs(lam)) + np.log(2 * rest / r))
        log_sum = np.log(norm + np.abs(kappa))
        return norm, np.where(kappa < 0, log_product - log_sum, log_sum)


def _turn(sigma: np.ndarray, lam: np.ndarray, noise_cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p and σ − p at the turn, each to its own relative accuracy, from the log-odds of p/σ."""
    shape = np.broadcast_shapes(sigma.shape, lam.shape, noise_cost.shape)
    half, cost = np.broadcast_arrays(np.abs(lam) / sigma / 2, noise_cost / sigma)
    p, rest = np.array(np.maximum(1 - cost, 0.0)), np.array(np.minimum(cost, 1.0))
    inside = (half > 0) & (cost > 0)
    half, cost = half[inside], cost[inside]

    def excess(z: np.ndarray, half: np.ndarray, cost: np.ndarray) -> np.ndarray:
        """Logarithm of `(1 − p)√(1 + (λ/2p)²)` over the cost; falls with z = ln(p/(1 − p))."""
        slope = np.logaddexp(0, 2 * (np.log(half) + np.logaddexp(0, -z))) / 2
        return slope - np.logaddexp(0, z) - np.log(cost)

    # max(1, λ/2p) <= √(1 + (λ/2p)²) <= 1 + λ/2p, and both bounds can be solved for p
    low = np.log(np.maximum(1 - cost, half / (half + cost))) - np.log(np.minimum(cost, cost / (half + cost)))
    b = cost + half - 1
    root = np.hypot(b, 2 * np.sqrt(half))
    upper = np.where(b > 0, 2 * half / (root + np.abs(b)), (root + np.abs(b)) / 2)
    high = np.log(upper) - np.log(2 * cost / (1 + half + cost + root))
    slack = 1e-9 * (1 + np.abs(high))  # where the bounds meet, so that rounding leaves a bracket
    found = elementwise.find_root(excess, (low - slack, high + slack), args=(half, cost))
    if not np.all(found.success):
        raise NotSolved("the turn of an unbalanced mode", "its bracket was lost to rounding", "rescale units")
    p[inside] = np.exp(-np.logaddexp(0, -found.x))
    rest[inside] = np.exp(-np.logaddexp(0, found.x))
    return np.asarray(sigma * p.reshape(shape)), np.asarray(sigma * rest.reshape(shape))
