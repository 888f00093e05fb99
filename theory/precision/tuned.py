"""The formulas of D1 to D7 in mpmath: fine-tuning of modes, its cost, its best learning rate and budget, remedies."""

from functools import partial
from typing import Any

import mpmath
import numpy as np

from overtraining.setting.arrays import Values
from overtraining.theory.fine_tuning import (
    label_noise,
    mixed_target,
    noisy_task,
    plateau_depth,
    plateaus,
    shared_task,
    stability,
    tuned_flow,
)
from overtraining.theory.learning.matrix_modes import Modes
from overtraining.theory.precision.features import layer, spread, unbalanced
from overtraining.theory.precision.form import Form, each
from overtraining.theory.precision.matrices import needed, solved
from overtraining.theory.precision.sensitivity import norm, square
from overtraining.theory.remedies import anchored, tradeoff

SHORT = (120, 240, 500, 1000, 2000)  # for differences of numbers that are nearly equal
SHAPE = (2, 2, 2)


def tuned_value(budget: Any, s: Any, sigma_task: Any, lam: Any = 0) -> Any:
    """The product x of a mode after T; a change of sign of w2, σ' and s leaves the flow as it is (D1)."""
    if sigma_task < 0:
        return -unbalanced(budget, -sigma_task, -s, lam)
    return unbalanced(budget, sigma_task, s, lam)


def tuned_unlearned(budget: Any, s: Any, sigma_task: Any, lam: Any = 0) -> Any:
    """`σ' − x` (D1)."""
    return sigma_task - tuned_value(budget, s, sigma_task, lam)


def distance(budget: Any, s: Any, sigma_task: Any, lam: Any) -> Any:
    """`√(Δw₁² + Δw₂²)` (D1)."""
    sign = -1 if sigma_task < 0 else 1
    after, before = ([layer(i, t, abs(sigma_task), sign * s, lam) for i in (1, 2)] for t in (budget, mpmath.mpf(0)))
    return mpmath.hypot(*(w - w0 for w, w0 in zip(after, before, strict=True)))


def fine_tuned(result: str, *point: Any) -> Any:
    """`A − f`, or `½‖f − B‖²`, by the textbook A5: (t, λ; s; u, v, B; A) (D1).

    `½‖f − A‖²` is left out: where it is 0, it is of second order in the inputs and has no condition number.
    """
    f, task_unlearned, _ = solved(mpmath.mp.dps, SHAPE, tuple(point[:-4]))
    if result == "downstream":
        return norm(task_unlearned) / 2
    return list(square(*point[-4:]) - f)


def overshoot_length(budget: Any, sigma: Any, sigma_task: Any, epsilon: Any) -> Any:
    """`(1/2σ) ln[(σ/ε − 1)σ'/((σ' − σ)(e^{2σ'T} − 1))]`, or 0 (D2)."""
    odds = (sigma / epsilon - 1) * sigma_task / ((sigma_task - sigma) * mpmath.expm1(2 * sigma_task * budget))
    return max(mpmath.log(odds), 0) / (2 * sigma)


def forgetting_cost(budget: Any, s: Any, sigma: Any, sigma_task: Any) -> Any:
    """`½(σ − x)² − ½(σ − s)²` (D3)."""
    return ((sigma - tuned_value(budget, s, sigma_task)) ** 2 - (sigma - s) ** 2) / 2


def growth(feature: int, *point: Any) -> Any:
    """`(Δ_{n+1} − Δ_n)/T²`, two features, 2 × 2: (σ₁, σ₂; B₁₁, B₁₂, B₂₁, B₂₂) (D4)."""
    s1, s2, b11, x, y, b22 = point
    if feature == 1:
        return 2 * s1**2 * (b11 - s1) ** 2 + s1**2 * (x**2 + y**2) / 2 - s1 * s2 * x * y
    return 2 * s2**2 * (b22 - s2) ** 2 + ((s1 + s2) ** 2 - s1**2) * (x**2 + y**2) / 2 + s1 * s2 * x * y


def plateau_checkpoint(result: int, s1: Any, s2: Any, epsilon: Any) -> Any:
    """The length of plateau 1 of two features, or both singular values there (D4)."""
    a1, a2 = s1 / epsilon - 1, s2 / epsilon - 1
    length = max(mpmath.log(a1 * a2) / (2 * (s1 + s2)), 0)
    if result == 0:
        return length
    return [s / (1 + a * mpmath.exp(-2 * s * length)) for s, a in ((s1, a1), (s2, a2))][result - 1]


def hurting_ratio(budget: Any, s1: Any, s2: Any, v: Any) -> Any:
    """`T²[v(4σ₁/σ₂ + d_in + d_out + 2) + 4σ₂²]`, d_in = 3, d_out = 2 (D4)."""
    return budget**2 * (v * (4 * s1 / s2 + 7) + 4 * s2**2)


def safe_budget(s1: Any, s2: Any, b: Any) -> Any:
    """The root of `bT(1 + σ₁T) = ¼√(σ₂/σ₁)` (D4)."""
    return (mpmath.sqrt(b**2 + s1 * b * mpmath.sqrt(s2 / s1)) - b) / (2 * s1 * b)


def excess(online: bool, s1: Any, s2: Any, learning_rate: Any, noise: Any, batch: Any) -> Any:
    """`½ν²Σ_i G_i/(1 − G_i)`, or `½ν²ΣG_i`; two modes, d_in = 3, d_out = 2 (D5)."""
    total = mpmath.mpf(0)
    for i in (s1, s2):
        k = [learning_rate * (i + j) for j in (s1, s2, mpmath.mpf(0))]
        g = mpmath.fsum(x / (batch * (2 - x * (1 + 1 / batch if online else 1))) for x in k)
        total += g / (1 - g) if online else g
    return noise**2 / 2 * total


def noisy_turn(s: Any, other: Any, time: Any) -> Any:
    """ψ of the first of two modes; d_in = 3, d_out = 2, so that one direction of the inputs has no mode (D5t)."""
    q = [mpmath.exp(-2 * value * time) for value in (s, other)]
    pairs = mpmath.fsum(
        (s + z) * (q[0] * (1 - qz) / z + qz * (1 - q[0]) / s) for z, qz in zip((s, other), q, strict=True)
    )
    return (1 - q[0]) * (1 - 2 * q[0]) - pairs - (1 - q[0] + 2 * s * time * q[0]) / 2


def noisy_inflection(s: Any, other: Any, gamma: Any, time: Any) -> Any:
    """`σ'p/(p + (σ' − p)e^{2σ'T})`, `p = σ' + γ²ψ`: the flow without noise, backward in time (D5t)."""
    end = s + gamma**2 * noisy_turn(s, other, time)
    return s * end / (end + (s - end) * mpmath.exp(2 * s * time))


def learning_rate(deviation: Any, sigma_task: Any, steps: Any, noise: Any) -> Any:
    """`[ln(4σ'Ne²/v)]₊/(4σ'N)` (D6)."""
    return max(mpmath.log(4 * sigma_task * steps * deviation**2 / noise), 0) / (4 * sigma_task * steps)


def best_budget(s: Any, sigma: Any, task: Any, old_task_weight: Any) -> Any:
    """`ln[1 + σ'(v − s)/(s(σ' − v))]/2σ'`, 0 if the flow leads away from v, which lies before σ' on its way (D6)."""
    best = old_task_weight * sigma + (1 - old_task_weight) * task
    if (best - s) * (task - s) <= 0:
        return mpmath.mpf(0)
    return mpmath.log(1 + task * (best - s) / (s * (task - best))) / (2 * task)


def anchored_root(w: Any, sigma: Any, lam: Any) -> Any:
    """The positive root of `x³ + (λ − σ')x − λw`, by Newton's method from above (D7)."""
    if lam == 0:
        return mpmath.sqrt(max(sigma, 0))
    x = mpmath.cbrt(lam * w) + mpmath.sqrt(abs(sigma)) + w  # above the root, where the cubic is positive and convex
    for _ in range(10_000):
        step = (x**3 + (lam - sigma) * x - lam * w) / (3 * x**2 + lam - sigma)
        x -= step
        if abs(step) <= x * mpmath.mpf(10) ** (8 - mpmath.mp.dps):
            return x
    raise ArithmeticError(f"Newton's method does not converge to the root for w = {w}")


def anchored_after(budget: Any, w: Any, sigma: Any, lam: Any) -> Any:
    """x at which `∫ dx/(−P)`, by all roots of P, is the budget: bisection in ln z, `x = r + (w − r)e^{−z}` (D7)."""
    r = anchored_root(w, sigma, lam)
    half = mpmath.sqrt(mpmath.mpc(r * r / 4 - lam * w / r))
    roots = (r, -r / 2 + half, -r / 2 - half)
    rates = [3 * root**2 + lam - sigma for root in roots]

    def passed(z: Any) -> Any:
        x = w - (r - w) * mpmath.expm1(-z)
        others = zip(roots[1:], rates[1:], strict=True)
        return z / rates[0] - mpmath.re(sum(mpmath.log((x - root) / (w - root)) / rate for root, rate in others))

    low, high = mpmath.mpf(-400), mpmath.mpf(8)
    for _ in range(int(3.4 * mpmath.mp.dps) + 12):
        middle = (low + high) / 2
        low, high = (middle, high) if passed(mpmath.exp(middle)) < budget else (low, middle)
    return w - (r - w) * mpmath.expm1(-mpmath.exp(low))


def anchored_turn(sigma: Any, task: Any, lam: Any) -> Any:
    """`σ(1 − (σ' − σ)₊/λ)₊²` (D7)."""
    return sigma * max(1 - max(task - sigma, 0) / lam, 0) ** 2


def stopped_turn(budget: Any, sigma: Any, task: Any) -> Any:
    """`σ'/(1 + (σ'/σ − 1)e^{2σ'T})`, σ where σ' <= σ (D7)."""
    return task / (1 + (task / sigma - 1) * mpmath.exp(2 * task * budget)) if task > sigma else sigma


def least_forgetting(d: Any, loss: Any) -> Any:
    """`½(D − √(2L))₊²` (D7)."""
    return max(d - mpmath.sqrt(2 * loss), 0) ** 2 / 2


def low_rank_floor(*point: Any) -> Any:
    """Half of the smallest squared singular value of a 3 × 3 matrix (D7)."""
    matrix = mpmath.matrix([point[i : i + 3] for i in (0, 3, 6)])
    return min(mpmath.eigsy(matrix.T * matrix, eigvals_only=True)) / 2


def _digits(*point: float) -> tuple[int, ...]:
    """The digits that A5 needs, and 500 more, so that a value that is exactly 0 is seen to be 0 beside 1e-300."""
    return tuple(n + 500 for n in needed(SHAPE, *point[:-4]))


def _fine_tuned(result: str, *row: float) -> Any:
    budget, lam = row[:2]
    s = np.array(row[2:4])
    u, v, task, teacher = np.reshape(row[4:], (4, 2, 2))
    return np.ravel(getattr(tuned_flow.fine_tune(budget, Modes(u, s, v, lam), teacher, task), result))


def _growth(feature: int, *row: float) -> Any:
    return np.asarray(plateaus.plateau_growth(np.array(row[:2]), np.reshape(row[2:], (2, 2))))[feature - 1]


def _second(values: Values) -> Any:
    return np.asarray(values)[1]


def _fine_tuned_mode(index: int, *columns: np.ndarray) -> Any:
    return tuned_flow.fine_tune_mode(*columns)[index]


def _plateau_checkpoint(result: int, s1: float, s2: float, epsilon: float) -> Any:
    lengths, s = plateau_depth.plateau_checkpoints(np.array([s1, s2]), epsilon)
    return np.append(lengths[1], s[1])[result]


def _hurting_ratio(budget: float, s1: float, s2: float, v: float) -> Any:
    return _second(plateaus.hurting_ratio(budget, np.array([s1, s2]), v, d_in=3, d_out=2))


def _safe_budget(s1: float, s2: float, b: float) -> Any:
    return _second(plateaus.safe_budget(np.array([s1, s2]), b))


def _sharpness_bound(w1: float, w2: float, b: float) -> Any:
    return stability.sharpness_bound(*(np.array([[x]]) for x in (w1, w2, b)))


def _excess(online: bool, *c: np.ndarray) -> Any:
    return label_noise.label_noise_excess(np.stack(c[:2], axis=-1), *c[2:], d_in=3, d_out=2, online=online)


def _noisy_turn(s: np.ndarray, other: np.ndarray, time: np.ndarray) -> Any:
    return np.asarray(noisy_task.noisy_task_turn(time, np.stack([s, other], axis=-1), d_in=3, d_out=2))[..., 0]


def _noisy_inflection(s: np.ndarray, other: np.ndarray, gamma: np.ndarray, time: np.ndarray) -> Any:
    both = np.stack([s, other], axis=-1)
    return np.asarray(noisy_task.noisy_task_inflection(time, both, gamma, d_in=3, d_out=2))[..., 0]


def _tuning_sharpness(budget: float, s: float, task: float) -> Any:
    return stability.tuning_sharpness(budget, np.array([s]), task, d_in=1, h=1, d_out=1)


def _floor(*row: float) -> Any:
    return tradeoff.low_rank_floor(np.reshape(row, (3, 3)), 1)


def tuning_sharpness(budget: Any, s: Any, task: Any) -> Any:
    """The larger of `3x − σ'` and `σ' − x` after T (D6)."""
    x = tuned_value(budget, s, task)
    return max(3 * x - task, task - x)


FORMS = (
    Form("D1", "tuned_flow.fine_tune_mode, x", partial(_fine_tuned_mode, 0), tuned_value, spread),
    Form("D1", "tuned_flow.fine_tune_mode, unlearned", partial(_fine_tuned_mode, 1), tuned_unlearned, spread),
    Form("D1", "tuned_flow.mode_distance", tuned_flow.mode_distance, distance, (400, 800, 1600)),
    *(
        Form(
            "D1",
            f"tuned_flow.fine_tune, {result}",
            each(partial(_fine_tuned, result)),
            partial(fine_tuned, result),
            _digits,
        )
        for result in ("unlearned", "downstream")
    ),
    Form("D2", "shared_task.overshoot_length", shared_task.overshoot_length, overshoot_length, SHORT),
    Form("D3", "shared_task.forgetting_cost", shared_task.forgetting_cost, forgetting_cost, SHORT),
    *(
        Form("D4", f"plateaus.plateau_growth, {feature}", each(partial(_growth, feature)), partial(growth, feature))
        for feature in (1, 2)
    ),
    *(
        Form(
            "D4",
            f"plateau_depth.plateau_checkpoints, {name}",
            each(partial(_plateau_checkpoint, result)),
            partial(plateau_checkpoint, result),
            SHORT,
        )
        for result, name in enumerate(("t", "s₁", "s₂"))
    ),
    Form("D4", "plateaus.hurting_ratio", each(_hurting_ratio), hurting_ratio),
    Form("D4", "plateaus.safe_budget", each(_safe_budget), safe_budget, SHORT),
    Form(
        "D5",
        "label_noise.label_noise_scale",
        label_noise.label_noise_scale,
        lambda eta, nu, batch: nu * mpmath.sqrt(eta / (2 * batch)),
    ),
    *(
        Form("D5", f"label_noise.label_noise_excess, {name}", partial(_excess, online), partial(excess, online))
        for name, online in (("population", False), ("online", True))
    ),
    Form("D5", "noisy_task.noisy_task_turn", _noisy_turn, noisy_turn, SHORT),
    Form("D5", "noisy_task.noisy_task_inflection", _noisy_inflection, noisy_inflection, SHORT),
    Form("D6", "stability.sharpness_bound", each(_sharpness_bound), lambda w1, w2, b: w1**2 + w2**2 + abs(b - w2 * w1)),
    Form("D6", "stability.path_sharpness", stability.path_sharpness, lambda s, b: max(2 * b, 3 * s - b)),
    Form(
        "D6",
        "stability.stable_learning_rate",
        lambda s1, s2, b1, b2: stability.stable_learning_rate(np.stack([s1, s2], -1), np.stack([b1, b2], -1)),
        lambda s1, s2, b1, b2: 1 / max(abs(b1), abs(b2), (s1 - b1) / 2, (s2 - b2) / 2),
    ),
    Form("D6", "stability.tuning_sharpness", each(_tuning_sharpness), tuning_sharpness, SHORT),
    Form("D6", "stability.tuned_learning_rate", stability.tuned_learning_rate, learning_rate),
    Form("D6", "stability.tuned_budget", stability.tuned_budget, best_budget, SHORT),
    Form("D7", "anchored.anchored_weight", anchored.anchored_weight, anchored_root, SHORT),
    Form("D7", "anchored.anchored_weight_after", anchored.anchored_weight_after, anchored_after, SHORT),
    Form("D7", "anchored.anchored_inflection", anchored.anchored_inflection, anchored_turn),
    Form("D7", "anchored.stopped_inflection", anchored.stopped_inflection, stopped_turn, SHORT),
    Form("D7", "anchored.effective_budget", anchored.effective_budget, lambda t, lam: -mpmath.expm1(-lam * t) / lam),
    Form("D7", "mixed_target.interpolated", mixed_target.interpolated, lambda a, b, rho: (1 - rho) * b + rho * a),
    Form("D7", "tradeoff.least_forgetting", tradeoff.least_forgetting, least_forgetting),
    Form("D7", "tradeoff.low_rank_floor", each(_floor), low_rank_floor),
)
