"""A1's counterexamples: what changes the imbalance of two weights, `w₂² − w₁²`, with teacher 1 from (1.5, 0.2)."""

from collections.abc import Callable

import numpy as np

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict

Slope = Callable[[float, float], tuple[float, float]]


def _descend(step: float, slope: Slope, count: int) -> np.ndarray:
    """The imbalance along gradient descent."""
    w1, w2, path = 1.5, 0.2, []
    for _ in range(count):
        path.append(w2**2 - w1**2)
        g1, g2 = slope(w1, w2)
        w1, w2 = w1 - step * g1, w2 - step * g2
    return np.array(path)


def _linear(decay_1: float, decay_2: float) -> Slope:
    return lambda w1, w2: (w2 * (w1 * w2 - 1) + decay_1 * w1, w1 * (w1 * w2 - 1) + decay_2 * w2)


def _tanh(w1: float, w2: float) -> tuple[float, float]:
    f = np.tanh(w1)
    return w2 * (1 - f**2) * (w2 * f - 1), f * (w2 * f - 1)


def paths() -> dict[str, np.ndarray]:
    """All over the same gradient-flow time 0 … 10."""
    flow = lambda slope: _descend(0.001, slope, 10_000)[::500]
    return {
        "gradient flow, linear": flow(_linear(0.0, 0.0)),
        "gradient flow, both decay": flow(_linear(0.1, 0.1)),
        "gradient descent, linear, step 0.5": _descend(0.5, _linear(0.0, 0.0), 20),
        "gradient flow, tanh": flow(_tanh),
        "gradient flow, only W₁ decays": flow(_linear(0.1, 0.0)),
    }


def drifts(name: str) -> Evidence:
    """Off the claim's e^{−2μt} for both values of μ that could be meant; the claim's own two cases are the control."""
    ways, time = paths(), 0.5 * np.arange(20)
    off = lambda path, decay: float(np.abs(path / path[0] - np.exp(-2 * decay * time)).max())
    control = max(off(ways["gradient flow, linear"], 0.0), off(ways["gradient flow, both decay"], 0.1))
    lost = min(off(ways[name], decay) for decay in (0.0, 0.1))
    return Evidence(
        control < 0.002 and lost > 0.05, Verdict.TESTED, f"off by {lost:.0%} of the imbalance, control {control:.1g}"
    )


def curves() -> Curves:
    """The imbalance along time, on the flow and off it."""
    return Curves(0.5 * np.arange(20), paths(), "time", "imbalance w₂² − w₁²")
