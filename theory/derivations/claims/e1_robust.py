"""E1: the weights with the least expected loss after noise are those of weight decay per layer."""

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
LAYER_COSTS = A_COST, B_COST = g2**2 * d_out, g1**2 * d_in
KAPPA = g1 * g2 * sp.sqrt(d_in * d_out)
C = (A_COST + B_COST) / 2


def formula() -> dict[str, sp.Expr]:
    """A mode above κ: its optimum s and w2²/w1²; its loss; the excess loss elsewhere, and at the best balanced stop."""
    tilted = g2 * sp.sqrt(d_out) * w1 - g1 * sp.sqrt(d_in) * w2
    return {
        "s": sigma - KAPPA,
        "ratio": A_COST / B_COST,
        "loss": KAPPA * (sigma - KAPPA / 2),
        "excess": ((w1 * w2 - sigma + KAPPA) ** 2 + tilted**2) / 2,
        "balanced": (C - KAPPA) * (sigma - (C + KAPPA) / 2),
    }


def mode_loss() -> sp.Expr:
    """One mode's part of the loss after noise, without constants: `½(σ − w1w2)²`, and B1 at the mode's two norms."""
    rise = b1.formula().subs({b1.q1: w1**2, b1.q2: w2**2, b1.tau: d_in})
    return (sigma - w1 * w2) ** 2 / 2 + sp.expand(rise - rise.subs({w1: 0, w2: 0}, simultaneous=True))


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The weights are stationary, and the loss at them and the excess of all other weights are as claimed."""
    ratio = candidate["ratio"]
    weights = {w1: sp.sqrt(s) / ratio ** sp.Rational(1, 4), w2: sp.sqrt(s) * ratio ** sp.Rational(1, 4)}

    def at_optimum(expression: sp.Expr) -> sp.Expr:
        return expression.subs(weights, simultaneous=True).subs(s, candidate["s"])

    balanced = mode_loss().subs({w1: sp.sqrt(s), w2: sp.sqrt(s)}, simultaneous=True)
    stop = sigma - C
    return every(
        (
            ("∂/∂w1", identity(at_optimum(mode_loss().diff(w1)), 0)),
            ("∂/∂w2", identity(at_optimum(mode_loss().diff(w2)), 0)),
            ("loss", identity(at_optimum(mode_loss()), candidate["loss"])),
            ("excess", identity(sp.expand(mode_loss() - candidate["loss"] - candidate["excess"]), 0)),
            ("balanced stop", identity(sp.expand(balanced.diff(s).subs(s, stop)), 0)),
            ("balanced", identity(sp.expand(balanced.subs(s, stop) - candidate["loss"] - candidate["balanced"]), 0)),
        ),
        "stationary, with this loss and excess",
    )


def _letters() -> tuple[MatrixSum, ...]:
    """W1, W2, and the two parts F and G of the teacher."""
    names = (("W1", "h", "d_in"), ("W2", "d_out", "h"), ("F", "d_out", "d_in"), ("G", "d_out", "d_in"))
    return tuple(MatrixSum.of(Letter(*name)) for name in names)


def _after_noise() -> TraceSum:
    """The loss after noise for A = F + G, without B1's constant: `½‖W2W1 − F − G‖² + ½a‖W1‖² + ½b‖W2‖²`."""
    m1, m2, f, g = _letters()
    return HALF * squared_norm(m2 @ m1 - f - g) + a / 2 * squared_norm(m1) + b / 2 * squared_norm(m2)


def _costs() -> Evidence:
    """B1 for whitened inputs is `½a‖W1‖² + ½b‖W2‖²` plus a constant."""
    rise = b1.formula().subs(b1.tau, d_in)
    return identity((rise.diff(b1.q1), rise.diff(b1.q2)), (A_COST / 2, B_COST / 2))


def _squares() -> Evidence:
    """The loss minus its minimum is a sum of squares, for symbolic widths and any weights, F and G."""
    m1, m2, f, g = _letters()
    lowest = HALF * squared_norm(g) + (f @ g.T).trace()
    second = scaled(sp.sqrt(a), m1) - scaled(1 / sp.sqrt(a), m2.T @ g)
    third = b * squared_norm(m2) - 1 / a * squared_norm(m2.T @ g)
    squares = HALF * (squared_norm(m2 @ m1 - f) + squared_norm(second) + third)
    difference = _after_noise() - lowest - squares
    detail = f"{len(difference.terms)} traces differ, for symbolic widths"
    return Evidence(difference.is_zero(), Verdict.PROVED, detail)


def _third_is_positive() -> Evidence:
    """`b − g²/a >= 0` for a singular value g of G up to `√(ab)`; g = κ for modes above the threshold, σ for others."""
    g = sp.Symbol("g", positive=True)
    slack = b - g**2 / a
    below = positive(slack.subs(b, (g + x) ** 2 / a), zero_at={x: 0})
    return every((("g < κ", below), ("g = κ", identity(slack.subs(g, sp.sqrt(a * b)), 0))))


def _attained() -> Evidence:
    """At the claimed weights every square vanishes: `a w1 = w2 g` and `b = g²/a` where s > 0, and w = 0 elsewhere."""
    root = sp.sqrt(a * b)
    first = sp.sqrt(s) * (b / a) ** sp.Rational(1, 4)
    second = sp.sqrt(s) * (a / b) ** sp.Rational(1, 4)
    return identity((a * first - second * root, first * second, a * first**2 - b * second**2), (0, s, 0))


def _unlearned() -> Evidence:
    """With s* = 0 and g = σ < κ the loss is ½σ², and the excess `½p² + ½(√a w1 − √b w2)² + (κ − σ)p`."""
    root = sp.sqrt(a * b)
    p = w1 * w2
    loss = (sigma - p) ** 2 / 2 + (a * w1**2 + b * w2**2) / 2
    excess = p**2 / 2 + (sp.sqrt(a) * w1 - sp.sqrt(b) * w2) ** 2 / 2 + (root - sigma) * p
    return identity(sp.expand(loss - sigma**2 / 2 - excess), 0)


def _early_stopping() -> Evidence:
    """`c − κ = ½(√a − √b)²`; a mode between κ and c is kept by no stop, which costs ½(σ − κ)²."""
    mean = (a + b) / 2
    root = sp.sqrt(a * b)
    between = sigma**2 / 2 - root * (sigma - root / 2)

    def excess(p: sp.Expr) -> sp.Expr:
        return ((p - sigma + root) ** 2 + (sp.sqrt(a) - sp.sqrt(b)) ** 2 * p) / 2

    return every(
        (
            ("means", identity(sp.expand(mean - root - (sp.sqrt(a) - sp.sqrt(b)) ** 2 / 2), 0)),
            ("between", identity(sp.expand(between - (sigma - root) ** 2 / 2), 0)),
            ("long training", identity(sp.expand(excess(sigma) - root**2 / 2 - (mean - root) * sigma), 0)),
            ("balanced", identity(sp.expand(excess(s) - (s - sigma + root) ** 2 / 2 - (mean - root) * s), 0)),
        )
    )


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """σ, a and b over 12 decades; below the threshold s must be exactly 0 and the loss ½σ²."""
    size = 300
    strong = 10.0 ** generator.uniform(-6, 6, size)
    costs = [strong * 10.0 ** generator.uniform(-6, 1, size) for _ in LAYER_COSTS]
    above = strong > np.sqrt(costs[0] * costs[1])
    below = ~above
    best = function(strong, *costs)
    if not (above.any() and below.any() and (best.s[below] == 0).all() and (best.w1[below] == 0).all()):
        return np.inf
    worst = float(np.max(np.abs(best.loss[below] / (strong[below] ** 2 / 2) - 1)))
    in_costs = {key: e.subs({g1: sp.sqrt(b / d_in), g2: sp.sqrt(a / d_out)}) for key, e in expression.items()}
    points = [p[above] for p in (strong, *costs)]
    root = np.sqrt(points[1] * points[2])
    condition = (points[0] + root) / (points[0] - root)
    forms = {
        "s": in_costs["s"],
        "loss": in_costs["loss"],
        "w1": sp.sqrt(in_costs["s"] / sp.sqrt(in_costs["ratio"])),
        "w2": sp.sqrt(in_costs["s"] * sp.sqrt(in_costs["ratio"])),
    }
    for name, form in forms.items():

        def part(*point: np.ndarray, name: str = name) -> np.ndarray:
            return np.asarray(getattr(function(*point), name))

        error = worst_relative_error(sp.simplify(form), (sigma, a, b), part, points, lambda *_: condition)
        worst = max(worst, error)
    return worst


def _one_layer() -> Evidence:
    """With γ₁ = 0 and w1w2 = σ the loss `½a w1²` falls with w1, toward a limit that no weights attain."""
    return positive(mode_loss().subs(g1, 0).subs(w2, sigma / w1).diff(w1))


def best_singular_values(costs: tuple[float, float], variances: tuple[float, float], h: int) -> np.ndarray:
    """Singular values of f at the lowest of many local minima, A = diag(1, ½), inputs diag(variances)."""
    teacher = np.diag([1.0, 0.5])
    inputs = np.array(variances)

    def loss(weights: np.ndarray) -> float:
        m1 = weights[: 2 * h].reshape(h, 2)
        m2 = weights[2 * h :].reshape(2, h)
        norm_1 = (m1**2 * inputs).sum()
        norm_2 = inputs.mean() * (m2**2).sum()  # B1, with tr Σx = 2 · mean
        return float((((m2 @ m1 - teacher) ** 2 * inputs).sum() + costs[0] * norm_1 + costs[1] * norm_2) / 2)

    minima = [minimize(loss, np.random.default_rng(k).normal(size=4 * h)) for k in range(5)]
    best = min(minima, key=lambda minimum: minimum.fun).x
    return np.linalg.svd(best[2 * h :].reshape(2, h) @ best[: 2 * h].reshape(h, 2), compute_uv=False)


def colored() -> Evidence:
    """Σx = diag(1.9, 0.1), a = b = 0.1: the feature σ = ½ of the weak input is 0.18; the formula says 0.4."""
    values = best_singular_values((0.1, 0.1), (1.9, 0.1), 2)
    white = best_singular_values((0.1, 0.1), (1.0, 1.0), 2)
    holds = bool(np.allclose(white, (0.9, 0.4), atol=1e-4) and values[1] < 0.2)
    return Evidence(holds, Verdict.TESTED, f"white {white.round(4)}, Σx = diag(1.9, 0.1) {values.round(4)}")


def narrow() -> Evidence:
    """With one hidden unit for two features above κ, the second is 0."""
    values = best_singular_values((0.1, 0.1), (1.0, 1.0), 1)
    return Evidence(bool(values[1] < 1e-6), Verdict.TESTED, f"h = 1: {values.round(6)}, the formula 0.9 and 0.4")


def tilted_curves() -> Curves:
    """The loss after noise of three remedies, against the ratio of the costs of both layers."""
    ratio = np.geomspace(0.01, 100, 41)  # a/b at a fixed mean
    geometric_mean = 0.4 / (1 + ratio) * np.sqrt(ratio)
    curves = {
        "decay per layer": geometric_mean * (1 - geometric_mean / 2),
        "best stop": np.full(41, 0.2 * (1 - 0.2 / 2)),
        "long training": np.full(41, 0.2),
    }
    return Curves(ratio, curves, "a/b at c = 0.2, σ = 1", "loss after noise")


DERIVATION = Derivation(
    claim="E1",
    title="The noise-robust optimum is weight decay per layer",
    statement=r"s_i=(\sigma_i-\kappa)_+,\quad\kappa=\sqrt{ab}=\gamma_1\gamma_2\sqrt{d_{in}d_{out}},\quad"
    r"\frac{w_2^2}{w_1^2}=\frac ab;\quad P^*=\sum_i m_i\left(\sigma_i-\tfrac12m_i\right),\ m_i=\min(\sigma_i,\kappa)",
    plain="Among all weights the expected loss after noise is least at those that weight decay a on W1 and b on W2 "
    "gives: each singular value is lowered by the geometric mean of the layers' costs, and the ratio of the squared "
    "layers is a/b. On the balanced path the cost is the arithmetic mean, so no stop reaches this optimum unless the "
    "costs are equal.",
    symbols={
        "P,P^*": "expected loss after noise, and its least value over all weights, both without a constant",
        "m_i": "min(σ_i, κ)",
        "a": "cost of ½‖W1‖², γ₂² d_out",
        "b": "cost of ½‖W2‖², γ₁² d_in",
        r"\kappa": "√(ab), the geometric mean of the costs",
        "c": "½(a + b), the noise cost on the balanced path",
        r"\sigma,s": "singular values of teacher and student",
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        r"d_{in},d_{out}": "widths of input and output",
    },
    assumptions=(
        Assumption(
            "whitened inputs",
            "Σx = I. If Σx shares V and has variance ξ along the mode, s = (σ − √(γ₁²γ₂² d_out tr Σx/ξ))₊.",
            Counterexample("The feature of a weak input is lowered by more than κ.", colored),
        ),
        Assumption(
            "wide enough hidden layer",
            "h is at least the number of modes above κ.",
            Counterexample("One hidden unit can learn only one of two modes.", narrow),
        ),
        Assumption(
            "noise on both layers",
            "a, b > 0. Otherwise κ = 0, and the infimum 0 is approached as one layer shrinks, but not attained.",
            Counterexample(
                "With noise on W2 only, every finite tilt of the layers can be improved on.", _one_layer, tilted_curves
            ),
        ),
        *NOISE,
    ),
    steps=(
        Step(
            r"\mathbb{E}L(\theta+N)=L+\tfrac a2\|W_1\|^2+\tfrac b2\|W_2\|^2+\text{const}",
            "Claim B1 for whitened inputs: noise acts as weight decay, with a different strength for each layer.",
            _costs,
        ),
        Step(
            r"P-\left(\tfrac12\|G\|^2+\langle F,G\rangle\right)=\tfrac12\|W_2W_1-F\|^2+\tfrac12\|\sqrt aW_1-"
            r"W_2^\top G/\sqrt a\|^2+\tfrac12\mathrm{tr}\,W_2^\top(b-GG^\top/a)W_2,\quad A=F+G",
            "An identity of traces for symbolic widths, all weights, and all F and G.",
            _squares,
        ),
        Step(
            r"\|G\|_{op}\le\sqrt{ab}\ \Rightarrow\ b-GG^\top/a\succeq0",
            "F is the thresholded teacher and G = U min(σ, κ) Vᵀ. Then every square is at least 0, so the value at F "
            "is a lower bound over all weights, aligned or not.",
            _third_is_positive,
        ),
        Step(
            r"aw_1=w_2\kappa,\ b=\kappa^2/a,\ w_1w_2=\sigma-\kappa",
            "At the claimed weights all squares vanish, so the bound is the minimum, and weights with any other "
            "product have a larger loss.",
            _attained,
        ),
        Step(
            r"\sigma\le\kappa:\ P-\tfrac12\sigma^2=\tfrac12p^2+\tfrac12(\sqrt aw_1-\sqrt bw_2)^2+(\kappa-\sigma)p",
            "The optimum of modes that are not above κ is 0.",
            _unlearned,
        ),
        Step(
            r"w_1=w_2:\ P-P^*=\tfrac12(s-s^*)^2+(c-\kappa)s,\quad c-\kappa=\tfrac12(\sqrt a-\sqrt b)^2",
            "On the balanced path the best stop of a mode is at σ − c, and its loss exceeds that of decay by "
            "(c − κ)(σ − (c + κ)/2). Between κ and c only decay keeps the mode. Long training has an excess loss of "
            "½κ² + (c − κ)σ.",
            _early_stopping,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("arithmetic for geometric mean", lambda f: f | {"s": sigma - C, "loss": C * (sigma - C / 2)}),
        Variant(
            "d_in and d_out swapped in w2²/w1²",
            lambda f: f | {"ratio": f["ratio"].subs({d_in: d_out, d_out: d_in}, simultaneous=True)},
        ),
        Variant("b/a for a/b", lambda f: f | {"ratio": 1 / f["ratio"]}),
        Variant("√(a/b) for a/b", lambda f: f | {"ratio": sp.sqrt(f["ratio"])}),
        Variant("threshold 2κ", lambda f: f | {"s": sigma - 2 * KAPPA}),
        Variant("γ instead of γ²", lambda f: rename(f, {g1: sp.sqrt(g1), g2: sp.sqrt(g2)})),
        Variant("½ missing in the loss", lambda f: f | {"loss": KAPPA * (sigma - KAPPA)}),
        Variant("sign in the tilt of the layers", lambda f: f | {"excess": f["excess"] + 2 * KAPPA * w1 * w2}),
        Variant("no excess loss at the best balanced stop", lambda f: f | {"balanced": sp.Integer(0)}),
    ),
    special_case=SpecialCase("square, equal noise", lambda f: rename(f, {d_out: d_in, g2: g1})),
    floor=Verdict.PROVED,
    uses=("B1",),
    link=Link(
        "overtraining.theory.remedies.robust.robust_optimum", "σ 1e-6 … 1e6, a/σ and b/σ 1e-6 … 10", _engine_error
    ),
    source="ours; the nuclear norm as weight decay of two factors: Srebro, Rennie, Jaakkola 2004",
)
