"""Where the closed forms of claims D and E are asked: σ, σ' and s from 1e-6 to 1e6, budgets up to 1e6, half of them
around the time that a mode takes; tasks just beyond the teacher, modes just before the task, costs near the mode.
"""

import numpy as np

from benchmarks import domains as at
from overtraining.theory.fine_tuning.noisy_task import noisy_task_turn

VALUE, SIZE, SMALL = (1e-6, 1e6), (1e-9, 1e6), (1e-12, 1e6)


def near(generator: np.random.Generator, value: np.ndarray, far: tuple[float, float] = (1e-3, 1e3)) -> np.ndarray:
    """Multiples of a value, a third of them within 1e-2 … 1e-15 of it, on either side."""
    n = len(value)
    close = 1 + at.signs(generator, n) * at.between(1e-15, 1e-2)(generator, n)
    return value * np.where(generator.random(n) < 1 / 3, close, at.between(*far)(generator, n))


def mode(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, s, σ', λ)."""
    t, target, start, lam = at.unbalanced(generator, n).T
    return np.column_stack([t, np.abs(start), np.where(start < 0, -target, target), lam])


def matrices(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, λ; s; u, v, B; A): a teacher of the task's size, anything or what the network is before it is tuned."""
    given = at.matrices(2, 2, 2)(generator, n)
    s, u, v, task = given[:, 2:4], *(given[:, i : i + 4].reshape(-1, 2, 2) for i in (4, 8, 12))
    fitted = (u * s[:, None, :]) @ np.swapaxes(v, 1, 2)
    other = generator.normal(size=task.shape) * np.linalg.norm(task, axis=(1, 2))[:, None, None]
    teacher = np.where(generator.random(n)[:, None, None] < 0.3, fitted, other)
    return np.column_stack([given, teacher.reshape(n, 4)])


def overshoot(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, σ, σ', ε) with σ' > σ."""
    sigma = at.between(*VALUE)(generator, n)
    more = sigma * (1 + at.between(1e-14, 1e3)(generator, n))
    start = sigma * at.between(1e-290, 0.999)(generator, n)
    given = np.column_stack(
        [at.lengths(generator, 2 * more, np.log(sigma / start)), sigma, more, np.maximum(start, 1e-300)]
    )
    return given[more > sigma]


def stage(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, s, σ, σ'), modes and tasks anywhere and near σ, tasks of either sign."""
    sigma = at.between(*VALUE)(generator, n)
    s, task = near(generator, sigma), near(generator, sigma) * at.signs(generator, n)
    return np.column_stack([at.lengths(generator, np.abs(task) + s), s, sigma, task])


def plateaus(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ₁, σ₂; B), entries of the features themselves near them."""
    strong = at.between(*VALUE)(generator, n)
    weak = strong * at.between(1e-6, 1.0)(generator, n)
    b, size = generator.normal(size=(n, 2)), at.between(*VALUE)(generator, n)[:, None]
    return np.column_stack([strong, weak, near(generator, strong), b * size, near(generator, weak)])


def ordered(*columns: tuple[float, float], shares: int = 1) -> at.Domain:
    """σ₁ and what is a share of it, beside independent numbers: (σ₁, σ₂, …)."""

    def points(generator: np.random.Generator, n: int) -> np.ndarray:
        strong = at.between(*VALUE)(generator, n)
        below = [strong * at.between(1e-6, 1.0)(generator, n) for _ in range(shares)]
        return np.column_stack([strong, *below, *(at.between(*c)(generator, n) for c in columns)])

    return points


def ratio(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, σ₁, σ₂, v)."""
    given = ordered(SMALL, VALUE)(generator, n)
    return given[:, [2, 0, 1, 3]]


def noisy(generator: np.random.Generator, n: int) -> np.ndarray:
    """(s₁, s₂, η, ν, B): rates up to just below the largest stable one, batches large enough for a stationary value."""
    s = np.sort(at.between(*VALUE)(generator, 2 * n).reshape(n, 2))[:, ::-1]
    batch = 8 * at.between(1.0, 1e6)(generator, n)
    eta = at.between(1e-9, 0.8)(generator, n) / s[:, 0]
    return np.column_stack([s, eta, at.between(*SIZE)(generator, n), batch])


def noisy_turn(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ', another mode's, T)."""
    task = at.between(*VALUE)(generator, n)
    return np.column_stack([task, near(generator, task), at.lengths(generator, 2 * task)])


def noisy_start(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ', another mode's, γ, T): noise that leaves the mode, and a turn that some pretraining reaches."""
    task, other, time = noisy_turn(generator, n).T
    psi = np.asarray(noisy_task_turn(time, np.column_stack([task, other]), d_in=3, d_out=2))[:, 0]
    gamma = np.sqrt(task * at.between(1e-12, 0.5)(generator, n) / np.maximum(np.abs(psi), 1e-300))
    given = np.column_stack([task, other, gamma, time])
    return given[np.isfinite(gamma) & (psi < 0)]


def on_the_way(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, s, σ'): modes on either side of the task, tasks of either sign."""
    task = at.between(*VALUE)(generator, n)
    s = near(generator, task)
    return np.column_stack([at.lengths(generator, 2 * task), s, task * at.signs(generator, n)])


def rated(generator: np.random.Generator, n: int) -> np.ndarray:
    """(e, σ', N, v): noise that the rate just fails to beat, or just beats."""
    e, sigma, steps = (at.between(1e-6, 1e3)(generator, n) for _ in range(3))
    noise = near(generator, 4 * sigma * steps * e * e, (1e-6, 10.0))
    return np.column_stack([e * at.signs(generator, n), sigma, steps, noise])


def budgeted(generator: np.random.Generator, n: int) -> np.ndarray:
    """(s, σ, σ', ρ), the goal before the task on the way from s."""
    sigma = at.between(*VALUE)(generator, n)
    task, s, keep = near(generator, sigma), near(generator, sigma, (1e-6, 1e3)), at.between(1e-9, 0.999)(generator, n)
    ahead = np.sign(task - s) == np.sign(task - sigma)
    return np.column_stack([s, sigma, task, keep])[ahead & (task != sigma)]


def anchored(generator: np.random.Generator, n: int) -> np.ndarray:
    """(w, σ', λ): weights near √σ', anchors near σ', tasks of either sign."""
    sigma = at.between(*VALUE)(generator, n)
    w, lam = near(generator, np.sqrt(sigma)), near(generator, sigma, (1e-12, 1e9))
    return np.column_stack([w, sigma * at.signs(generator, n), lam])


def turned(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ, σ', λ): tasks just beyond, anchors near what they ask beyond."""
    sigma = at.between(*VALUE)(generator, n)
    task = near(generator, sigma) * np.where(generator.random(n) < 0.1, -1, 1)
    return np.column_stack([sigma, task, near(generator, np.maximum(np.abs(task - sigma), 1e-9 * sigma))])


def stopped(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, σ, σ')."""
    sigma = at.between(*VALUE)(generator, n)
    task = near(generator, sigma)
    return np.column_stack([at.lengths(generator, 2 * np.maximum(sigma, task)), sigma, task])


def between_tasks(generator: np.random.Generator, n: int) -> np.ndarray:
    """(A, B, ρ)."""
    a = at.between(*VALUE)(generator, n) * at.signs(generator, n)
    return np.column_stack([a, near(generator, a) * at.signs(generator, n), generator.random(n)])


def frontier(generator: np.random.Generator, n: int) -> np.ndarray:
    """(D, L): losses near the other task's own, and beyond."""
    d = at.between(*VALUE)(generator, n)
    return np.column_stack([d, near(generator, d, (1e-9, 1.2)) ** 2 / 2])


def square(generator: np.random.Generator, n: int) -> np.ndarray:
    """3 × 3, of singular values up to nine decades apart."""
    u, v = np.linalg.qr(generator.normal(size=(2, n, 3, 3)))[0]
    return ((u * at.between(1e-3, 1e6)(generator, 3 * n).reshape(n, 1, 3)) @ v).reshape(n, 9)


def robust(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ, a, b): costs whose geometric mean is near the mode."""
    sigma, skew = at.between(*VALUE)(generator, n), at.between(1e-6, 1e6)(generator, n)
    kappa = near(generator, sigma)
    return np.column_stack([sigma, kappa * skew, kappa / skew])


def weighed(generator: np.random.Generator, n: int) -> np.ndarray:
    """(w1, w2, σ, a, b): weights anywhere, and near the best."""
    sigma, a, b = robust(generator, n).T
    best = np.sqrt(np.maximum(sigma - np.sqrt(a) * np.sqrt(b), 1e-9 * sigma))
    tilt = (a / b) ** 0.25
    return np.column_stack(
        [near(generator, best / tilt) * at.signs(generator, n), near(generator, best * tilt), sigma, a, b]
    )


def mixed(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, T, σ, σ', ε, q)."""
    sigma = at.between(*VALUE)(generator, n)
    task, start = near(generator, sigma), at.starts(generator, sigma)
    t = at.lengths(generator, 2 * sigma, 1 + np.abs(np.log(sigma / start)))
    return np.column_stack([t, at.lengths(generator, 2 * task), sigma, task, start, generator.random(n)])


def shared(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ, σ', ε): tasks that ask for less, starts below both; lengths around the time they are reached."""
    sigma = at.between(*VALUE)(generator, n)
    task = sigma * generator.uniform(0.05, 0.95, n)
    start = task * at.between(1e-100, 1e-2)(generator, n)
    t = at.lengths(generator, 2 * sigma, 1 + np.log(sigma / start))
    return np.column_stack([t, sigma, task, start])


def traded(generator: np.random.Generator, n: int) -> np.ndarray:
    """(T, σ, σ', ρ)."""
    sigma = at.between(*VALUE)(generator, n)
    task = near(generator, sigma)
    given = np.column_stack([at.lengths(generator, 2 * task), sigma, task, generator.random(n)])
    return given[task != sigma]


TUNED: dict[str, at.Domain] = {
    "tuned_flow.fine_tune_mode": mode,
    "tuned_flow.mode_distance": mode,
    "tuned_flow.fine_tune, ": matrices,
    "shared_task.overshoot_length": overshoot,
    "shared_task.forgetting_cost": stage,
    "plateaus.plateau_growth": plateaus,
    "plateaus.hurting_ratio": ratio,
    "plateaus.safe_budget": ordered(VALUE),
    "label_noise.label_noise_scale": at.numbers(SIZE, SIZE, (1.0, 1e6)),
    "label_noise.label_noise_excess": noisy,
    "noisy_task.noisy_task_turn": noisy_turn,
    "noisy_task.noisy_task_inflection": noisy_start,
    "stability.sharpness_bound": at.numbers(VALUE, VALUE, VALUE, signed=[0, 2]),
    "stability.path_sharpness": at.numbers(VALUE, VALUE, signed=[1]),
    "stability.tuning_sharpness": on_the_way,
    "stability.tuned_learning_rate": rated,
    "stability.tuned_budget": budgeted,
    "anchored.anchored_weight": anchored,
    "anchored.anchored_inflection": turned,
    "anchored.stopped_inflection": stopped,
    "anchored.effective_budget": at.numbers(SMALL, SMALL),
    "mixed_target.interpolated": between_tasks,
    "tradeoff.least_forgetting": frontier,
    "tradeoff.low_rank_floor": square,
    "robust.layer_costs": at.numbers(SIZE, SIZE),
    "robust.robust_optimum": robust,
    "robust.excess_over_robust": weighed,
    "annealing.accumulated_noise": at.numbers(SIZE, SIZE, SIZE, SIZE, (1.0, 1e6)),
    "annealing.layer_ratio": at.numbers((1e-15, 1e6)),
    "annealing.noisy_spectrum": at.numbers(VALUE, (1e-12, 1e-2), (1e-15, 1e6)),
    "mixing.mixed_value": mixed,
    "mixing.best_task_share": shared,
    "mixing.tradeoff_task_share": traded,
}
"""By the beginning of the form's name."""
