"""What breaks claim E1 without its assumptions, by searches over all weights."""

import numpy as np
from scipy.optimize import minimize

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict


def best_found(price_1: float, price_2: float, variances: tuple[float, float], h: int) -> np.ndarray:
    """Singular values of f at the lowest of many local minima, A = diag(1, ½), inputs diag(variances)."""
    teacher, inputs = np.diag([1.0, 0.5]), np.array(variances)

    def loss(weights: np.ndarray) -> float:
        m1, m2 = weights[: 2 * h].reshape(h, 2), weights[2 * h :].reshape(2, h)
        on_w1, on_w2 = (m1**2 * inputs).sum(), inputs.mean() * (m2**2).sum()  # B1 with tr Σx = 2 · mean
        return float((((m2 @ m1 - teacher) ** 2 * inputs).sum() + price_1 * on_w1 + price_2 * on_w2) / 2)

    tries = [minimize(loss, np.random.default_rng(k).normal(size=4 * h)) for k in range(5)]
    best = min(tries, key=lambda found: found.fun).x
    return np.linalg.svd(best[2 * h :].reshape(2, h) @ best[: 2 * h].reshape(h, 2), compute_uv=False)


def colored() -> Evidence:
    """Σx = diag(1.9, 0.1), a = b = 0.1: the weak input's feature, σ = ½, keeps 0.18, the formula 0.4."""
    found = best_found(0.1, 0.1, (1.9, 0.1), 2)
    white = best_found(0.1, 0.1, (1.0, 1.0), 2)
    holds = bool(np.allclose(white, (0.9, 0.4), atol=1e-4) and found[1] < 0.2)
    return Evidence(holds, Verdict.TESTED, f"white {white.round(4)}, Σx = diag(1.9, 0.1) {found.round(4)}")


def narrow() -> Evidence:
    """One hidden unit for two features above κ: the second is 0."""
    found = best_found(0.1, 0.1, (1.0, 1.0), 1)
    return Evidence(bool(found[1] < 1e-6), Verdict.TESTED, f"h = 1: {found.round(6)}, the formula 0.9 and 0.4")


def tilted_curves() -> Curves:
    """The loss after noise of three remedies against how unequal the prices are."""
    ratio = np.geomspace(0.01, 100, 41)  # a/b at fixed mean
    b_ = 0.4 / (1 + ratio)
    loss = lambda m: m * (1 - m / 2)
    return Curves(
        ratio,
        {"decay per layer": loss(b_ * np.sqrt(ratio)), "best stop": np.full(41, loss(0.2)), "long": np.full(41, 0.2)},
        "a/b at c = 0.2, σ = 1",
        "loss after noise",
    )
