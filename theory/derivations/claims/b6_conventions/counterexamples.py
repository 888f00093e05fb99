"""B6: counterexamples with shared noise, other starts, and inputs that are not white."""

import numpy as np
import sympy as sp

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import every, positive

STRENGTH = sp.Rational(3, 2)  # ½(ρ₁² + ρ₂² + ρ₁²ρ₂²) at ρ₁ = ρ₂ = 1


def biased() -> Evidence:
    """A bias toward the teacher lowers the loss."""
    return positive(0.5 - (2 - sp.Float(1.1) ** 2) ** 2 / 2, "rise −0.188")


def shared() -> Evidence:
    """The same noise on both layers costs more."""
    rho = 0.5  # one weight 1 each, A = 1, the same coin ±ρ on both
    mean = ((1 + rho) ** 2 - 1) ** 2 / 4 + ((1 - rho) ** 2 - 1) ** 2 / 4
    claimed = rho**2 + rho**4 / 2
    return Evidence(
        mean > 1.5 * claimed, Verdict.PROVED, f"the same coin on both layers: {mean:.3f}, not {claimed:.3f}"
    )


def _one_mode(first: sp.Expr, second: sp.Expr, teacher: int) -> sp.Expr:
    """d/dt of both costs, which are equal for one weight per layer: 3/2 (w1w2)² along minus the loss's gradient."""
    w1, w2 = sp.symbols("w_1 w_2", real=True)
    cost = STRENGTH * (w1 * w2) ** 2
    loss = (teacher - w1 * w2) ** 2 / 2
    return -sum(cost.diff(w) * loss.diff(w) for w in (w1, w2)).subs({w1: first, w2: second})


def from_above() -> Evidence:
    """A mode above its teacher comes down, and both costs with it."""
    speed = _one_mode(sp.sqrt(2), sp.sqrt(2), 1)
    return Evidence(bool(speed < 0), Verdict.PROVED, f"s = 2, σ = 1: both costs change at the rate {speed}")


def not_aligned() -> Evidence:
    """Balanced and from below, |f| < σ, but f has the wrong sign: u and v are not the teacher's."""
    speed = _one_mode(sp.Rational(1, 2), -sp.Rational(1, 2), 1)
    holds = bool(speed == -sp.Rational(15, 32))
    return Evidence(holds, Verdict.PROVED, f"W1 = ½, W2 = −½, A = 1: both costs change at the rate {float(speed):.3f}")


def _turn(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _costs(w: np.ndarray, v: np.ndarray, sx: np.ndarray) -> tuple[float, float]:
    """Relative and multiplicative, ρ₁ = ρ₂ = 1, h = d_in = 2, from B1's variances and path by path."""
    n1 = (w**2).sum()
    n2 = (v**2).sum(axis=0)
    unit = (w @ sx * w).sum(axis=1)
    return n2.sum() * (unit.sum() + np.trace(sx) * n1) / 4, float(n2 @ unit + 2 * n2 @ w**2 @ np.diag(sx)) / 2


def _path(angle: float = 5 * np.pi / 6, least: float = 0.05) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times and both costs for A = diag(1, .5752), s = (.01, .5), and Σx of variances 2 − k, k along rotated axes."""
    sx = _turn(angle) @ np.diag([2 - least, least]) @ _turn(angle).T
    teacher = np.diag([1.0, 0.5752])
    step = 0.002
    costs = []
    first = second = np.diag(np.sqrt([0.01, 0.5]))
    for _ in range(2500):
        costs.append(_costs(first, second, sx))
        w, v = first, second
        for part in (step / 2, step):  # the midpoint rule
            pull = (teacher - v @ w) @ sx
            w, v = first + part * v.T @ pull, second + part * pull @ w.T
        first, second = w, v
    relative, multiplicative = np.array(costs).T
    return step * np.arange(2500), relative, multiplicative


def shared_axes() -> Evidence:
    """Balanced, aligned, 0 < s < σ, Σx sharing V: relative noise becomes more costly, multiplicative noise less."""
    frame = _turn(2.71)
    v_axes = _turn(6.02)
    root = np.diag(np.sqrt([0.144, 0.00026]))
    sx = v_axes @ np.diag([0.46, 87.0]) @ v_axes.T
    teacher = np.diag([0.244, 0.904]) @ v_axes.T
    first = frame @ root @ v_axes.T
    second = root @ frame.T
    pull = (teacher - second @ first) @ sx
    step = 1e-6
    ahead, behind = (_costs(first + t * second.T @ pull, second + t * pull @ first.T, sx) for t in (step, -step))
    relative, multiplicative = ((a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True))
    detail = f"Σx in V's axes: relative changes at the rate {relative:.2f}, multiplicative at {multiplicative:.2f}"
    return Evidence(relative > 0.1 and multiplicative < -0.1, Verdict.TESTED, detail)


def unwhitened() -> Evidence:
    """Both costs fall for a while, by a hundred times the error of this integration."""
    _, *costs = _path()
    falls = [float((np.maximum.accumulate(c) - c).max()) for c in costs]
    detail = "relative falls by {:.1e}, multiplicative by {:.1e}".format(*falls)
    rotated_axes = every(((detail, Evidence(fall > 1e-3, Verdict.TESTED, detail)) for fall in falls), detail)
    return every((("rotated axes", rotated_axes), ("shared axes", shared_axes())), f"{detail}; {shared_axes().detail}")


def unwhitened_curves() -> Curves:
    """Both costs along a path on which they fall for a while."""
    t, relative, multiplicative = _path()
    return Curves(t[::25], {"relative": relative[::25], "multiplicative": multiplicative[::25]}, "t", "Δ at ρ = 1")


def _opposed(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two hidden units with ‖W1_k:‖² = 1 ± x and ‖W2_:k‖² = 1 ∓ x: the overlap, and (Σa)(Σb)/h."""
    return 2 * (1 + x) * (1 - x), np.full_like(x, 2.0)


def unbalanced() -> Evidence:
    """Without balance multiplicative noise may cost less than relative noise."""
    (multiplicative,), (relative,) = _opposed(np.array([0.9]))
    return Evidence(bool(multiplicative < relative / 2), Verdict.TESTED, f"{multiplicative:.2f} against {relative:.2f}")


def unbalanced_curves() -> Curves:
    """Both costs against the imbalance."""
    x = np.linspace(0, 1, 41)
    return Curves(
        x, dict(zip(("multiplicative", "relative"), _opposed(x), strict=True)), "imbalance x", "Δ / (ρ² + ρ⁴/2)"
    )
