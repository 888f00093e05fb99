"""C1u: the same with layers that differ: any imbalance makes every mode help first, and turn once."""

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.two_layers import d_in, d_out
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
from overtraining.theory.derivations.checker.evidence import every, identity, positive
from overtraining.theory.derivations.claims import a2_decoupling as a2, a4_unbalanced_mode as a4, b1_noise as b1
from overtraining.theory.derivations.claims.a4_unbalanced_mode import X, Z, lam, norm, r, sigma, size, value
from overtraining.theory.derivations.claims.b1_noise import g1, g2
from overtraining.theory.derivations.claims.shared.balanced_path import GEOMETRIC, NOISE, noise_cost, rename
from overtraining.theory.derivations.claims.shared.path_assumptions import FLOW

p, c, x = sp.symbols("p c x", positive=True)
R = sp.Symbol("R", positive=True)  # w₁² + w₂² = √(λ² + 4p²)
KAPPA = (lam**2 + 4 * sigma * p) / r


def formula() -> dict[str, sp.Expr]:
    """The loss after noise but for a constant, what vanishes at the turn, and a clock whose logarithm runs at r."""
    return {
        "loss": (sigma - p) ** 2 / 2 + noise_cost * R / 2,
        "turn": (sigma - p) * R - 2 * noise_cost * p,
        "clock": (R + KAPPA) / (sigma - p),
    }


def along(expression: sp.Expr) -> sp.Expr:
    """d/dp, with `R² = λ² + 4p²`."""
    return expression.diff(p) + expression.diff(R) * 4 * p / R


def rational(expression: sp.Expr) -> sp.Expr:
    """The same in A4's rational variables of p and σ, with λ = ℓ > 0: only its square enters."""
    return sp.cancel(sp.together(expression.subs({p: value(Z), R: norm(Z), sigma: value(X), r: norm(X), lam: size})))


def after_noise() -> sp.Expr:
    """`½(σ − p)²` and B1 at `‖W1‖² = w₁² = ½(R − λ)`, `‖W2‖² = w₂² = ½(R + λ)`."""
    return (sigma - p) ** 2 / 2 + b1.formula().subs({b1.q1: (R - lam) / 2, b1.q2: (R + lam) / 2, b1.tau: d_in})


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """Loss and turn by B1 and the flow; the clock by `ṗ = R(σ − p)`."""
    speed = R * (sigma - p)
    pace = along(candidate["clock"]) / candidate["clock"] * speed - r
    return every(
        (
            ("loss", identity(sp.expand(along(candidate["loss"] - after_noise())), 0)),
            ("turn", identity(sp.expand(along(after_noise()) * speed + (sigma - p) * candidate["turn"]), 0)),
            ("clock", identity(rational(pace), 0)),
        ),
        "loss, turn and clock agree",
    )


def _norms() -> Evidence:
    """A2's flow: `w₂² − w₁² = λ` stays, `R² = λ² + 4p²`, `ṗ = R(σ − p)`; and the two norms are `½(R ∓ λ)`."""
    w1, w2 = a2.w1, a2.w2
    first, second = (R - lam) / 2, (R + lam) / 2
    squares = identity((first + second, second - first, sp.expand(first * second)), (R, lam, (R**2 - lam**2) / 4))
    named = identity(sp.expand(((w1**2 + w2**2) ** 2 - (w2**2 - w1**2) ** 2) / 4 - (w1 * w2) ** 2), 0)
    return every(
        (("A4", a4.DERIVATION.steps[0].check()), ("norms", squares), ("product", named)), "w₁², w₂² = ½(R ∓ λ)"
    )


def _mean_price() -> Evidence:
    """Of `½(a w₁² + b w₂²)` only the mean price moves; what is left is `¼(b − a)λ`, which stays."""
    a, b = g2**2 * d_out, g1**2 * d_in
    rest = after_noise() - formula()["loss"] - (b - a) * lam / 4
    return identity((sp.expand(along(rest)), sp.expand(along((b - a) * lam / 4))), (0, 0), "c R/2 and constants")


def _one_turn() -> Evidence:
    """`h = (σ − p)√(1 + (λ/2p)²)` falls for 0 < p < σ, from ∞ to 0: by its square."""
    l = sp.Symbol("l", positive=True)  # |λ|
    square = (sigma - p) ** 2 * (1 + (l / (2 * p)) ** 2)
    ends = sp.limit(1 / square, p, 0, "+"), square.subs(p, sigma)
    return every(
        (
            ("falls", positive(-square.diff(p).subs(sigma, p + x))),
            ("ends", identity(ends, (0, 0))),
            ("turn", identity(square - c**2, ((sigma - p) ** 2 * (l**2 + 4 * p**2) - (2 * c * p) ** 2) / (4 * p**2))),
        ),
        "one p for every c > 0, above σ too",
    )


def _before() -> Evidence:
    """At p = −x the slope over p is `−(σ + x) − 2cx/R`: from the wrong side of the saddle training helps."""
    slope = along((sigma - p) ** 2 / 2 + c * R / 2)
    return positive(-slope.subs(p, -x))


def _limits() -> Evidence:
    """λ → 0: σ − p = c, which is C1. |λ| → ∞ at `p = σ(1 − 2cx/|λ|)`: h → cx, so x = 1."""
    l = sp.Symbol("l", positive=True)
    h = (sigma - p) * sp.sqrt(1 + (l / (2 * p)) ** 2)
    lazy = sp.limit(h.subs(p, sigma * (1 - 2 * c * x / l)), l, sp.oo)
    return identity((h.subs(l, 0), sp.simplify(lazy)), (sigma - p, c * x), "σ − c rich, σ(1 − 2c/|λ|) lazy")


def _truth(formula: dict[str, sp.Expr]):  # type: ignore[no-untyped-def]
    """The time in mpmath: the turn by bisection of the formula's own sign, then the logarithm of its clock."""
    given = {g2: sp.sqrt((2 * c - g1**2 * d_in) / d_out)}
    root = {R: sp.sqrt(lam**2 + 4 * p**2), r: sp.sqrt(lam**2 + 4 * sigma**2)}
    turn, clock = (
        sp.lambdify((p, sigma, lam, c), sp.simplify(formula[k].subs(given)).subs(root), "mpmath")
        for k in ("turn", "clock")
    )

    def time(s, start, imbalance, cost):  # type: ignore[no-untyped-def]
        low, high = mpmath.mpf(0), s
        for _ in range(int(3.4 * mpmath.mp.dps)):
            middle = (low + high) / 2
            low, high = (middle, high) if turn(middle, s, imbalance, cost) > 0 else (low, middle)
        ratio = clock(low, s, imbalance, cost) / clock(start, s, imbalance, cost)
        return mpmath.log(ratio) / mpmath.sqrt(imbalance**2 + 4 * s**2)

    return time


def _engine(formula: dict[str, sp.Expr], function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Against 150 digits, over the condition number by difference quotients."""
    time, worst, step = _truth(formula), 0.0, mpmath.mpf(10) ** -30
    for _ in range(25):
        s, ratio = 10.0 ** generator.uniform(-6, 6), 10.0 ** generator.uniform(-6, 3)
        l, start = s * 10.0 ** generator.uniform(-6, 4) * generator.choice([-1, 1]), s * generator.uniform(-2, 0.3)
        with mpmath.workdps(150):
            point = [mpmath.mpf(float(y)) for y in (s, start, l, s * ratio)]
            exact = time(*point)
            moved = (time(*(y * (1 + step * (i == j)) for j, y in enumerate(point))) for i in range(4))
            condition = sum(abs(m - exact) for m in moved) / step / abs(exact)
            got = float(function(s, float(start), float(l), float(s * ratio)))
            late = exact > 0  # else the start is past the turn, and the engine says 0
            error = abs(got - exact) / abs(exact) / max(1, condition) if late else mpmath.mpf(got)
        worst = max(worst, float(error))
    return worst


def _balanced_only_hurts() -> Evidence:
    """σ = 1, c = 2: balanced, the mode hurts from s = 0.01 on; with λ = 0.5 it helps up to p = 0.14."""
    p_ = np.array([0.01, 0.1, 0.2])
    slopes = [-(1 - p_) + 4 * p_ / np.sqrt(l**2 + 4 * p_**2) for l in (0.0, 0.5)]
    holds = bool((slopes[0] > 0).all() and (np.sign(slopes[1]) == [-1, -1, 1]).all())
    return Evidence(holds, Verdict.TESTED, f"dP/dp at 0.01, 0.1, 0.2: {slopes[0]} and {slopes[1]}")


def _curves() -> Curves:
    p_ = np.linspace(0, 1, 101)
    loss = {f"λ = {l}": (1 - p_) ** 2 / 2 + np.sqrt(l**2 + 4 * p_**2) - l for l in (0.0, 0.5, 4.0)}
    return Curves(p_, loss, "product p, σ = 1", "loss after noise, c = 2")


DERIVATION = Derivation(
    claim="C1u",
    title="With layers that differ every mode helps first, whatever the noise",
    statement=r"P=\tfrac12(\sigma-p)^2+\tfrac c2R+\text{const},\quad R=\sqrt{\lambda^2+4p^2};\qquad"
    r"(\sigma-p^*)R^*=2cp^*;\qquad t^*=\frac1r\ln\frac{\Psi(p^*)}{\Psi(p_0)},\quad\Psi=\frac{R+\kappa}{\sigma-p}",
    plain="A mode whose layers have the imbalance λ pays for noise by the sum of their squares alone: it turns once, "
    "between 0 and σ, however strong the noise, and nearer to σ the lazier it is.",
    symbols={
        "p": "the product w₁w₂, p₀ at the start, p* at the turn",
        r"\lambda": "the imbalance w₂² − w₁², conserved, of either sign, not 0",
        "R": "w₁² + w₂²",
        "c": "price of one unit of singular value under noise, ½(γ₂² d_out + γ₁² d_in)",
        "r": "√(λ² + 4σ²)",
        r"\kappa": "(λ² + 4σp)/r",
    },
    assumptions=(
        Assumption(
            "imbalance",
            "λ ≠ 0; at λ = 0 this is C1, whose modes with σ <= c only hurt.",
            Counterexample("Balanced, a mode below the price never helps.", _balanced_only_hurts, _curves),
        ),
        Assumption("aligned start", "Then the modes decouple (A2, which shows what happens otherwise)."),
        FLOW,
        Assumption("whitened inputs", "Σx = I; C1 shows what happens otherwise."),
        *NOISE,
    ),
    steps=(
        Step(
            r"w_1^2=\tfrac12(R-\lambda),\quad w_2^2=\tfrac12(R+\lambda),\quad\dot p=R(\sigma-p)",
            "A4's flow: the imbalance stays, the sum of the squares follows from it and the product.",
            _norms,
        ),
        Step(
            r"\tfrac12(aw_1^2+bw_2^2)=\tfrac c2R+\tfrac14(b-a)\lambda,\quad a=\gamma_2^2d_{out},\ b=\gamma_1^2d_{in}",
            "So B1's two prices enter by their mean: what their difference costs stays.",
            _mean_price,
        ),
        Step(
            r"\frac{d}{dp}\left[(\sigma-p)\sqrt{1+(\lambda/2p)^2}\right]<0\quad(0<p<\sigma)",
            "From ∞ to 0: it is c exactly once, and dP/dt has the sign of c minus it.",
            _one_turn,
        ),
        Step(r"p<0\ \Rightarrow\ \frac{dP}{dt}<0", "A start of the wrong sign helps up to the turn, too.", _before),
        Step(
            r"\lambda\to0:\ p^*\to\sigma-c;\qquad|\lambda|\to\infty:\ p^*\to\sigma(1-2c/|\lambda|)",
            "Rich and lazy limits of the turn.",
            _limits,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in and d_out swapped", lambda f: rename(f, {d_in: d_out, d_out: d_in})),
        Variant("geometric for arithmetic mean in c", lambda f: rename(f, GEOMETRIC)),
        Variant("c R for ½ c R", lambda f: f | {"loss": f["loss"] + noise_cost * R / 2}),
        Variant("turn with c for 2c", lambda f: f | {"turn": (sigma - p) * R - noise_cost * p}),
        Variant("turn at σ − c", lambda f: f | {"turn": (sigma - p - noise_cost) * R}),
        Variant("κ without λ²", lambda f: f | {"clock": (R + 4 * sigma * p / r) / (sigma - p)}),
        Variant("sign of κ", lambda f: f | {"clock": (R - KAPPA) / (sigma - p)}),
        Variant("clock of the rest alone", lambda f: f | {"clock": 1 / (sigma - p)}),
    ),
    special_case=SpecialCase(
        "square, equal noise, balanced",
        lambda f: {k: e.subs({d_out: d_in, g2: g1, lam: 0, r: 2 * sigma, R: 2 * p}) for k, e in f.items()},
    ),
    floor=Verdict.PROVED,
    uses=("A2", "A4", "B1"),
    link=Link(
        "overtraining.theory.inflection.noisy_mode.unbalanced_inflection_time",
        "σ 1e-6 … 1e6, |λ|/σ 1e-6 … 1e4, c/σ 1e-6 … 1e3",
        _engine,
    ),
    source="ours",
)
