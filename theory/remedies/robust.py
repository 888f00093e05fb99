"""E1: the weights that bear noise best are those of weight decay per layer, and how far other weights are from them."""

from dataclasses import dataclass

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, positive, whole
from overtraining.theory.checks import check_range
from overtraining.theory.products import product, refuse_overflow


def layer_costs(gamma_1: Numbers, gamma_2: Numbers, *, d_in: int, d_out: int) -> tuple[Values, Values]:
    """What noise charges for `½‖W1‖²` and `½‖W2‖²`: `a = γ₂² d_out`, `b = γ₁² d_in` (claims B1, E1).

    These are also the weight decays, a on W1 and b on W2, whose minimum is the one of the loss after noise.
    `noise.mode_cost` is their arithmetic mean.

    gamma_1, gamma_2: standard deviations of the noise on the entries of W1, W2, >= 0. Whitened inputs.
    Raises DomainError outside and where a price overflows, ShapeError where they do not broadcast.

    >>> [float(price) for price in layer_costs(0.5, 0.25, d_in=4, d_out=8)]
    [0.5, 1.0]
    """
    given = check_broadcast(gamma_1=nonnegative("gamma_1", gamma_1), gamma_2=nonnegative("gamma_2", gamma_2))
    gamma_1, gamma_2 = np.broadcast_arrays(*given)
    d_in, d_out = whole("d_in", d_in), whole("d_out", d_out)
    on_w1 = refuse_overflow("the price of W1", lambda: product(d_out, gamma_2, gamma_2))
    return on_w1, refuse_overflow("the price of W2", lambda: product(d_in, gamma_1, gamma_1))


@dataclass(frozen=True)
class RobustOptimum:
    """Each mode of the noise-robust optimum: its singular value `s = w1 w2`, its two weights, and its part of the loss.

    The loss after noise there is the sum of `loss` over the modes, plus B1's constant `½γ₁²γ₂² d_out h d_in`.
    """

    s: Values
    w1: Values
    w2: Values
    loss: Values


def robust_optimum(sigma: Numbers, a: Numbers, b: Numbers) -> RobustOptimum:
    """The minimizer of the loss after noise, `s = (σ − κ)₊`, `κ = √(ab)`, `w2²/w1² = a/b` (claim E1).

    It soft-thresholds at the GEOMETRIC mean of the two layers' prices and puts the weights where they are cheap; its
    loss is `m(σ − m/2)`, `m = min(σ, κ)`. It is global among all weights with enough hidden units for the modes above
    κ, aligned or not, and the optimum of weight decay a on W1, b on W2. The same loss at `κ = c = ½(a + b)` is the
    least that any stop on the balanced path can have: larger unless a = b.

    sigma: teacher singular value >= 0.  a, b: `layer_costs`, > 0 (if only one layer is noisy the loss after noise has
    no minimum: it falls as that layer's partner shrinks).  All broadcast. Raises DomainError outside and beyond 1e±75,
    ShapeError where arrays do not broadcast.
    Source: ours; the variational form of the nuclear norm: Srebro, Rennie, Jaakkola 2004.

    >>> best = robust_optimum([2.0, 0.5], a=4.0, b=0.25)
    >>> best.s.tolist(), best.loss.tolist(), float(best.w2[0] / best.w1[0])
    ([1.0, 0.0], [1.5, 0.125], 4.0)
    """
    sigma, a, b = _checked(sigma, a, b)
    root = np.sqrt(a) * np.sqrt(b)
    s, m, tilt = np.maximum(sigma - root, 0.0), np.minimum(sigma, root), np.sqrt(np.sqrt(a) / np.sqrt(b))
    weight = np.sqrt(s)
    return RobustOptimum(s[()], (weight / tilt)[()], (weight * tilt)[()], (m * (sigma - m / 2))[()])  # E1


def excess_over_robust(w1: Numbers, w2: Numbers, sigma: Numbers, a: Numbers, b: Numbers) -> Values:
    """How much one aligned mode's loss after noise is above the optimum's (claim E1), a sum of terms >= 0.

    `½(p − s*)² + ½(√a|w1| − √b|w2|)² + κ|p| − m p`, `p = w1 w2`, `s* = (σ − κ)₊`, `m = min(σ, κ)`: what is learned too
    much or too little, what the wrong balance of the layers costs, and what modes not worth learning cost. On the
    balanced path, `w1 = w2 = √s`, it is `½(s − s*)² + (c − m)s` with `c = ½(a + b)`.

    w1, w2: the mode's weights, of either sign; the others and the errors as in `robust_optimum`.
    Source: ours.

    >>> excess_over_robust([1.0, 2.0], [4.0, 2.0], sigma=5.0, a=4.0, b=0.25).tolist()
    [0.0, 4.5]
    """
    w1, w2 = finite("w1", w1), finite("w2", w2)
    sigma, a, b = _checked(sigma, a, b, w1=w1, w2=w2)
    root, p = np.sqrt(a) * np.sqrt(b), w1 * w2
    m = np.minimum(sigma, root)
    tilted = np.sqrt(a) * np.abs(w1) - np.sqrt(b) * np.abs(w2)
    idle = np.where(p > 0, (root - m) * p, (root + m) * -p)
    learned = np.maximum(sigma - root, 0.0)
    return refuse_overflow("the excess", lambda: ((p - learned) ** 2 + tilted**2) / 2 + idle)[()]  # E1


def _checked(sigma: Numbers, a: Numbers, b: Numbers, **others: np.ndarray) -> tuple[np.ndarray, ...]:
    why = "compute it with layer_costs, for noise on both layers"
    sigma, a, b, *_ = check_broadcast(
        sigma=nonnegative("sigma", sigma), a=positive("a", a, why), b=positive("b", b, why), **others
    )
    check_range(sigma, a=a, b=b, **others)
    return sigma, a, b
