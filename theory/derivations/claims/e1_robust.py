"""E1: the minimum of the loss after noise is weight decay per layer, and thresholds at the geometric mean of prices."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from scipy.optimize import minimize

from overtraining.theory.derivations.calculus.matrix_words import scaled
from overtraining.theory.derivations.calculus.trace_calculus import squared_norm
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum
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
from overtraining.theory.derivations.checker.evidence import every, identity, positive, worst_relative_error
from overtraining.theory.derivations.claims import b1_noise as b1
from overtraining.theory.derivations.claims.b1_noise import g1, g2
from overtraining.theory.derivations.claims.shared.balanced_path import NOISE, rename

sigma, w1, w2, s, x = sp.symbols("sigma w_1 w_2 s x", positive=True)
a, b = sp.symbols("a b", positive=True)  # γ₂² d_out and γ₁² d_in
HALF = sp.Rational(1, 2)
A_PRICE, B_PRICE = g2**2 * d_out, g1**2 * d_in
KAPPA, C = g1 * g2 * sp.sqrt(d_in * d_out), (A_PRICE + B_PRICE) / 2


def formula() -> dict[str, sp.Expr]:
    """A mode above κ: what it becomes, w2²/w1², its loss; its excess elsewhere; what no balanced stop can avoid."""
    tilted = g2 * sp.sqrt(d_out) * w1 - g1 * sp.sqrt(d_in) * w2
    return {
        "s": sigma - KAPPA,
        "imbalance": A_PRICE / B_PRICE,
        "loss": KAPPA * (sigma - KAPPA / 2),
        "excess": ((w1 * w2 - sigma + KAPPA) ** 2 + tilted**2) / 2,
        "balanced": (C - KAPPA) * (sigma - (C + KAPPA) / 2),
    }


def mode_loss() -> sp.Expr:
    """One mode's part of the loss after noise, `½(σ − w1w2)²` and B1 at its two norms; no constants."""
    rise = b1.formula().subs({b1.q1: w1**2, b1.q2: w2**2, b1.tau: d_in})
    return (sigma - w1 * w2) ** 2 / 2 + sp.expand(rise - rise.subs({w1: 0, w2: 0}, simultaneous=True))


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The candidate is stationary, has the loss it says, and lies as far below other weights as it says."""
    ratio = candidate["imbalance"]
    there = {w1: sp.sqrt(s) / ratio ** sp.Rational(1, 4), w2: sp.sqrt(s) * ratio ** sp.Rational(1, 4)}
    at = lambda e: e.subs(there, simultaneous=True).subs(s, candidate["s"])
    balanced = mode_loss().subs({w1: sp.sqrt(s), w2: sp.sqrt(s)}, simultaneous=True)
    (stop,) = sp.solve(balanced.diff(s), s)
    return every(
        (
            ("∂/∂w1", identity(at(mode_loss().diff(w1)), 0)),
            ("∂/∂w2", identity(at(mode_loss().diff(w2)), 0)),
            ("loss", identity(at(mode_loss()), candidate["loss"])),
            ("excess", identity(sp.expand(mode_loss() - candidate["loss"] - candidate["excess"]), 0)),
            ("balanced", identity(sp.expand(balanced.subs(s, stop) - candidate["loss"] - candidate["balanced"]), 0)),
        ),
        "stationary, with this loss and excess",
    )


def _letters() -> tuple[MatrixSum, ...]:
    names = (("W1", "h", "d_in"), ("W2", "d_out", "h"), ("F", "d_out", "d_in"), ("G", "d_out", "d_in"))
    return tuple(MatrixSum.of(Letter(*name)) for name in names)


def _after_noise() -> TraceSum:
    """`½‖W2W1 − F − G‖² + ½a‖W1‖² + ½b‖W2‖²`: the loss after noise, teacher A = F + G, but for B1's constant."""
    m1, m2, f, g = _letters()
    return HALF * squared_norm(m2 @ m1 - f - g) + a / 2 * squared_norm(m1) + b / 2 * squared_norm(m2)


def _prices() -> Evidence:
    """B1 for whitened inputs is `½a‖W1‖² + ½b‖W2‖²` and a constant."""
    rise = b1.formula().subs(b1.tau, d_in)
    return identity((rise.diff(b1.q1), rise.diff(b1.q2)), (A_PRICE / 2, B_PRICE / 2))


def _squares() -> Evidence:
    """The whole difference as a sum of squares, symbolic widths, any weights, any F and G."""
    m1, m2, f, g = _letters()
    lowest = HALF * squared_norm(g) + (f @ g.T).trace()
    second = scaled(sp.sqrt(a), m1) - scaled(1 / sp.sqrt(a), m2.T @ g)
    third = b * squared_norm(m2) - 1 / a * squared_norm(m2.T @ g)
    squares = HALF * (squared_norm(m2 @ m1 - f) + squared_norm(second) + third)
    rest = _after_noise() - lowest - squares
    return Evidence(rest.is_zero(), Verdict.PROVED, f"{len(rest.terms)} traces differ, for symbolic widths")


def _third_is_positive() -> Evidence:
    """`b − g²/a` for a singular value g of G below `√(ab)`, and at it; g = κ above the threshold, σ below."""
    g = sp.Symbol("g", positive=True)
    slack = b - g**2 / a
    return every(
        (("below", positive(slack.subs(b, (g + x) ** 2 / a))), ("at", identity(slack.subs(g, sp.sqrt(a * b)), 0)))
    )


def _attained() -> Evidence:
    """At the claimed weights every square vanishes: `a w1 = w2 g` and `b = g²/a` where s > 0; w = 0 elsewhere."""
    root = sp.sqrt(a * b)
    first, second = sp.sqrt(s) * (b / a) ** sp.Rational(1, 4), sp.sqrt(s) * (a / b) ** sp.Rational(1, 4)
    return identity((a * first - second * root, first * second, a * first**2 - b * second**2), (0, s, 0))


def _unlearned() -> Evidence:
    """With s* = 0, g = σ < κ: the excess is `½p² + ½(√a w1 − √b w2)² + (κ − σ)p`, the loss ½σ²."""
    root, p = sp.sqrt(a * b), w1 * w2
    loss = (sigma - p) ** 2 / 2 + (a * w1**2 + b * w2**2) / 2
    excess = p**2 / 2 + (sp.sqrt(a) * w1 - sp.sqrt(b) * w2) ** 2 / 2 + (root - sigma) * p
    return identity(sp.expand(loss - sigma**2 / 2 - excess), 0)


def _early_stopping() -> Evidence:
    """`c − κ = ½(√a − √b)²`; a mode between κ and c, which no stop keeps, loses ½(σ − κ)² by that."""
    mean, root = (a + b) / 2, sp.sqrt(a * b)
    between = sigma**2 / 2 - root * (sigma - root / 2)
    excess = lambda p: ((p - sigma + root) ** 2 + (sp.sqrt(a) - sp.sqrt(b)) ** 2 * p) / 2
    return every(
        (
            ("means", identity(sp.expand(mean - root - (sp.sqrt(a) - sp.sqrt(b)) ** 2 / 2), 0)),
            ("between", identity(sp.expand(between - (sigma - root) ** 2 / 2), 0)),
            ("long training", identity(sp.expand(excess(sigma) - root**2 / 2 - (mean - root) * sigma), 0)),
            ("balanced", identity(sp.expand(excess(s) - (s - sigma + root) ** 2 / 2 - (mean - root) * s), 0)),
        )
    )


def _engine(expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """σ, a and b over 12 decades; below the threshold exactly 0 and ½σ²."""
    size = 300
    strong = 10.0 ** generator.uniform(-6, 6, size)
    prices = [strong * 10.0 ** generator.uniform(-6, 1, size) for _ in "ab"]
    above = strong > np.sqrt(prices[0] * prices[1])
    best = function(strong, *prices)
    if not (above.any() and (~above).any() and (best.s[~above] == 0).all() and (best.w1[~above] == 0).all()):
        return np.inf
    worst = float(np.max(np.abs(best.loss[~above] / (strong[~above] ** 2 / 2) - 1)))
    in_prices = {key: e.subs({g1: sp.sqrt(b / d_in), g2: sp.sqrt(a / d_out)}) for key, e in expression.items()}
    points = [p[above] for p in (strong, *prices)]
    root = np.sqrt(points[1] * points[2])
    condition = lambda *_: (points[0] + root) / (points[0] - root)
    forms = {
        "s": in_prices["s"],
        "loss": in_prices["loss"],
        "w1": sp.sqrt(in_prices["s"] / sp.sqrt(in_prices["imbalance"])),
        "w2": sp.sqrt(in_prices["s"] * sp.sqrt(in_prices["imbalance"])),
    }
    for name, form in forms.items():
        part = lambda *p, name=name: getattr(function(*p), name)
        worst = max(worst, worst_relative_error(sp.simplify(form), (sigma, a, b), part, points, condition))
    return worst


def _one_layer() -> Evidence:
    """γ₁ = 0 and w1w2 = σ: the loss `½a w1²` falls with w1 to a limit that no weights reach."""
    return positive(mode_loss().subs(g1, 0).subs(w2, sigma / w1).diff(w1))


def best_found(price_1: float, price_2: float, variances: tuple[float, float], h: int) -> np.ndarray:
    """Singular values of f at the lowest of many local minima, A = diag(1, ½), inputs diag(variances)."""
    teacher, inputs = np.diag([1.0, 0.5]), np.array(variances)

    def loss(weights: np.ndarray) -> float:
        m1, m2 = weights[: 2 * h].reshape(h, 2), weights[2 * h :].reshape(2, h)
        on_w1, on_w2 = (m1**2 * inputs).sum(), inputs.mean() * (m2**2).sum()  # B1 with tr Σx = 2 · mean
        return float((((m2 @ m1 - teacher) ** 2 * inputs).sum() + price_1 * on_w1 + price_2 * on_w2) / 2)

    tries = [minimize(loss, np.random.default_rng(k).normal(size=4 * h)) for k in range(5)]
    best = min(tries, key=lambda found: found.fun).x
    return np.linalg.svd(best[2 * h :].reshape(2, h) @ best[: 2 * h].reshape(h, 2), compute_uv=False)


def colored() -> Evidence:
    """Σx = diag(1.9, 0.1), a = b = 0.1: the weak input's feature, σ = ½, keeps 0.18, the formula 0.4."""
    found = best_found(0.1, 0.1, (1.9, 0.1), 2)
    white = best_found(0.1, 0.1, (1.0, 1.0), 2)
    holds = bool(np.allclose(white, (0.9, 0.4), atol=1e-4) and found[1] < 0.2)
    return Evidence(holds, Verdict.TESTED, f"white {white.round(4)}, Σx = diag(1.9, 0.1) {found.round(4)}")


def narrow() -> Evidence:
    """One hidden unit for two features above κ: the second is 0."""
    found = best_found(0.1, 0.1, (1.0, 1.0), 1)
    return Evidence(bool(found[1] < 1e-6), Verdict.TESTED, f"h = 1: {found.round(6)}, the formula 0.9 and 0.4")


def tilted_curves() -> Curves:
    """The loss after noise of three remedies against how unequal the prices are."""
    ratio = np.geomspace(0.01, 100, 41)  # a/b at fixed mean
    b_ = 0.4 / (1 + ratio)
    loss = lambda m: m * (1 - m / 2)
    return Curves(
        ratio,
        {"decay per layer": loss(b_ * np.sqrt(ratio)), "best stop": np.full(41, loss(0.2)), "long": np.full(41, 0.2)},
        "a/b at c = 0.2, σ = 1",
        "loss after noise",
    )


DERIVATION = Derivation(
    claim="E1",
    title="The noise-robust optimum is weight decay per layer",
    statement=r"s_i=(\sigma_i-\kappa)_+,\quad\kappa=\sqrt{ab}=\gamma_1\gamma_2\sqrt{d_{in}d_{out}},\quad"
    r"\frac{w_2^2}{w_1^2}=\frac ab;\quad P^*=\sum_i m_i\left(\sigma_i-\tfrac12m_i\right),\ m_i=\min(\sigma_i,\kappa)",
    plain="Among all weights the expected loss after noise is least where weight decay a on W1 and b on W2 would put "
    "them: each singular value is lowered by the geometric mean of the two prices, and the layers are tilted by a/b; "
    "no stop on the balanced path, which pays the arithmetic mean, gets there unless the prices are equal.",
    symbols={
        "P,P^*": "expected loss after noise, and the least of all weights, but for a constant",
        "m_i": "min(σ_i, κ)",
        "a": "price of ½‖W1‖², γ₂² d_out",
        "b": "price of ½‖W2‖², γ₁² d_in",
        r"\kappa": "√(ab), their geometric mean",
        "c": "½(a + b), what the balanced path pays",
        r"\sigma,s": "singular values of teacher and student",
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        r"d_{in},d_{out}": "widths of input and output",
    },
    assumptions=(
        Assumption(
            "whitened inputs",
            "Σx = I. With Σx sharing V and variance ξ along the mode, s = (σ − √(γ₁²γ₂² d_out tr Σx/ξ))₊.",
            Counterexample("A weak input's feature is lowered by more than κ.", colored),
        ),
        Assumption(
            "wide enough hidden layer",
            "h is at least the number of modes above κ.",
            Counterexample("One hidden unit learns one of two modes.", narrow),
        ),
        Assumption(
            "noise on both layers",
            "a, b > 0; otherwise κ = 0, and the infimum 0 is approached as one layer shrinks, not attained.",
            Counterexample(
                "With noise on W2 only every finite tilt can be improved on.",
                _one_layer,
                tilted_curves,
            ),
        ),
        *NOISE,
    ),
    steps=(
        Step(
            r"\mathbb{E}L(\theta+N)=L+\tfrac a2\|W_1\|^2+\tfrac b2\|W_2\|^2+\text{const}",
            "Claim B1 for whitened inputs: noise is a weight decay of its own for each layer.",
            _prices,
        ),
        Step(
            r"P-\left(\tfrac12\|G\|^2+\langle F,G\rangle\right)=\tfrac12\|W_2W_1-F\|^2+\tfrac12\|\sqrt aW_1-"
            r"W_2^\top G/\sqrt a\|^2+\tfrac12\mathrm{tr}\,W_2^\top(b-GG^\top/a)W_2,\quad A=F+G",
            "An identity between traces at symbolic widths, for all weights, F and G.",
            _squares,
        ),
        Step(
            r"\|G\|_{op}\le\sqrt{ab}\ \Rightarrow\ b-GG^\top/a\succeq0",
            "With F the thresholded teacher, G = U min(σ, κ) Vᵀ: every square is at least 0, so F's value is a lower "
            "bound over all weights, aligned or not.",
            _third_is_positive,
        ),
        Step(
            r"aw_1=w_2\kappa,\ b=\kappa^2/a,\ w_1w_2=\sigma-\kappa",
            "At the claimed weights all squares vanish: the bound is the minimum, and weights with any other product "
            "are above it.",
            _attained,
        ),
        Step(
            r"\sigma\le\kappa:\ P-\tfrac12\sigma^2=\tfrac12p^2+\tfrac12(\sqrt aw_1-\sqrt bw_2)^2+(\kappa-\sigma)p",
            "Modes that are not above κ stay at 0.",
            _unlearned,
        ),
        Step(
            r"w_1=w_2:\ P-P^*=\tfrac12(s-s^*)^2+(c-\kappa)s,\quad c-\kappa=\tfrac12(\sqrt a-\sqrt b)^2",
            "On the balanced path the best stop of a mode is at σ − c and loses (c − κ)(σ − (c + κ)/2) against decay; "
            "between κ and c decay alone keeps the mode; long training loses ½κ² + (c − κ)σ.",
            _early_stopping,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("arithmetic for geometric mean", lambda f: f | {"s": sigma - C, "loss": C * (sigma - C / 2)}),
        Variant("d_in and d_out swapped in the imbalance", lambda f: f | {
            "imbalance": f["imbalance"].subs({d_in: d_out, d_out: d_in}, simultaneous=True)}),
        Variant("imbalance upside down", lambda f: f | {"imbalance": 1 / f["imbalance"]}),
        Variant("imbalance √(a/b)", lambda f: f | {"imbalance": sp.sqrt(f["imbalance"])}),
        Variant("threshold 2κ", lambda f: f | {"s": sigma - 2 * KAPPA}),
        Variant("γ instead of γ²", lambda f: rename(f, {g1: sp.sqrt(g1), g2: sp.sqrt(g2)})),
        Variant("½ missing in the loss", lambda f: f | {"loss": KAPPA * (sigma - KAPPA)}),
        Variant("sign of the tilt", lambda f: f | {
            "excess": f["excess"] + 2 * KAPPA * w1 * w2}),
        Variant("no loss to balance", lambda f: f | {"balanced": sp.Integer(0)}),
    ),
    special_case=SpecialCase("square, equal noise", lambda f: rename(f, {d_out: d_in, g2: g1})),
    floor=Verdict.PROVED,
    uses=("B1",),
    link=Link("overtraining.theory.remedies.robust.robust_optimum", "σ 1e-6 … 1e6, a/σ and b/σ 1e-6 … 10", _engine),
    source="ours; the nuclear norm as weight decay of two factors: Srebro, Rennie, Jaakkola 2004",
)  # fmt: skip
