"""C1: the inflection time of one mode: when it stops helping the loss after noise, balanced or not.

By B1 a mode of imbalance `λ = w₂² − w₁²` contributes `½(σ − p)² + ½(a w₁² + b w₂²)`, where a and b are the costs of the
noise on the two layers, equal or not (`robust.layer_costs`). With `w₁² + w₂² = R = √(λ² + 4p²)`, and λ constant, this
is `½(σ − p)² + ½cR + ¼(b − a)λ`: only the arithmetic mean c of the two costs (`noise.mode_cost`) moves with training,
so that unequal noise on the layers enters the inflection time through c alone. The turn is at `(σ − p) R = 2cp`, where
`(σ − p)√(1 + (λ/2p)²)` has fallen to c; it falls from ∞ at p = 0 to 0 at p = σ. At λ = 0 that is `p = σ − c`.
"""

import numpy as np
from scipy.optimize import elementwise

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, normal_inverse, positive
from overtraining.setting.errors import NotSolved
from overtraining.theory.checks import check_range


def inflection_time(sigma: Numbers, epsilon: Numbers, c: Numbers) -> Values:
    """Pretraining length at which one mode starts to hurt, `t = (1/2σ) ln[(σ/ε − 1)(σ − c)/c]` (claim C1).

    On the balanced aligned path a mode contributes `½(σ − s)² + c s` to the loss after noise; it helps until
    `s = σ − c`. Beyond the formula's interior: 0 where it only hurts (σ <= c, or the start is already past σ − c),
    inf where it never hurts (c = 0, or a start at or above σ, from which s only comes down).
    Computed as `ln(1 + (σ/ε)(σ − c − ε)/c) / 2σ`, which keeps its relative accuracy where the time is short. Where the
    layers differ: `unbalanced_inflection_time`.

    sigma: teacher singular value > 0.  epsilon: start > 0.  c: price per singular value >= 0 (`noise.mode_cost`).
    Gradient-flow time. Raises DomainError outside and beyond 1e±75, ShapeError where arrays do not
    broadcast.

    >>> inflection_time([1.0, 1.0, 0.1], epsilon=1e-3, c=[0.2, 0.0, 0.2]).round(6).tolist()
    [4.146525, inf, 0.0]
    """
    sigma, epsilon, c = check_broadcast(
        sigma=positive("sigma", sigma, "leave out modes that the teacher does not have"),
        epsilon=normal_inverse("epsilon", epsilon, "start from a small positive number; 0 is a saddle"),
        c=nonnegative("c", c, "compute it with noise.mode_cost"),
    )
    check_range(sigma, epsilon=epsilon, c=c)
    gap = (sigma - c) - epsilon  # > 0 exactly where there is something to gain before the noise wins
    with np.errstate(divide="ignore", over="ignore"):  # c = 0 gives the limit, inf
        ratio = sigma / epsilon
        # beyond 1.8e308 the difference of logarithms; below, it would lose digits where both are tiny
        growth = np.where(np.isinf(ratio), np.log(sigma) - np.log(epsilon), np.log(ratio))
        exponent = growth + np.log(np.where(gap > 0, gap, sigma)) - np.log(c)
    time = np.logaddexp(0.0, exponent) / (2 * sigma)  # C1
    time = np.where(gap > 0, time, 0.0)
    return np.where(epsilon >= sigma, np.inf, time)


def turning_product(sigma: Numbers, imbalance: Numbers, c: Numbers) -> Values:
    """The product `p = w₁w₂` up to which a λ-unbalanced mode helps the loss after noise, `(σ−p)√(λ²+4p²) = 2cp` (C1).

    `σ − c`, or 0 where σ <= c, at λ = 0; always between 0 and σ with any imbalance, however strong the noise, and
    rising with |λ| to σ: lazy modes pay for little growth of their weights. `σ(1 − 2c/|λ|)` to leading order in 1/|λ|.

    sigma: teacher singular value > 0.  imbalance: λ, of either sign.  c: price per singular value >= 0
    (`noise.mode_cost`). Raises DomainError outside and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> turning_product(1.0, imbalance=[0.0, 1.0, -100.0], c=0.2).round(6).tolist()
    [0.8, 0.828752, 0.996017]
    """
    return _turn(*_checked_mode(sigma, imbalance, c))[0][()]  # C1


def unbalanced_inflection_time(sigma: Numbers, start: Numbers, imbalance: Numbers, c: Numbers) -> Values:
    """Pretraining length at which a λ-unbalanced mode starts to hurt, `ln[Ψ(p*)/Ψ(p₀)]/r` (claim C1).

    `Ψ(p) = (R + κ)/(σ − p)`, `κ = (λ² + 4σp)/r`, `r = √(λ² + 4σ²)`, is A4's clock, `d ln Ψ = r dt`; p* is
    `turning_product`. 0 where the start is past the turn; inf where it never hurts: c = 0, a start at or above σ, or a
    balanced start at or below 0, which ends in the saddle. At λ = 0 this is `inflection_time`.

    start: p₀, of either sign; the other arguments and errors as in `turning_product`. Gradient-flow time.
    Source: ours.

    >>> unbalanced_inflection_time(1.0, start=1e-3, imbalance=[0.0, 0.1, -10.0], c=0.2).round(6).tolist()
    [4.146525, 2.50225, 0.323836]
    """
    start = finite("start", start)
    sigma, lam, c = _checked_mode(sigma, imbalance, c, start=start)
    sigma, lam, c, start = np.broadcast_arrays(sigma, lam, c, start)
    p, rest = _turn(sigma, lam, c)
    helps = start < p
    r = np.hypot(lam, 2 * sigma)
    p0 = np.where(helps, start, p)  # elsewhere the answer is 0 or inf, below
    (norm, log_sum), (norm0, log_sum0) = _clock(p, rest, lam, sigma), _clock(p0, sigma - p0, lam, sigma)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # c = 0: never; λ = 0: C1's own formula
        ratio = np.log(sigma - p0) - np.log(rest) + log_sum - log_sum0
        # Ψ(p)/Ψ(p₀) − 1 as p − p₀ times a sum, for a short time
        growth = 4 * ((p + p0) / (norm + norm0) + sigma / r) * ((sigma - p0) / rest)
        short = np.log1p((p - p0) * (1 / rest + growth * np.exp(-log_sum0)))
        time = np.where(ratio < np.log(2), short, ratio) / r  # C1
    time = np.where(lam == 0, inflection_time(sigma, np.where(start > 0, start, sigma), c), time)
    stays = (c == 0) | (start >= sigma) | ((lam == 0) & (start <= 0))
    return np.where(stays, np.inf, np.where(helps, time, 0.0))[()]


def _clock(p: Values, rest: Values, lam: Values, sigma: Values) -> tuple[Values, Values]:
    """R and ln(R + κ); where κ < 0 from `R² − κ² = (2λ(σ − p)/r)²`, as a difference would lose it."""
    r, norm = np.hypot(lam, 2 * sigma), np.hypot(lam, 2 * p)
    kappa = lam * (lam / r) + 2 * p * (2 * sigma / r)
    with np.errstate(divide="ignore", invalid="ignore"):  # λ = 0, which is C1's
        log_product = 2 * (np.log(np.abs(lam)) + np.log(2 * rest / r))
        log_sum = np.log(norm + np.abs(kappa))
        return norm, np.where(kappa < 0, log_product - log_sum, log_sum)


def _turn(sigma: np.ndarray, lam: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p and σ − p at the turn, each to its own relative accuracy, from the log-odds of p/σ."""
    shape = np.broadcast_shapes(sigma.shape, lam.shape, c.shape)
    half, price = np.broadcast_arrays(np.abs(lam) / sigma / 2, c / sigma)
    p, rest = np.array(np.maximum(1 - price, 0.0)), np.array(np.minimum(price, 1.0))
    inside = (half > 0) & (price > 0)
    half, price = half[inside], price[inside]

    def excess(z: np.ndarray, half: np.ndarray, price: np.ndarray) -> np.ndarray:
        """Logarithm of `(1 − p)√(1 + (λ/2p)²)` over the price; falls with z = ln(p/(1 − p))."""
        slope = np.logaddexp(0, 2 * (np.log(half) + np.logaddexp(0, -z))) / 2
        return slope - np.logaddexp(0, z) - np.log(price)

    # max(1, λ/2p) <= √(1 + (λ/2p)²) <= 1 + λ/2p, and both bounds can be solved for p
    low = np.log(np.maximum(1 - price, half / (half + price))) - np.log(np.minimum(price, price / (half + price)))
    b = price + half - 1
    root = np.hypot(b, 2 * np.sqrt(half))
    upper = np.where(b > 0, 2 * half / (root + np.abs(b)), (root + np.abs(b)) / 2)
    high = np.log(upper) - np.log(2 * price / (1 + half + price + root))
    slack = 1e-9 * (1 + np.abs(high))  # where the bounds meet, so that rounding leaves a bracket
    found = elementwise.find_root(excess, (low - slack, high + slack), args=(half, price))
    if not np.all(found.success):
        raise NotSolved("the turn of an unbalanced mode", "its bracket was lost to rounding", "rescale units")
    p[inside], rest[inside] = np.exp(-np.logaddexp(0, -found.x)), np.exp(-np.logaddexp(0, found.x))
    return np.asarray(sigma * p.reshape(shape)), np.asarray(sigma * rest.reshape(shape))


def _checked_mode(sigma: Numbers, imbalance: Numbers, c: Numbers, **others: np.ndarray) -> tuple[np.ndarray, ...]:
    sigma, lam, c, *_ = check_broadcast(
        sigma=positive("sigma", sigma, "leave out modes that the teacher does not have"),
        imbalance=finite("imbalance", imbalance),
        c=nonnegative("c", c, "compute it with noise.mode_cost"),
        **others,
    )
    check_range(sigma, imbalance=lam, c=c, **others)
    return sigma, lam, c
