"""From the loss to the loss after noise along the balanced aligned path: what claims B7, B8 and C1, C3–C5 start from.

Everything here is derived: the modes' flow by differentiating the explicit loss, its solution by a quantity that the
flow conserves, the price of noise from claim B1.
"""

import functools

import sympy as sp

from theory.derivations import b1_noise
from theory.derivations.b1_noise import d_in, d_out, g1, g2
from theory.derivations.core import Evidence, Step
from theory.derivations.evidence import every, identity
from theory.derivations.shapes import SHAPES, symbolic

sigma, epsilon, c = sp.symbols("sigma epsilon c", positive=True)
t = sp.Symbol("t", nonnegative=True)
s = sp.Symbol("s", positive=True)

price = (g2**2 * d_out + g1**2 * d_in) / 2  # only to write formulas with; checks compare it with price_of_noise()


@functools.cache
def flow() -> sp.Expr:
    """`ṡ` for `s = w₂w₁` on the balanced mode `w₁ = w₂ = √s`, by differentiating the loss of one mode."""
    w1, w2 = sp.symbols("w_1 w_2", positive=True)
    loss = (w2 * w1 - sigma) ** 2 / 2
    velocity = {w: -sp.diff(loss, w) for w in (w1, w2)}
    speed = sum(sp.diff(w2 * w1, w) * velocity[w] for w in (w1, w2))
    return sp.factor(speed.subs({w1: sp.sqrt(s), w2: sp.sqrt(s)}))


def invariant() -> sp.Expr:
    """`(σ/s − 1) e^{2σt}`, which the flow conserves."""
    return (sigma / s - 1) * sp.exp(2 * sigma * t)


@functools.cache
def path() -> sp.Expr:
    """`s(t)` from `s(0) = ε`, by solving the conservation law for s."""
    start = invariant().subs({t: 0, s: epsilon})
    (solution,) = sp.solve(sp.Eq(invariant(), start), s)
    return sp.simplify(solution)


@functools.cache
def after_noise() -> sp.Expr:
    """One mode's part of the expected loss after noise, `½(σ − s)²` and B1 at `‖W1‖² = ‖W2‖² = s`; no constants."""
    rise = b1_noise.formula().subs({b1_noise.q1: s, b1_noise.q2: s, b1_noise.tau: d_in})
    return (sigma - s) ** 2 / 2 + sp.expand(rise - rise.subs(s, 0))


def price_of_noise() -> sp.Expr:
    """What one unit of singular value costs: the coefficient of s that B1 gives."""
    return sp.expand(after_noise() - (sigma - s) ** 2 / 2).coeff(s)


def slope() -> sp.Expr:
    """`dP/dt` of one mode as a function of s, by the chain rule."""
    return sp.diff(after_noise(), s) * flow()


GEOMETRIC = {d_out: g1 * sp.sqrt(d_in * d_out) / g2, d_in: g2 * sp.sqrt(d_in * d_out) / g1}
"""Turns c into `γ₁γ₂√(d_in d_out)`: the wrong mean, and the right one only for square networks and equal noise."""


def in_price(expression: sp.Expr) -> sp.Expr:
    """The same with c written for what B1 gives: γ₂ is eliminated, so nothing can hide in the shorter symbol."""
    return sp.simplify(expression.subs(g2, sp.sqrt((2 * c - g1**2 * d_in) / d_out)))


def rename(formulas: dict[str, sp.Expr], change: dict[sp.Symbol, sp.Expr]) -> dict[str, sp.Expr]:
    """Several expressions with symbols exchanged at once, for variants and special cases."""
    return {name: e.subs(change, simultaneous=True) for name, e in formulas.items()}


def _aligned(shape: tuple[int, int, int]) -> Evidence:
    """The loss's gradient, entry by entry, at weights that are diagonal in the shared frame."""
    i, k, o = shape
    w1, w2 = symbolic("w", k, i), symbolic("v", o, k)
    teacher = sp.Matrix(o, i, lambda a, b: sp.Symbol(f"sigma_{a}") if a == b else 0)
    error = w2 * w1 - teacher
    loss = sum(e**2 for e in error) / 2
    on_path = {x: 0 for m in (w1, w2) for a in range(m.rows) for b in range(m.cols) if a != b and (x := m[a, b])}
    for n in range(min(k, i, o), k):  # hidden units without a mode stay at zero, or their product would not be diagonal
        on_path |= dict.fromkeys(([w1[n, n]] if n < i else []) + ([w2[n, n]] if n < o else []), 0)
    got, expected = [], []
    for m, other in ((w1, w2), (w2, w1)):
        for a in range(m.rows):
            for b in range(m.cols):
                got.append(sp.diff(loss, m[a, b]).subs(on_path))
                mode = a == b and a < min(shape)
                expected.append((other[a, a] * (other[a, a] * m[a, a] - teacher[a, a])).subs(on_path) if mode else 0)
    return identity(tuple(map(sp.expand, got)), tuple(map(sp.expand, expected)))


@functools.cache
def decouples() -> Evidence:
    return every((f"(d_in, h, d_out) = {shape}", _aligned(shape)) for shape in SHAPES)


def conserved() -> Evidence:
    """`d/dt` of the invariant along the flow is 0, so the path it gives is the only one; the path also starts at ε."""
    rate = sp.diff(invariant(), t) + sp.diff(invariant(), s) * flow()
    solves = sp.diff(path(), t) - flow().subs(s, path())
    return identity((rate, path().subs(t, 0), solves), (0, epsilon, 0), "conserved; starts at ε; solves ṡ = 2s(σ − s)")


STEPS = (
    Step(
        r"\nabla_{W_1}L,\ \nabla_{W_2}L\ \text{diagonal on aligned weights},\quad \dot w_1=w_2(\sigma-w_2w_1),\ "
        r"\dot w_2=w_1(\sigma-w_2w_1)",
        "In the teacher's frame (the loss does not change under rotations of input, hidden layer and output) the loss "
        "is differentiated entry by entry on every shape in {1,2,3}³: aligned weights stay aligned, mode by mode.",
        decouples,
    ),
    Step(
        r"\dot s=2s(\sigma-s)\ \Rightarrow\ \left(\tfrac{\sigma}{s}-1\right)e^{2\sigma t}=\tfrac{\sigma}{\epsilon}-1",
        "On the balanced mode s = w² obeys a logistic equation. The quantity on the left is conserved along it, which "
        "gives the path and its uniqueness at once.",
        conserved,
    ),
)
"""The steps from the loss to the path, for every claim that starts from it."""
