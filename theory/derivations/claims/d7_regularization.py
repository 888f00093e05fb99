"""D7: L2 toward the pretrained weights, and early stopping: the inflection is delayed, and the task is learned less."""

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

sigma, lam, w, x, T, y = sp.symbols("sigma lambda w x T y", positive=True)
more = sp.Symbol("sigma'", real=True)
gap = sp.Symbol("g", positive=True)  # σ' − σ where it is positive


def formula() -> dict[str, sp.Expr]:
    """What vanishes at the tuned weight; the two inflections; the budget that an anchor leaves."""
    return {
        "root": x**3 + (lam - more) * x - lam * w,
        "inflection": sigma * (1 - (more - sigma) / lam) ** 2,
        "stopped": more / (1 + (more / sigma - 1) * sp.exp(2 * more * T)),
        "budget": (1 - sp.exp(-lam * T)) / lam,
    }


def pull() -> sp.Expr:
    """The gradient by one layer's weight of `½(σ' − x₁x₂)² + ½λΣ(x_l − w)²`, where both are x."""
    x1, x2 = sp.symbols("x_1 x_2", positive=True)
    loss = (more - x1 * x2) ** 2 / 2 + lam * ((x1 - w) ** 2 + (x2 - w) ** 2) / 2
    first, second = (loss.diff(v).subs({x1: x, x2: x}, simultaneous=True) for v in (x1, x2))
    if sp.expand(first - second) != 0:
        raise ValueError("the layers do not stay equal")
    return sp.expand(first)


def tuned(start: sp.Expr) -> sp.Expr:
    """The singular value after the budget T on the task, by A3."""
    given = {a3.mu: 0, a3.sigma: more, a3.t: T, a3.epsilon: start}
    return a3.formula()[0].subs(given, simultaneous=True)


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The cubic is the gradient; at each inflection fine-tuning ends at σ; the budget solves the linear flow."""
    rest = (1 - (more - sigma) / lam).subs(more, sigma + lam - lam * y)  # y = √(s*/σ) >= 0
    weight = sp.sqrt(sp.factor(candidate["inflection"].subs(more, sigma + lam - lam * y)))
    budget = candidate["budget"]
    return every(
        (
            ("gradient", identity(pull(), candidate["root"])),
            ("y", identity(rest, y)),
            ("ends at σ", identity(
                pull().subs({x: sp.sqrt(sigma), w: weight}).subs(more, sigma + lam - lam * y), 0)),
            ("stops at σ", identity(sp.simplify(tuned(candidate["stopped"])), sigma)),
            ("linear flow", identity(sp.expand(budget.diff(T) - 1 + lam * budget), 0)),
            ("from 0", identity(budget.subs(T, 0), 0)),
        ),
        "the gradient, both inflections and the budget",
    )  # fmt: skip


def _one_root() -> Evidence:
    """`F/x = x² + λ − σ' − λw/x` rises from −∞ to ∞: one positive root; there `F' = 2x² + λw/x`."""
    over = sp.expand(pull() / x)
    at_root = sp.simplify(pull().diff(x).subs(more, sp.solve(pull(), more)[0]))
    return every(
        (
            ("rises", positive(over.diff(x))),
            ("from −∞", identity(sp.expand(over * x).subs(x, 0), -lam * w)),
            ("to ∞", identity(sp.limit(over / x**2, x, sp.oo), 1)),
            ("slope there", identity(at_root, 2 * x**2 + lam * w / x)),
        )
    )


def _cost() -> Evidence:
    """Along the root: dx/dw > 0, and the downstream loss rises with λ: `dL_ft/dλ = 2λ(x − w)²/F'`."""
    slope = 2 * x**2 + lam * w / x  # F' at the root, where σ' − x² = λ(x − w)/x
    by_w, by_lam = (-pull().diff(v) / slope for v in (w, lam))
    downstream = -(lam * (x - w) / x) * 2 * x * by_lam
    return every(
        (
            ("dx/dw", positive(by_w)),
            ("dL_ft/dλ", identity(sp.simplify(downstream - 2 * lam * (x - w) ** 2 / slope), 0)),
            ("a sum of positive terms", positive(slope)),
        )
    )


def _protected() -> Evidence:
    """With σ' = σ − y and `w = √σ − gap` the gradient at √σ is positive: x stays below √σ."""
    there = pull().subs({x: sp.sqrt(sigma)}).subs({more: sigma - y, w: sp.sqrt(sigma) - gap})
    return positive(sp.expand(there))


def _delays() -> Evidence:
    """With g = σ' − σ > 0: s* rises with λ to σ, from 0 at λ = g; the stopped one falls with T from σ to 0."""
    anchored = formula()["inflection"].subs(more, sigma + gap)
    stopped = formula()["stopped"].subs(more, sigma + gap)
    return every(
        (
            ("with λ", positive(anchored.diff(lam).subs(lam, gap + y))),
            ("λ = g", identity(anchored.subs(lam, gap), 0)),
            ("λ → ∞", identity(sp.limit(anchored, lam, sp.oo), sigma)),
            ("with T", positive(sp.simplify(-stopped.diff(T)))),
            ("T = 0", identity(sp.simplify(stopped.subs(T, 0)), sigma)),
            ("T → ∞", identity(sp.limit(stopped.subs({sigma: 1, gap: sp.Rational(1, 2)}), T, sp.oo), 0)),
        )
    )


def _global() -> Evidence:
    """Any weights, any task: of two global minimizers of `L + λR` the one of larger λ has no smaller L.

    Each is minimal at its own λ: `u = (L₂ + λ₁R₂) − (L₁ + λ₁R₁) >= 0` and `v = (L₁ + λ₂R₁) − (L₂ + λ₂R₂) >= 0`.
    """
    first, second, r1, r2 = sp.symbols("L_1 L_2 R_1 R_2")
    one = sp.Symbol("lambda_1", positive=True)
    two = one + gap
    u, v = second + one * r2 - first - one * r1, first + two * r1 - second - two * r2
    return every(
        (
            ("cost", identity(sp.expand(two * u + one * v - gap * (second - first)), 0)),
            ("move", identity(sp.expand(u + v - gap * (r1 - r2)), 0)),
        )
    )


def _engine(expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The root of the formula's own polynomial, by Newton's method with 400 digits, over its condition number."""
    names = (x, w, more, lam)
    at, slope = (sp.lambdify(names, e, "mpmath") for e in (expression["root"], expression["root"].diff(x)))
    parts = [sp.lambdify(names, v * expression["root"].diff(v), "mpmath") for v in names[1:]]
    worst = 0.0
    for k in range(300):
        weight, anchor = 10.0 ** generator.uniform(-6, 6), 10.0 ** generator.uniform(-12, 12)
        task = 10.0 ** generator.uniform(-12, 12) * generator.choice([-1, 1])
        if k % 4 == 0:  # λ near σ', where the cubic's middle coefficient changes sign
            anchor = abs(task) * (1 + 10.0 ** generator.uniform(-15, 0))
        found = float(function(weight, float(task), float(anchor)))
        with mpmath.workdps(400):
            given = [mpmath.mpf(float(v)) for v in (weight, task, anchor)]
            root = mpmath.mpf(found)
            for _ in range(60):
                root = root - at(root, *given) / slope(root, *given)
            condition = sum(abs(part(root, *given)) for part in parts) / abs(slope(root, *given) * root)
            error = abs(found - root) / abs(root) / max(1, condition)
        worst = max(worst, float(error) if root > 0 else np.inf)
    return worst


LENGTHS = np.linspace(0, 12, 49)
TURNED = np.array([[0.3, -0.3], [1.5, 2.0]])


def after_tuning(task: np.ndarray, anchor: float, rank: int = 2, tilt: float = 1.0) -> np.ndarray:
    """Pretraining loss against length after anchored gradient descent to the end, σ = (1, ½), ε = 1e-3.

    tilt: W1 and W2 are multiplied and divided by it before tuning, which leaves f alone.
    """
    sigma = np.array([1.0, 0.5])[:rank]
    root = np.sqrt(sigma / (1 + (sigma / 1e-3 - 1) * np.exp(-2 * sigma * LENGTHS[:, None])))
    start = root[:, :, None] * np.eye(rank)
    start1, start2 = start * tilt, start / tilt
    w1, w2, teacher, turn = start1, start2, np.diag(sigma), lambda m: np.swapaxes(m, 1, 2)
    for _ in range(2000):
        left = task[:rank, :rank] - w2 @ w1
        move1, move2 = turn(w2) @ left - anchor * (w1 - start1), left @ turn(w1) - anchor * (w2 - start2)
        w1, w2 = w1 + 0.03 * move1, w2 + 0.03 * move2
    return np.asarray(((w2 @ w1 - teacher) ** 2).sum(axis=(1, 2)) / 2)


def misaligned() -> Evidence:
    """On a task with other singular vectors a stronger anchor brings the inflection forward and enlarges the rise."""
    weak, strong = (after_tuning(TURNED, anchor) for anchor in (0.05, 0.5))
    at = [float(LENGTHS[x.argmin()]) for x in (weak, strong)]
    rise = [float(x[-1] - x.min()) for x in (weak, strong)]
    detail = f"λ = 0.05: inflection at {at[0]}, rise {rise[0]:.3f}; λ = 0.5: {at[1]}, {rise[1]:.3f}"
    return Evidence(at[1] < at[0] - 0.2 and rise[1] > 5 * rise[0] > 0.05, Verdict.TESTED, detail)


def misaligned_curves() -> Curves:
    """The loss after fine-tuning, less its minimum, for three anchors."""
    found = {f"λ = {x}": after_tuning(TURNED, x) for x in (0.05, 0.5, 2.0)}
    return Curves(
        LENGTHS, {k: y - y.min() for k, y in found.items()}, "pretraining length", "L_pre after − its minimum"
    )


def unbalanced() -> Evidence:
    """σ = 1, σ' = 1.5, λ = 1: balanced weights turn at s = ¼, to the grid of lengths; weights tilted by 3 before."""
    s = 1 / (1 + 999 * np.exp(-2 * LENGTHS))
    at = [float(s[after_tuning(np.array([[1.5]]), 1.0, 1, tilt).argmin()]) for tilt in (1.0, 3.0)]
    detail = f"turns at s = {at[0]:.2f}, tilted {at[1]:.2f}"
    return Evidence(abs(at[0] - 0.25) < 0.06 and at[1] < 0.15, Verdict.TESTED, detail)


DERIVATION = Derivation(
    claim="D7",
    title="L2 toward the pretrained weights delays the inflection, and costs downstream",
    statement=r"x^3+(\lambda-\sigma')x-\lambda w=0;\qquad "
    r"s^*_\lambda=\sigma\left(1-\tfrac{\sigma'-\sigma}\lambda\right)_+^2,\quad "
    r"s^*_T=\frac{\sigma'}{1+(\sigma'/\sigma-1)e^{2\sigma'T}};\qquad T_\lambda=\frac{1-e^{-\lambda T}}\lambda",
    plain="On a task that asks for more of a mode, the pretraining loss after anchored fine-tuning to the end turns "
    "where the mode has reached σ(1 − (σ' − σ)/λ)²: later the stronger the anchor, at any strength in the end, while "
    "the downstream loss rises with it; a task that asks for no more has no inflection. Stopping early does the same.",
    symbols={
        "x": "tuned weight of each layer; x² is the mode's singular value",
        "w": "pretrained weight, √s",
        r"\lambda": "strength of the anchor, (λ/2)‖θ − θ_pre‖²",
        r"\sigma,\sigma'": "singular value of pretraining and of the task, σ' of either sign",
        "s^*_\\lambda,s^*_T": "pretrained singular value at the inflection, anchored to the end or stopped at T",
        "T": "budget of fine-tuning, gradient-flow time",
        r"T_\lambda": "budget that moves as far without an anchor, to first order",
    },
    assumptions=(
        Assumption(
            "shared singular vectors",
            "The task has the singular vectors of pretraining, whose modes then do not meet. That the converged "
            "downstream loss rises with λ holds for every task at global minima.",
            Counterexample(
                "On a turned task a stronger anchor brings the inflection forward, and the rise after it is larger.",
                misaligned,
                misaligned_curves,
            ),
        ),
        Assumption(
            "balanced start",
            "Both layers carry the mode equally.",
            Counterexample("Tilted layers turn earlier.", unbalanced),
        ),
        Assumption("aligned start", "The student's singular vectors are the teacher's (A2)."),
        Assumption("whitened inputs", "Σx = I, in pretraining and in fine-tuning."),
        Assumption("gradient flow", "Fine-tuning follows the flow, to its end for the cubic."),
    ),
    steps=(
        Step(
            r"\dot x=-\left(x^3+(\lambda-\sigma')x-\lambda w\right)",
            "Both layers have the same gradient at x₁ = x₂; over x it rises from −∞ to ∞, so there is one positive "
            "root, to which the flow goes from w, and at which the slope is 2x² + λw/x.",
            _one_root,
        ),
        Step(
            r"\frac{dx}{dw}=\frac{\lambda}{2x^2+\lambda w/x}>0,\qquad"
            r"\frac{dL_{ft}}{d\lambda}=\frac{2\lambda(x-w)^2}{2x^2+\lambda w/x}\ge0",
            "So longer pretraining ends higher, and a stronger anchor always costs downstream.",
            _cost,
        ),
        Step(
            r"\sigma'\le\sigma\ \Rightarrow\ x^2<\sigma",
            "The gradient at √σ is positive: L_pre after fine-tuning only falls with pretraining length.",
            _protected,
        ),
        Step(
            r"\frac{ds^*_\lambda}{d\lambda}>0,\ s^*_\lambda\to\sigma;\qquad\frac{ds^*_T}{dT}<0",
            "The delay: from 0 at λ = σ' − σ (below which pretraining only hurts) toward σ, never beyond it.",
            _delays,
        ),
        Step(
            r"\lambda_1<\lambda_2\ \Rightarrow\ L_{ft}(\theta_1)\le L_{ft}(\theta_2),\ R(\theta_1)\ge R(\theta_2)",
            "For any weights and any task, misaligned or not, at global minima of L_ft + λR: add the two inequalities.",
            _global,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("λ of the sum of both layers", lambda f: f | {"root": f["root"].subs(lam, 2 * lam)}),
        Variant("anchored at 0", lambda f: f | {"root": f["root"].subs(w, 0)}),
        Variant("s for w", lambda f: f | {"root": f["root"].subs(w, w**2)}),
        Variant("square forgotten", lambda f: f | {"inflection": sigma * (1 - (more - sigma) / lam)}),
        Variant("sign of the gap", lambda f: f | {"inflection": sigma * (1 + (more - sigma) / lam) ** 2}),
        Variant("σ' in front", lambda f: f | {"inflection": more * (1 - (more - sigma) / lam) ** 2}),
        Variant("rate σ'", lambda f: f | {"stopped": f["stopped"].subs(T, T / 2)}),
        Variant("time reversed", lambda f: f | {"stopped": f["stopped"].subs(T, -T)}),
        Variant("budget T e^{−λT}", lambda f: f | {"budget": T * sp.exp(-lam * T)}),
        Variant("budget T/(1 + λT)", lambda f: f | {"budget": T / (1 + lam * T)}),
    ),
    special_case=SpecialCase(
        "the same task again, tuned for no time", lambda f: {k: e.subs(more, sigma).subs(T, 0) for k, e in f.items()}
    ),
    floor=Verdict.PROVED,
    uses=("A3",),
    link=Link(
        "overtraining.theory.remedies.anchored.anchored_weight",
        "w 1e-6 … 1e6, |σ'| and λ 1e-12 … 1e12, λ = σ' nearly",
        _engine,
    ),
    source="ours; after what is reported of Springer et al. 2025 (arXiv 2503.19206), theorem 4.7, second half",
)
