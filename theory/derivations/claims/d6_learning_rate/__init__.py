"""D6: the largest stable learning rate along fine-tuning, and the best one, as functions of the pretrained weights."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.trace_calculus import squared_norm
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
from overtraining.theory.derivations.calculus.two_layers import loss as two_layer_loss
from overtraining.theory.derivations.checker.core import (
    Assumption,
    Counterexample,
    Derivation,
    Evidence,
    Link,
    SpecialCase,
    Step,
    Variant,
    Verdict,
)
from overtraining.theory.derivations.checker.evidence import every, identity, positive, worst_relative_error
from overtraining.theory.derivations.claims import a3_balanced_mode as a3, b3_curvature as b3
from overtraining.theory.derivations.claims.d6_learning_rate import counterexamples as without
from overtraining.theory.fine_tuning.stability import stable_learning_rate, tuned_budget, tuned_learning_rate
from overtraining.theory.learning.balanced_mode import singular_value

s, sigma, x, delta = sp.symbols("s sigma x delta", positive=True)  # σ is the task's
weight = sp.Symbol("w", positive=True)
initial_error, steps, noise, eta, best = sp.symbols("e N v eta v_rho", positive=True)


def formula() -> dict[str, sp.Expr]:
    """The largest curvature from below and, for one mode, from above; both edges; the best rate and the best budget."""
    return {
        "below": 2 * sigma,
        "above": 3 * s - sigma,
        "edge at the task": 1 / sigma,
        "edge at the start": 2 / (s - sigma),
        "tuned": sp.log(4 * sigma * steps * initial_error**2 / noise) / (4 * sigma * steps),
        "budget": sp.log(1 + sigma * (best - s) / (s * (sigma - best))) / (2 * sigma),
    }


def roots(at: dict[sp.Symbol, Any]) -> list[sp.Expr]:
    """All of B3's roots at the given values, with square roots of squares resolved."""
    half = sp.Rational(1, 2)
    resolved = []
    for key in b3.FAMILIES:
        for root in b3.formula()[key]:
            root_there = root.xreplace(at).replace(
                lambda e: e.is_Pow and e.exp == half, lambda e: sp.sqrt(sp.factor(sp.expand(e.base)))
            )
            resolved.append(sp.expand(root_there))
    return resolved


@cache
def fitted_roots() -> list[sp.Expr]:
    """The roots where the task is fitted, for σ and another of its singular values."""
    return roots({b3.si: sigma, b3.sj: x, b3.sigma_i: sigma, b3.sigma_j: x})


def final_loss() -> sp.Expr:
    """`½e²e^{−4σ'ηN} + ½ηv`: the slowest term of A3 near the task, and noise in proportion to the learning rate."""
    return initial_error**2 * sp.exp(-4 * sigma * eta * steps) / 2 + eta * noise / 2


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """Curvatures: both are roots, and no other root is larger; the best learning rate and the best budget."""
    below_largest = [sp.expand(candidate["below"] - r).subs(sigma, x + delta) for r in fitted_roots()]
    own = [root.subs({b3.si: s, b3.sigma_i: sigma}, simultaneous=True) for root in roots_of_one()]
    above_largest = [sp.expand((candidate["above"] - r).subs(s, sigma + x)) for r in own]
    slope = final_loss().diff(eta).subs(eta, candidate["tuned"])
    factor = (descent() / weight).subs(weight, sp.sqrt(s))  # of a weight in the first step
    at_task = descent().diff(weight).subs(weight, sp.sqrt(sigma))  # of a deviation from the task
    return every(
        (
            ("end", Evidence(_are_least_zero(below_largest), Verdict.PROVED, "2σ' is the largest")),
            ("start", Evidence(_are_least_zero(above_largest), Verdict.PROVED, "3s − σ' is the largest")),
            ("edge at the task", identity(at_task.subs(eta, candidate["edge at the task"]), -1)),
            ("edge at the start", identity(factor.subs(eta, candidate["edge at the start"]), -1)),
            ("best learning rate", identity(slope, 0)),
            ("best budget", identity(fine_tuned(candidate["budget"]), best)),
        ),
        "end, start, edges, best learning rate and best budget",
    )


@cache
def descent() -> sp.Expr:
    """A weight of a balanced mode after one step of gradient descent, from the loss: both layers stay equal."""
    first, second = sp.symbols("w_1 w_2", positive=True)
    loss = (first * second - sigma) ** 2 / 2
    steps_of_both = [
        (x - eta * loss.diff(x)).subs({first: weight, second: weight}, simultaneous=True) for x in (first, second)
    ]
    if sp.expand(steps_of_both[0] - steps_of_both[1]) != 0:
        raise AssertionError("the layers of a balanced mode do not stay equal")
    return sp.factor(steps_of_both[0])


def _edges() -> Evidence:
    """With `y² = ηw²`, `a = 1 + ησ'` the step is `y → y(a − y²)`: where y² stays, where it grows, what is stable.

    Beyond y² = a + 1 the factor is below −1 and falls. Below it, |y(a − y²)| has its maximum at y² = a/3, and
    `a + 1 − 4a³/27 = (3 − a)(2a + 3)²/27`: what is inside stays inside for a <= 3. The fixed point y² = a − 1 has the
    multiplier 3 − 2a, of size below 1 for a < 2, which is ησ' < 1.
    """
    y, a = sp.symbols("y a", positive=True)
    scaled_step = sp.sqrt(eta) * descent().subs(weight, y / sp.sqrt(eta))
    image = y * (a - y**2)
    beyond = sp.sqrt(a + 1 + x)  # outside: y² = a + 1 + x
    longer = sp.expand((image / y).subs(y, beyond))
    inside = a + 1 - (image**2).subs(y, sp.sqrt(a / 3))
    return every(
        (
            ("scaled", identity(sp.expand(scaled_step - image.subs(a, 1 + eta * sigma)), 0)),
            ("outside it grows", identity(longer, -1 - x)),
            ("the edge", identity((a + 1).subs(a, 1 + eta * sigma) / eta - sigma, 2 / eta)),
            ("the largest image", identity((image.diff(y)).subs(y, sp.sqrt(a / 3)), 0)),
            ("inside it stays", identity(sp.expand(27 * inside - (3 - a) * (2 * a + 3) ** 2), 0)),
            ("stable", identity(image.diff(y).subs(y, sp.sqrt(a - 1)), 3 - 2 * a)),
        )
    )


def _are_least_zero(differences: list[sp.Expr]) -> bool:
    """Are all nonnegative, and is one of them 0?"""
    return 0 in differences and all(sp.factor(e).is_nonnegative is True for e in differences)


def fine_tuned(budget: sp.Expr) -> sp.Expr:
    """A3's singular value after a budget of fine-tuning, from s toward the task."""
    values = {a3.mu: 0, a3.sigma: sigma, a3.t: budget, a3.epsilon: s}
    return a3.solved()[0].subs(values, simultaneous=True)


def roots_of_one() -> tuple[sp.Expr, sp.Expr]:
    """B3's roots of a mode with itself."""
    first, second = b3.formula()["own"]
    return first, second


def _any_weights() -> Evidence:
    """The Hessian's form is `‖W2X1 + X2W1‖² − 2⟨B − f, X2X1⟩`, and `(p + q)(a² + b²) − (√p a + √q b)²` is a square."""
    w1, x1 = (MatrixSum.of(Letter(n, "h", "d_in")) for n in ("W1", "X1"))
    w2, x2 = (MatrixSum.of(Letter(n, "d_out", "h")) for n in ("W2", "X2"))
    task = MatrixSum.of(Letter("A", "d_out", "d_in"))
    loss = two_layer_loss(w1 + x1, w2 + x2)
    quadratic = {
        words: c for words, c in loss.terms.items() if sum(l.name[0] == "X" for word in words for l in word) == 2
    }
    second = type(loss)(quadratic)
    claimed = squared_norm(w2 @ x1 + x2 @ w1) - 2 * ((task - w2 @ w1) @ (x2 @ x1).T).trace()
    p, q, a, b = sp.symbols("p q a b", positive=True)
    scalar = (p + q) * (a**2 + b**2) - (sp.sqrt(p) * a + sp.sqrt(q) * b) ** 2
    return every(
        (
            ("form", Evidence((2 * second - claimed).is_zero(), Verdict.PROVED, "for symbolic widths")),
            ("Cauchy–Schwarz", identity(sp.expand(scalar - (sp.sqrt(q) * a - sp.sqrt(p) * b) ** 2), 0)),
            ("2ab", identity(sp.expand(a**2 + b**2 - 2 * a * b - (a - b) ** 2), 0)),
        )
    )


def _below() -> Evidence:
    """For 0 <= s_i <= σ_i every root is convex or increasing in each singular value, and at most 2σ₁ at the corners."""
    top, bottom = x + delta, x  # σ_i >= σ_j
    cases = []
    for a in (sp.S.Zero, top):
        for b in (sp.S.Zero, bottom):
            corner = {b3.si: a, b3.sj: b, b3.sigma_i: top, b3.sigma_j: bottom}
            over = [sp.factor(2 * top - r) for r in roots(corner)]
            attained = any(e == 0 for e in over) or a == 0  # 2σ₁ is a root where the first mode is learned
            holds = attained and all(e.is_nonnegative is True for e in over)
            cases.append((f"s = ({a}, {b})", Evidence(holds, Verdict.PROVED, f"{over}")))
    first, _, third, _ = b3.formula()["pair"]
    inner = ((third - (b3.sigma_i + b3.sigma_j) / 2) * 2) ** 2
    cases += [("convex in s", identity(tuple(sp.expand(inner).diff(v, 2) for v in (b3.si, b3.sj)), (8, 8)))]
    root = sp.Symbol("R", positive=True)
    for v in (b3.si, b3.sj):
        slope = first.diff(v).replace(
            lambda e: e.is_Pow and abs(e.exp) == sp.Rational(1, 2), lambda e: root ** (2 * e.exp)
        )
        cases.append(("increasing", positive(slope)))
    return every(cases, "four corners, two directions")


def _one_path() -> Evidence:
    """A mode above the task falls (A3), and 3s − σ' with it; from below both roots are at most 2σ'."""
    speed = a3.rate().subs({a3.mu: 0, a3.sigma: sigma, a3.s: s}, simultaneous=True)
    first, second = (r.subs({b3.si: s, b3.sigma_i: sigma}, simultaneous=True) for r in roots_of_one())
    return every(
        (
            ("the mode falls", positive(-speed.subs(s, sigma + x), zero_at={x: 0})),
            ("its curvature falls", positive((-first.diff(s) * speed).subs(s, sigma + x), zero_at={x: 0})),
            ("sharper with pretraining", positive(first.diff(s))),
            ("first from below", positive((2 * sigma - first).subs(sigma, s + x), zero_at={x: 0})),
            ("second from below", positive(sigma - second, zero_at={s: 0})),
        )
    )


def _near() -> Evidence:
    """Near the task `σ' − s` decays at the rate 2σ', by A3 linearized, so its part of the loss decays as e^{−4σ'T}."""
    speed = a3.rate().subs({a3.mu: 0, a3.sigma: sigma, a3.s: sigma - delta}, simultaneous=True)
    return identity(sp.expand(speed).coeff(delta, 1), 2 * sigma)


def _trend() -> Evidence:
    """The best learning rate rises with |e|, and so does the loss at it: its derivative is `e e^{−4σ'ηN} > 0`."""
    tuned = formula()["tuned"]
    return every(
        (
            ("rate", positive(tuned.diff(initial_error))),
            ("loss", positive(final_loss().diff(initial_error))),
            ("a minimum", positive(final_loss().diff(eta, 2))),
        )
    )


def _budget() -> Evidence:
    """The slope of `½ρ(σ_pre − p)² + ½(1 − ρ)(σ' − p)²` in p is p − v, so the minimum is at v.

    A start between σ' and v, from which the flow only moves away from v, should not be fine-tuned at all; there more
    pretraining lowers the loss.
    """
    rho, own = sp.symbols("rho sigma_pre", positive=True)
    trade = (rho * (own - s) ** 2 + (1 - rho) * (sigma - s) ** 2) / 2
    return identity(sp.expand(trade.diff(s) - (s - (rho * own + (1 - rho) * sigma))), 0)


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """One mode on both sides of the task, over 12 decades; the best learning rate, which may be 0; the best budget."""
    pretrained, task = 10.0 ** generator.uniform(-6, 6, (2, 300))
    beyond = pretrained > task

    def curvature_condition(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (3 * a + b) / (3 * a - b)

    points = [pretrained[beyond], task[beyond]]
    worst = worst_relative_error(expression["above"], (s, sigma), function, points, curvature_condition)
    points = [pretrained[~beyond], task[~beyond]]
    worst = max(worst, worst_relative_error(expression["below"] + 0 * s, (s, sigma), function, points))
    worst = max(worst, _rate_error(expression["tuned"], generator))
    at_task, at_start = (
        sp.lambdify((s, sigma), expression[f"edge at the {place}"] + 0 * s) for place in ("task", "start")
    )
    edges = np.where(
        beyond, np.minimum(at_task(pretrained, task), at_start(pretrained, task)), at_task(pretrained, task)
    )
    worst = max(worst, float(np.abs(stable_learning_rate(pretrained[:, None], task[:, None]) / edges - 1).max()))
    return max(worst, _budget_error(pretrained, generator))


def _rate_error(expression: sp.Expr, generator: np.random.Generator) -> float:
    """The best learning rate where it is positive; it must be 0 elsewhere."""
    inputs = [10.0 ** generator.uniform(-3, 3, 300) for _ in range(4)]
    logarithm = np.log(4 * inputs[1] * inputs[2] * inputs[0] ** 2 / inputs[3])
    if (tuned_learning_rate(*(values[logarithm < 0] for values in inputs)) != 0).any():
        return np.inf
    points = [values[logarithm > 0] for values in inputs]
    condition = 1 + 5 / logarithm[logarithm > 0]
    return worst_relative_error(
        expression, (initial_error, sigma, steps, noise), tuned_learning_rate, points, lambda *_: condition
    )


def _budget_error(pretrained: np.ndarray, generator: np.random.Generator) -> float:
    """Fine-tuning for the best budget must end at v_ρ where v_ρ lies on the way; starts past it get the budget 0."""
    teacher, task = pretrained * 10.0 ** generator.uniform(-1, 1, (2, 300))
    weight = generator.uniform(0.05, 0.95, 300)
    best_value = weight * teacher + (1 - weight) * task
    on_the_way = (best_value - pretrained) * (task - best_value) > 0
    budget = np.asarray(tuned_budget(pretrained, teacher, task, weight))
    if (budget[(pretrained - task) * (best_value - pretrained) > 0] != 0).any():
        return np.inf
    end = singular_value(np.where(on_the_way, budget, 0), task, pretrained)
    condition = 1 + 2 * task * budget + task / np.abs(task - best_value)
    return float((np.abs(end / best_value - 1) / condition)[on_the_way].max())


DERIVATION = Derivation(
    claim="D6",
    title="The largest stable learning rate is 1/‖B‖, and lower where pretraining is three times beyond the task",
    statement=r"\lambda_{max}\le\|W_1\|^2+\|W_2\|^2+\|B-f\|;\quad s_i\le\sigma'_i\ \forall i\Rightarrow\lambda_{max}\le"
    r"2\sigma'_1=2\|B\|;\quad s>\sigma'\Rightarrow\lambda_{max}=3s-\sigma';\quad "
    r"\eta_{max}=\min\left(\frac1{\|B\|},\frac2{(s_i-\sigma'_i)_+}\right);\quad "
    r"\eta^*=\frac{1}{4\sigma'N}\ln\frac{4\sigma'Ne^2}{v};\quad "
    r"T^*=\frac1{2\sigma'}\ln\left(1+\frac{\sigma'(v_\rho-s)}{s(\sigma'-v_\rho)}\right)",
    plain="Fine-tuning on an aligned task has its largest curvature at the end, 2‖B‖ whatever the pretraining length, "
    "as long as no mode is beyond the task; a single mode that is beyond the task has it at the start. Rates below 2 "
    "over the largest curvature are stable, but not they alone: gradient descent survives a start that is sharper than "
    "2/η, and the edge stays 1/‖B‖ until a mode is three times its task. With label noise the best learning rate falls "
    "as pretraining comes nearer to the task.",
    symbols={
        r"\lambda_{max}": "largest eigenvalue of the downstream loss's Hessian; rates below 2/λ_max are stable",
        r"\eta_{max}": "largest learning rate at which gradient descent ends at the task",
        "s": "pretrained singular value",
        r"\sigma'": "the task's singular value, σ'₁ the largest",
        "e": "σ' − s, the error at the start of fine-tuning",
        "N": "number of steps, T = ηN",
        "v": "twice the loss that noise adds per unit of learning rate",
        r"\eta^*": "learning rate with the lowest loss after N steps",
        r"v_\rho": "ρσ + (1 − ρ)σ', the best value for ρL_pre + (1 − ρ)L_ft; T* is the budget that ends there",
    },
    assumptions=(
        Assumption(
            "shared singular vectors",
            "The task has the singular vectors of pretraining. The first bound does not need this.",
            Counterexample(
                "On a rotated task the curvature is larger at the start.", without.rotated_task, without.rotated_curves
            ),
        ),
        Assumption("balanced start", "W2ᵀW2 = W1W1ᵀ. The first bound does not need this."),
        Assumption("aligned start", "The student's singular vectors are the teacher's."),
        Assumption(
            "one curvature is not an edge",
            "2/λ_max is a sufficient bound on the rate, and at the end, where the flow stays, also a necessary one.",
            Counterexample("From three times the task, rates up to four times 2/λ_max still fit.", without.sharp_start),
        ),
        Assumption("whitened inputs", "Σx = I."),
        Assumption(
            "near the task",
            "For the best learning rate: the error decays as it does near the task, at the rate 2σ'.",
            Counterexample(
                "A mode that is not yet learned must first grow, which needs a larger learning rate.", without.far
            ),
        ),
    ),
    steps=(
        Step(
            r"X\cdot HX=\|W_2X_1+X_2W_1\|^2-2\langle B-f,X_2X_1\rangle\le(\|W_1\|^2+\|W_2\|^2+\|B-f\|)\,\|X\|^2",
            "The second-order part of the loss, for symbolic widths; then operator norms and Cauchy–Schwarz.",
            _any_weights,
        ),
        Step(
            r"0\le s_i\le\sigma'_i\ \Rightarrow\ \lambda_{max}\le2\sigma'_1",
            "B3's roots with the task as the teacher: at the corners of the box of singular values none is above 2σ'₁, "
            "and between the corners each is increasing, or the square root of a convex function.",
            _below,
        ),
        Step(
            r"\text{one mode: }\max_T\lambda_{max}=\max(2\sigma',3s-\sigma')",
            "From above the mode only falls, and its curvature with it.",
            _one_path,
        ),
        Step(
            r"w\to w(1+\eta\sigma'-\eta w^2):\quad\eta(s-\sigma')>2\Rightarrow|w|\to\infty,\quad"
            r"\eta(s-\sigma')<2,\ \eta\sigma'\le2\Rightarrow\eta w^2<2+\eta\sigma'",
            "Gradient descent on a balanced mode is a cubic map: outside it grows without bound, inside it stays "
            "bounded, and the task is a stable fixed point for ησ' < 1. That almost all bounded starts then end there "
            "is a theorem on maps of negative Schwarzian derivative (Singer 1978), which is not used here; the "
            "experiment measures it.",
            _edges,
        ),
        Step(r"\dot e=-2\sigma'e+O(e^2)", "A3's rate near the task.", _near),
        Step(
            r"\frac{\partial\eta^*}{\partial|e|}>0,\quad\frac{\partial L^*}{\partial|e|}>0",
            "So both the best learning rate and the loss at it fall until s = σ' and then rise: the downstream "
            "inflection of a mode does not depend on the learning rate, not even if it is the best one.",
            _trend,
        ),
        Step(
            r"\frac{d}{dp}\left(\rho L_{pre}+(1-\rho)L_{ft}\right)=p-v_\rho",
            "This changes if the budget is tuned for a trade-off of both losses, 0 < ρ < 1. Wherever v_ρ lies between "
            "s and σ' the mode can be stopped there; elsewhere the loss falls with pretraining or does not depend on "
            "it. So tuning the budget for the trade-off removes its inflection.",
            _budget,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("σ' for 2σ' at the end", lambda f: f | {"below": sigma}),
        Variant("3σ' for 2σ' at the end", lambda f: f | {"below": 3 * sigma}),
        Variant("2s at the start", lambda f: f | {"above": 2 * s}),
        Variant("s + σ' at the start", lambda f: f | {"above": s + sigma}),
        Variant("3s at the start", lambda f: f | {"above": 3 * s}),
        Variant("edge from the sharpness at the start", lambda f: f | {"edge at the start": 2 / (3 * s - sigma)}),
        Variant("edge of a step to 0 at the start", lambda f: f | {"edge at the start": 1 / (s - sigma)}),
        Variant("edge 2/σ' at the task", lambda f: f | {"edge at the task": 2 / sigma}),
        Variant("decay of the loss at 2σ' for 4σ'", lambda f: f | {"tuned": 2 * f["tuned"]}),
        Variant("e for e²", lambda f: f | {"tuned": f["tuned"].subs(initial_error, sp.sqrt(initial_error))}),
        Variant("budget with 1/v_ρ for 1/σ'", lambda f: f | {"budget": f["budget"] * sigma / best}),
        Variant("budget ln(v_ρ/s)/(2σ')", lambda f: f | {"budget": sp.log(best / s) / (2 * sigma)}),
        Variant("sign of the best learning rate", lambda f: f | {"tuned": -f["tuned"]}),
    ),
    special_case=SpecialCase(
        "pretraining that ends at the task",
        lambda f: {
            k: e.subs(s, sigma).subs(initial_error, 1)
            for k, e in f.items()
            if k != "edge at the start"  # infinite
        },
    ),
    floor=Verdict.PROVED,
    uses=("A3", "B3"),
    link=Link(
        "overtraining.theory.fine_tuning.stability.path_sharpness",
        "s, σ' 1e-6 … 1e6; the edges; the best rate, inputs 1e-3 … 1e3",
        _engine_error,
    ),
    source="ours",
)
