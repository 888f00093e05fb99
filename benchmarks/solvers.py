"""The methods that the closed forms replace: an ODE solver for all weights, and sampling noise."""

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

RTOL = 1e-12  # nearly as exact as the closed forms, and for modes faster than 1e-8, at which many steps are rejected

Square = Float[np.ndarray, "d d"]


def gradient(w1: Square, w2: Square, teacher: Square) -> tuple[Square, Square]:
    """The gradient of `½‖W2W1 − A‖²`, one right-hand side of gradient flow."""
    difference = w2 @ w1 - teacher
    return w2.T @ difference, difference @ w1.T


def flow(
    lengths: Float[np.ndarray, " lengths"], w1: Square, w2: Square, teacher: Square
) -> tuple[Float[np.ndarray, "lengths d d"], int]:
    """`W2 W1` at every length by DOP853 on all weights, and the number of right-hand sides that it took."""

    def slope(_: float, flat: np.ndarray) -> np.ndarray:
        w1, w2 = flat.reshape(2, *teacher.shape)
        return -np.ravel(gradient(w1, w2, teacher))

    start = np.ravel([w1, w2])
    atol = 1e-3 * RTOL * np.abs(start).max()
    solution = solve_ivp(slope, (0, lengths[-1]), start, "DOP853", lengths, rtol=RTOL, atol=atol)
    w1s, w2s = solution.y.T.reshape(lengths.size, 2, *teacher.shape).swapaxes(0, 1)
    return w2s @ w1s, int(solution.nfev)


def modes(
    lengths: Float[np.ndarray, " lengths"], sigma: Float[np.ndarray, " modes"], epsilon: float
) -> tuple[Float[np.ndarray, "lengths modes"], int]:
    """Singular values on the aligned path by DOP853 on `ṡ = 2s(σ − s)`, and the number of right-hand sides."""

    def slope(_: float, s: np.ndarray) -> np.ndarray:
        return 2 * s * (sigma - s)

    start, atol = np.full(sigma.size, epsilon), 1e-3 * RTOL * epsilon
    solution = solve_ivp(slope, (0, lengths[-1]), start, "DOP853", lengths, rtol=RTOL, atol=atol)
    return solution.y.T, int(solution.nfev)


def rises(w1: Square, w2: Square, teacher: Square, gamma: float, draws: int) -> Float[np.ndarray, " draws"]:
    """The rise of the loss in each of several draws of Gaussian noise, the same draws in every call."""
    generator = np.random.default_rng(0)

    def loss(w1: np.ndarray, w2: np.ndarray) -> float:
        return float(((w2 @ w1 - teacher) ** 2).sum() / 2)

    def noisy(w: np.ndarray) -> np.ndarray:
        return w + gamma * generator.standard_normal(w.shape)

    return np.array([loss(noisy(w1), noisy(w2)) for _ in range(draws)]) - loss(w1, w2)


def relative_error(sample: Float[np.ndarray, " draws"], expected: float) -> float:
    """The standard error of the sample's mean, as a share of the expected value.

    >>> round(relative_error(np.array([0.9, 1.0, 1.1, 1.0]), 2.0), 4)
    0.0204
    """
    return float(sample.std(ddof=1) / np.sqrt(sample.size) / expected)
