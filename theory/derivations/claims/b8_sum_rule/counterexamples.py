"""What breaks claim B8 without its assumptions, and the error of its relation on finite paths."""

import numpy as np

from overtraining.theory.derivations.checker.core import Assumption, Counterexample, Curves, Evidence, Verdict
from overtraining.theory.derivations.claims.b7_rates.counterexamples import path


def moment_error(start: float, exponent: float, lengths: np.ndarray) -> float:
    """Growth of Σs predicted from the loss over the true one, minus 1, on 4,000 features from a finite start."""
    v = np.arange(1, 4001) ** -exponent
    modes = [path(v, start, time) for time in lengths * np.log(1 / start) / 2]
    grown, fallen = (np.array([f(s) for s in modes]) for f in (np.sum, lambda s: ((v - s) ** 2).sum() / 2))
    middle = np.sqrt(lengths[1:] * lengths[:-1])
    return float(np.sum(-2 * middle * np.diff(fallen)) / (grown[-1] - grown[0]) - 1)


def one_stage(start: float) -> tuple[np.ndarray, np.ndarray]:
    """s of one feature, σ = 1, and what −(2/m)∫t dL has predicted of it by then, along its path."""
    m = np.log(1 / start) / 2
    t = m + np.linspace(-8, 8, 4001)
    s = path(np.ones(1), start, t)
    steps = -(t[1:] + t[:-1]) / m * np.diff((1 - s) ** 2 / 2)
    return s, s[0] + np.append(0.0, np.cumsum(steps))


def _coarse() -> Evidence:
    """Inside its stage the loss falls first, Σs follows; at the end both agree."""
    s, predicted = one_stage(1e-200)
    half = int(np.argmax(s >= 0.5))
    holds = predicted[half] > 1.4 * s[half] and abs(predicted[-1] / s[-1] - 1) < 0.01
    return Evidence(holds, Verdict.TESTED, f"at s = {s[half]:.2f}σ predicted {predicted[half]:.2f}σ, in the end 1")


def _coarse_curves() -> Curves:
    s, predicted = (x[::80] for x in one_stage(1e-200))
    return Curves(s, {"true": s, "from the loss": predicted}, "s/σ of one feature", "growth of Σs")


def _finite() -> Evidence:
    error = moment_error(1e-3, 0.75, np.geomspace(2, 80, 400))
    return Evidence(error < -0.3, Verdict.TESTED, f"from 1e-3 the prediction with m = ½ln(1/ε) is off by {error:.0%}")


def _colored() -> Evidence:
    """Input variances ξ = 1/i, α = ¾, whole stages: Σs keeps the rule, `tr(W1ΣxW1ᵀ) = Σξs` of B1 breaks it."""
    i = np.arange(1, 300_001, dtype=float)
    sigma, variance = i**-0.75, 1 / i
    predicted = np.cumsum(2 / (variance * sigma) * variance * sigma**2 / 2)  # t/m = 1/(ξσ), −ΔL = ½ξσ²
    kept = np.abs(predicted / np.cumsum(sigma) - 1).max()
    off = float(predicted[-1] / np.cumsum(variance * sigma)[-1])
    return Evidence(bool(kept < 1e-12 and off > 10), Verdict.TESTED, f"Σs off by {kept:.0e}, Σξs by a factor {off:.0f}")


STAGES = Assumption(
    "dense spectrum",
    "Many features under way at once, or whole stages only: the relation is one of measures.",
    Counterexample("Inside a stage the loss falls before Σs rises.", _coarse, _coarse_curves),
)
SMALL = Assumption(
    "small ε",
    "ln(1/ε) is large against the logarithms of σ.",
    Counterexample("From 1e-3 the constant is not ½ ln(1/ε).", _finite),
)
WHITE = Assumption(
    "whitened inputs",
    "Σx = I; with Σx = V diag(ξ) Vᵀ the relation still gives Σs, but noise on W2 is then paid by Σξs.",
    Counterexample("Variances 1/i: the relation no longer gives what noise on W2 costs.", _colored),
)
