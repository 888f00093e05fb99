"""C4: the function ψ, its two bounds and its limit, derived region by region from the loss after noise of one mode."""

from collections.abc import Iterator
from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.two_layers import d_in, d_out
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.claims.b1_noise import g1, g2
from overtraining.theory.derivations.claims.shared.balanced_path import after_noise, c, s, sigma

Largest, Smallest = sp.Function("max"), sp.Function("min")
"""Inert until `resolve` decides them by proof: SymPy's own Max and Min take minutes to construct."""


def _largest(*values: Any) -> np.ndarray:
    return np.asarray(np.maximum.reduce(np.broadcast_arrays(*values)))


def _smallest(*values: Any) -> np.ndarray:
    return np.asarray(np.minimum.reduce(np.broadcast_arrays(*values)))


NUMERIC = [{"max": _largest, "min": _smallest}, "numpy"]
"""The modules that `sp.lambdify` needs for them."""


@cache
def _is_nonnegative(difference: sp.Expr) -> bool:
    return sp.factor(sp.together(difference)).is_nonnegative is True


def resolve(expression: sp.Expr) -> sp.Expr:
    """Replace every largest and smallest by the argument that is proved to be it; undecided ones stay."""
    if not expression.args:
        return expression
    args = [resolve(x) for x in expression.args]
    if expression.func in (Largest, Smallest):
        sign = 1 if expression.func == Largest else -1
        for x in args:
            if all(x == y or _is_nonnegative(sign * (x - y)) for y in args):
                return x
    return expression.func(*args)


u = sp.Symbol("u", positive=True)
MODES = sp.symbols("sigma_1:4", positive=True)
STARTS = sp.symbols("epsilon_1:4", positive=True)
gaps = sp.symbols("g_1:4", positive=True)


def psi(short: sp.Expr) -> sp.Expr:
    """P(∞) − P of one mode at a distance `short` below the teacher, from the derived loss after noise."""
    return sp.expand(after_noise().subs(s, sigma) - after_noise().subs(s, sigma - short))


@cache
def largest_increase(room: sp.Expr) -> sp.Expr:
    """The largest P(∞) − P of one mode at distances up to `room`: at the zero of dψ/du, or at its start."""
    (best,) = sp.solve(sp.diff(psi(u), u), u)
    return psi(Smallest(best, room))


def in_stages(values: tuple[sp.Expr, ...]) -> sp.Expr:
    """P(∞) − P at the best of all stops, when features are learned one after another, the strongest first."""
    stops = []
    for n, value in enumerate(values):
        stops.append(largest_increase(value) + sum(map(psi, values[n + 1 :])))
    return Largest(*stops)


@cache
def in_c(expression: sp.Expr) -> sp.Expr:
    """`in_noise_cost` without simplification: γ₂ is expressed by c."""
    written = expression.subs(g2, sp.sqrt((2 * c - g1**2 * d_in) / d_out))
    return written.replace(lambda e: isinstance(e, sp.Add), sp.expand)


def _agree(candidate: sp.Expr, derived: sp.Expr, values: dict[sp.Symbol, sp.Expr]) -> Evidence:
    """Are both equal in a region where every largest and smallest can be decided?"""
    sides = [resolve(in_c(e).xreplace(values)) for e in (candidate, derived)]
    if any(e.has(Largest, Smallest) for e in sides):
        return Evidence(False, Verdict.PROVED, f"{sides[0]} has a largest or smallest that is not decided")
    difference = sp.factor(sides[0] - sides[1])
    return Evidence(difference == 0, Verdict.PROVED, f"difference {difference} where {values}")


def regions(candidate: dict[str, sp.Expr]) -> Iterator[tuple[str, Evidence]]:
    """Bounds: k of the three rooms σ − ε are above c, any of them the largest. Limit: σ above 2c, between, below c."""
    rooms_of = [largest_increase(gap) for gap in gaps]
    bounds = {"lower": Largest(*rooms_of), "upper": sp.Add(*rooms_of)}
    for k in range(4):
        above = [c + sum(gaps[: n + 1]) for n in range(k)]
        below = [c / sp.prod([1 + g for g in gaps[k : n + 1]]) for n in range(k, 3)]
        rooms = above + below
        for shift in range(3):
            shifted = dict(zip(gaps, rooms[shift:] + rooms[:shift], strict=True))
            teachers = {v: e + shifted[g] for v, e, g in zip(MODES, STARTS, gaps, strict=True)}
            for name, bound in bounds.items():
                yield f"{name} bound", _agree(candidate[name], bound, teachers | shifted)
    bands = (lambda g: 2 * c + g, lambda g: c * (2 + g) / (1 + g), lambda g: c / (1 + g))
    for row in combinations_with_replacement(bands, 3):
        values = {v: band(g) for v, band, g in zip(MODES, row, gaps, strict=True)}
        yield "limit", _agree(candidate["limit"], in_stages(MODES), values)
