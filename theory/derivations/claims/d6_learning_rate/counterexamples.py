"""What breaks claim D6 without its assumptions."""

import numpy as np

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict


def far() -> Evidence:
    """From s = 0.01 with σ' = 1, N = 100, v = 0.1: the best rate of the whole flow against the formula's."""
    rate = np.linspace(1e-4, 0.2, 20_000)
    left = 1 - 1 / (1 + 99 * np.exp(-200 * rate))
    best = rate[np.argmin(left**2 / 2 + rate * 0.1 / 2)]
    claimed = np.log(400 * 0.99**2 / 0.1) / 400
    return Evidence(bool(best > 1.5 * claimed), Verdict.TESTED, f"best rate {best:.4f}, the formula {claimed:.4f}")


def turned_task() -> Evidence:
    """f = diag(1, 0) and B = diag(0, 1) turned by 45°: sharper at the start, by the Hessian, than 2‖B‖ = 2."""
    b = np.array([[0.5, -0.5], [-0.5, 0.5]])
    largest = largest_curvature(np.diag([1.0, 1e-3]), np.diag([1.0, 1e-3]), b)
    return Evidence(largest > 2.2, Verdict.TESTED, f"largest eigenvalue {largest:.3f}, below the task it is at most 2")


def largest_curvature(w1: np.ndarray, w2: np.ndarray, task: np.ndarray) -> float:
    """The largest eigenvalue of the Hessian of ½‖W2W1 − B‖², by second differences, exact for a quartic."""

    def loss(flat: np.ndarray) -> float:
        return float(((flat[4:].reshape(2, 2) @ flat[:4].reshape(2, 2) - task) ** 2).sum() / 2)

    point, unit = np.concatenate([w1.ravel(), w2.ravel()]), np.eye(8) * 1e-3
    hessian = [
        [(loss(point + u + v) - loss(point + u - v) - loss(point - u + v) + loss(point - u - v)) / 4e-6 for v in unit]
        for u in unit
    ]
    return float(np.linalg.eigvalsh(np.array(hessian)).max())


def turned_curves() -> Curves:
    """The largest curvature at the start of fine-tuning, against the task's angle."""
    angles = np.linspace(0, np.pi, 37)
    found = []
    for angle in angles:
        out = np.array([np.cos(angle), np.sin(angle)])
        found.append(largest_curvature(np.diag([1.0, 1e-3]), np.diag([1.0, 1e-3]), np.outer(out, [1.0, 0.0])))
    return Curves(
        np.degrees(angles),
        {"at the start": np.array(found), "2‖B‖": np.full(37, 2.0)},
        "angle of the task",
        "largest curvature",
    )
