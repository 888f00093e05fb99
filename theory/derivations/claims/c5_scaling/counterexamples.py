"""Where claim C5's formula fails, and the inflection of a continuous spectrum by quadrature."""

import numpy as np

from overtraining.theory.derivations.checker.core import Curves, Evidence, Verdict
from overtraining.theory.inflection.noisy_path import minima


def continuum(start: float, price_: float, exponent: float) -> float:
    """Inflection for `σ_i = i^{−α}` with i a continuous number: the zero of the slope's integral, by quadrature."""

    def slope_at(time: float) -> float:
        v = np.linspace(0.2 * price_, min(1.0, 12 * price_), 40_001)
        left = (v / start - 1) * np.exp(-2 * v * time)
        s_ = v / (1 + left)
        return float(np.sum(v ** (-1 / exponent - 1) * s_ * (v - s_) * (price_ - v + s_)))

    low, high = 0.5 * np.log(1 / start) / (4 * price_), 1.5 * np.log(1 / start) / (4 * price_)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if slope_at(middle) < 0 else (low, middle)
    return low


def steep() -> Evidence:
    """σ = 1, 10⁻¹, 10⁻², c = 0.002: the best stop is in the last stage above 2c, not where a feature at 2c would be."""
    found = minima([1.0, 0.1, 0.01], 1e-30, 0.002)
    claimed = float(np.log(1e30) / (4 * 0.002))
    off = found.at("best") / claimed
    return Evidence(
        bool(found.times.size == 3 and off < 0.5), Verdict.TESTED, f"{found.times.size} minima, best at {off:.2f} t*"
    )


def steep_curves() -> Curves:
    """The loss after noise of a steep spectrum, with its several minima."""
    times = np.geomspace(10, 20_000, 300)
    v = np.array([1.0, 0.1, 0.01])
    s_ = v / (1 + (v / 1e-30 - 1) * np.exp(-2 * v * times[:, None]))
    return Curves(
        np.log10(times),
        {"σ = 1, 0.1, 0.01": ((v - s_) ** 2 / 2 + 0.002 * s_).sum(1)},
        "log₁₀ length",
        "loss after noise",
    )


def large_start() -> Evidence:
    """c = 0.02, α = 2 from ε = 0.01: ln(2c/ε) = 1.39 is below 2 − 1/α = 1.5."""
    claimed = (np.log(4) - 1.5) / 0.08
    found = continuum(1e-2, 0.02, 2.0)
    return Evidence(
        bool(claimed < 0 < found - 1), Verdict.TESTED, f"turns at {found:.1f}, the formula says {claimed:.1f}"
    )
