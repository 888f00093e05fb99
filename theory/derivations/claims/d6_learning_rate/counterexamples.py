"""What fails without the assumptions of D6: a start far sharper than 2/η, a far start, a task with other vectors."""

import numpy as np

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict


def sharp_start() -> Evidence:
    """From s = 3 on σ' = 1, two more directions, perturbed weights: rates up to 1/σ' fit, 2/(3s − σ') is a quarter."""
    ends = {rate: _fitted(3.0, rate) for rate in (0.26, 0.95, 1.05)}
    holds = ends[0.26] == ends[0.95] == 20 and ends[1.05] == 0
    return Evidence(holds, Verdict.TESTED, f"of 20 starts fitted, by rate: {ends}; the curvature bound is 0.25")


def _fitted(start: float, rate: float) -> int:
    """How many of 20 slightly perturbed starts end at σ' = 1 of three directions after 3,000 steps."""
    generator = np.random.default_rng(0)
    diagonal = np.diag([np.sqrt(start), 0.3, 0.3])
    w1, w2 = (diagonal + 1e-3 * generator.normal(size=(20, 3, 3)) for _ in range(2))
    task = np.diag([1.0, 0.5, 0.2])
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(3000):
            error = w2 @ w1 - task
            w1, w2 = w1 - rate * np.swapaxes(w2, 1, 2) @ error, w2 - rate * error @ np.swapaxes(w1, 1, 2)
        return int((((w2 @ w1 - task) ** 2).sum((1, 2)) < 1e-6).sum())


def far() -> Evidence:
    """From s = 0.01 with σ' = 1, N = 100, v = 0.1: the best learning rate of the whole flow against the formula."""
    rates = np.linspace(1e-4, 0.2, 20_000)
    unlearned = 1 - 1 / (1 + 99 * np.exp(-200 * rates))
    best_rate = rates[np.argmin(unlearned**2 / 2 + rates * 0.1 / 2)]
    claimed = np.log(400 * 0.99**2 / 0.1) / 400
    detail = f"best learning rate {best_rate:.4f}, the formula {claimed:.4f}"
    return Evidence(bool(best_rate > 1.5 * claimed), Verdict.TESTED, detail)


def rotated_task() -> Evidence:
    """f = diag(1, 0) and B = diag(0, 1) rotated by 45°: the Hessian at the start exceeds 2‖B‖ = 2."""
    b = np.array([[0.5, -0.5], [-0.5, 0.5]])
    largest = largest_curvature(np.diag([1.0, 1e-3]), np.diag([1.0, 1e-3]), b)
    detail = f"largest eigenvalue {largest:.3f}; on an aligned task, from below, it is at most 2"
    return Evidence(largest > 2.2, Verdict.TESTED, detail)


def largest_curvature(w1: np.ndarray, w2: np.ndarray, task: np.ndarray) -> float:
    """The largest eigenvalue of the Hessian of ½‖W2W1 − B‖², by second differences (the loss is a quartic)."""

    def loss(flat: np.ndarray) -> float:
        return float(((flat[4:].reshape(2, 2) @ flat[:4].reshape(2, 2) - task) ** 2).sum() / 2)

    point = np.concatenate([w1.ravel(), w2.ravel()])
    unit = np.eye(8) * 1e-3
    hessian = [
        [(loss(point + u + v) - loss(point + u - v) - loss(point - u + v) + loss(point - u - v)) / 4e-6 for v in unit]
        for u in unit
    ]
    return float(np.linalg.eigvalsh(np.array(hessian)).max())


def rotated_curves() -> Curves:
    """The largest curvature at the start of fine-tuning, against the task's angle."""
    angles = np.linspace(0, np.pi, 37)
    curvatures = []
    for angle in angles:
        out = np.array([np.cos(angle), np.sin(angle)])
        curvatures.append(largest_curvature(np.diag([1.0, 1e-3]), np.diag([1.0, 1e-3]), np.outer(out, [1.0, 0.0])))
    return Curves(
        np.degrees(angles),
        {"at the start": np.array(curvatures), "2‖B‖": np.full(37, 2.0)},
        "angle of the task",
        "largest curvature",
    )
