"""E1: the weights that withstand noise best, those of weight decay per layer, and the excess of other weights."""

from dataclasses import dataclass

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, whole
from overtraining.theory.checks import check_layer_costs
from overtraining.theory.products import product, refuse_overflow


def layer_costs(gamma_1: Numbers, gamma_2: Numbers, *, d_in: int, d_out: int) -> tuple[Values, Values]:
    """The costs of noise per unit of `½‖W1‖²` and `½‖W2‖²`: `a = γ₂² d_out`, `b = γ₁² d_in` (claims B1, E1).

    These are also the weight decays, a on W1 and b on W2, whose minimum is the one of the loss after noise.
    `noise.mode_cost` is their arithmetic mean.

    gamma_1, gamma_2: standard deviations of the noise on the entries of W1, W2, >= 0.  d_in, d_out: widths. Whitened
    inputs. Raises DomainError outside the domain and where a cost overflows, ShapeError where they do not broadcast.

    >>> [float(cost) for cost in layer_costs(0.5, 0.25, d_in=4, d_out=8)]
    [0.5, 1.0]
    """
    gamma_1, gamma_2 = np.broadcast_arrays(
        *check_broadcast(gamma_1=nonnegative("gamma_1", gamma_1), gamma_2=nonnegative("gamma_2", gamma_2))
    )
    d_in, d_out = whole("d_in", d_in), whole("d_out", d_out)
    cost_1 = refuse_overflow("the cost of noise on W2", lambda: product(d_out, gamma_2, gamma_2))
    cost_2 = refuse_overflow("the cost of noise on W1", lambda: product(d_in, gamma_1, gamma_1))
    return cost_1, cost_2


@dataclass(frozen=True)
class RobustOptimum:
    """Each mode of the noise-robust optimum: its singular value `s = w1 w2`, its two weights, and its part of the loss.

    The loss after noise there is the sum of `loss` over the modes, plus B1's constant `½γ₁²γ₂² d_out h d_in`.
    """

    s: Values
    w1: Values
    w2: Values
    loss: Values


def robust_optimum(sigma: Numbers, cost_1: Numbers, cost_2: Numbers) -> RobustOptimum:
    """The minimizer of the loss after noise, `s = (σ − κ)₊`, `κ = √(ab)`, `w2²/w1² = a/b` (claim E1).

    It lowers every singular value by the GEOMETRIC mean of the two layers' costs and gives the larger weights to the
    layer with the smaller cost; its loss is `m(σ − m/2)`, `m = min(σ, κ)`. It is global among all weights with enough
    hidden units for the modes above κ, aligned or not, and it is the optimum of weight decay a on W1 and b on W2. The
    same loss with `κ = c = ½(a + b)` is the least that any early stopping on the balanced path can have: larger unless
    a = b.

    sigma: teacher's singular value >= 0.  cost_1, cost_2: a, b of `layer_costs`, > 0 (if only one layer is noisy the
    loss after noise has no minimum: it falls as the other layer shrinks). All broadcast.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours; the variational form of the nuclear norm: Srebro, Rennie, Jaakkola 2004.

    >>> best = robust_optimum([2.0, 0.5], cost_1=4.0, cost_2=0.25)
    >>> best.s.tolist(), best.loss.tolist(), float(best.w2[0] / best.w1[0])
    ([1.0, 0.0], [1.5, 0.125], 4.0)
    """
    sigma, cost_1, cost_2 = check_layer_costs(sigma, cost_1, cost_2)
    mean = np.sqrt(cost_1) * np.sqrt(cost_2)  # κ
    s = np.maximum(sigma - mean, 0.0)
    m = np.minimum(sigma, mean)
    root = np.sqrt(s)
    tilt = np.sqrt(np.sqrt(cost_1) / np.sqrt(cost_2))
    return RobustOptimum(s[()], (root / tilt)[()], (root * tilt)[()], (m * (sigma - m / 2))[()])  # E1


def excess_over_robust(w1: Numbers, w2: Numbers, sigma: Numbers, cost_1: Numbers, cost_2: Numbers) -> Values:
    """How much one aligned mode's loss after noise is above the optimum's (claim E1), a sum of terms >= 0.

    `½(p − s*)² + ½(√a|w1| − √b|w2|)² + κ|p| − m p`, `p = w1 w2`, `s* = (σ − κ)₊`, `m = min(σ, κ)`: the first for
    learning too much or too little, the second for a ratio of the layers that is not the best, and the rest for modes
    that should not be learned. On the balanced path, `w1 = w2 = √s`, it is `½(s − s*)² + (c − m)s` with `c = ½(a + b)`.

    w1, w2: the mode's weights, of either sign; other arguments and errors as in `robust_optimum`.
    Source: ours.

    >>> excess_over_robust([1.0, 2.0], [4.0, 2.0], sigma=5.0, cost_1=4.0, cost_2=0.25).tolist()
    [0.0, 4.5]
    """
    w1, w2 = finite("w1", w1), finite("w2", w2)
    sigma, cost_1, cost_2 = check_layer_costs(sigma, cost_1, cost_2, w1=w1, w2=w2)
    mean = np.sqrt(cost_1) * np.sqrt(cost_2)  # κ
    p = w1 * w2
    m = np.minimum(sigma, mean)
    difference = np.sqrt(cost_1) * np.abs(w1) - np.sqrt(cost_2) * np.abs(w2)
    idle = np.where(p > 0, (mean - m) * p, (mean + m) * -p)
    best = np.maximum(sigma - mean, 0.0)
    return refuse_overflow("the excess", lambda: ((p - best) ** 2 + difference**2) / 2 + idle)[()]  # E1
