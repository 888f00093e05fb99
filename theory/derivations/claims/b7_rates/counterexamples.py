"""What breaks claims B7 and B8 without their assumptions, on sums over logistic paths."""

import numpy as np

from overtraining.theory.derivations.checker.core import Assumption, Counterexample, Curves, Evidence, Verdict
from overtraining.theory.derivations.claims import a3_balanced_mode as a3


def path(sigma: np.ndarray, start: np.ndarray | float, length: np.ndarray | float) -> np.ndarray:
    """Student singular values by the logistic path, from above σ as well."""
    return sigma / (1 + (sigma / start - 1) * np.exp(-2 * sigma * length))


def diverges() -> Evidence:
    """α = 0.45: Σσ² keeps growing with the number of features; there is no loss to fall."""
    few, many = ((np.arange(1, count + 1) ** -0.9).sum() for count in (10_000, 1_000_000))
    return Evidence(bool(many > 1.5 * few), Verdict.TESTED, f"Σσ² is {few:.1f} for 10⁴ features, {many:.1f} for 10⁶")


def finite_start(start: float, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Lengths, and the local exponent of the loss from a finite start, of 20,000 features."""
    v = np.arange(1, 20_001) ** -exponent
    lengths = np.geomspace(10, 300, 12) * np.log(1 / start) / 2
    loss = ((v - path(v, start, lengths[:, None])) ** 2).sum(1) / 2
    loss += 20_000.5 ** (1 - 2 * exponent) / (2 * (2 * exponent - 1))
    return lengths, -np.gradient(np.log(loss), np.log(lengths))


def large_start() -> Evidence:
    """From a start that is not small the exponent is larger."""
    middle = float(finite_start(1e-8, 1.0)[1][5])
    return Evidence(
        middle > 1.05, Verdict.TESTED, f"from 1e-8 the loss falls with exponent {middle:.3f}, not 1 (see B8)"
    )


def start_curves() -> Curves:
    """The local exponent from two starts."""
    lengths = finite_start(1e-8, 1.0)[0] / np.log(1e8) * 2
    both = {f"ε = {e}": finite_start(e, 1.0)[1][1:-1] for e in (1e-8, 1e-30)}
    return Curves(np.log10(lengths[1:-1]), both, "log₁₀ τ", "local exponent of the loss, α = 1")


def norm_of(count: int, start: float, tau: float) -> float:
    """Σs of so many features σ = 1/i, all from the same start."""
    return float(path(1 / np.arange(1, count + 1), start, tau * np.log(1 / start) / 2).sum())


def from_above() -> Evidence:
    """α = 1, every feature from the same ε: those with σ < ε start above the teacher, and there are ever more."""
    v = 1 / np.arange(1, 1_000_001)
    beyond = float(((v - path(v, 1e-2, np.log(1e2))) ** 2)[10_000:].sum() / 2)  # τ = 2
    bound = float((v[10_000:] ** 2).sum() / 2)
    few, many, limit = norm_of(10**5, 1e-6, 20.0), norm_of(10**6, 1e-6, 20.0), float((1 / np.arange(1, 21)).sum())
    holds = beyond > 1e5 * bound and many > few + 0.8
    detail = f"loss beyond 10⁴ features {beyond:.1f} against ½Σσ² = {bound:.1e}; from 1e-6 at τ = 20 Σs is {few:.2f} "
    return Evidence(holds, Verdict.TESTED, detail + f"of 10⁵ features, {many:.2f} of 10⁶, in the limit {limit:.2f}")


def above_curves() -> Curves:
    """Σs against the number of features, all started at one ε."""
    counts = np.geomspace(30, 1e6, 19)
    found = np.array([norm_of(int(n), 1e-6, 20.0) for n in counts])
    limit = np.full(19, (1 / np.arange(1, 21)).sum())
    return Curves(np.log10(counts), {"ε = 1e-6": found, "limit": limit}, "log₁₀ of the features", "Σs at τ = 20")


def colored() -> Evidence:
    """α = ¾ and input variances 1/i: features come in the order of ξσ, and both exponents change, not their sum."""
    i, tau = np.arange(1, 3_000_001, dtype=float), np.array([1e2, 1e4])
    learned = (tau ** (1 / 1.75)).astype(int)  # ξσ = i^−1.75 > 1/τ
    loss = np.array([(i[n:] ** -2.5).sum() / 2 for n in learned])
    norm = np.array([(i[:n] ** -0.75).sum() for n in learned])
    beta = float(-np.log(loss[1] / loss[0]) / np.log(100))
    grown = float(norm[1] / norm[0])
    holds = abs(beta - 1.5 / 1.75) < 0.03 and grown < 100 ** (1 / 3) / 1.5
    return Evidence(holds, Verdict.TESTED, f"β = {beta:.2f}, not ⅔; Σs grows {grown:.2f}-fold, not 4.64")


DENSE = Assumption(
    "dense spectrum",
    "A power law with infinitely many features and α > ½.",
    Counterexample("For α <= ½ the loss is infinite.", diverges),
)
BELOW = Assumption(
    "start below the teacher",
    "ε_i < σ_i for every feature, and Σε_i → 0 as ε_i = ε b_i with Σb_i finite, or finitely many features while ε → 0.",
    Counterexample("From one ε for infinitely many features loss and Σs are infinite.", from_above, above_curves),
)
SMALL = Assumption(
    "small ε",
    "The start goes to 0 at fixed τ.",
    Counterexample("From a finite start exponents are larger, by 1/(1 − 1/ℓ).", large_start, start_curves),
)
WHITE = Assumption(
    "whitened inputs",
    "Σx = I, or the features come in the order of ξσ.",
    Counterexample("Variances 1/i change both exponents.", colored),
)
PATH = tuple(a for a in a3.DERIVATION.assumptions if a.name in ("aligned start", "balanced start", "gradient flow"))
