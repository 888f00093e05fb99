"""Assumptions of the claims on the balanced path with noise (C1, C3–C5) on start, inputs and training."""

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.two_layers import d_out
from overtraining.theory.derivations.checker.core import Assumption, Counterexample, Curves, Evidence, Verdict
from overtraining.theory.derivations.claims import b1_noise
from overtraining.theory.derivations.claims.shared.balanced_path import s
from overtraining.theory.learning.matrix_solution import matrix_flow


def _unbalanced(imbalance: float) -> tuple[float, float]:
    """`(s at the turn, σ − c)` for one mode of `λ = w₂² − w₁²`, σ = 1, with noise on W2 only, c = ½a = 0.1."""
    # P = ½(1 − p)² + ½ a w₁², and along the flow dP/dt = −(w₁² + w₂²)(1 − p)² + a p(1 − p)
    p = np.linspace(1e-6, 1, 1_000_001)[:-1]
    slope = -np.sqrt(imbalance**2 + 4 * p**2) * (1 - p) + 0.2 * p
    return float(p[np.argmax(slope > 0)]), 0.9


def _needs_balance() -> Evidence:
    turn, claimed = _unbalanced(4.0)
    return Evidence(turn > claimed + 0.04, Verdict.TESTED, f"turns at {turn:.4f}, the formula says {claimed}")


def _balance_curves() -> Curves:
    imbalance = np.linspace(0, 4, 21)
    turns = np.array([_unbalanced(x) for x in imbalance]).T
    return Curves(imbalance, {"turning value": turns[0], "σ − c": turns[1]}, "imbalance λ", "s where the loss turns")


_START, _NOISE_COST = 1e-3, 0.05
_CLAIMED = float(np.log((1 / _START - 1) * (1 - _NOISE_COST) / _NOISE_COST) / 2)


def turning_time(angle: float) -> float:
    """When P turns for A = I, 2 × 2, from `f₀ = ε·rotation`, of full rank and balanced; aligned only at angle 0."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    low, high = 0.0, 10.0
    for _ in range(3):  # each round narrows the bracket twentyfold, to 0.003
        times = np.linspace(low, high, 41)
        flow = matrix_flow(times, np.sqrt(_START) * np.eye(2), np.sqrt(_START) * turn, np.eye(2))
        k = int(np.argmin(flow.loss + _NOISE_COST * flow.norm))  # c‖W‖², by B1
        low, high = times[max(k - 1, 0)], times[min(k + 1, 40)]
    return float(times[k])


def _needs_alignment() -> Evidence:
    aligned = turning_time(0.0)
    rotated = turning_time(np.radians(150))
    detail = f"turns at {rotated:.2f}, aligned {aligned:.2f}, the formula says {_CLAIMED:.2f}"
    return Evidence(abs(aligned - _CLAIMED) < 0.01 and rotated > _CLAIMED + 1, Verdict.TESTED, detail)


def _alignment_curves() -> Curves:
    angles = np.linspace(0, 165, 12)
    turns = np.array([turning_time(x) for x in np.radians(angles)])
    return Curves(angles, {"found": turns, "formula": np.full(12, _CLAIMED)}, "angle of the start", "turning time")


def _needs_flow() -> Evidence:
    """Steps of 1.5 from s = 0.05, σ = 1: the mode jumps past σ, where no solution of the flow goes."""
    w = np.sqrt(0.05)
    trace = []
    for _ in range(8):
        w = w + 1.5 * w * (1 - w * w)
        trace.append(w * w)
    return Evidence(max(trace) > 1.5, Verdict.TESTED, f"largest s {max(trace):.3f}, on the flow s < 1")


def turning_value(variance: float, trace: float, layer_costs: tuple[float, float] = (0.18, 0.02)) -> float:
    """Where a mode σ = 1 with input variance ξ turns, from B1; layer_costs: γ₂² d_out and γ₁² d_in, d_in = 2."""
    on_w2, on_w1 = layer_costs
    norms = {b1_noise.q1: variance * s, b1_noise.q2: s, b1_noise.tau: trace}
    rise = b1_noise.formula().subs(norms).subs({b1_noise.g2: sp.sqrt(on_w2 / d_out), b1_noise.g1: sp.sqrt(on_w1 / 2)})
    (turn,) = sp.solve(sp.diff(variance * (1 - s) ** 2 / 2 + rise, s), s)
    return float(turn)


def mode_turning_time(variance: float) -> float:
    """When a single mode, σ = 1, one weight per layer, turns under inputs of variance ξ, by following its weights."""
    w = np.sqrt(_START)
    time = 0.0
    step = 1e-3
    while w * w < 1 - _NOISE_COST:  # where it turns: with one input tr Σx/ξ = 1
        middle = w + step / 2 * variance * w * (1 - w * w)
        w = w + step * variance * middle * (1 - middle * middle)
        time = time + step
    return time


def _needs_white() -> Evidence:
    white, fast = mode_turning_time(1.0), mode_turning_time(4.0)
    values = [turning_value(x, 1.1) for x in (1.0, 0.1)]
    timed = abs(white - _CLAIMED) < 0.01 and abs(fast - _CLAIMED / 4) < 0.01
    moved = abs(turning_value(1.0, 2.0) - 0.9) < 1e-9 and np.allclose(values, (0.9045, 0.855))
    detail = f"Σx = 4 turns at {fast:.3f}, the formula says {_CLAIMED:.3f}; Σx = diag(1, 0.1) at s = {values}, not 0.9"
    return Evidence(timed and moved, Verdict.TESTED, detail)


def _white_curves() -> Curves:
    variance = np.geomspace(0.1, 1, 19)
    turns = np.array([turning_value(x, 1 + x) for x in variance])
    claimed = np.full(variance.size, 0.9)
    return Curves(variance, {"weak input": turns, "formula": claimed}, "variance ξ of the weak input", "s at the turn")


BALANCED = Assumption(
    "balanced start",
    "Both layers carry the mode equally.",
    Counterexample("With noise on W2 only, an unbalanced mode turns later.", _needs_balance, _balance_curves),
)
ALIGNED = Assumption(
    "aligned start",
    "The student's singular vectors are the teacher's.",
    Counterexample(
        "From a balanced start of full rank, rotated by 150° against the teacher, the turn is 1.35 later.",
        _needs_alignment,
        _alignment_curves,
    ),
)
FLOW = Assumption(
    "gradient flow",
    "Training follows the flow, that is small steps.",
    Counterexample("Large steps overshoot: s > σ, where no path of the flow goes.", _needs_flow),
)
WHITE = Assumption(
    "whitened inputs",
    "Σx = I. With Σx = V diag(ξ) Vᵀ a mode's clock runs ξ times as fast, and it turns at "
    "σ − ½(γ₂² d_out + γ₁² tr Σx/ξ).",
    Counterexample("Two variances move both the turning time and the turning value.", _needs_white, _white_curves),
)
START = (BALANCED, ALIGNED, FLOW, WHITE)
