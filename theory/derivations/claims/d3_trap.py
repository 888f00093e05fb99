"""D3: within a stage the cost of fine-tuning is never monotone; from plateau to plateau of a shared task it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.checker.core import (
    Assumption,
    Derivation,
    Evidence,
    Link,
    SpecialCase,
    Step,
    Variant,
    Verdict,
)
from overtraining.theory.derivations.checker.evidence import every, identity, positive, worst_relative_error
from overtraining.theory.derivations.claims import d2_shared_task as d2
from overtraining.theory.derivations.claims.d2_shared_task import T, excess, fine_tuned, gap, mode, s, sigma, sigma_task

x = sp.Symbol("x", real=True)
weak = sp.Symbol("q", positive=True)


def formula() -> dict[str, sp.Expr]:
    """Δ of a mode before and after; Δ of a learned feature; its slopes at both ends; its limit for T → 0."""
    growth = sp.exp(2 * sigma_task * T)
    after = sigma_task + sigma * (growth - 1)
    return {
        "rise": (s - x) * (sigma - (s + x) / 2),
        "end": (sigma * (sigma_task - sigma) * (growth - 1) / after) ** 2 / 2,
        "end slope": sigma * sigma_task**2 * (sigma_task - sigma) * growth * (growth - 1) / after**3,
        "begin slope": -sigma * (growth - 1),
        "first order": 2 * s * (sigma - s) * (s - sigma_task),
        "peak": (sigma + sigma_task + sp.sqrt(sigma**2 - sigma * sigma_task + sigma_task**2)) / 3,
    }


def rise() -> sp.Expr:
    """`½(σ − x)² − ½(σ − s)²` along D2's path."""
    return ((sigma - fine_tuned()) ** 2 - (sigma - s) ** 2) / 2


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The candidate against the two losses along D2's path."""
    slope, root = rise().diff(s), sp.sqrt(sigma**2 - sigma * sigma_task + sigma_task**2)
    return every(
        (
            ("Δ", identity(sp.expand(((sigma - x) ** 2 - (sigma - s) ** 2) / 2), sp.expand(candidate["rise"]))),
            ("end", identity(rise().subs(s, sigma), candidate["end"])),
            ("slope at the end", identity(slope.subs(s, sigma), candidate["end slope"])),
            ("slope at the beginning", identity(slope.subs(s, 0), candidate["begin slope"])),
            ("first order in T", identity(rise().diff(T).subs(T, 0), candidate["first order"])),
            ("peak", identity(candidate["first order"].diff(s).subs(s, candidate["peak"]), 0)),
            ("which is a maximum", identity(candidate["first order"].diff(s, 2).subs(s, candidate["peak"]), -4 * root)),
        ),
        "Δ, its slopes at both ends, and its limit for small T agree",
    )


def _ends_falling() -> Evidence:
    """The slope at s = σ has the sign of σ' − σ; here `e^{2σ'T} = 1 + r` for σ' > 0, and its reciprocal for σ' < 0."""
    at_end = rise().diff(s).subs(s, sigma)

    def with_task(value: sp.Expr, growth: sp.Expr) -> sp.Expr:
        at_growth = sp.simplify(at_end.subs(T, sp.log(growth) / (2 * sigma_task)))
        return sp.factor(at_growth.subs(sigma_task, value))

    return every(
        (
            ("σ' > σ: rises", positive(with_task(sigma + gap, 1 + excess), zero_at={excess: 0})),
            ("0 < σ' < σ: falls", positive(-with_task(weak, 1 + excess).subs(sigma, weak + gap), zero_at={excess: 0})),
            ("σ' < 0: falls", positive(-with_task(-weak, 1 / (1 + excess)), zero_at={excess: 0})),
        ),
        "3 signs",
    )


def _begins() -> Evidence:
    """The slope at s = 0, `−σ(e^{2σ'T} − 1)`, has the sign of −σ'."""
    at_start = sp.simplify(rise().diff(s).subs(s, 0))

    def with_growth(growth: sp.Expr) -> sp.Expr:
        return sp.simplify(at_start.subs(T, sp.log(growth) / (2 * sigma_task)))

    return every(
        (
            ("σ' > 0: falls", positive(-with_growth(1 + excess), zero_at={excess: 0})),
            ("σ' < 0: rises", positive(with_growth(1 / (1 + excess)), zero_at={excess: 0})),
        ),
        "2 signs",
    )


def _zero_task() -> Evidence:
    """σ' = 0, x = s/(1 + 2sT): Δ begins as 2σTs², and its slope at s = σ is negative."""
    decayed = s / (1 + 2 * s * T)
    cost = ((sigma - decayed) ** 2 - (sigma - s) ** 2) / 2
    limit = sp.limit(fine_tuned(), sigma_task, 0)
    return every(
        (
            ("x", identity(limit, decayed)),
            ("begins as 2σTs²", identity(sp.limit(cost / s**2, s, 0), 2 * sigma * T)),
            ("ends falling", positive(-sp.together(cost.diff(s).subs(s, sigma)))),
        ),
        "3 cases",
    )


def _own_task() -> Evidence:
    """σ' = σ: Δ is 0 at both ends and negative in between, where `x > s` is nearer to σ."""
    own = d2.with_growth(rise()).subs(sigma_task, sigma)
    ends = (sp.simplify(own.subs(s, 0)), sp.simplify(own.subs(s, sigma)))
    between = sp.factor(sp.simplify(own).subs(sigma, s + gap))
    return every((("ends", identity(ends, (0, 0))), ("between", positive(-between))), "2 cases")


def _plateaus() -> Evidence:
    """At s = σ the cost is `½(σ − x)²`: each learned feature adds a square to the cost of those learned before."""
    return identity(rise().subs(s, sigma), (sigma - fine_tuned(sigma)) ** 2 / 2)


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """Against the expression in many digits, σ' of either sign, in units of the cancellation in σ − s and σ' − s."""
    size = 400
    strong = 10.0 ** generator.uniform(-6, 6, size)
    now = strong * np.where(generator.random(size) < 0.3, 1.0, 10.0 ** generator.uniform(-9, 0, size))
    task = strong * 10.0 ** generator.uniform(-6, 3, size) * generator.choice([-1, 1], size)
    budget = 10.0 ** generator.uniform(-12, 1, size) / np.abs(task)
    judged = expression["rise"].subs(x, fine_tuned())

    def condition(budget: np.ndarray, s: np.ndarray, sigma: np.ndarray, sigma_task: np.ndarray) -> np.ndarray:
        after = mode(budget, s, sigma_task)
        middle = np.abs(sigma - (s + after) / 2)
        change = (
            1 + (np.abs(sigma_task) + s) / np.abs(sigma_task - s) + 2 * np.abs(sigma_task) * budget + 2 * s * budget
        )
        return 4 * change * (1 + (sigma + s + np.abs(after)) / np.where(middle > 0, middle, sigma))

    unlearned = function(budget, 0.0, strong, task)  # an unlearned mode cannot be forgotten
    zero_task = np.abs(function(0.1, 0.71, 1.0, 0.0) - ((1 - 0.71 / 1.142) ** 2 - 0.29**2) / 2)
    worst = worst_relative_error(judged, (T, s, sigma, sigma_task), function, [budget, now, strong, task], condition)
    return float(max(worst, zero_task / 10, np.abs(unlearned).max()))


DERIVATION = Derivation(
    claim="D3",
    title="A trap: within a stage the cost of fine-tuning is never monotone",
    statement=r"\Delta=(s-x)\left(\sigma-\tfrac{s+x}2\right)=2T\,s(\sigma-s)(s-\sigma')+O(T^2);\qquad"
    r"\left.\tfrac{d\Delta}{ds}\right|_{s=\sigma}\propto\sigma'-\sigma,\quad\left.\tfrac{d\Delta}{ds}\right|_{s=0}="
    r"-\sigma(e^{2\sigma'T}-1);\qquad\Delta(\sigma)=\tfrac12(\sigma-x)^2\ge0",
    plain="While one feature is learned, the cost of fine-tuning on a task with the same singular vectors is never a "
    "monotone function of pretraining length, whatever the task's strength and the budget: a sensitivity measured "
    "within a stage misleads. Only from one learned feature to the next does the cost never fall.",
    symbols={
        "s, x": "a mode before and after fine-tuning for the time T",
        r"\sigma,\sigma'": "its singular value in the teacher, > 0, and in the task, of either sign",
        r"\Delta": "the mode's pretraining loss after fine-tuning minus before",
    },
    assumptions=(
        *(a for a in d2.DERIVATION.assumptions if a.name != "one mode"),
        Assumption("one mode", "Within a stage one mode is being learned; the cost of several is the sum of theirs."),
    ),
    steps=(
        Step(
            r"d\Delta/ds|_{s=\sigma}\propto\sigma'-\sigma",
            "At the end of the stage Δ falls for every weaker task and rises for a stronger one.",
            _ends_falling,
        ),
        Step(
            r"d\Delta/ds|_{s=0}=-\sigma(e^{2\sigma'T}-1)",
            "At the beginning of the stage Δ falls if σ' > 0, since fine-tuning then helps to learn the mode. If "
            "σ' > σ, Δ first falls and ends positive; if 0 < σ' < σ, it falls at first and again at the end; if "
            "σ' < 0, it rises and then falls.",
            _begins,
        ),
        Step(
            r"\sigma'=0:\ \Delta\sim2\sigma Ts^2,\ \ \Delta'(\sigma)<0",
            "If the task lacks the mode, Δ also rises and then falls. For T = 0.1 and σ = 1 it is 0.0295 at s = 0.71 "
            "and 0.0139 at s = 1.",
            _zero_task,
        ),
        Step(
            r"\sigma'=\sigma:\ \Delta(0)=\Delta(\sigma)=0,\ \Delta<0",
            "On the teacher itself Δ falls and then rises.",
            _own_task,
        ),
        Step(
            r"\Delta(\sigma)=\tfrac12(\sigma-x)^2",
            "The costs of learned features are squares, which add up over the modes: from plateau to plateau Δ never "
            "falls.",
            _plateaus,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("σ − s for σ − (s + x)/2", lambda f: f | {"rise": (s - x) * (sigma - s)}),
        Variant("sign of Δ", lambda f: f | {"rise": -f["rise"]}),
        Variant("½ missing at the end", lambda f: f | {"end": 2 * f["end"]}),
        Variant("e^{σ'T} for e^{2σ'T} at the end", lambda f: f | {"end": f["end"].subs(T, T / 2)}),
        Variant("sign of the slope at the end", lambda f: f | {"end slope": -f["end slope"]}),
        Variant("slope at the beginning linear in T", lambda f: f | {"begin slope": -2 * sigma * sigma_task * T}),
        Variant("first order halved", lambda f: f | {"first order": f["first order"] / 2}),
        Variant("first order without the task", lambda f: f | {"first order": 2 * s**2 * (sigma - s)}),
        Variant("peak at 2σ/3, whatever σ'", lambda f: f | {"peak": 2 * sigma / 3}),
    ),
    special_case=SpecialCase(
        "no fine-tuning (T = 0, x = s), and a task that lacks the feature",
        lambda f: {
            "rise": f["rise"].subs(x, s),
            "end": f["end"].subs(T, 0),
            "end slope": f["end slope"].subs(T, 0),
            "begin slope": f["begin slope"].subs(T, 0),
            "first order": f["first order"].subs(sigma_task, 0),
            "peak": sp.simplify(f["peak"].subs(sigma_task, 0)),
        },
    ),
    floor=Verdict.PROVED,
    uses=("D2",),
    link=Link(
        "overtraining.theory.fine_tuning.shared_task.forgetting_cost",
        "σ 1e-6 … 1e6, s/σ 1e-9 … 1, |σ'|/σ 1e-6 … 1e3, |σ'|T 1e-12 … 10",
        _engine_error,
    ),
    source="ours",
)
