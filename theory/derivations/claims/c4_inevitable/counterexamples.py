"""What breaks claim C4 without its assumptions, on paths written out here."""

import numpy as np
from scipy.integrate import solve_ivp

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict


def rise(values: list[float], starts: list[float], price: float, times: np.ndarray) -> np.ndarray:
    """P(∞) − P(t) by the logistic path, a mode of σ = 0 included."""
    total = np.zeros(times.shape)
    for v, e in zip(values, starts, strict=True):
        s = e / (1 + 2 * e * times) if v == 0 else v / (1 + (v / e - 1) * np.exp(-2 * v * times))
        total += (v - s) * (price - (v - s) / 2)
    return total


def from_above() -> Evidence:
    """From above the teacher the loss after noise only falls."""
    lost = rise([1.0], [1.5], 0.1, np.linspace(0, 5, 501))
    return Evidence(
        bool((np.diff(lost) > 0).all() and lost[0] < -0.1), Verdict.TESTED, f"from above: {lost[0]:.3f} → 0"
    )


def null_modes() -> Evidence:
    """A feature the teacher lacks, started at 0.05, decays as 1/2t: in the end P falls, to the last."""
    lost = rise([1.0, 0.0], [0.05, 0.05], 0.1, np.array([10.0, 100.0, 1000.0]))
    return Evidence(bool((lost < 0).all() and (np.diff(lost) > 0).all()), Verdict.TESTED, f"P(∞) − P(t) = {lost}")


def null_curves() -> Curves:
    """What is still to lose, with and without a mode that the teacher lacks."""
    times = np.linspace(0, 12, 121)
    with_null, without = (-rise([1.0, 0.0][:n], [0.05, 0.05][:n], 0.1, times) for n in (2, 1))
    return Curves(times, {"with a null mode": with_null, "without": without}, "pretraining length", "P(t) − P(∞)")


def equal_features() -> Evidence:
    """Equal features stop together, before one that would pay."""
    lost = rise([1.0] * 5 + [0.21], [1e-12] * 6, 0.1, np.linspace(0, 200, 40_001)).max()
    return Evidence(lost > 0.0235, Verdict.TESTED, f"lost {lost:.4f}, the formula for distinct features says 0.005")


def large_start() -> Evidence:
    """From a start that is not small less is lost."""
    lost = rise([1.0, 0.15], [0.1, 0.1], 0.1, np.linspace(0, 50, 20_001)).max()
    return Evidence(abs(lost - 0.00875) > 1e-3, Verdict.TESTED, f"from 0.1: lost {lost:.5f}, in the limit 0.00875")


def unbalanced_flow(times: np.ndarray, w1: tuple[float, float], w2: float) -> tuple[np.ndarray, np.ndarray]:
    """`‖∇L‖²` and `⟨f, A − f⟩` along the flow of d_in = 2, h = d_out = 1, A = (1, 0), by integration of the weights."""
    teacher = np.array([1.0, 0.0])

    def rate(_: float, x: np.ndarray) -> np.ndarray:
        left = teacher - x[2] * x[:2]
        return np.append(x[2] * left, left @ x[:2])

    path = solve_ivp(rate, (0, times[-1]), [*w1, w2], method="DOP853", t_eval=times, rtol=1e-13, atol=1e-16).y
    left = teacher[:, None] - path[2] * path[:2]
    along = (left * path[:2]).sum(axis=0)
    return path[2] ** 2 * (left**2).sum(axis=0) + along**2, path[2] * along


def imbalance_escapes() -> Evidence:
    """λ = w₂² − ‖w₁‖² = −1.31 and c = 0.1: claim C2's slope −‖∇L‖² + 2c⟨f, A − f⟩ stays negative at every length.

    In the end A − f is orthogonal to w₁ up to second order and `⟨f, A − f⟩ → ‖∇L‖²/|λ|`: `dP/dt → ‖∇L‖²(2c/|λ| − 1)`.
    """
    gain, along = unbalanced_flow(np.linspace(0, 22, 221), (1.2, 0.6), 0.7)
    slope, late = -gain + 0.2 * along, slice(160, None)
    ratio, claimed = slope[late] / gain[late], 0.2 / 1.31 - 1
    holds = bool((slope < 0).all() and (along[late] > 0).all() and (np.abs(ratio / claimed - 1) < 1e-4).all())
    detail = f"⟨f, A − f⟩ > 0 and dP/dt < 0 to the last, dP/dt → {ratio[0]:.5f}‖∇L‖², 2c/|λ| − 1 = {claimed:.5f}"
    return Evidence(holds, Verdict.TESTED, detail)


def imbalance_curves() -> Curves:
    """The slope of the loss after noise, with an imbalance above 2c and without."""
    times = np.linspace(0, 12, 121)
    gain, along = unbalanced_flow(times, (1.2, 0.6), 0.7)
    balanced = unbalanced_flow(times, (0.56, 0.42), 0.7)  # ‖w₁‖ = w₂
    slopes = {"λ = −1.31": 0.2 * along / gain - 1, "balanced": 0.2 * balanced[1] / balanced[0] - 1}
    return Curves(times, slopes, "pretraining length", "dP/dt over ‖∇L‖²")
