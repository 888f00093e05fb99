"""D7: an L2 anchor at the pretrained weights, and early stopping: both delay the inflection and cost downstream."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import sympy as sp

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
from overtraining.theory.derivations.claims import a3_balanced_mode as a3
from overtraining.theory.remedies.anchored import anchored_weight, anchored_weight_after

sigma, anchor, w, x, T, y = sp.symbols("sigma lambda w x T y", positive=True)
sigma_task = sp.Symbol("sigma'", real=True)
end, c = sp.symbols("r c", positive=True)  # where the anchored flow ends, and λw/r
PASSED = sp.Symbol("J")  # ∫_w^x du/q(u)
gap = sp.Symbol("g", positive=True)  # σ' − σ where it is positive


def formula() -> dict[str, sp.Expr]:
    """The polynomial of the fine-tuned weight; s at both inflections; the unanchored budget that moves as far.

    "clock": the time at which the weight is x, with `∫_w^x du/q(u)` as a symbol.
    """
    return {
        "root": x**3 + (anchor - sigma_task) * x - anchor * w,
        "inflection": sigma * (1 - (sigma_task - sigma) / anchor) ** 2,
        "stopped": sigma_task / (1 + (sigma_task / sigma - 1) * sp.exp(2 * sigma_task * T)),
        "budget": (1 - sp.exp(-anchor * T)) / anchor,
        "clock": (sp.log((w - end) / (x - end)) + sp.log(q(x) / q(w)) / 2 + 3 * end * PASSED / 2) / (2 * end**2 + c),
    }


def q(weight: sp.Expr) -> sp.Expr:
    """`x² + rx + c`: the cubic over x − r, its root, where `rc = λw`."""
    return weight**2 + end * weight + c


def clock_rate(clock: sp.Expr) -> sp.Expr:
    """dT/dx, where `∫_w^x du/q(u)` has the derivative 1/q(x)."""
    return clock.diff(x) + clock.diff(PASSED) / q(x)


def gradient() -> sp.Expr:
    """The gradient in one layer's weight of `½(σ' − x₁x₂)² + ½λΣ(x_l − w)²`, where both weights are x."""
    x1, x2 = sp.symbols("x_1 x_2", positive=True)
    loss = (sigma_task - x1 * x2) ** 2 / 2 + anchor * ((x1 - w) ** 2 + (x2 - w) ** 2) / 2
    first, second = (loss.diff(v).subs({x1: x, x2: x}, simultaneous=True) for v in (x1, x2))
    if sp.expand(first - second) != 0:
        raise ValueError("the layers do not stay equal")
    return sp.expand(first)


def fine_tuned(start: sp.Expr) -> sp.Expr:
    """The singular value after the budget T on the task, by A3."""
    values = {a3.mu: 0, a3.sigma: sigma_task, a3.t: T, a3.epsilon: start}
    return a3.formula()[0].subs(values, simultaneous=True)


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The cubic is the gradient; from each inflection fine-tuning ends at σ; the budget solves the linear flow."""
    in_y = {sigma_task: sigma + anchor - anchor * y}  # y = √(s*/σ) >= 0
    weight = sp.sqrt(sp.factor(candidate["inflection"].subs(in_y)))
    anchored_end = gradient().subs({x: sp.sqrt(sigma), w: weight}).subs(in_y)
    budget = candidate["budget"]
    in_root = {anchor: end * c / w, sigma_task: end * c / w - c + end**2}  # λw = rc, λ − σ' = c − r²
    return every(
        (
            ("gradient", identity(gradient(), candidate["root"])),
            ("y", identity((1 - (sigma_task - sigma) / anchor).subs(in_y), y)),
            ("the anchored flow ends at σ", identity(anchored_end, 0)),
            ("the stopped flow ends at σ", identity(fine_tuned(candidate["stopped"]), sigma)),
            ("linear flow", identity(sp.expand(budget.diff(T) - 1 + anchor * budget), 0)),
            ("from 0", identity(budget.subs(T, 0), 0)),
            ("clock", identity(clock_rate(candidate["clock"]) * -gradient().subs(in_root, simultaneous=True), 1)),
            ("clock from 0", identity(candidate["clock"].subs(PASSED, 0).subs(x, w), 0)),
        ),
        "the gradient, both inflections and the budget",
    )


def slope_at_root() -> sp.Expr:
    """F' where F = 0, by which σ' is eliminated."""
    return sp.simplify(gradient().diff(x).subs(sigma_task, sp.solve(gradient(), sigma_task)[0]))


def _one_root() -> Evidence:
    """`F/x = x² + λ − σ' − λw/x` rises from −∞ to ∞, so it has one positive root; there `F' = 2x² + λw/x`."""
    over = sp.expand(gradient() / x)
    return every(
        (
            ("rises", positive(over.diff(x))),
            ("from −∞", identity(sp.expand(over * x).subs(x, 0), -anchor * w)),
            ("to ∞", identity(sp.limit(over / x**2, x, sp.oo), 1)),
            ("slope at the root", identity(slope_at_root(), 2 * x**2 + anchor * w / x)),
        )
    )


def _factors() -> Evidence:
    """`x³ + (λ − σ')x − λw = (x − r)q(x)` at the root r, and q has positive coefficients only."""
    at_root = {anchor: end * c / w, sigma_task: end * c / w - c + end**2}
    difference = gradient().subs(at_root, simultaneous=True) - (x - end) * q(x)
    return every((("factors", identity(sp.expand(difference), 0)), ("positive", positive(q(x)))))


def _cost() -> Evidence:
    """At the root dx/dw > 0, and the downstream loss rises with λ: `dL_ft/dλ = 2λ(x − w)²/F'`."""
    slope = slope_at_root()
    by_w, by_anchor = (-gradient().diff(v) / slope for v in (w, anchor))
    unlearned = sp.solve(gradient(), sigma_task)[0] - x**2  # σ' − x² at the root
    downstream = -unlearned * 2 * x * by_anchor
    return every(
        (
            ("dx/dw", positive(by_w)),
            ("dL_ft/dλ", identity(sp.simplify(downstream - 2 * anchor * (x - w) ** 2 / slope), 0)),
            ("a sum of positive terms", positive(slope)),
        )
    )


def _protected() -> Evidence:
    """With σ' = σ − y and `w = √σ − g` the gradient at √σ is positive, so x stays below √σ."""
    at_teacher = gradient().subs({x: sp.sqrt(sigma)}).subs({sigma_task: sigma - y, w: sp.sqrt(sigma) - gap})
    terms = sp.sqrt(sigma) * y + anchor * gap
    return every((("gradient", identity(at_teacher, terms)), ("positive", positive(terms))))


def _delays() -> Evidence:
    """With g = σ' − σ > 0: s*_λ rises with λ from 0 at λ = g to σ, and s*_T falls with T from σ to 0."""
    anchored = formula()["inflection"].subs(sigma_task, sigma + gap)
    stopped = formula()["stopped"].subs(sigma_task, sigma + gap)
    return every(
        (
            ("with λ", positive(anchored.diff(anchor).subs(anchor, gap + y))),
            ("λ = g", identity(anchored.subs(anchor, gap), 0)),
            ("λ → ∞", identity(sp.limit(anchored, anchor, sp.oo), sigma)),
            ("with T", positive(sp.simplify(-stopped.diff(T)))),
            ("T = 0", identity(sp.simplify(stopped.subs(T, 0)), sigma)),
            ("T → ∞", identity(sp.limit(stopped.subs({sigma: 1, gap: sp.Rational(1, 2)}), T, sp.oo), 0)),
        )
    )


def _global() -> Evidence:
    """For any weights and task: of two global minimizers of `L + λR`, the one of larger λ has no smaller L.

    Each is minimal at its own λ: `u = (L₂ + λ₁R₂) − (L₁ + λ₁R₁) >= 0` and `v = (L₁ + λ₂R₁) − (L₂ + λ₂R₂) >= 0`.
    """
    first, second, r1, r2 = sp.symbols("L_1 L_2 R_1 R_2")
    one = sp.Symbol("lambda_1", positive=True)
    two = one + gap
    u = second + one * r2 - first - one * r1
    v = first + two * r1 - second - two * r2
    return every(
        (
            ("loss", identity(sp.expand(two * u + one * v - gap * (second - first)), 0)),
            ("distance", identity(sp.expand(u + v - gap * (r1 - r2)), 0)),
        )
    )


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """The root of the formula's polynomial, by Newton's method with 400 digits, over its condition number."""
    names = (x, w, sigma_task, anchor)
    value = sp.lambdify(names, expression["root"], "mpmath")
    slope = sp.lambdify(names, expression["root"].diff(x), "mpmath")
    parts = [sp.lambdify(names, v * expression["root"].diff(v), "mpmath") for v in names[1:]]
    worst = 0.0
    for k in range(300):
        weight = 10.0 ** generator.uniform(-6, 6)
        pull = 10.0 ** generator.uniform(-12, 12)
        task = 10.0 ** generator.uniform(-12, 12) * generator.choice([-1, 1])
        if k % 4 == 0:  # λ near σ', where the middle coefficient of the cubic changes sign
            pull = abs(task) * (1 + 10.0 ** generator.uniform(-15, 0))
        computed = float(function(weight, float(task), float(pull)))
        with mpmath.workdps(400):
            point = [mpmath.mpf(float(v)) for v in (weight, task, pull)]
            root = mpmath.mpf(computed)
            for _ in range(60):
                root = root - value(root, *point) / slope(root, *point)
            condition = sum(abs(part(root, *point)) for part in parts) / abs(slope(root, *point) * root)
            error = abs(computed - root) / abs(root) / max(1, condition)
        worst = max(worst, float(error) if root > 0 else np.inf)
    return max(worst, _flow_error(expression["clock"], generator))


def _flow_error(clock: sp.Expr, generator: np.random.Generator) -> float:
    """The anchored weight after a budget: its time by the formula, as an error of x, over the condition."""
    written = sp.lambdify((w, x, end, c, PASSED), clock, "mpmath")
    worst = 0.0
    for _ in range(60):
        weight, pull = 10.0 ** generator.uniform(-3, 1), 10.0 ** generator.uniform(-3, 2)
        task = float(10.0 ** generator.uniform(-2, 2) * generator.choice([-1, 1]))
        budget = float(10.0 ** generator.uniform(-2, 0.5) / (abs(task) + pull + weight**2))
        computed = float(anchored_weight_after(budget, weight, task, pull))
        with mpmath.workdps(40):
            start, now, lam, goal = (mpmath.mpf(float(v)) for v in (weight, computed, pull, task))
            root = mpmath.mpf(float(anchored_weight(weight, task, pull)))
            for _ in range(4):  # Newton's steps
                root -= (root**3 + (lam - goal) * root - lam * start) / (3 * root**2 + lam - goal)
            rest = lam * start / root

            def quadratic(u: Any, root: Any = root, rest: Any = rest) -> Any:
                return u**2 + root * u + rest

            passed = mpmath.quad(lambda u: 1 / quadratic(u), [start, now])
            late = written(start, now, root, rest, passed) - mpmath.mpf(budget)
            speed = abs((now - root) * quadratic(now))
            condition = 1 + speed * budget / now + 3 * root * start / (2 * root**2 + rest)
            worst = max(worst, float(abs(late) * speed / now / condition))
    return worst


LENGTHS = np.linspace(0, 12, 49)
ROTATED_TASK = np.array([[0.3, -0.3], [1.5, 2.0]])


def loss_after(task: np.ndarray, anchor: float, rank: int = 2, tilt: float = 1.0) -> np.ndarray:
    """Pretraining loss against length after anchored gradient descent to the end, σ = (1, ½), ε = 1e-3.

    tilt: before fine-tuning W1 is multiplied and W2 divided by it, which leaves f unchanged.
    """
    sigma = np.array([1.0, 0.5])[:rank]
    teacher = np.diag(sigma)
    task = task[:rank, :rank]
    root = np.sqrt(sigma / (1 + (sigma / 1e-3 - 1) * np.exp(-2 * sigma * LENGTHS[:, None])))
    start = root[:, :, None] * np.eye(rank)
    start1, start2 = start * tilt, start / tilt
    w1, w2 = start1, start2
    for _ in range(2000):
        unlearned = task - w2 @ w1
        step1 = np.swapaxes(w2, 1, 2) @ unlearned - anchor * (w1 - start1)
        step2 = unlearned @ np.swapaxes(w1, 1, 2) - anchor * (w2 - start2)
        w1, w2 = w1 + 0.03 * step1, w2 + 0.03 * step2
    return np.asarray(((w2 @ w1 - teacher) ** 2).sum(axis=(1, 2)) / 2)


def misaligned() -> Evidence:
    """On a task with other singular vectors a stronger anchor makes the inflection earlier and the rise larger."""
    losses = [loss_after(ROTATED_TASK, anchor) for anchor in (0.05, 0.5)]
    inflections = [float(LENGTHS[loss.argmin()]) for loss in losses]
    rises = [float(loss[-1] - loss.min()) for loss in losses]
    detail = f"λ = 0.05: inflection at {inflections[0]}, rise {rises[0]:.3f}; λ = 0.5: {inflections[1]}, {rises[1]:.3f}"
    holds = inflections[1] < inflections[0] - 0.2 and rises[1] > 5 * rises[0] > 0.05
    return Evidence(holds, Verdict.TESTED, detail)


def misaligned_curves() -> Curves:
    """The pretraining loss after fine-tuning minus its minimum, for three anchors."""
    losses = {f"λ = {anchor}": loss_after(ROTATED_TASK, anchor) for anchor in (0.05, 0.5, 2.0)}
    above_minimum = {name: loss - loss.min() for name, loss in losses.items()}
    return Curves(LENGTHS, above_minimum, "pretraining length", "L_pre after fine-tuning − its minimum")


def unbalanced() -> Evidence:
    """σ = 1, σ' = 1.5, λ = 1: for balanced weights the inflection is at s = ¼, for weights tilted by 3 earlier."""
    s = 1 / (1 + 999 * np.exp(-2 * LENGTHS))
    balanced, tilted = (float(s[loss_after(np.array([[1.5]]), 1.0, 1, tilt).argmin()]) for tilt in (1.0, 3.0))
    detail = f"inflection at s = {balanced:.2f}, tilted {tilted:.2f}"
    return Evidence(abs(balanced - 0.25) < 0.06 and tilted < 0.15, Verdict.TESTED, detail)


DERIVATION = Derivation(
    claim="D7",
    title="An L2 anchor at the pretrained weights delays the inflection, at a cost downstream",
    statement=r"x^3+(\lambda-\sigma')x-\lambda w=0;\qquad "
    r"s^*_\lambda=\sigma\left(1-\tfrac{\sigma'-\sigma}\lambda\right)_+^2,\quad "
    r"s^*_T=\frac{\sigma'}{1+(\sigma'/\sigma-1)e^{2\sigma'T}};\qquad T_\lambda=\frac{1-e^{-\lambda T}}\lambda",
    plain="If the task has a larger singular value than the teacher, the pretraining loss after anchored fine-tuning "
    "to the end has its inflection where the mode has reached σ(1 − (σ' − σ)/λ)²: a stronger anchor delays it, but "
    "never prevents it, and the downstream loss rises with the anchor. If the task's value is not larger, there is no "
    "inflection. Early stopping has the same effects.",
    symbols={
        "x": "fine-tuned weight of each layer; x² is the singular value of the mode",
        "w": "pretrained weight, √s",
        r"\lambda": "strength of the anchor, (λ/2)‖θ − θ_pre‖²",
        r"\sigma,\sigma'": "singular value of the teacher, and of the task, of either sign",
        "s^*_\\lambda,s^*_T": "pretrained singular value at the inflection, if anchored to the end or stopped at T",
        "T": "budget of fine-tuning, in gradient-flow time",
        r"T_\lambda": "budget that moves the weights as far without an anchor, to first order",
    },
    assumptions=(
        Assumption(
            "shared singular vectors",
            "The task has the singular vectors of pretraining, so that the modes do not interact. That the converged "
            "downstream loss rises with λ holds for every task at global minima.",
            Counterexample(
                "On a rotated task a stronger anchor makes the inflection earlier and the rise after it larger.",
                misaligned,
                misaligned_curves,
            ),
        ),
        Assumption(
            "balanced start",
            "Both layers carry the mode equally.",
            Counterexample("With tilted layers the inflection is earlier.", unbalanced),
        ),
        Assumption("aligned start", "The student's singular vectors are the teacher's (A2)."),
        Assumption("whitened inputs", "Σx = I, in pretraining and in fine-tuning."),
        Assumption("gradient flow", "Fine-tuning follows the flow; for the cubic, to its end."),
    ),
    steps=(
        Step(
            r"\dot x=-\left(x^3+(\lambda-\sigma')x-\lambda w\right)",
            "Both layers have the same gradient at x₁ = x₂. Divided by x it rises from −∞ to ∞, so there is one "
            "positive root, to which the flow leads from w; the slope at it is 2x² + λw/x.",
            _one_root,
        ),
        Step(
            r"(2r^2+c)\,T=\ln\frac{w-r}{x-r}+\frac12\ln\frac{q(x)}{q(w)}+\frac{3r}2\int_w^x\frac{du}{q(u)},\quad "
            r"q=x^2+rx+c,\ rc=\lambda w",
            "The cubic over x − r is q, which is positive; so the time to reach x is elementary, and x(T) its inverse.",
            _factors,
        ),
        Step(
            r"\frac{dx}{dw}=\frac{\lambda}{2x^2+\lambda w/x}>0,\qquad"
            r"\frac{dL_{ft}}{d\lambda}=\frac{2\lambda(x-w)^2}{2x^2+\lambda w/x}\ge0",
            "So longer pretraining ends at a larger x, and a stronger anchor always raises the downstream loss.",
            _cost,
        ),
        Step(
            r"\sigma'\le\sigma\ \Rightarrow\ x^2<\sigma",
            "The gradient at √σ is positive: L_pre after fine-tuning falls throughout pretraining.",
            _protected,
        ),
        Step(
            r"\frac{ds^*_\lambda}{d\lambda}>0,\ s^*_\lambda\to\sigma;\qquad\frac{ds^*_T}{dT}<0",
            "The delay: s*_λ rises from 0 at λ = σ' − σ (for weaker anchors L_pre rises throughout) toward σ, and "
            "never beyond σ.",
            _delays,
        ),
        Step(
            r"\lambda_1<\lambda_2\ \Rightarrow\ L_{ft}(\theta_1)\le L_{ft}(\theta_2),\ R(\theta_1)\ge R(\theta_2)",
            "For any weights and any task, misaligned or not, at global minima of L_ft + λR: add both inequalities.",
            _global,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("2λ for λ", lambda f: f | {"root": f["root"].subs(anchor, 2 * anchor)}),
        Variant("anchor at 0 instead of w", lambda f: f | {"root": f["root"].subs(w, 0)}),
        Variant("s for w", lambda f: f | {"root": f["root"].subs(w, w**2)}),
        Variant(
            "square missing in the inflection",
            lambda f: f | {"inflection": sigma * (1 - (sigma_task - sigma) / anchor)},
        ),
        Variant("sign of σ' − σ", lambda f: f | {"inflection": sigma * (1 + (sigma_task - sigma) / anchor) ** 2}),
        Variant(
            "σ' for σ in front", lambda f: f | {"inflection": sigma_task * (1 - (sigma_task - sigma) / anchor) ** 2}
        ),
        Variant("r for 3r in the anchored time", lambda f: f | {"clock": f["clock"].subs(PASSED, PASSED / 3)}),
        Variant(
            "only the last rate of the anchored flow",
            lambda f: f | {"clock": sp.log((w - end) / (x - end)) / (2 * end**2 + c)},
        ),
        Variant("e^{σ'T} for e^{2σ'T}", lambda f: f | {"stopped": f["stopped"].subs(T, T / 2)}),
        Variant("−T for T", lambda f: f | {"stopped": f["stopped"].subs(T, -T)}),
        Variant("budget T e^{−λT}", lambda f: f | {"budget": T * sp.exp(-anchor * T)}),
        Variant("budget T/(1 + λT)", lambda f: f | {"budget": T / (1 + anchor * T)}),
    ),
    special_case=SpecialCase(
        "fine-tuning on the same task for no time",
        lambda f: {k: e.subs(sigma_task, sigma).subs(T, 0) for k, e in f.items()},
    ),
    floor=Verdict.PROVED,
    uses=("A3",),
    link=Link(
        "overtraining.theory.remedies.anchored.anchored_weight",
        "w 1e-6 … 1e6, |σ'| and λ 1e-12 … 1e12, λ = σ' nearly",
        _engine_error,
    ),
    source="ours; after what is reported of Springer et al. 2025 (arXiv 2503.19206), Theorem 4.7, second half",
)
