"""What happens to A5's solution without balance or white inputs: the flow of the loss integrated numerically."""

import numpy as np
from scipy.integrate import solve_ivp

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict
from overtraining.theory.learning.matrix_flow import matrix_flow

TEACHER = np.diag([1.0, 0.8])
TIMES = np.linspace(0, 40, 81)


def flow(w1: np.ndarray, w2: np.ndarray, teacher: np.ndarray, t: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """The product `W2 W1` at every time, by integration of the weights."""
    cut = w1.size

    def rate(_: float, theta: np.ndarray) -> np.ndarray:
        x1, x2 = theta[:cut].reshape(w1.shape), theta[cut:].reshape(w2.shape)
        push = (teacher - x2 @ x1) @ covariance
        return np.concatenate([(x2.T @ push).ravel(), (push @ x1.T).ravel()])

    start = np.concatenate([w1.ravel(), w2.ravel()])
    path = solve_ivp(rate, (0, t[-1]), start, method="DOP853", t_eval=t, rtol=1e-10, atol=1e-12).y.T
    return np.array([theta[cut:].reshape(w2.shape) @ theta[:cut].reshape(w1.shape) for theta in path])


def _wrong_sign(imbalance: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights whose product has a determinant of the other sign than the teacher's; the second mode is unbalanced."""
    return np.diag([0.1, 0.1]), np.diag([0.1, -np.sqrt(0.01 + imbalance)])


def unbalanced() -> Evidence:
    """From the wrong sign of the determinant a balanced start is stuck, and an imbalance of 1e-3 cures it."""
    end = matrix_flow(TIMES[-1], *_wrong_sign(0.0), TEACHER)
    freed = flow(*_wrong_sign(1e-3), TEACHER, TIMES, np.eye(2))[-1]
    cured = ((freed - TEACHER) ** 2).sum() / 2
    detail = f"loss at t = 40: {end.loss:.3f} balanced, {cured:.1g} with an imbalance of 1e-3"
    return Evidence(end.saddle and abs(float(end.loss) - 0.32) < 1e-6 > float(cured), Verdict.TESTED, detail)


def unbalanced_curves() -> Curves:
    """The loss of both starts."""
    freed = ((flow(*_wrong_sign(1e-3), TEACHER, TIMES, np.eye(2)) - TEACHER) ** 2).sum((1, 2)) / 2
    stuck = np.asarray(matrix_flow(TIMES, *_wrong_sign(0.0), TEACHER).loss)
    return Curves(TIMES, {"balanced": stuck, "imbalance 0.001": freed}, "pretraining length t", "loss")


def unwhitened() -> Evidence:
    """With inputs of unequal variance the product is another."""
    start, t = 0.1 * np.eye(2), np.array([0.0, 1.5])
    found = flow(start, start, TEACHER, t, np.diag([2.0, 0.5]))[-1]
    claimed = matrix_flow(t, start, start, TEACHER).product[-1]
    off = float(np.abs(found - claimed).max())
    return Evidence(off > 0.3, Verdict.TESTED, f"the product is off by {off:.2f} at t = 1.5")


def overshoots() -> Evidence:
    """One weight per layer, A = 1, from 0.9 = w₁ = w₂: the flow ends at 1, steps of 1.5 leave for good."""
    w = 0.9
    for _ in range(20):
        w = w + 1.5 * w * (1 - w * w)
    end = float(matrix_flow(30.0, np.array([[0.9]]), np.array([[0.9]]), np.eye(1)).loss)
    loss = (w * w - 1) ** 2 / 2
    return Evidence(
        end < 1e-12 and loss > 0.01, Verdict.TESTED, f"loss {loss:.3f} after 20 steps, on the flow {end:.1g}"
    )
