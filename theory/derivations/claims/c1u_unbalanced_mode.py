"""C1u: one unbalanced mode under noise: with any imbalance it first lowers the loss after noise, and turns once."""

from collections.abc import Callable
from typing import Any

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
    """The loss after noise without a constant, what is 0 at the turning point, and a clock that grows as `e^{rt}`."""
    return {
        "loss": (sigma - p) ** 2 / 2 + noise_cost * R / 2,
        "turn": (sigma - p) * R - 2 * noise_cost * p,
        "clock": (R + KAPPA) / (sigma - p),
    }


def along(expression: sp.Expr) -> sp.Expr:
    """d/dp at constant λ, with `R² = λ² + 4p²`."""
    return expression.diff(p) + expression.diff(R) * 4 * p / R


def rational(expression: sp.Expr) -> sp.Expr:
    """The same in A4's rational variables of p and σ, with λ = ℓ > 0: only the square of λ enters."""
    return sp.cancel(sp.together(expression.subs({p: value(Z), R: norm(Z), sigma: value(X), r: norm(X), lam: size})))


def after_noise() -> sp.Expr:
    """`½(σ − p)²` and B1 at `‖W1‖² = w₁² = ½(R − λ)`, `‖W2‖² = w₂² = ½(R + λ)`."""
    return (sigma - p) ** 2 / 2 + b1.formula().subs({b1.q1: (R - lam) / 2, b1.q2: (R + lam) / 2, b1.tau: d_in})


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The loss by B1, the turning point by the flow `ṗ = R(σ − p)`, and the clock along it."""
    speed = R * (sigma - p)
    growth_rate = along(candidate["clock"]) / candidate["clock"] * speed
    turning = along(after_noise()) * speed + (sigma - p) * candidate["turn"]
    return every(
        (
            ("loss", identity(sp.expand(along(candidate["loss"] - after_noise())), 0)),
            ("turning point", identity(sp.expand(turning), 0)),
            ("clock", identity(rational(growth_rate - r), 0)),
        ),
        "loss, turning point and clock agree",
    )


def _norms() -> Evidence:
    """A2's flow: `w₂² − w₁² = λ` is conserved, `R² = λ² + 4p²`, `ṗ = R(σ − p)`; the squared weights are `½(R ∓ λ)`."""
    w1, w2 = a2.w1, a2.w2
    first, second = (R - lam) / 2, (R + lam) / 2
    squares = identity((first + second, second - first, sp.expand(first * second)), (R, lam, (R**2 - lam**2) / 4))
    product = identity(sp.expand(((w1**2 + w2**2) ** 2 - (w2**2 - w1**2) ** 2) / 4 - (w1 * w2) ** 2), 0)
    cases = (("A4", a4.DERIVATION.steps[0].check()), ("norms", squares), ("product", product))
    return every(cases, "w₁², w₂² = ½(R ∓ λ)")


def _mean_cost() -> Evidence:
    """In `½(a w₁² + b w₂²)` only the part with the mean cost changes; the rest, `¼(b − a)λ`, is conserved."""
    a, b = g2**2 * d_out, g1**2 * d_in
    conserved = (b - a) * lam / 4
    difference = sp.expand(after_noise() - formula()["loss"] - conserved)
    slopes = tuple(difference.diff(v) for v in (p, R, lam))
    return identity((*slopes, along(conserved)), (0, 0, 0, 0), "c R/2, ¼(b − a)λ and constants")


def _one_turn() -> Evidence:
    """`h = (σ − p)√(1 + (λ/2p)²)` falls from ∞ to 0 for 0 < p < σ; shown for its square."""
    l = sp.Symbol("l", positive=True)  # |λ|
    square = (sigma - p) ** 2 * (1 + (l / (2 * p)) ** 2)
    ends = sp.limit(1 / square, p, 0, "+"), square.subs(p, sigma)
    turning = ((sigma - p) ** 2 * (l**2 + 4 * p**2) - (2 * c * p) ** 2) / (4 * p**2)
    return every(
        (
            ("falls", positive(-square.diff(p).subs(sigma, p + x))),
            ("ends", identity(ends, (0, 0))),
            ("turning point", identity(square - c**2, turning)),
        ),
        "one p for every c > 0, even above σ",
    )


def _wrong_sign() -> Evidence:
    """At p = −x the slope in p is `−(σ + x) − 2cx/R`: on the wrong side of the saddle training lowers the loss."""
    fall = sigma + x + 2 * noise_cost * x / R
    return every((("slope", identity(-along(after_noise()).subs(p, -x), fall)), ("falls", positive(fall))))


def _limits() -> Evidence:
    """λ → 0: σ − p = c, as in C1. |λ| → ∞ at `p = σ(1 − 2cx/|λ|)`: h → cx, so x = 1."""
    l = sp.Symbol("l", positive=True)
    h = (sigma - p) * sp.sqrt(1 + (l / (2 * p)) ** 2)
    lazy = sp.limit(h.subs(p, sigma * (1 - 2 * c * x / l)), l, sp.oo)
    return identity((h.subs(l, 0), sp.simplify(lazy)), (sigma - p, c * x), "σ − c rich, σ(1 − 2c/|λ|) lazy")


def _exact_time(formula: dict[str, sp.Expr]) -> Callable[..., Any]:
    """The time in mpmath: the turning point by bisection of the formula's sign, then the logarithm of its clock."""
    in_c = {g2: sp.sqrt((2 * c - g1**2 * d_in) / d_out)}
    roots = {R: sp.sqrt(lam**2 + 4 * p**2), r: sp.sqrt(lam**2 + 4 * sigma**2)}
    turn, clock = (
        sp.lambdify((p, sigma, lam, c), sp.simplify(formula[key].subs(in_c)).subs(roots), "mpmath")
        for key in ("turn", "clock")
    )

    def time(s: Any, start: Any, imbalance: Any, cost: Any) -> Any:
        low, high = mpmath.mpf(0), s
        for _ in range(int(3.4 * mpmath.mp.dps)):
            middle = (low + high) / 2
            low, high = (middle, high) if turn(middle, s, imbalance, cost) > 0 else (low, middle)
        ratio = clock(low, s, imbalance, cost) / clock(start, s, imbalance, cost)
        return mpmath.log(ratio) / mpmath.sqrt(imbalance**2 + 4 * s**2)

    return time


def _engine_error(formula: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """Against 150 digits, over the condition number by difference quotients."""
    time = _exact_time(formula)
    step = mpmath.mpf(10) ** -30
    worst = 0.0
    for _ in range(25):
        s = 10.0 ** generator.uniform(-6, 6)
        ratio = 10.0 ** generator.uniform(-6, 3)
        imbalance = s * 10.0 ** generator.uniform(-6, 4) * generator.choice([-1, 1])
        start = s * generator.uniform(-2, 0.3)
        with mpmath.workdps(150):
            point = [mpmath.mpf(float(y)) for y in (s, start, imbalance, s * ratio)]
            exact = time(*point)
            shifted = (time(*(y * (1 + step * (i == j)) for j, y in enumerate(point))) for i in range(4))
            condition = sum(abs(moved - exact) for moved in shifted) / step / abs(exact)
            computed = float(function(s, float(start), float(imbalance), float(s * ratio)))
            past = exact <= 0  # the start is past the turning point, and the time must be 0
            error = mpmath.mpf(computed) if past else abs(computed - exact) / abs(exact) / max(1, condition)
        worst = max(worst, float(error))
    return worst


def _balanced_mode() -> Evidence:
    """σ = 1, c = 2: balanced, the loss rises from s = 0.01 on; with λ = 0.5 it falls up to p = 0.14."""
    p_ = np.array([0.01, 0.1, 0.2])
    slopes = [-(1 - p_) + 4 * p_ / np.sqrt(l**2 + 4 * p_**2) for l in (0.0, 0.5)]
    holds = bool((slopes[0] > 0).all() and (np.sign(slopes[1]) == [-1, -1, 1]).all())
    return Evidence(holds, Verdict.TESTED, f"dP/dp at 0.01, 0.1, 0.2: {slopes[0]} and {slopes[1]}")


def _loss_curves() -> Curves:
    p_ = np.linspace(0, 1, 101)
    loss = {f"λ = {l}": (1 - p_) ** 2 / 2 + np.sqrt(l**2 + 4 * p_**2) - l for l in (0.0, 0.5, 4.0)}
    return Curves(p_, loss, "product p, σ = 1", "loss after noise, c = 2")


DERIVATION = Derivation(
    claim="C1u",
    title="With unbalanced layers every mode first lowers the loss after noise, whatever the noise",
    statement=r"P=\tfrac12(\sigma-p)^2+\tfrac c2R+\text{const},\quad R=\sqrt{\lambda^2+4p^2};\qquad"
    r"(\sigma-p^*)R^*=2cp^*;\qquad t^*=\frac1r\ln\frac{\Psi(p^*)}{\Psi(p_0)},\quad\Psi=\frac{R+\kappa}{\sigma-p}",
    plain="For a mode whose layers have the imbalance λ, the cost of noise depends only on the sum of the layers' "
    "squares. The loss after noise has exactly one turning point, between 0 and σ, however strong the noise; the "
    "larger |λ|, the nearer it is to σ.",
    symbols={
        "p": "the product w₁w₂; p₀ at the start, p* at the turning point",
        r"\lambda": "the imbalance w₂² − w₁², conserved, of either sign, not 0",
        "R": "w₁² + w₂²",
        "c": "noise cost of one unit of singular value, ½(γ₂² d_out + γ₁² d_in)",
        "r": "√(λ² + 4σ²)",
        r"\kappa": "(λ² + 4σp)/r",
    },
    assumptions=(
        Assumption(
            "imbalance",
            "λ ≠ 0. At λ = 0 this is C1, where learning a mode with σ <= c only raises the loss.",
            Counterexample("A balanced mode below the noise cost never lowers the loss.", _balanced_mode, _loss_curves),
        ),
        Assumption("aligned start", "The modes then decouple (A2, which shows what happens otherwise)."),
        FLOW,
        Assumption("whitened inputs", "Σx = I; C1 shows what happens otherwise."),
        *NOISE,
    ),
    steps=(
        Step(
            r"w_1^2=\tfrac12(R-\lambda),\quad w_2^2=\tfrac12(R+\lambda),\quad\dot p=R(\sigma-p)",
            "A4's flow: the imbalance is conserved; with the product it determines the sum of the squares.",
            _norms,
        ),
        Step(
            r"\tfrac12(aw_1^2+bw_2^2)=\tfrac c2R+\tfrac14(b-a)\lambda,\quad a=\gamma_2^2d_{out},\ b=\gamma_1^2d_{in}",
            "So only the mean of B1's two costs matters: the part with their difference is constant.",
            _mean_cost,
        ),
        Step(
            r"\frac{d}{dp}\left[(\sigma-p)\sqrt{1+(\lambda/2p)^2}\right]<0\quad(0<p<\sigma)",
            "The bracket falls from ∞ to 0, so it is c exactly once; dP/dt has the sign of c minus the bracket.",
            _one_turn,
        ),
        Step(
            r"p<0\ \Rightarrow\ \frac{dP}{dt}<0",
            "From a start of the wrong sign, too, the loss falls until the turning point.",
            _wrong_sign,
        ),
        Step(
            r"\lambda\to0:\ p^*\to\sigma-c;\qquad|\lambda|\to\infty:\ p^*\to\sigma(1-2c/|\lambda|)",
            "The rich and the lazy limit of the turning point.",
            _limits,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in and d_out swapped", lambda f: rename(f, {d_in: d_out, d_out: d_in})),
        Variant("geometric for arithmetic mean in c", lambda f: rename(f, GEOMETRIC)),
        Variant("c R for ½ c R", lambda f: f | {"loss": f["loss"] + noise_cost * R / 2}),
        Variant("c for 2c in the turning point", lambda f: f | {"turn": (sigma - p) * R - noise_cost * p}),
        Variant("turning point σ − c", lambda f: f | {"turn": (sigma - p - noise_cost) * R}),
        Variant("κ without λ²", lambda f: f | {"clock": (R + 4 * sigma * p / r) / (sigma - p)}),
        Variant("sign of κ", lambda f: f | {"clock": (R - KAPPA) / (sigma - p)}),
        Variant("clock 1/(σ − p)", lambda f: f | {"clock": 1 / (sigma - p)}),
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
        _engine_error,
    ),
    source="ours",
)
