"""Domains of the closed forms of claims D and E: the points at which their accuracy is measured.

σ, σ' and s are from 1e-6 to 1e6. Budgets are up to 1e6, half of them around the time that a mode takes. Some tasks are
just beyond the teacher, some modes just before the task, and some costs of noise near the mode.
"""

import numpy as np

from benchmarks import domains
from overtraining.theory.fine_tuning.noisy_task import noisy_task_turn
from overtraining.theory.remedies.anchored import anchored_weight

VALUE = (1e-6, 1e6)
SIZE = (1e-9, 1e6)
SMALL = (1e-12, 1e6)


def near(generator: np.random.Generator, value: np.ndarray, far: tuple[float, float] = (1e-3, 1e3)) -> np.ndarray:
    """Multiples of a value; a third of them differ from it by 1e-15 … 1e-2 of it, on either side."""
    n = len(value)
    close = 1 + domains.signs(generator, n) * domains.between(1e-15, 1e-2)(generator, n)
    return value * np.where(generator.random(n) < 1 / 3, close, domains.between(*far)(generator, n))


def mode(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, s, σ', λ): tasks of either sign."""
    t, size, start, lam = domains.unbalanced(generator, n).T
    return np.column_stack([t, np.abs(start), np.where(start < 0, -size, size), lam])


def matrices(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, λ; s; u, v, B; A): the teacher is a random matrix of the task's size, or the product before fine-tuning."""
    tuning = domains.matrices(2, 2, 2)(generator, n)
    s = tuning[:, 2:4]
    u, v, task = (tuning[:, i : i + 4].reshape(-1, 2, 2) for i in (4, 8, 12))
    fitted = (u * s[:, None, :]) @ np.swapaxes(v, 1, 2)
    other = generator.normal(size=task.shape) * np.linalg.norm(task, axis=(1, 2))[:, None, None]
    teacher = np.where(generator.random(n)[:, None, None] < 0.3, fitted, other)
    return np.column_stack([tuning, teacher.reshape(n, 4)])


def overshoot(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, σ, σ', ε): σ' > σ."""
    sigma = domains.between(*VALUE)(generator, n)
    task = sigma * (1 + domains.between(1e-14, 1e3)(generator, n))
    start = sigma * domains.between(1e-290, 0.999)(generator, n)
    budget = domains.lengths(generator, 2 * task, np.log(sigma / start))
    return np.column_stack([budget, sigma, task, np.maximum(start, 1e-300)])[task > sigma]


def stage(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, s, σ, σ'): modes and tasks anywhere and near σ, tasks of either sign."""
    sigma = domains.between(*VALUE)(generator, n)
    s, task = near(generator, sigma), near(generator, sigma) * domains.signs(generator, n)
    return np.column_stack([domains.lengths(generator, np.abs(task) + s), s, sigma, task])


def plateaus(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ₁, σ₂; B): some diagonal entries of B are near σ₁ and σ₂."""
    strong = domains.between(*VALUE)(generator, n)
    weak = strong * domains.between(1e-6, 1.0)(generator, n)
    b, size = generator.normal(size=(n, 2)), domains.between(*VALUE)(generator, n)[:, None]
    return np.column_stack([strong, weak, near(generator, strong), b * size, near(generator, weak)])


def checkpoints(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ₁, σ₂; ε): some starts are near σ₂, some features nearly equal."""
    strong = domains.between(*VALUE)(generator, n)
    weak = strong * (1 - domains.between(1e-6, 0.999)(generator, n))
    return np.column_stack([strong, weak, weak * domains.between(1e-60, 0.99)(generator, n)])


def ordered(*columns: tuple[float, float]) -> domains.Domain:
    """(σ₁, σ₂, …): σ₂ < σ₁, and independent numbers in these ranges."""

    def points(generator: np.random.Generator, n: int) -> np.ndarray:
        strong = domains.between(*VALUE)(generator, n)
        weak = strong * domains.between(1e-6, 1.0)(generator, n)
        return np.column_stack([strong, weak, *(domains.between(*c)(generator, n) for c in columns)])

    return points


def ratio(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, σ₁, σ₂, v): σ₂ < σ₁."""
    return ordered(SMALL, VALUE)(generator, n)[:, [2, 0, 1, 3]]


def noisy(generator: np.random.Generator, n: int) -> np.ndarray:
    """(s₁, s₂, η, ν, B): stable learning rates, and batches that are large enough for a stationary value."""
    s = np.sort(domains.between(*VALUE)(generator, 2 * n).reshape(n, 2))[:, ::-1]
    batch = 8 * domains.between(1.0, 1e6)(generator, n)
    eta = domains.between(1e-9, 0.8)(generator, n) / s[:, 0]
    return np.column_stack([s, eta, domains.between(*SIZE)(generator, n), batch])


def stepped(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ₁, σ₂, η, ν, B): the same, with noise that leaves most of the weaker mode."""
    s1, s2, eta, _, batch = noisy(generator, n).T
    noise = np.sqrt(2 * batch * (s2 / eta) * domains.between(1e-12, 0.01)(generator, n))
    return np.column_stack([s1, s2, eta, noise, batch])


def noisy_turn(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ', the task's value in another mode, T)."""
    task = domains.between(*VALUE)(generator, n)
    return np.column_stack([task, near(generator, task), domains.lengths(generator, 2 * task)])


def noisy_start(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ', the task's value in another mode, γ, T): noise so small that there is an inflection point below σ'."""
    task, other, time = noisy_turn(generator, n).T
    psi = np.asarray(noisy_task_turn(time, np.column_stack([task, other]), d_in=3, d_out=2))[:, 0]
    gamma = np.sqrt(task * domains.between(1e-12, 0.5)(generator, n) / np.maximum(np.abs(psi), 1e-300))
    return np.column_stack([task, other, gamma, time])[np.isfinite(gamma) & (psi < 0)]


def on_the_way(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, s, σ'): modes on either side of the task, tasks of either sign."""
    task = domains.between(*VALUE)(generator, n)
    s = near(generator, task)
    return np.column_stack([domains.lengths(generator, 2 * task), s, task * domains.signs(generator, n)])


def learning_rates(generator: np.random.Generator, n: int) -> np.ndarray:
    """(e, σ', N, v): noise on both sides of the value at which the best learning rate becomes 0, and close to it."""
    e, sigma, steps = (domains.between(1e-6, 1e3)(generator, n) for _ in range(3))
    noise = near(generator, 4 * sigma * steps * e * e, (1e-6, 10.0))
    return np.column_stack([e * domains.signs(generator, n), sigma, steps, noise])


def best_budgets(generator: np.random.Generator, n: int) -> np.ndarray:
    """(s, σ, σ', ρ): the flow from s reaches the best value before it reaches the task."""
    sigma = domains.between(*VALUE)(generator, n)
    task = near(generator, sigma)
    s = near(generator, sigma, (1e-6, 1e3))
    old_task_weight = domains.between(1e-9, 0.999)(generator, n)
    ahead = np.sign(task - s) == np.sign(task - sigma)
    return np.column_stack([s, sigma, task, old_task_weight])[ahead & (task != sigma)]


def anchored(generator: np.random.Generator, n: int) -> np.ndarray:
    """(w, σ', λ): weights near √σ', anchors near σ', tasks of either sign."""
    sigma = domains.between(*VALUE)(generator, n)
    w, lam = near(generator, np.sqrt(sigma)), near(generator, sigma, (1e-12, 1e9))
    return np.column_stack([w, sigma * domains.signs(generator, n), lam])


def anchored_flow(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, w, σ', λ): budgets around the time of the flow; no start so far beyond the task that digits are lost."""
    w, lam = domains.between(1e-3, 1e3)(generator, n), domains.between(1e-6, 1e6)(generator, n)
    task = domains.between(1e-6, 1e6)(generator, n) * domains.signs(generator, n)
    budget = domains.between(1e-4, 1e2)(generator, n) / (np.abs(task) + lam + w * w)
    end = np.asarray(anchored_weight(w, task, lam))
    return np.column_stack([budget, w, task, lam])[3 * w * end < 10 * (2 * end**2 + lam * w / end)]


def anchored_inflection(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ, σ', λ): some tasks just beyond the teacher, some anchors near σ' − σ."""
    sigma = domains.between(*VALUE)(generator, n)
    task = near(generator, sigma) * np.where(generator.random(n) < 0.1, -1, 1)
    return np.column_stack([sigma, task, near(generator, np.maximum(np.abs(task - sigma), 1e-9 * sigma))])


def stopped(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, σ, σ'): tasks near the teacher and far from it."""
    sigma = domains.between(*VALUE)(generator, n)
    task = near(generator, sigma)
    return np.column_stack([domains.lengths(generator, 2 * np.maximum(sigma, task)), sigma, task])


def between_tasks(generator: np.random.Generator, n: int) -> np.ndarray:
    """(A, B, ρ): entries of either sign."""
    a = domains.between(*VALUE)(generator, n) * domains.signs(generator, n)
    return np.column_stack([a, near(generator, a) * domains.signs(generator, n), generator.random(n)])


def frontier(generator: np.random.Generator, n: int) -> np.ndarray:
    """(D, L): losses up to those of a model that has learned only the other task, near this value, and beyond it."""
    d = domains.between(*VALUE)(generator, n)
    return np.column_stack([d, near(generator, d, (1e-9, 1.2)) ** 2 / 2])


def square(generator: np.random.Generator, n: int) -> np.ndarray:
    """3 × 3 matrices whose singular values are up to nine decades apart."""
    u, v = np.linalg.qr(generator.normal(size=(2, n, 3, 3)))[0]
    return ((u * domains.between(1e-3, 1e6)(generator, 3 * n).reshape(n, 1, 3)) @ v).reshape(n, 9)


def robust(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ, a, b): costs of noise whose geometric mean is near σ or far from it."""
    sigma, skew = domains.between(*VALUE)(generator, n), domains.between(1e-6, 1e6)(generator, n)
    kappa = near(generator, sigma)
    return np.column_stack([sigma, kappa * skew, kappa / skew])


def robust_weights(generator: np.random.Generator, n: int) -> np.ndarray:
    """(w1, w2, σ, a, b): weights anywhere, and near the most robust ones."""
    sigma, a, b = robust(generator, n).T
    best = np.sqrt(np.maximum(sigma - np.sqrt(a) * np.sqrt(b), 1e-9 * sigma))
    ratio = (a / b) ** 0.25
    return np.column_stack(
        [near(generator, best / ratio) * domains.signs(generator, n), near(generator, best * ratio), sigma, a, b]
    )


def mixed(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, T, σ, σ', ε, q): pretraining lengths and budgets around the time that a mode takes."""
    sigma = domains.between(*VALUE)(generator, n)
    task, start = near(generator, sigma), domains.starts(generator, sigma)
    t = domains.lengths(generator, 2 * sigma, 1 + np.abs(np.log(sigma / start)))
    return np.column_stack([t, domains.lengths(generator, 2 * task), sigma, task, start, generator.random(n)])


def weaker_tasks(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ, σ', ε): ε < σ' < σ, and lengths around the time at which the mode reaches the task."""
    sigma = domains.between(*VALUE)(generator, n)
    task = sigma * generator.uniform(0.05, 0.95, n)
    start = task * domains.between(1e-100, 1e-2)(generator, n)
    t = domains.lengths(generator, 2 * sigma, 1 + np.log(sigma / start))
    return np.column_stack([t, sigma, task, start])


def traded_shares(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, σ, σ', ρ): tasks near the teacher and far from it."""
    sigma = domains.between(*VALUE)(generator, n)
    task = near(generator, sigma)
    points = np.column_stack([domains.lengths(generator, 2 * task), sigma, task, generator.random(n)])
    return points[task != sigma]


TUNED: dict[str, domains.Domain] = {
    "tuned_flow.fine_tune_mode": mode,
    "tuned_flow.mode_distance": mode,
    "tuned_flow.fine_tune, ": matrices,
    "shared_task.overshoot_length": overshoot,
    "shared_task.forgetting_cost": stage,
    "plateaus.plateau_growth": plateaus,
    "plateau_depth.plateau_checkpoints, ": checkpoints,
    "plateaus.hurting_ratio": ratio,
    "plateaus.safe_budget": ordered(VALUE),
    "label_noise.label_noise_scale": domains.numbers(SIZE, SIZE, (1.0, 1e6)),
    "label_noise.label_noise_excess": noisy,
    "noisy_task.noisy_task_turn": noisy_turn,
    "noisy_task.noisy_task_inflection": noisy_start,
    "stability.sharpness_bound": domains.numbers(VALUE, VALUE, VALUE, signed=[0, 2]),
    "stability.path_sharpness": domains.numbers(VALUE, VALUE, signed=[1]),
    "stability.stable_learning_rate": domains.numbers(VALUE, VALUE, VALUE, VALUE, signed=[2, 3]),
    "stability.tuning_sharpness": on_the_way,
    "stability.tuned_learning_rate": learning_rates,
    "stability.tuned_budget": best_budgets,
    "anchored.anchored_weight": anchored,
    "anchored.anchored_weight_after": anchored_flow,
    "anchored.anchored_inflection": anchored_inflection,
    "anchored.stopped_inflection": stopped,
    "anchored.effective_budget": domains.numbers(SMALL, SMALL),
    "mixed_target.interpolated": between_tasks,
    "tradeoff.least_forgetting": frontier,
    "tradeoff.low_rank_floor": square,
    "robust.layer_costs": domains.numbers(SIZE, SIZE),
    "robust.robust_optimum": robust,
    "robust.excess_over_robust": robust_weights,
    "annealing.accumulated_noise": domains.numbers(SIZE, SIZE, SIZE, SIZE, (1.0, 1e6)),
    "annealing.layer_ratio": domains.numbers((1e-15, 1e6)),
    "annealing.stepped_spectrum": stepped,
    "annealing.noisy_spectrum": domains.numbers(VALUE, (1e-12, 1e-2), (1e-15, 1e6)),
    "mixing.mixed_value": mixed,
    "mixing.best_task_share": weaker_tasks,
    "mixing.tradeoff_task_share": traded_shares,
}
"""Domains by the beginning of a form's name."""
