"""The formulas of E1, E2 and E3 in mpmath: the noise-robust optimum, annealing of label noise, mixing of tasks."""

from functools import partial
from typing import Any

import mpmath
import numpy as np

from overtraining.theory.precision.features import balanced, balanced_unlearned
from overtraining.theory.precision.form import Form, each
from overtraining.theory.precision.tuned import SHORT
from overtraining.theory.remedies import annealing, mixing, robust


def optimum(result: str, sigma: Any, a: Any, b: Any) -> Any:
    """`s = (σ − √ab)₊`, its weights in the ratio `w2²/w1² = a/b`, or its loss; a and b are the layers' costs (E1)."""
    root = mpmath.sqrt(a * b)
    s = max(sigma - root, 0)
    m = min(sigma, root)
    ratio = mpmath.sqrt(mpmath.sqrt(a / b))
    return {"s": s, "w1": mpmath.sqrt(s) / ratio, "w2": mpmath.sqrt(s) * ratio, "loss": m * (sigma - m / 2)}[result]


def excess(w1: Any, w2: Any, sigma: Any, a: Any, b: Any) -> Any:
    """The loss after noise, `½(σ − w1w2)² + ½(aw1² + bw2²)`, minus the least possible one (E1)."""
    return ((sigma - w1 * w2) ** 2 + a * w1**2 + b * w2**2) / 2 - optimum("loss", sigma, a, b)


def layer_ratio(gamma: Any, d_in: int, d_out: int) -> Any:
    """The root u of E2's implicit equation, by Newton's method in `z = −ln((d_out − d_in u)/(d_out − d_in))` (E2)."""
    end = mpmath.mpf(d_out) / d_in
    both = mpmath.mpf(1) / d_out + mpmath.mpf(1) / d_in

    def u(z: Any) -> Any:
        return end + (1 - end) * mpmath.exp(-z)

    def equation(z: Any) -> Any:
        return mpmath.log(u(z)) / d_out + both * z - 4 * gamma

    if gamma == 0:
        return mpmath.mpf(1)
    ends = sorted((mpmath.mpf(0), mpmath.log(end) / d_out))
    low, high = max((4 * gamma - ends[1]) / both, 0), (4 * gamma - ends[0]) / both
    z = (low + high) / 2
    for _ in range(2000):
        off = equation(z)
        low, high = (z, high) if off < 0 else (low, z)
        step = off / (both + (end - 1) * mpmath.exp(-z) / u(z) / d_out)
        if abs(step) <= abs(z) * mpmath.mpf(10) ** (30 - mpmath.mp.dps):
            return u(z - step)
        z = z - step if low < z - step < high else (low + high) / 2
    raise ArithmeticError(f"Newton's method does not converge to the ratio of the layers at {gamma}")


def spectrum(sigma: Any, noise: Any, gamma: Any, d_in: int, d_out: int) -> Any:
    """`(σ − γ²(d_in + d_out)√u/(1 + u))₊` (E2)."""
    u = layer_ratio(gamma, d_in, d_out)
    return max(sigma - noise * (d_in + d_out) * mpmath.sqrt(u) / (1 + u), 0)


def mixed(t: Any, budget: Any, sigma: Any, task: Any, epsilon: Any, task_share: Any) -> Any:
    """A3 toward `(1 − q)σ + qσ'` up to t, then toward σ' for the budget T (E3)."""
    return balanced(budget, task, balanced(t, (1 - task_share) * sigma + task_share * task, epsilon))


def best_task_share(t: Any, sigma: Any, task: Any, epsilon: Any) -> Any:
    """The share of the task with which pretraining ends nearest to σ', by bisection, then by secants (E3)."""

    def beyond(q: Any) -> Any:
        """How far pretraining ends beyond σ'."""
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


def tradeoff_task_share(budget: Any, sigma: Any, task: Any, replay_share: Any) -> Any:
    """The share with which fine-tuning ends at `v = ρσ + (1 − ρ)σ'`, or the nearer of 0 and 1 (E3)."""
    v = replay_share * sigma + (1 - replay_share) * task
    pole = v + (task - v) * mpmath.exp(2 * task * budget)
    if pole <= 0:
        return mpmath.mpf(0)
    return min(max((task * v / pole - sigma) / (task - sigma), 0), 1)


def stepped(online: bool, s1: Any, s2: Any, learning_rate: Any, noise: Any, batch: Any) -> Any:
    """The second of two modes, d_in = 3, d_out = 2, balanced: `(σ₂ − ½γ²Σ a F over its row and its column)₊` (E2f)."""
    factor = 1 + 1 / batch if online else 1
    none = mpmath.mpf(0)
    total = mpmath.mpf(0)
    for row, s in enumerate((s1, s2)):
        a = [1 / (1 - learning_rate * (s + z) * factor / 2) for z in (s1, s2, none)]
        g = mpmath.fsum(learning_rate * (s + z) * x for z, x in zip((s1, s2, none), a, strict=True)) / (2 * batch)
        own = a[1] + (mpmath.fsum(a) if row == 1 else 0)
        total += own / (1 - g) if online else own
    return max(s2 - learning_rate * noise**2 / (4 * batch) * total, none)


def _stepped(online: bool, *c: np.ndarray) -> Any:
    spectrum = annealing.stepped_spectrum(np.stack(c[:2], axis=-1), *c[2:], d_in=3, d_out=2, online=online)
    return np.asarray(spectrum)[..., 1]


FORMS = (
    *(
        Form(
            "E1",
            f"robust.layer_costs, {name}",
            lambda g1, g2, i=i: robust.layer_costs(g1, g2, d_in=3, d_out=2)[i],
            lambda g1, g2, i=i: (2 * g2**2, 3 * g1**2)[i],
        )
        for i, name in enumerate("ab")
    ),
    *(
        Form(
            "E1",
            f"robust.robust_optimum, {name}",
            lambda *c, name=name: getattr(robust.robust_optimum(*c), name),
            partial(optimum, name),
            SHORT,
        )
        for name in ("s", "w1", "w2", "loss")
    ),
    Form("E1", "robust.excess_over_robust", robust.excess_over_robust, excess, SHORT),
    Form(
        "E2",
        "annealing.accumulated_noise",
        each(lambda *c: np.max(annealing.accumulated_noise(c[:3], *c[3:]))),
        lambda x, y, z, nu, batch: (x**2 + y**2 + z**2) * nu**2 / (2 * batch),
    ),
    *(
        Form(
            "E2",
            f"annealing.{engine.__name__}, {d_in} × {d_out}",
            partial(engine, d_in=d_in, d_out=d_out),
            partial(truth, d_in=d_in, d_out=d_out),
            SHORT,
        )
        for d_in, d_out in ((1, 4), (64, 8))
        for engine, truth in ((annealing.layer_ratio, layer_ratio), (annealing.noisy_spectrum, spectrum))
    ),
    *(
        Form("E2", f"annealing.stepped_spectrum, {name}", partial(_stepped, online), partial(stepped, online), SHORT)
        for name, online in (("population", False), ("online", True))
    ),
    Form("E3", "mixing.mixed_value", mixing.mixed_value, mixed, SHORT),
    Form("E3", "mixing.best_task_share", mixing.best_task_share, best_task_share, (120, 240, 500)),
    Form("E3", "mixing.tradeoff_task_share", mixing.tradeoff_task_share, tradeoff_task_share, SHORT),
)
