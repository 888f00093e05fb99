"""What the closed forms replace: an ODE solver on all weights, and drawing noise. Plain NumPy and SciPy."""

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

RTOL = 1e-12  # as exact as the closed forms, nearly; on the modes it is faster than 1e-8, which keeps rejecting steps

Square = Float[np.ndarray, "d d"]


def gradient(w1: Square, w2: Square, teacher: Square) -> tuple[Square, Square]:
    """Of `½‖W2W1 − A‖²`: one right-hand side of gradient flow."""
    error = w2 @ w1 - teacher
    return w2.T @ error, error @ w1.T


def flow(
    t: Float[np.ndarray, " times"], w1: Square, w2: Square, teacher: Square
) -> tuple[Float[np.ndarray, "times d d"], int]:
    """`W2 W1` at every time by DOP853 on all weights, and how many right-hand sides it took."""

    def slope(_: float, flat: np.ndarray) -> np.ndarray:
        w1, w2 = flat.reshape(2, *teacher.shape)
        return -np.ravel(gradient(w1, w2, teacher))

    start = np.ravel([w1, w2])
    solution = solve_ivp(slope, (0, t[-1]), start, "DOP853", t, rtol=RTOL, atol=1e-3 * RTOL * np.abs(start).max())
    w1s, w2s = solution.y.T.reshape(t.size, 2, *teacher.shape).swapaxes(0, 1)
    return w2s @ w1s, int(solution.nfev)


def modes(
    t: Float[np.ndarray, " times"], sigma: Float[np.ndarray, " modes"], epsilon: float
) -> tuple[Float[np.ndarray, "times modes"], int]:
    """Singular values on the aligned path by DOP853 on `ṡ = 2s(σ − s)`, and how many right-hand sides it took."""
    slope, start = lambda _, s: 2 * s * (sigma - s), np.full(sigma.size, epsilon)
    solution = solve_ivp(slope, (0, t[-1]), start, "DOP853", t, rtol=RTOL, atol=1e-3 * RTOL * epsilon)
    return solution.y.T, int(solution.nfev)


def rises(w1: Square, w2: Square, teacher: Square, gamma: float, draws: int) -> Float[np.ndarray, " draws"]:
    """Rise of the loss in each of several draws of Gaussian noise, the same draws every time."""
    generator = np.random.default_rng(0)
    loss = lambda w1, w2: float(((w2 @ w1 - teacher) ** 2).sum() / 2)
    noisy = lambda w: w + gamma * generator.standard_normal(w.shape)
    return np.array([loss(noisy(w1), noisy(w2)) for _ in range(draws)]) - loss(w1, w2)


def relative_error(sample: Float[np.ndarray, " draws"], expected: float) -> float:
    """The standard error of the sample's mean, as a share of the expected value.

    >>> round(relative_error(np.array([0.9, 1.0, 1.1, 1.0]), 2.0), 4)
    0.0204
    """
    return float(sample.std(ddof=1) / np.sqrt(sample.size) / expected)
