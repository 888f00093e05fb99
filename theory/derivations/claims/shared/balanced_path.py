"""The loss after noise along the balanced aligned path, from claims A3 and B1; B7, B8 and C1, C3–C5 start from it.

Nothing is derived twice: the flow of a mode, its conserved quantity and its solution are A3's without weight decay, and
the cost of noise is B1's.
"""

import functools

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.two_layers import d_in, d_out
from overtraining.theory.derivations.claims import a3_balanced_mode as a3, b1_noise
from overtraining.theory.derivations.claims.a3_balanced_mode import epsilon, s, sigma, t
from overtraining.theory.derivations.claims.b1_noise import g1, g2

c = sp.Symbol("c", positive=True)
SYMBOLS = sigma, epsilon, s, t, c

noise_cost = (g2**2 * d_out + g1**2 * d_in) / 2
"""The cost c of one unit of singular value, to write formulas with; checks compare it with `derived_noise_cost()`."""

NOISE = tuple(a for a in b1_noise.DERIVATION.assumptions if "noise" in a.name)
"""B1's assumptions on the noise, with their counterexamples."""


@functools.cache
def flow() -> sp.Expr:
    """`ṡ = 2s(σ − s)`, A3's without decay."""
    return sp.factor(a3.rate().subs(a3.mu, 0))


def invariant() -> sp.Expr:
    """`(σ/s − 1) e^{2σt}`, which A3 shows to be conserved."""
    return a3.conserved()[0].subs(a3.mu, 0)


@functools.cache
def path() -> sp.Expr:
    """`s(t)` from `s(0) = ε`, A3's solution."""
    return sp.simplify(a3.solved()[0].subs(a3.mu, 0))


def logistic_path(sigma: np.ndarray, start: np.ndarray | float, length: np.ndarray | float) -> np.ndarray:
    """`s(t)` in NumPy, for the sums over many modes of the counterexamples; the start may be above σ."""
    return sigma / (1 + (sigma / start - 1) * np.exp(-2 * sigma * length))


@functools.cache
def after_noise() -> sp.Expr:
    """One mode's part of the expected loss after noise, `½(σ − s)²` and B1 at `‖W1‖² = ‖W2‖² = s`; no constants."""
    rise = b1_noise.formula().subs({b1_noise.q1: s, b1_noise.q2: s, b1_noise.tau: d_in})
    return (sigma - s) ** 2 / 2 + sp.expand(rise - rise.subs(s, 0))


def derived_noise_cost() -> sp.Expr:
    """The cost of one unit of singular value: the coefficient of s in B1."""
    return sp.expand(after_noise() - (sigma - s) ** 2 / 2).coeff(s)


def slope() -> sp.Expr:
    """`dP/dt` of one mode as a function of s, by the chain rule."""
    return sp.diff(after_noise(), s) * flow()


GEOMETRIC = {d_out: g1 * sp.sqrt(d_in * d_out) / g2, d_in: g2 * sp.sqrt(d_in * d_out) / g1}
"""Turns c into `γ₁γ₂√(d_in d_out)`, the geometric mean: wrong, except for square networks and equal noise."""


def in_noise_cost(expression: sp.Expr) -> sp.Expr:
    """The same in terms of c instead of B1's sum: γ₂ is eliminated, so a wrong sum does not become c."""
    return sp.simplify(expression.subs(g2, sp.sqrt((2 * c - g1**2 * d_in) / d_out)))


def rename(formulas: dict[str, sp.Expr], change: dict[sp.Symbol, sp.Expr]) -> dict[str, sp.Expr]:
    """Several expressions with symbols replaced simultaneously, for variants and special cases."""
    return {name: e.xreplace(change) for name, e in formulas.items()}
