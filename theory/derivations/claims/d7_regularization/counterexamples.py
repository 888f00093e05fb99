"""What breaks claim D7 without its assumptions, on fine-tuning integrated here."""

import numpy as np

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict

LENGTHS = np.linspace(0, 12, 49)
TURNED = np.array([[0.3, -0.3], [1.5, 2.0]])


def after_tuning(task: np.ndarray, anchor: float, rank: int = 2, tilt: float = 1.0) -> np.ndarray:
    """Pretraining loss against length after anchored gradient descent to the end, σ = (1, ½), ε = 1e-3.

    tilt: W1 and W2 are multiplied and divided by it before tuning, which leaves f alone.
    """
    sigma = np.array([1.0, 0.5])[:rank]
    root = np.sqrt(sigma / (1 + (sigma / 1e-3 - 1) * np.exp(-2 * sigma * LENGTHS[:, None])))
    start = root[:, :, None] * np.eye(rank)
    start1, start2 = start * tilt, start / tilt
    w1, w2, teacher, turn = start1, start2, np.diag(sigma), lambda m: np.swapaxes(m, 1, 2)
    for _ in range(2000):
        left = task[:rank, :rank] - w2 @ w1
        move1, move2 = turn(w2) @ left - anchor * (w1 - start1), left @ turn(w1) - anchor * (w2 - start2)
        w1, w2 = w1 + 0.03 * move1, w2 + 0.03 * move2
    return np.asarray(((w2 @ w1 - teacher) ** 2).sum(axis=(1, 2)) / 2)


def misaligned() -> Evidence:
    """On a task with other singular vectors a stronger anchor brings the inflection forward and enlarges the rise."""
    weak, strong = (after_tuning(TURNED, anchor) for anchor in (0.05, 0.5))
    at = [float(LENGTHS[x.argmin()]) for x in (weak, strong)]
    rise = [float(x[-1] - x.min()) for x in (weak, strong)]
    detail = f"λ = 0.05: inflection at {at[0]}, rise {rise[0]:.3f}; λ = 0.5: {at[1]}, {rise[1]:.3f}"
    return Evidence(at[1] < at[0] - 0.2 and rise[1] > 5 * rise[0] > 0.05, Verdict.TESTED, detail)


def misaligned_curves() -> Curves:
    """The loss after fine-tuning, less its minimum, for three anchors."""
    found = {f"λ = {x}": after_tuning(TURNED, x) for x in (0.05, 0.5, 2.0)}
    return Curves(
        LENGTHS, {k: y - y.min() for k, y in found.items()}, "pretraining length", "L_pre after − its minimum"
    )


def unbalanced() -> Evidence:
    """σ = 1, σ' = 1.5, λ = 1: balanced weights turn at s = ¼, to the grid of lengths; weights tilted by 3 before."""
    s = 1 / (1 + 999 * np.exp(-2 * LENGTHS))
    at = [float(s[after_tuning(np.array([[1.5]]), 1.0, 1, tilt).argmin()]) for tilt in (1.0, 3.0)]
    detail = f"turns at s = {at[0]:.2f}, tilted {at[1]:.2f}"
    return Evidence(abs(at[0] - 0.25) < 0.06 and at[1] < 0.15, Verdict.TESTED, detail)
