"""A6: one balanced mode of a network of any depth: the time at which its singular value reaches s."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.frames import diagonal, insert, one_mode, orthonormal
from overtraining.theory.derivations.calculus.matrix_words import normal_form
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
from overtraining.theory.derivations.checker.core import (
    Assumption,
    Counterexample,
    Curves,
    Derivation,
    Evidence,
    Link,
    SpecialCase,
    Step,
    Variant,
    Verdict,
)
from overtraining.theory.derivations.checker.evidence import every, identity
from overtraining.theory.derivations.claims import a1_invariants as a1
from overtraining.theory.derivations.claims.shared.uniqueness import unique
from overtraining.theory.learning import deep_mode
from overtraining.theory.learning.deep_mode import unlearned


class Lerch(sp.Function):
    """`₂F₁(1, b; 1 + b; u) = Σ b uⁿ/(n + b)`, with the derivative that `lerch_coefficients` proves."""

    nargs = 2

    def fdiff(self, argindex: int = 2) -> sp.Expr:
        b, u = self.args
        return b / u * (1 / (1 - u) - self)


def as_lerch(expression: sp.Expr) -> sp.Expr:
    """Every hypergeometric function of that kind replaced; any other stays what it is."""

    def match(p: Any, q: Any, z: sp.Expr) -> sp.Expr:
        return Lerch(p[1], z) if p[0] == 1 and q[0] == p[1] + 1 else sp.hyper(p, q, z)

    return expression.replace(sp.hyper, match)


def lerch_coefficients() -> Evidence:
    """`n c_n = b(1 − c_n)`, and `c_n = (1)_n (b)_n/((1+b)_n n!)` by its first term and its ratio."""
    n = sp.Symbol("n", integer=True, nonnegative=True)
    b = sp.Symbol("b", positive=True)

    def term(n: sp.Expr | int) -> sp.Expr:
        return sp.rf(b, n) / sp.rf(1 + b, n)

    ratio = sp.gammasimp((term(n + 1) / term(n)).rewrite(sp.gamma))
    c = b / (n + b)
    return identity((n * c, ratio, term(0)), (b * (1 - c), c.subs(n, n + 1) / c, c.subs(n, 0)))


s, sigma, epsilon, L = sp.symbols("s sigma epsilon L", positive=True)
a, u, v = sp.symbols("a u v", positive=True)

Times = tuple[sp.Expr, sp.Expr]


def formula() -> Times:
    """`t(s)` for ε < σ and for ε > σ."""
    return times(1 - 2 / L, 2 / L, 2 - 2 / L)


def times(k: sp.Expr, b: sp.Expr, q: sp.Expr, sign: int = -1, tail: int = 1) -> Times:
    """t(s) below and above the teacher, with its exponents, its sign and its tail open to variants."""

    def up(u: sp.Expr) -> sp.Expr:
        return sign * u**-k / k + tail * u**b / b * sp.hyper((1, b), (1 + b,), u)

    def down(v: sp.Expr) -> sp.Expr:
        return v**q / q * sp.hyper((1, q), (1 + q,), v)

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
    layers = {"P": U @ D4 @ E.T, "V": E @ D3 @ F.T, "W": F @ D2 @ G.T, "R": G @ D1 @ V.T}
    layers |= {"A": U @ S @ V.T, "Sigma_x": V @ Xi @ V.T}
    gradient = normal_form(insert(a1.gradients()[0], layers), orthonormal(frames))
    w1, w2, w3, w4, xi, top = sp.symbols("w_1 w_2 w_3 w_4 xi sigma")
    values = {"D1": w1, "D2": w2, "D3": w3, "D4": w4, "S": top, "Xi": xi}
    mode = identity(one_mode(gradient, values), w4 * w3 * (w4 * w3 * w2 * w1 - top) * xi * w1 + a1.mu * w2)
    outside = {(w[0].name, w[-1].name) for w in gradient}
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
    n = sp.Symbol("n", integer=True, positive=True)
    b = sp.Symbol("b", positive=True)

    def shifted(p: Any, q: Any, z: sp.Expr) -> sp.Expr:
        return 1 + p[1] * z / (1 + p[1]) * sp.hyper((1, 1 + p[1]), (1 + q[0],), z)

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
            growth = sp.simplify(sp.exp(sp.expand(sp.expand_log(at(clock, depth), force=True))))
            cases.append((f"L = {depth}, {side}", identity(growth, grown)))
    return every(cases)


def late() -> Evidence:
    """`t (L−2) σ ε^k = 1 − (u₀/u)^k + k u₀^k J` of the claim's own clock, J what its series grow by: bounded."""
    k, u0, before, now = sp.symbols("k u_0 F_0 F", positive=True)
    clock = formula()[0].subs({s: u * sigma, epsilon: u0 * sigma})
    named = clock.replace(sp.hyper, lambda p, q, z: now if z == u else before).subs(L, 2 / (1 - k))
    growth = (u ** (1 - k) * now - u0 ** (1 - k) * before) / (1 - k)
    bracket = sp.symbols("J", positive=True)
    waiting = 1 - (u0 / u) ** k + k * u0**k * bracket
    claimed = waiting.subs(bracket, growth)
    rest = sp.expand(sp.powsimp(sp.expand(named * (2 / (1 - k) - 2) * sigma * (u0 * sigma) ** k) - claimed))
    n, b = sp.symbols("n b", positive=True)
    bounded = identity(sp.factor(1 - b / (n + b)), n / (n + b))  # coefficients in (0, 1]: 1 <= F <= 1/(1 − u)
    end = sp.limit(waiting.subs(u0, u0 ** (1 / k)).powsimp(), u0, 0)
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
    k = 1 - 2 / L
    power = (1 + delta) ** sp.expand(-L * k)
    started = sp.limit(power, L, sp.oo), sp.limit(top**k, L, sp.oo)  # their ratio, (α^L/u)^k, tends to 0
    slowest = sp.limit(L * k * power, L, sp.oo)
    return identity(
        (sp.expand(flow), pace, sp.expand(L * k), sp.powsimp(power * (1 + delta) ** (L - 2)), *started, slowest),
        (sp.expand(s**2 * (sigma - s)), sp.S.One, L - 2, sp.S.One, sp.S.Zero, top, sp.S.Zero),
    )


def inverse_link(clocks: Sequence[Callable], singular_value: Callable, generator: np.random.Generator) -> float:
    """Worst error over L 3 … 100, σ 1e-6 … 1e6, ε 1e-300 … 10σ, and times 0, around learning, and up to 1e6.

    clocks: `t(s, σ, ε, L)` for ε < σ and for ε > σ.
    """
    worst = 0.0
    for depth in (3, 4, 5, 10, 100):
        for _ in range(12):
            top = 10 ** generator.uniform(-6, 6)
            q = 2 - 2 / depth
            start = max(top * 10 ** generator.choice([generator.uniform(-294, 0), generator.uniform(-3, 1)]), 1e-300)
            stage = max((start / top) ** (1 - q), 1) / (depth * top**q) * 10 ** generator.choice([-3, -1, 0, 0.2, 1])
            point = (float(min(stage, 1e6)) * bool(generator.random() > 0.1), top, start, depth)
            engine = float(singular_value(*point)), float(unlearned(*point))
            worst = max(worst, inverse_error(clocks[int(start > top)], engine, *point))
    return worst


def inverse_error(
    clock: Callable, engine: tuple[float, float], t: float, sigma: float, epsilon: float, depth: int
) -> float:
    """Relative error of the engine's `(s, σ − s)`, judged by the time `clock(s, σ, ε, L)` that the formula gives back.

    An error δt of the time is an error `ṡ δt` of s. Where s is nearer to σ than to 0, that of σ − s is judged, and s
    only for agreeing with it. Per unit of the condition number, which is bounded by `1 + (1 + q)X + 2Y` with
    `X = t ∂ln s/∂t`, `Y = ∂ln s/∂ln ε`, since s scales as `λ s(λ^q t; σ, ε)` when σ and ε do.
    """
    with mpmath.workdps(60 + int(-math.log10(max(abs(engine[1]) / sigma, 1e-300)))):  # 1 − s/σ needs its own digits
        T = mpmath.mpf(t)
        S = mpmath.mpf(sigma)
        E = mpmath.mpf(epsilon)
        q = 2 - mpmath.mpf(2) / depth
        value, gap = map(mpmath.mpf, engine)
        if abs(gap) < 1e-300:  # judged absolutely
            return float(abs(value - S) / S)
        late = abs(gap) < S / 2
        s = S - gap if late else value
        size = abs(gap) if late else value
        pace, pace_at_start = (depth * x**q * (S - x) for x in (s, E))
        condition = 1 + ((1 + q) * T * abs(pace) + 2 * abs(pace / pace_at_start) * E) / size
        error = abs((clock(s, S, E, depth) - T) * pace) / size / condition
        return float(max(error, abs(value - s) / s))


def conclusion(candidate: Times) -> Evidence:
    """Along the flow `d/dt [t(s) − t] = 0`, and `t(ε) = 0`; both decide t(s), as s moves on strictly.

    Continued analytically, either form holds on the other side of σ as well; each is real and convergent on its own.
    """
    cases = []
    for side, time in zip(("below", "above"), candidate, strict=True):
        known = as_lerch(time)
        pace = sp.powsimp(sp.expand(known.diff(s) * rate()), force=True)
        cases += [(f"pace {side}", identity(pace, 1)), (f"start {side}", identity(known.subs(s, epsilon), 0))]
    return every(cases, "pace 1 and start 0, from below and from above")


def _engine(times: Times, function: Callable, generator: np.random.Generator) -> float:
    return inverse_link([sp.lambdify((s, sigma, epsilon, L), x, "mpmath") for x in times], function, generator)


def _layers(product: float, start: tuple[float, ...], decay: float = 0.0, step: float = 1e-3) -> np.ndarray:
    """The product along the flow from three layers scaled to a product, teacher 1, at times 0, 0.25 … 10."""
    w = np.array(start) * (product / np.prod(start)) ** (1 / 3)
    path = []
    for i in range(round(10 / step) + 1):
        if i % round(0.25 / step) == 0:
            path.append(w.prod())
        w = w + step * (w.prod() / w * (1 - w.prod()) - decay * w)
    return np.array(path)


_TIMES = 0.25 * np.arange(41)


def _runs() -> dict[str, np.ndarray]:
    even, uneven = (1.0, 1.0, 1.0), (0.1, 3.0, 3.0)
    runs = {"balanced start": (even, 0.0), "unbalanced start": (uneven, 0.0), "decay 0.2": (even, 0.2)}
    paths = {name: _layers(4e-3, *run) for name, run in runs.items()}
    return {"claim": np.asarray(deep_mode.singular_value(_TIMES, 1.0, 4e-3, 3))} | paths


def _differs(name: str) -> Evidence:
    runs = _runs()
    control, gap = (np.abs(runs[k] - runs["claim"]).max() for k in ("balanced start", name))
    return Evidence(control < 0.01 and gap > 0.3, Verdict.TESTED, f"off by {gap:.2f}, control {control:.4f}")


def _curves() -> Curves:
    return Curves(_TIMES, _runs(), "time", "student singular value, L = 3")


DERIVATION = Derivation(
    claim="A6",
    title="Depth delays learning",
    statement=r"t(s)=\frac{\Phi(s/\sigma)-\Phi(\varepsilon/\sigma)}{L\,\sigma^{2-2/L}},\quad "
    r"\Phi(u)=-\frac{u^{-(1-2/L)}}{1-2/L}+\tfrac L2u^{2/L}{}_2F_1(1,\tfrac2L;1+\tfrac2L;u)\ (\varepsilon<\sigma),\quad "
    r"\Phi=\tfrac{v^q}{q}{}_2F_1(1,q;1+q;v),\ v=\tfrac1u,\ q=2-\tfrac2L\ (\varepsilon>\sigma)",
    plain="In a balanced network of depth L the time to learn a mode is known in closed form: logarithmic in ε for "
    "two layers, a power of 1/ε for more, so that deeper networks wait longer and then learn more suddenly.",
    symbols={
        "s": "student singular value",
        r"\sigma": "teacher singular value",
        r"\varepsilon": "student singular value at the start, on either side of σ",
        "L": "depth; where an exponent vanishes (L = 2 below σ, L = 1 above it) the limit is meant",
    },
    assumptions=(
        Assumption(
            "aligned start", "Every pair of neighbours shares one hidden frame; A2 shows what happens otherwise."
        ),
        Assumption(
            "balanced start",
            "All layers start at ε^{1/L}.",
            Counterexample(
                "One small layer beside two large ones learns early.", lambda: _differs("unbalanced start"), _curves
            ),
        ),
        Assumption(
            "no weight decay",
            "For L > 2 decay does not merely shift σ, as it does for two layers (A3).",
            Counterexample(
                "A decay of a fifth of σ prevents a small start from ever learning; with two layers it would learn.",
                lambda: _differs("decay 0.2"),
                _curves,
            ),
        ),
        Assumption("gradient flow", "The weights follow the gradient in continuous time; A1 has the counterexample."),
        Assumption("whitened inputs", "Not needed: by the first step variance ξ along the mode runs the clock ξt."),
    ),
    steps=(
        Step(
            r"\nabla_{W_l}=F\left(\prod_{j\ne l}D_j\right)\left(\prod_jD_j-S\right)\Xi\,G^\top+\mu FD_lG^\top",
            "A1's gradient with every layer aligned: the frames cancel, so a curve of decoupled modes solves the flow.",
            aligned,
        ),
        Step(
            r"\|\nabla L(\theta')-\nabla L(\theta)\|\le K\|\theta'-\theta\|",
            "In the difference of two gradients every word holds a difference of weights, so K is finite on bounded "
            "sets, and e^{−2Kt}‖θ' − θ‖², 0 at the start, cannot grow: that curve is the only solution.",
            unique,
        ),
        Step(
            r"\dot s=L\,s^{2-2/L}(\sigma-s)",
            "Each layer moves with the product of the others times σ − s; balanced layers stay so by A1. For L = 1 … 6 "
            "also with the layers different before they are set equal.",
            paced,
        ),
        Step(
            r"{}_2F_1(1,b;1+b;u)=\sum_n\tfrac{b}{n+b}u^n,\qquad uF'=b\left(\tfrac1{1-u}-F\right)",
            "Coefficient by coefficient; the right side of the derivative is the geometric series.",
            lerch_coefficients,
        ),
        Step(
            r"L=2:\ t=\tfrac1{2\sigma}\ln\tfrac{s(\sigma-\varepsilon)}{\varepsilon(\sigma-s)},\qquad "
            r"L=1:\ t=\ln\tfrac{\sigma-\varepsilon}{\sigma-s}",
            "The claim's own values there: a vanishing power becomes a logarithm, and so does each series.",
            shallow,
        ),
        Step(
            r"t\simeq\varepsilon^{-(1-2/L)}/\left((L-2)\sigma\right)\quad(\varepsilon\to0,\ L\ge3)",
            "The claim times (L−2)σε^{1−2/L} is 1 − (ε/s)^k + k(ε/σ)^k J with k = 1 − 2/L and a bounded J > 0, "
            "whatever fraction of σ is asked for: all of learning happens at that time.",
            late,
        ),
        Step(
            r"L\to\infty:\quad\dot s/L\to s^2(\sigma-s)\ (\varepsilon\text{ fixed}),\qquad "
            r"t\to\infty\ (\varepsilon=\alpha^L,\ \alpha<1=\sigma)",
            "Two limits that must not be confused: with a fixed start of the product learning speeds up as L; with a "
            "fixed start of each layer it never comes, since J > 0 makes the step before a lower bound at every L.",
            deep,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("2/L for 1 − 2/L in the power", lambda f: (times(2 / L, 2 / L, 2 - 2 / L)[0], f[1])),
        Variant("1 − 2/L for 2/L in the series", lambda f: (times(1 - 2 / L, 1 - 2 / L, 2 - 2 / L)[0], f[1])),
        Variant("sign of the power", lambda f: (times(1 - 2 / L, 2 / L, 2 - 2 / L, sign=1)[0], f[1])),
        Variant("series dropped", lambda f: (times(1 - 2 / L, 2 / L, 2 - 2 / L, tail=0)[0], f[1])),
        Variant("1 − 2/L for 2 − 2/L above", lambda f: (f[0], times(1 - 2 / L, 2 / L, 1 - 2 / L)[1])),
        Variant("factor L missing", lambda f: (L * f[0], L * f[1])),
        Variant("σ for σ^{2−2/L}", lambda f: tuple(x * sigma ** (1 - 2 / L) for x in f)),
        Variant(
            "the formula below with u → 1/u used above",
            lambda f: (f[0], f[0].subs({s: sigma**2 / s, epsilon: sigma**2 / epsilon})),
        ),
    ),
    special_case=SpecialCase("depth 4, where 2/L = 1 − 2/L", lambda f: tuple(x.subs(L, 4) for x in f)),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.learning.deep_mode.singular_value",
        "L 3 … 100, σ 1e-6 … 1e6, ε 1e-300 … 10σ, t 0 … 1e6 (L = 1, 2: tests)",
        _engine,
    ),
    uses=("A1",),
    source="the flow: Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 17; the closed form is ours",
)
