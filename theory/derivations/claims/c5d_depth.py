"""C5d: with three layers and more the best place to stop comes earlier as the L-th power of the noise."""

from functools import cache

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.layers import K, tau, width
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
from overtraining.theory.derivations.checker.evidence import every, identity, positive, tested
from overtraining.theory.derivations.claims import a6_depth as a6, b2_deep_noise as b2
from overtraining.theory.derivations.claims.b2_deep_noise import gamma
from overtraining.theory.derivations.claims.shared.balanced_path import NOISE
from overtraining.theory.derivations.claims.shared.path_assumptions import FLOW
from overtraining.theory.inflection.deep_path import deep_minima
from overtraining.theory.inflection.deep_stages import deep_inflection_time, stage_changes, threshold_singular_value

DEPTHS = (2, 3, 4)
M = sp.symbols("M_1:5", positive=True)  # M_j = Σ s^{2j/L}
L, epsilon, sigma, y, k, z = sp.symbols("L epsilon sigma y k z", positive=True)

Formula = dict[str, sp.Expr]


def entering(depth: int) -> list[sp.Expr]:
    """e_k: noise in the first j and the last m layers, j + m = k, every noisy layer by the width on its outside."""
    d = [tau, *(width(l) for l in range(1, depth + 1))]
    first = lambda j: sp.prod(gamma[l - 1] ** 2 * d[l - 1] for l in range(1, j + 1))
    last = lambda m: sp.prod(gamma[l - 1] ** 2 * d[l] for l in range(depth - m + 1, depth + 1))
    return [sum(first(j) * last(n - j) for j in range(n + 1)) for n in range(1, depth)]


def formula() -> Formula:
    """What the features cost at depth 2, 3, 4; when one is learned; the power of γ in the length at the inflection."""
    noise_cost = {
        f"L = {depth}": sum(e * M[depth - n - 1] for n, e in enumerate(entering(depth), 1)) / 2 for depth in DEPTHS
    }
    return noise_cost | {"time": epsilon ** (2 / L - 1) / ((L - 2) * sigma), "power": -L}


@cache
def cost(depth: int) -> sp.Expr:
    """B2's terms that change with training, all widths large and all γ² in inverse proportion."""
    lengths = {K(a, b): M[b - a - 2] for a in range(depth + 1) for b in range(a + 2, depth + 2)}
    rise = b2.formula()[depth].subs(lengths)
    grown = sp.expand(rise - rise.subs(dict.fromkeys(M, 0)))
    n = sp.Symbol("N", positive=True)
    wide = {x: n * x for x in (tau, *(width(l) for l in range(1, depth + 1)))} | {g: g / sp.sqrt(n) for g in gamma}
    return sp.limit(sp.expand(grown.subs(wide, simultaneous=True)), n, sp.oo)


def learning_time() -> sp.Expr:
    """`∫ ds/ṡ` from ε for L > 2, by its leading power of ε; what is left is A6's, bounded."""
    power = 1 + k  # 2 − 2/L
    lead = sp.limit(epsilon**k * sp.integrate(z**-power, (z, epsilon, sigma)), epsilon, 0, "+")
    rate = sp.simplify(a6.rate().subs({a6.L: L, a6.s: z, a6.sigma: sigma}) / z ** (2 - 2 / L)).subs(z, 0)  # Lσ
    return (lead / rate).subs(k, 1 - 2 / L) * epsilon ** (2 / L - 1)


def power_of_noise() -> sp.Expr:
    """Of γ in 1/σ*: `e_k → a^{2k} e_k` under γ → aγ, so that `Σ e_k y^{−k} = 1` keeps y/γ²; and σ* = y^{L/2}."""
    a = sp.Symbol("a", positive=True)
    scaled = {g: a * g for g in gamma}
    for depth in DEPTHS:
        for n, e in enumerate(entering(depth), 1):
            assert sp.simplify(e.subs(scaled, simultaneous=True) / (a**2 * y) ** n - e / y**n) == 0
    return sp.simplify(a * sp.diff(sp.log((a**2 * y) ** (-L / 2)), a))


def conclusion(candidate: Formula) -> Evidence:
    """The candidate against what the steps derive."""
    prices = ((f"L = {n}", identity(sp.expand(candidate[f"L = {n}"] - cost(n)), 0)) for n in DEPTHS)
    time = identity(sp.simplify(candidate["time"] / learning_time()), 1)
    return every((*prices, ("time", time), ("power", identity(candidate["power"], power_of_noise()))), "all agree")


def _additive() -> Evidence:
    """The limit is linear in the sums over features: one feature's price does not depend on the others."""
    cases = ((f"L = {n}", Evidence(sp.Poly(cost(n), *M).total_degree() == 1, Verdict.PROVED, "linear")) for n in DEPTHS)
    return every(cases, "linear in every M_j, for L = 2, 3, 4")


def _threshold() -> Evidence:
    """`½y^L − ½Σ e_k y^{L−k}` over y^L rises in y: one threshold; for all γ²d = β at 2β, 3β and, L → ∞, (2 + √2)β."""
    e, x = sp.symbols("e_1:4", positive=True), sp.Symbol("x", positive=True)
    rises = positive(sp.diff(-sum(c * y**-n for n, c in enumerate(e, 1)), y))
    shallow = [1 - sum((n + 1) * x**n for n in range(1, depth)) for depth in (2, 3)]
    zeros = [f.subs(x, v) for f, v in zip(shallow, (sp.Rational(1, 2), sp.Rational(1, 3)), strict=True)]
    n = sp.Symbol("n", integer=True, positive=True)
    whole = sp.simplify(sp.summation((n + 1) * (x / (1 + x)) ** n, (n, 1, sp.oo)))  # ratio below 1
    closed = (1 + x) ** 2 - 1
    infinite = (
        (whole - closed if not whole.has(sp.Piecewise) else whole.args[0][0] - closed),
        closed.subs(x, sp.sqrt(2) - 1),
    )
    return every((("one", rises), ("L = 2, 3", identity(tuple(zeros), (0, 0))),
                  ("L = ∞", identity(tuple(map(sp.simplify, infinite)), (0, 1)))), "one threshold")  # fmt: skip


def case(
    depth: int, outer: bool = False, wide: int = 4000, paying: int = 9
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """16 features i^−0.7, noise for which σ* is between the one and the next, widths."""
    v, sizes, g = np.arange(1.0, 17) ** -0.7, [wide] * (depth + 1), np.ones(depth)
    if outer:
        g[1:-1] = 0.0
    star = np.sqrt(v[paying - 1] * v[paying])
    return v, g * (star / float(threshold_singular_value(g, sizes))) ** (1 / depth), sizes


def _best() -> Evidence:
    """ln(t/t*) of the best minimum over the spectrum's spacing at σ*: half, and one as the last stage stops short.

    Over this range of σ* the noise grows by a quarter.
    """
    worst = 0.0
    for depth, outer, start, paying in (
        (3, False, 1e-9, 5),
        (3, False, 1e-9, 12),
        (4, False, 1e-7, 9),
        (4, True, 1e-7, 9),
    ):
        v, g, sizes = case(depth, outer, paying=paying)
        found = deep_minima(v, start, g, sizes).at("best") / deep_inflection_time(start, g, sizes)
        worst = max(worst, abs(float(np.log(found))) / float(np.log(v[paying - 1] / v[paying])))
    return tested(worst, 2.0, "every minimum of P, L = 3, 4, all layers noisy or the outer two: features off")


def _engine(formula: Formula, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Random widths and noise; the threshold by bisection of the claim's own price at 60 digits."""
    worst = 0.0
    for depth in (3, 4) * 12:
        n = generator.integers(1, 2000, depth + 1).tolist()
        g = 10.0 ** generator.uniform(-4, 2, depth) * np.append(generator.random(depth - 1) < 0.7, 1)
        names = dict(zip((tau, *(width(l) for l in range(1, depth + 1))), n, strict=True))
        names |= dict(zip(gamma, map(sp.Float, g, [60] * depth), strict=False))
        noise_cost = formula[f"L = {depth}"].subs(names).subs({m: y**j for j, m in enumerate(M, 1)})
        gain = sp.lambdify(y, y**depth / 2 - noise_cost, "mpmath")
        with mpmath.workdps(60):
            high = mpmath.mpf(4) * depth * max(n) * float((g**2).max())
            low = mpmath.mpf(0)
            for _ in range(200):
                middle = (low + high) / 2
                low, high = (low, middle) if gain(middle) > 0 else (middle, high)
            star = low ** (mpmath.mpf(depth) / 2)
            start = float(star) * 10.0 ** generator.uniform(-20, -1)
            exact = sp.lambdify((epsilon, L, sigma), formula["time"], "mpmath")(mpmath.mpf(start), depth, star)
            worst = max(worst, float(abs(function(g, n, start) - exact) / exact))
    return worst / depth  # σ* is the L-th power of the noise


def _narrow() -> Evidence:
    """σ* counts 9 features; among 16 features in widths of 30 each raises the others' price."""
    v, g, _ = case(3, wide=30)
    many, few = (int(np.argmin(stage_changes(v, g * np.sqrt(30 / n), [n] * 4))) for n in (30, 4000))
    return Evidence(few == 9 and many < 7, Verdict.TESTED, f"{many} features pay at widths of 30, {few} at 4,000")


def _narrow_curves() -> Curves:
    v, g, _ = case(3, wide=30)
    count = np.arange(17)
    curves = {f"width {n}": np.asarray(stage_changes(v, g * np.sqrt(30 / n), [n] * 4)) for n in (30, 4000)}
    return Curves(count, curves, "features learned", "change of the loss after noise, L = 3")


def _last_is_not_best() -> Evidence:
    """At depth 2 modes below c make no minimum; at depth 3 each does, and the last is far behind the best."""
    v, g, sizes = case(3, outer=True)
    found = deep_minima(v, 1e-9, g, sizes)
    late = found.at("last") / found.at("best")
    return Evidence(bool(late > 1.4 and found.times.size >= 16), Verdict.TESTED,
                    f"{found.times.size} minima, the last at {late:.2f} of the best")  # fmt: skip


def _large_start() -> Evidence:
    """From 1e-2 at L = 3 the stages overlap, and the delay is no power of the start."""
    v, g, sizes = case(3)
    found = deep_minima(v, 1e-2, g, sizes).at("best") / deep_inflection_time(1e-2, g, sizes)
    return Evidence(bool(found < 0.8), Verdict.TESTED, f"turns at {found:.2f} t*")


DERIVATION = Derivation(
    claim="C5d",
    title="In deep networks the inflection comes earlier as the L-th power of the noise",
    statement=r"t^*\to\frac{\epsilon^{-(1-2/L)}}{(L-2)\,\sigma^*},\quad\sigma^*=y^{L/2},\quad\sum_{k=1}^{L-1}e_ky^{-k}=1,"
    r"\quad e_k=\sum_{j+m=k}\prod_{l\le j}\gamma_l^2n_{l-1}\prod_{l>L-m}\gamma_l^2n_l;\quad t^*\propto\gamma^{-L}",
    plain="From a small start a feature of a deep network pays for noise as a whole beyond a singular value that "
    "grows as the L-th power of the noise, and training is best stopped when the last one that does is learned.",
    symbols={
        "t^*": "length at the best minimum of the loss after noise, L >= 3",
        r"\sigma^*": "the singular value beyond which a feature pays",
        "e_k": "noise that enters from either end and passes k layers; n₀ is τ = tr Σx",
        r"\gamma_l": "standard deviation of the noise on each entry of W_l",
        "M_j": "Σ s^{2j/L} over the features",
        r"\epsilon": "student's singular values at the start",
    },
    assumptions=(
        Assumption("few features", "The features are few against every width.",
                   Counterexample("In narrow layers features raise each other's price.", _narrow, _narrow_curves)),
        Assumption("small ε", "(ε/σ*)^{1−2/L} is small.",
                   Counterexample("From 1e-2 the stages overlap.", _large_start)),
        Assumption("dense spectrum", "There are singular values near σ*; else the weakest that pays takes its place. "
                   "C5 has the counterexample."),
        Assumption("best minimum", "The last minimum is another one.",
                   Counterexample("Every weaker feature makes a minimum of its own.", _last_is_not_best)),
        Assumption("aligned start", "Neighbours share one hidden frame; A2 shows what happens otherwise."),
        Assumption("balanced start", "All layers start at ε^{1/L}; A6 shows what happens otherwise."),
        FLOW,
        Assumption("whitened inputs", "Σx = I; C1 shows what happens otherwise."),
        *NOISE,
    ),
    steps=(
        Step(r"P=\tfrac12\sum(\sigma-s)^2+\tfrac12\sum_ke_kM_{L-k}+O(\text{features}/\text{width})",
             "B2 at widths that grow with γ²n fixed: only chains of noise from the ends survive.", _additive),
        Step(r"\tfrac12\sigma^2>\tfrac12\sum_ke_k\sigma^{2-2k/L}\iff\sigma>\sigma^*",
             "In y = σ^{2/L}: one threshold, from 2β at L = 2 (claim C3) to (2 + √2)β, β = γ²n.", _threshold),
        Step(r"t\,(L-2)\,\sigma\,\epsilon^{1-2/L}\to1", "A6: from three layers on all the time is waiting.", a6.late),
        Step(r"t_{best}/t^*\to1", "Against every minimum of P, in units of the spectrum's spacing at σ*.", _best),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("first order in the noise only", lambda f: f | {
            f"L = {n}": entering(n)[0] * M[n - 2] / 2 for n in DEPTHS}),
        Variant("the outer layers only", lambda f: {
            name: e.subs({gamma[1]: 0}) if name in ("L = 3", "L = 4") else e for name, e in f.items()}),
        Variant("½ missing", lambda f: f | {f"L = {n}": 2 * f[f"L = {n}"] for n in DEPTHS}),
        Variant("widths on the inner side", lambda f: f | {"L = 3": f["L = 3"].subs({tau: width(1), width(1): tau,
                width(2): width(3), width(3): width(2)}, simultaneous=True)}),
        Variant("L for L − 2 in the time", lambda f: f | {"time": epsilon ** (2 / L - 1) / (L * sigma)}),
        Variant("2/L in the time's exponent", lambda f: f | {"time": epsilon ** (-2 / L) / ((L - 2) * sigma)}),
        Variant("inverse in the variance", lambda f: f | {"power": sp.Integer(-2)}),
        Variant("power −L/2", lambda f: f | {"power": -L / 2}),
    ),
    special_case=SpecialCase("depth 2", lambda f: {"price": f["L = 2"], "power": f["power"].subs(L, 2)}),
    floor=Verdict.TESTED,
    uses=("A6", "B2"),
    link=Link(
        "overtraining.theory.inflection.deep_stages.deep_inflection_time",
        "L = 3, 4, widths 1 … 2,000, γ 1e-4 … 100 and 0",
        _engine,
    ),
    source="ours",
)  # fmt: skip
