"""What breaks claim D5 without its assumptions: SGD itself, on many chains of one weight per layer."""

import numpy as np

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict
from overtraining.theory.fine_tuning.label_noise import label_noise_excess


def chains(rate: float, noise: float, gaussian: bool, steps: int = 240, count: int = 4000) -> float:
    """Mean excess of SGD on one weight per layer, target 1, batch 1: many chains, the last quarter of their steps."""
    generator = np.random.default_rng(0)
    w1, w2, total = np.ones(count), np.ones(count), 0.0
    for k in range(steps):
        x = generator.normal(size=count) if gaussian else generator.choice([-1.0, 1.0], count)
        pull = (w1 * w2 - 1) * x * x - noise * generator.normal(size=count) * x
        w1, w2 = w1 - rate * pull * w2, w2 - rate * pull * w1
        total += float(np.mean((w1 * w2 - 1) ** 2)) / 2 * (k >= 3 * steps // 4)
    return total / (steps - 3 * steps // 4)


def _claimed(rate: float, noise: float, online: bool = True) -> float:
    return float(label_noise_excess([1.0], rate, noise, 1, d_in=1, d_out=1, online=online))


def other_inputs() -> Evidence:
    """x = ±1 has x² = 1 always: the factor of Gaussian inputs is not there."""
    claimed = _claimed(0.1, 0.1)
    found = {kind: chains(0.1, 0.1, kind == "Gaussian") for kind in ("Gaussian", "±1")}
    holds = abs(found["Gaussian"] / claimed - 1) < 0.08 and found["±1"] < 0.9 * claimed
    return Evidence(holds, Verdict.TESTED, f"{found}, the formula {claimed:.5f}")


def strong_noise() -> Evidence:
    """Inputs ±1, one each, so that Z = 0; γ² = 0.2 beside σ = 1: the second order is not small."""
    claimed, found = _claimed(0.1, 2.0, False), chains(0.1, 2.0, False)
    return Evidence(abs(found / claimed - 1) > 0.05, Verdict.TESTED, f"found {found:.4f}, the formula {claimed:.4f}")


def early() -> Evidence:
    """Two steps of 0.02: `1 − (1 − ηK)⁴` of the stationary excess, K = 2."""
    claimed, found = _claimed(0.02, 0.1, False), chains(0.02, 0.1, False, steps=2)
    return Evidence(found < 0.3 * claimed, Verdict.TESTED, f"found {found:.2e}, the formula {claimed:.2e}")


def noise_curves() -> Curves:
    """The excess over ν² against ν: the linear regime is where it is flat."""
    noise = np.array([0.1, 1.0, 1.5, 2.0])
    found = np.array([chains(0.1, x, False) / x**2 for x in noise])
    claimed = np.array([_claimed(0.1, x, False) / x**2 for x in noise])
    return Curves(noise, {"SGD": found, "formula": claimed}, "label noise ν, η = 0.1", "excess loss / ν²")
