"""A6's steps: every depth decouples, the flow of one mode, and what the closed form becomes at its limits."""

import sympy as sp

from overtraining.theory.derivations.calculus.frames import diagonal, insert, one_mode, orthonormal
from overtraining.theory.derivations.calculus.matrix_words import normal_form
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import every, identity
from overtraining.theory.derivations.claims import a1_invariants as a1

s, sigma, epsilon, L = sp.symbols("s sigma epsilon L", positive=True)
a, u, v = sp.symbols("a u v", positive=True)

Times = tuple[sp.Expr, sp.Expr]


def formula() -> Times:
    """`t(s)` for ε < σ and for ε > σ."""
    return times(1 - 2 / L, 2 / L, 2 - 2 / L)


def times(k: sp.Expr, b: sp.Expr, q: sp.Expr, sign: int = -1, tail: int = 1) -> Times:
    """t(s) below and above the teacher, with its exponents, its sign and its tail open to variants."""
    up = lambda u: sign * u**-k / k + tail * u**b / b * sp.hyper((1, b), (1 + b,), u)
    down = lambda v: v**q / q * sp.hyper((1, q), (1 + q,), v)
    scale = L * sigma ** (2 - 2 / L)
    return (up(s / sigma) - up(epsilon / sigma)) / scale, (down(sigma / s) - down(sigma / epsilon)) / scale


def rate() -> sp.Expr:
    """`ṡ`, from the loss `½(w P − σ)²` by any one layer w, P being the product of the others."""
    w, others = sp.symbols("w P", positive=True)
    velocity = -((w * others - sigma) ** 2 / 2).diff(w)
    balanced = velocity.subs({w: a, others: a ** (L - 1)}, simultaneous=True)
    return sp.powsimp(sp.expand(L * a ** (L - 1) * balanced).subs(a, s ** (1 / L)), force=True)


def aligned() -> Evidence:
    """A1's gradient by a layer between P = U D4 Eᵀ … R = G D1 Vᵀ, every frame orthonormal."""
    sizes = {"U": "d_out", "E": "m", "F": "h", "G": "k", "V": "d_in"}
    frames = [Letter(name, rows, "r") for name, rows in sizes.items()]
    U, E, F, G, V = map(MatrixSum.of, frames)
    D1, D2, D3, D4, S, Xi = (MatrixSum.of(diagonal(x)) for x in ("D1", "D2", "D3", "D4", "S", "Xi"))
    given = {"P": U @ D4 @ E.T, "V": E @ D3 @ F.T, "W": F @ D2 @ G.T, "R": G @ D1 @ V.T}
    given |= {"A": U @ S @ V.T, "Sigma_x": V @ Xi @ V.T}
    found = normal_form(insert(a1.gradients()[0], given), orthonormal(frames))
    w1, w2, w3, w4, xi, top = sp.symbols("w_1 w_2 w_3 w_4 xi sigma")
    values = {"D1": w1, "D2": w2, "D3": w3, "D4": w4, "S": top, "Xi": xi}
    mode = identity(one_mode(found, values), w4 * w3 * (w4 * w3 * w2 * w1 - top) * xi * w1 + a1.mu * w2)
    outside = {(w[0].name, w[-1].name) for w in found}
    return every([("frames", Evidence(outside == {("F", "G")}, Verdict.PROVED, str(outside))), ("modes", mode)])


def paced() -> Evidence:
    """With symbolic L, and for L = 1 … 6 with all layers different before they are set equal."""
    cases = [("symbolic L", identity(sp.expand(rate() / s), sp.expand(L * s ** (1 - 2 / L) * (sigma - s))))]
    for depth in range(1, 7):
        layers = sp.symbols(f"w1:{depth + 1}", positive=True)
        product = sp.prod(layers)
        loss = (product - sigma) ** 2 / 2
        velocity = sum(-product.diff(w) * loss.diff(w) for w in layers).subs(dict.fromkeys(layers, a))
        cases.append((f"L = {depth}", identity(velocity, rate().subs(L, depth).subs(s, a**depth))))
    return every(cases)


def shallow() -> Evidence:
    """The claim's own limits: of the powers by SymPy, of the series with its first term, 1, among the powers."""
    n, b = sp.Symbol("n", integer=True, positive=True), sp.Symbol("b", positive=True)
    shifted = lambda p, q, z: 1 + p[1] * z / (1 + p[1]) * sp.hyper((1, 1 + p[1]), (1 + q[0],), z)
    coefficient = b / (1 + b) * (1 + b) / (n - 1 + 1 + b)

    def at(clock: sp.Expr, depth: int) -> sp.Expr:
        terms = sp.Add.make_args(sp.expand(clock.replace(sp.hyper, shifted)))
        series, powers = (sum(x for x in terms if x.has(sp.hyper) == kind) for kind in (True, False))
        plain = sp.collect(series, series.atoms(sp.hyper), sp.factor)  # without 0/0 at L = 1
        return sp.hyperexpand(plain.subs(L, depth)) + sp.limit(powers, L, depth)

    scaled = [sp.powsimp(t.subs({s: u * sigma, epsilon: a * sigma}) * L * sigma ** (2 - 2 / L)) for t in formula()]
    flows = {1: (1 - a) / (1 - u), 2: u * (1 - a) / (a * (1 - u))}
    cases = [("series", identity(coefficient, b / (n + b)))]
    for depth, grown in flows.items():
        for side, clock in zip(("below", "above"), scaled, strict=True):
            found = sp.simplify(sp.exp(sp.expand(sp.expand_log(at(clock, depth), force=True))))
            cases.append((f"L = {depth}, {side}", identity(found, grown)))
    return every(cases)


def late() -> Evidence:
    """`t (L−2) σ ε^k = 1 − (u₀/u)^k + k u₀^k J` of the claim's own clock, J what its series grow by: bounded."""
    k, u0, before, now = sp.symbols("k u_0 F_0 F", positive=True)
    clock = formula()[0].subs({s: u * sigma, epsilon: u0 * sigma})
    named = clock.replace(sp.hyper, lambda p, q, z: now if z == u else before).subs(L, 2 / (1 - k))
    growth = (u ** (1 - k) * now - u0 ** (1 - k) * before) / (1 - k)
    waiting = 1 - (u0 / u) ** k + k * u0**k * growth
    rest = sp.expand(sp.powsimp(sp.expand(named * (2 / (1 - k) - 2) * sigma * (u0 * sigma) ** k) - waiting))
    n, b = sp.symbols("n b", positive=True)
    bounded = identity(sp.factor(1 - b / (n + b)), n / (n + b))  # coefficients in (0, 1]: 1 <= F <= 1/(1 − u)
    bracket = sp.symbols("J", positive=True)
    end = sp.limit((1 - (u0 / u) ** k + k * u0**k * bracket).subs(u0, u0 ** (1 / k)).powsimp(), u0, 0)
    whole = identity((sp.simplify(rest), end), (sp.S.Zero, sp.S.One))
    return every([("clock", whole), ("series", bounded)])


def deep() -> Evidence:
    """L → ∞ at fixed ε: `ṡ/L → s²(σ − s)`; at a fixed start α < 1 of each layer (ε = α^L, σ = 1) learning is never.

    There `1/t <= (L−2) α^{L−2}/(1 − (α^L/u)^k)` by the step before, whose J is positive, and `α^{Lk} = α^{L−2}`.
    """
    delta, top = sp.symbols("delta u_1", positive=True)  # 1/α = 1 + δ
    time = (sp.log(u / (1 - u)) - 1 / u).subs(u, s / sigma) / sigma**2
    pace = sp.simplify(time.diff(s) * s**2 * (sigma - s))
    flow = sp.limit(rate() / L, L, sp.oo)
    power = 1 / (1 + delta) ** (L - 2)
    started = sp.limit(power, L, sp.oo) / sp.limit(top ** (1 - 2 / L), L, sp.oo)
    slowest = sp.limit((L - 2) * power, L, sp.oo) / (1 - started)
    return identity((sp.expand(flow), pace, slowest), (sp.expand(s**2 * (sigma - s)), sp.S.One, sp.S.Zero))
