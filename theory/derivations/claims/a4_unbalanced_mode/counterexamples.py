"""A4's counterexamples: one mode of teacher 1 from the wrong side, p₀ = −0.2, followed in its weights."""

import numpy as np

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict
from overtraining.theory.learning.unbalanced_mode import product

_TIMES = np.linspace(0, 12, 49)


def _runs() -> dict[str, np.ndarray]:
    """Teacher 1, p₀ = −0.2; small steps, in weights."""

    def run(imbalance: float, decay: float) -> np.ndarray:
        larger = np.sqrt((np.hypot(imbalance, 0.4) + imbalance) / 2)
        w1, w2, path = -0.2 / larger, larger, []
        for n in range(12_001):
            if n % 250 == 0:
                path.append(w1 * w2)
            pull = 1 - w1 * w2
            w1, w2 = w1 + 1e-3 * (w2 * pull - decay * w1), w2 + 1e-3 * (w1 * pull - decay * w2)
        return np.array(path)

    return {"imbalance 0.3": run(0.3, 0.0), "imbalance 0": run(0.0, 0.0), "imbalance 0.3, decay 0.3": run(0.3, 0.3)}


def differs(name: str) -> Evidence:
    """The named run leaves the claim, where the control stays on it."""
    runs, claim = _runs(), product(_TIMES, 1.0, -0.2, 0.3)
    control, gap = (np.abs(runs[k] - claim).max() for k in ("imbalance 0.3", name))
    return Evidence(control < 0.01 and gap > 0.2, Verdict.TESTED, f"off by {gap:.2f}, control {control:.4f}")


def curves() -> Curves:
    """The products along every run."""
    return Curves(_TIMES, _runs(), "time", "product w₁w₂")
