"""A6: one balanced mode of a network of any depth: the time at which its singular value reaches s, in closed form."""

from collections.abc import Callable

import numpy as np
import sympy as sp

from theory import deep_mode
from theory.derivations import a1_invariants as a1
from theory.derivations.core import (
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
)  # fmt: skip
from theory.derivations.evidence import every, identity
from theory.derivations.frames import diagonal, insert, one_mode, orthonormal
from theory.derivations.inverse_link import inverse_link
from theory.derivations.lerch import as_lerch, lerch_coefficients
from theory.derivations.matrix_expressions import collect
from theory.derivations.trace_words import Letter, MatrixSum

s, sigma, epsilon, a, u, L = sp.symbols("s sigma epsilon a u L", positive=True)

Times = tuple[sp.Expr, sp.Expr]


def formula() -> Times:
    """`t(s)` for ε < σ and for ε > σ."""
    return _times(1 - 2 / L, 2 / L, 2 - 2 / L)


def _times(k: sp.Expr, b: sp.Expr, q: sp.Expr, sign: int = -1, tail: int = 1) -> Times:
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


def conclusion(candidate: Times) -> Evidence:
    """Along the flow `d/dt [t(s) − t] = 0`, and `t(ε) = 0`; both decide t(s), as s moves on strictly."""
    found = []
    for time in candidate:
        known = as_lerch(time)
        pace = sp.powsimp(sp.expand(known.diff(s) * rate()), force=True)
        found += [sp.simplify(pace), known.subs(s, epsilon)]
    return identity(tuple(found), (sp.S.One, sp.S.Zero) * 2, f"pace and start {tuple(map(sp.sstr, found))}"[:150])


def _aligned() -> Evidence:
    """A1's gradient by a layer between P = U D4 Eᵀ … R = G D1 Vᵀ, every frame orthonormal."""
    sizes = {"U": "d_out", "E": "m", "F": "h", "G": "k", "V": "d_in"}
    U, E, F, G, V = (MatrixSum.of(Letter(x, rows, "r")) for x, rows in sizes.items())
    D1, D2, D3, D4, S, Xi = (MatrixSum.of(diagonal(x)) for x in ("D1", "D2", "D3", "D4", "S", "Xi"))
    given = {"P": U @ D4 @ E.T, "V": E @ D3 @ F.T, "W": F @ D2 @ G.T, "R": G @ D1 @ V.T}
    given |= {"A": U @ S @ V.T, "Sigma_x": V @ Xi @ V.T}
    found = collect(insert(a1.gradients()[0], given), orthonormal(sizes))
    w1, w2, w3, w4, xi, top = sp.symbols("w_1 w_2 w_3 w_4 xi sigma")
    values = {"D1": w1, "D2": w2, "D3": w3, "D4": w4, "S": top, "Xi": xi}
    mode = identity(one_mode(found, values), w4 * w3 * (w4 * w3 * w2 * w1 - top) * xi * w1 + a1.mu * w2)
    outside = {(w[0].name, w[-1].name) for w in found}
    return every([("frames", Evidence(outside == {("F", "G")}, Verdict.PROVED, str(outside))), ("modes", mode)])


def _rate() -> Evidence:
    """With symbolic L, and for L = 1 … 6 with all layers different before they are set equal."""
    cases = [("symbolic L", identity(sp.expand(rate() / s), sp.expand(L * s ** (1 - 2 / L) * (sigma - s))))]
    for depth in range(1, 7):
        layers = sp.symbols(f"w1:{depth + 1}", positive=True)
        product = sp.prod(layers)
        loss = (product - sigma) ** 2 / 2
        velocity = sum(-product.diff(w) * loss.diff(w) for w in layers).subs(dict.fromkeys(layers, a))
        cases.append((f"L = {depth}", identity(velocity, rate().subs(L, depth).subs(s, a**depth))))
    return every(cases)


def _shallow() -> Evidence:
    """L = 2 as the limit k → 0 of the power, L = 1 exponential: each has pace 1."""
    k = sp.Symbol("k", positive=True)
    logarithm = sp.limit((1 - u**-k) / k, k, 0)
    two = (sp.log(s / sigma) - sp.log(1 - s / sigma)) / (2 * sigma)
    one = -sp.log(sigma - s)
    pace = lambda time, depth: sp.simplify(time.diff(s) * rate().subs(L, depth))
    return identity((logarithm, pace(two, 2), pace(one, 1)), (sp.log(u), sp.S.One, sp.S.One))


def _late() -> Evidence:
    """`t (L−2) σ ε^k σ^{−k} = 1 − (u₀/u)^k + k u₀^k (J(u) − J(u₀))`, J bounded: 1 as u₀ → 0."""
    k, u0, bound = sp.symbols("k u_0 J", positive=True)
    time = ((u0**-k - u**-k) / k + bound) / (L * sigma ** (1 + k))
    scaled = (time * L * k * sigma * (u0 * sigma) ** k).expand().powsimp(force=True)
    rest = sp.expand(scaled - (1 - (u0 / u) ** k + k * u0**k * bound))
    end = sp.limit((1 - (u0 / u) ** k + k * u0**k * bound).subs(u0, u0 ** (1 / k)).powsimp(), u0, 0)
    return identity((sp.simplify(rest), end, sp.expand(L * (1 - 2 / L))), (sp.S.Zero, sp.S.One, L - 2))


def _deep() -> Evidence:
    """L → ∞ at fixed ε: `ṡ/L → s²(σ − s)`; at a fixed start α < 1 of each layer (ε = α^L, σ = 1) learning is never."""
    delta = sp.Symbol("delta", positive=True)  # 1/α = 1 + δ
    time = (sp.log(u / (1 - u)) - 1 / u).subs(u, s / sigma) / sigma**2
    pace = sp.simplify(time.diff(s) * s**2 * (sigma - s))
    soon = sp.limit((L - 2) / (1 + delta) ** (L - 2), L, sp.oo)
    return identity((sp.limit(2 - 2 / L, L, sp.oo), pace, soon), (sp.Integer(2), sp.S.One, sp.S.Zero))


def _engine(times: Times, function: Callable, generator: np.random.Generator) -> float:
    return inverse_link([sp.lambdify((s, sigma, epsilon, L), x, "mpmath") for x in times], function, generator)


def _layers(product: float, start: tuple[float, ...], decay: float = 0.0, step: float = 1e-3) -> np.ndarray:
    """The product along the flow from three layers scaled to a product, teacher 1, at times 0, 0.25 … 10."""
    w, path = np.array(start) * (product / np.prod(start)) ** (1 / 3), []
    for i in range(round(10 / step) + 1):
        if i % round(0.25 / step) == 0:
            path.append(w.prod())
        w = w + step * (w.prod() / w * (1 - w.prod()) - decay * w)
    return np.array(path)


_TIMES = 0.25 * np.arange(41)


def _runs() -> dict[str, np.ndarray]:
    runs = {"balanced start": ((1, 1, 1), 0.0), "unbalanced start": ((0.1, 3, 3), 0.0), "decay 0.2": ((1, 1, 1), 0.2)}
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
        "L": "depth, 1 (convex) included; L = 2 as a limit",
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
                "A decay of a fifth of σ keeps a small start from learning for ever; with two layers it would learn.",
                lambda: _differs("decay 0.2"),
                _curves,
            ),
        ),
        Assumption("gradient flow", "The weights follow the gradient in continuous time."),
    ),
    steps=(
        Step(
            r"\nabla_{W_l}=F\left(\prod_{j\ne l}D_j\right)\left(\prod_jD_j-S\right)\Xi\,G^\top+\mu FD_lG^\top",
            "A1's gradient with every layer aligned: the frames cancel, so the modes decouple at every depth.",
            _aligned,
        ),
        Step(
            r"\dot s=L\,s^{2-2/L}(\sigma-s)",
            "Each layer moves with the product of the others times σ − s; balanced layers stay so by A1. For L = 1 … 6 "
            "also with the layers different before they are set equal.",
            _rate,
        ),
        Step(
            r"{}_2F_1(1,b;1+b;u)=\sum_n\tfrac{b}{n+b}u^n,\qquad uF'=b\left(\tfrac1{1-u}-F\right)",
            "Coefficient by coefficient; the right side of the derivative is the geometric series.",
            lerch_coefficients,
        ),
        Step(
            r"L=2:\ t=\tfrac1{2\sigma}\ln\tfrac{s(\sigma-\varepsilon)}{\varepsilon(\sigma-s)},\qquad "
            r"L=1:\ t=\ln\tfrac{\sigma-\varepsilon}{\sigma-s}",
            "The power becomes a logarithm in the limit; both have the pace of their flow.",
            _shallow,
        ),
        Step(
            r"t\simeq\varepsilon^{-(1-2/L)}/\left((L-2)\sigma\right)\quad(\varepsilon\to0,\ L\ge3)",
            "The power dominates, whatever fraction of σ is asked for: all of learning happens at that time.",
            _late,
        ),
        Step(
            r"L\to\infty:\quad\dot s/L\to s^2(\sigma-s)\ (\varepsilon\text{ fixed}),\qquad "
            r"t\to\infty\ (\varepsilon=\alpha^L,\ \alpha<1=\sigma)",
            "Two limits that must not be confused: with a fixed start of the product learning speeds up as L; with a "
            "fixed start of each layer it never comes.",
            _deep,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("2/L for 1 − 2/L in the power", lambda f: (_times(2 / L, 2 / L, 2 - 2 / L)[0], f[1])),
        Variant("1 − 2/L for 2/L in the series", lambda f: (_times(1 - 2 / L, 1 - 2 / L, 2 - 2 / L)[0], f[1])),
        Variant("sign of the power", lambda f: (_times(1 - 2 / L, 2 / L, 2 - 2 / L, sign=1)[0], f[1])),
        Variant("series dropped", lambda f: (_times(1 - 2 / L, 2 / L, 2 - 2 / L, tail=0)[0], f[1])),
        Variant("1 − 2/L for 2 − 2/L above", lambda f: (f[0], _times(1 - 2 / L, 2 / L, 1 - 2 / L)[1])),
        Variant("factor L missing", lambda f: (L * f[0], L * f[1])),
        Variant("σ for σ^{2−2/L}", lambda f: tuple(x * sigma ** (1 - 2 / L) for x in f)),
        Variant(
            "the formula below used above", lambda f: (f[0], f[0].subs({s: sigma**2 / s, epsilon: sigma**2 / epsilon}))
        ),
    ),
    special_case=SpecialCase("depth 4, where 2/L = 1 − 2/L", lambda f: tuple(x.subs(L, 4) for x in f)),
    floor=Verdict.PROVED,
    link=Link(
        "theory.deep_mode.singular_value",
        "L 3 … 100, σ 1e-6 … 1e6, ε 1e-300 … 10σ, t 0 … 1e6 (L = 1, 2: tests)",
        _engine,
    ),
    uses=("A1",),
    source="the flow: Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 17; the closed form is ours",
)
