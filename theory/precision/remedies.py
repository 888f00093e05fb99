"""E1, E2 and E3 with many digits: the noise-robust optimum, noisy labels and their annealing, mixing."""

from functools import partial
from typing import Any

import mpmath
import numpy as np

from overtraining.theory.precision.features import balanced, balanced_unlearned
from overtraining.theory.precision.form import Form, each
from overtraining.theory.precision.tuned import SHORT
from overtraining.theory.remedies import annealing, mixing, robust


def optimum(which: str, sigma: Any, a: Any, b: Any) -> Any:
    """`(σ − √ab)₊`, its weights in the ratio `w2²/w1² = a/b`, and its loss (E1)."""
    root = mpmath.sqrt(a * b)
    s, m = max(sigma - root, 0), min(sigma, root)
    tilted = mpmath.sqrt(mpmath.sqrt(a / b))
    return {"s": s, "w1": mpmath.sqrt(s) / tilted, "w2": mpmath.sqrt(s) * tilted, "loss": m * (sigma - m / 2)}[which]


def excess(w1: Any, w2: Any, sigma: Any, a: Any, b: Any) -> Any:
    """The loss after noise, `½(σ − w1w2)² + ½(aw1² + bw2²)`, less the optimum's (E1)."""
    return ((sigma - w1 * w2) ** 2 + a * w1**2 + b * w2**2) / 2 - optimum("loss", sigma, a, b)


def tilt(gamma: Any, d_in: int, d_out: int) -> Any:
    """The root u of E2's implicit equation, by Newton's method in `ln((d_out − d_in u)/(d_out − d_in))` (E2)."""
    end, both = mpmath.mpf(d_out) / d_in, mpmath.mpf(1) / d_out + mpmath.mpf(1) / d_in
    u = lambda left: end + (1 - end) * mpmath.exp(-left)
    clock = lambda left: mpmath.log(u(left)) / d_out + both * left - 4 * gamma
    if gamma == 0:
        return mpmath.mpf(1)
    ends = sorted((mpmath.mpf(0), mpmath.log(end) / d_out))
    low, high = max((4 * gamma - ends[1]) / both, 0), (4 * gamma - ends[0]) / both
    left = (low + high) / 2
    for _ in range(2000):
        off = clock(left)
        low, high = (left, high) if off < 0 else (low, left)
        step = off / (both + (end - 1) * mpmath.exp(-left) / u(left) / d_out)
        if abs(step) <= abs(left) * mpmath.mpf(10) ** (30 - mpmath.mp.dps):
            return u(left - step)
        left = left - step if low < left - step < high else (low + high) / 2
    raise ArithmeticError("no tilt")


def spectrum(sigma: Any, noise: Any, gamma: Any, d_in: int, d_out: int) -> Any:
    """`(σ − γ²(d_in + d_out)√u/(1 + u))₊` (E2)."""
    u = tilt(gamma, d_in, d_out)
    return max(sigma - noise * (d_in + d_out) * mpmath.sqrt(u) / (1 + u), 0)


def mixed(t: Any, time: Any, sigma: Any, task: Any, epsilon: Any, share: Any) -> Any:
    """A3 toward `(1 − q)σ + qσ'` for t, then toward σ' for T (E3)."""
    return balanced(time, task, balanced(t, (1 - share) * sigma + share * task, epsilon))


def best(t: Any, sigma: Any, task: Any, epsilon: Any) -> Any:
    """Where pretraining on the mixture ends nearest to σ', by bisection, then by secants (E3)."""

    def beyond(q: Any) -> Any:
        mixture = (1 - q) * sigma + q * task
        return (1 - q) * (sigma - task) - balanced_unlearned(t, mixture, epsilon)

    none, everything = beyond(mpmath.mpf(0)), beyond(mpmath.mpf(1))
    if none * everything >= 0:
        return mpmath.mpf(int(abs(everything) < abs(none)))
    low, high, sign = mpmath.mpf(0), mpmath.mpf(1), mpmath.sign(none)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if sign * beyond(middle) > 0 else (low, middle)
    at = beyond(low), beyond(high)
    while at[0] != at[1]:
        step = at[1] * (high - low) / (at[1] - at[0])
        low, high = high, high - step
        if abs(step) <= high * mpmath.mpf(10) ** (30 - mpmath.mp.dps):
            break
        at = at[1], beyond(high)
    return high


def trade_share(time: Any, sigma: Any, task: Any, keep: Any) -> Any:
    """The share whose end of pretraining the flow brings to v, or the nearer of 0 and 1 (E3)."""
    v = keep * sigma + (1 - keep) * task
    pole = v + (task - v) * mpmath.exp(2 * task * time)
    if pole <= 0:
        return mpmath.mpf(0)
    return min(max((task * v / pole - sigma) / (task - sigma), 0), 1)


FORMS = (
    *(Form("E1", f"robust.layer_costs, {name}", lambda g1, g2, i=i: robust.layer_costs(g1, g2, d_in=3, d_out=2)[i],
           lambda g1, g2, i=i: (2 * g2**2, 3 * g1**2)[i]) for i, name in enumerate("ab")),
    *(Form("E1", f"robust.robust_optimum, {name}", lambda *c, name=name: getattr(robust.robust_optimum(*c), name),
           partial(optimum, name), SHORT) for name in ("s", "w1", "w2", "loss")),
    Form("E1", "robust.excess_over_robust", robust.excess_over_robust, excess, SHORT),
    Form("E2", "annealing.accumulated_noise", each(lambda *c: np.max(annealing.accumulated_noise(c[:3], *c[3:]))),
         lambda x, y, z, nu, batch: (x**2 + y**2 + z**2) * nu**2 / (2 * batch)),
    *(Form("E2", f"annealing.{engine.__name__}, {d_in} × {d_out}", partial(engine, d_in=d_in, d_out=d_out),
           partial(truth, d_in=d_in, d_out=d_out), SHORT)
      for d_in, d_out in ((1, 4), (64, 8))
      for engine, truth in ((annealing.layer_ratio, tilt), (annealing.noisy_spectrum, spectrum))),
    Form("E3", "mixing.mixed_value", mixing.mixed_value, mixed, SHORT),
    Form("E3", "mixing.best_task_share", mixing.best_task_share, best, (120, 240, 500)),
    Form("E3", "mixing.tradeoff_task_share", mixing.tradeoff_task_share, trade_share, SHORT),
)  # fmt: skip
