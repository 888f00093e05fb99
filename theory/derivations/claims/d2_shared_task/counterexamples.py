"""What breaks claim D2 without its assumptions."""

import numpy as np

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict

S = np.linspace(0.01, 1, 100)


def mode(s: np.ndarray, target: float | np.ndarray, budget: float | np.ndarray) -> np.ndarray:
    """A balanced mode after fine-tuning, written out here."""
    return target * s / (s + (target - s) * np.exp(-2 * target * budget))


def turned_loss(budget: float = 1.0) -> np.ndarray:
    """`½‖f − (1, 0)‖²` after fine-tuning on (1, 1) from (s, 0), one hidden unit, followed in small steps."""
    steps, w, u = 2000, np.stack([np.sqrt(S), np.zeros_like(S)]), np.sqrt(S)
    task = np.array([[1.0], [1.0]])
    for _ in range(steps):
        left = task - u * w
        w, u = w + budget / steps * u * left, u + budget / steps * (left * w).sum(axis=0)
    return ((u * w - np.array([[1.0], [0.0]])) ** 2).sum(axis=0) / 2


def turned() -> Evidence:
    """The loss after is lowest long before the end."""
    loss = turned_loss()
    best = S[np.argmin(loss)]
    detail = f"lowest {loss.min():.3f} at s = {best:.2f}, at the end {loss[-1]:.3f}"
    return Evidence(bool(best < 0.3 and loss[-1] > loss.min() + 0.1), Verdict.TESTED, detail)


def turned_curves() -> Curves:
    """The loss after fine-tuning on the turned task, and on the teacher itself."""
    shared = (1 - mode(S, 1.0, 1.0)) ** 2 / 2
    return Curves(S, {"turned task": turned_loss(), "shared task": shared}, "s", "pretraining loss after")


LENGTHS = np.linspace(0.5, 20, 196)


def two_modes() -> np.ndarray:
    """The pretraining loss after T = 0.1 for σ = (1, ½), σ' = (2, ¼), from ε = 1e-3."""
    loss = np.zeros(LENGTHS.size)
    for strong, task in ((1.0, 2.0), (0.5, 0.25)):
        s = strong / (1 + (strong / 1e-3 - 1) * np.exp(-2 * strong * LENGTHS))
        loss += (strong - mode(s, task, 0.1)) ** 2 / 2
    return loss


def slowest() -> Evidence:
    """It falls all along: the second mode is learned while and after the first overshoots."""
    loss, first = two_modes(), mode(np.ones(1), 2.0, 0.1)[0]
    holds = bool((np.diff(loss) < 0).all() and first > 1.1)
    return Evidence(
        holds, Verdict.TESTED, f"falls all along, to {loss[-1]:.4f}; the first mode ends at {first:.3f} > 1"
    )


def slowest_curves() -> Curves:
    """The loss after, along pretraining."""
    return Curves(LENGTHS, {"σ' = (2, ¼)": two_modes()}, "pretraining length", "pretraining loss after")


def from_above() -> Evidence:
    """A mode that comes down from 3 to 1, on σ' = ½ for T = 0.2."""
    s = np.linspace(3, 1, 200)
    loss = (1 - mode(s, 0.5, 0.2)) ** 2 / 2
    best = s[np.argmin(loss)]
    holds = bool(1 < best < 2 and loss[-1] > 0.01)
    return Evidence(holds, Verdict.TESTED, f"lowest at s = {best:.2f} on the way down, {loss[-1]:.3f} at the end")


def crosses() -> Evidence:
    """One step of 1.5 on σ' = ½ from s = 0.81 and from s = 1."""
    w = np.array([0.9, 1.0])
    x = (w + 1.5 * w * (0.5 - w**2)) ** 2
    return Evidence(bool(x[1] < x[0] - 0.1), Verdict.TESTED, f"0.81 → {x[0]:.3f} and 1 → {x[1]:.3f}: the order is lost")
