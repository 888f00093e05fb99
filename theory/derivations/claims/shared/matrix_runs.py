"""Gradient flow of many networks of two layers at once, whole matrices in the teacher's frames."""

import numpy as np


def end_of_flow(w1: np.ndarray, w2: np.ndarray, sigma: np.ndarray, time: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights of many networks after gradient flow on a task in the teacher's frames, by Runge–Kutta steps."""
    task = teacher_of(w1, w2, sigma)

    def slope(w1: np.ndarray, w2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        error = task - w2 @ w1
        return w2.mT @ error, error @ w1.mT

    steps = int(np.ceil(time / 0.05))
    for _ in range(steps):
        dt, slopes = time / steps, [slope(w1, w2)]
        for part in (0.5, 0.5, 1.0):
            slopes.append(slope(*(w + part * dt * d for w, d in zip((w1, w2), slopes[-1], strict=True))))
        w1, w2 = (
            w + dt / 6 * (one + 2 * two + 2 * three + four)
            for w, one, two, three, four in zip((w1, w2), *slopes, strict=True)
        )
    return w1, w2


def teacher_of(w1: np.ndarray, w2: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """The task of these singular values for networks with these weights."""
    task = np.zeros((w2.shape[1], w1.shape[2]))
    task[range(len(sigma)), range(len(sigma))] = sigma
    return task


def losses_along(w1: np.ndarray, w2: np.ndarray, sigma: np.ndarray, times: np.ndarray) -> np.ndarray:
    """`½‖A − f‖²` at the times, of whole matrices in the teacher's frames: (time, start)."""
    losses = []
    for duration in np.diff(times, prepend=0.0):
        w1, w2 = end_of_flow(w1, w2, sigma, float(duration))
        losses.append(((teacher_of(w1, w2, sigma) - w2 @ w1) ** 2).sum((1, 2)) / 2)
    return np.array(losses)
