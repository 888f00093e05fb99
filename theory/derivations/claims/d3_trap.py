"""D3: inside a stage the cost of fine-tuning is never monotone; from plateau to plateau on a shared task it is."""

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
from overtraining.theory.derivations.claims.d2_shared_task import T, gap, mode, rest, s, sigma, target, tuned

x = sp.Symbol("x", real=True)
weak = sp.Symbol("q", positive=True)


def formula() -> dict[str, sp.Expr]:
    """Δ by the mode before and after, where the feature is learned, its slopes at both ends, its limit for T → 0."""
    growth = sp.exp(2 * target * T)
    after = target + sigma * (growth - 1)
    return {
        "rise": (s - x) * (sigma - (s + x) / 2),
        "end": (sigma * (target - sigma) * (growth - 1) / after) ** 2 / 2,
        "end slope": sigma
        * target**2
        * (target - sigma)
        * growth
        * (growth - 1)
        / (target + sigma * (growth - 1)) ** 3,
        "begin slope": -sigma * (growth - 1),
        "first order": 2 * s * (sigma - s) * (s - target),
        "peak": (sigma + target + sp.sqrt(sigma**2 - sigma * target + target**2)) / 3,
    }


def rise() -> sp.Expr:
    """`½(σ − x)² − ½(σ − s)²` on D2's path."""
    return ((sigma - tuned()) ** 2 - (sigma - s) ** 2) / 2


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The candidate against the two losses on D2's path."""
    slope, first = rise().diff(s), candidate["first order"]
    return every(
        (
            ("Δ", identity(sp.expand(((sigma - x) ** 2 - (sigma - s) ** 2) / 2), sp.expand(candidate["rise"]))),
            ("end", identity(rise().subs(s, sigma), candidate["end"])),
            ("slope at the end", identity(slope.subs(s, sigma), candidate["end slope"])),
            ("slope at the beginning", identity(sp.simplify(slope.subs(s, 0)), candidate["begin slope"])),
            ("first order in T", identity(rise().diff(T).subs(T, 0), first)),
            ("peak", identity(sp.diff(2 * s * (sigma - s) * (s - target), s).subs(s, candidate["peak"]), 0)),
        ),
        "Δ, both ends, and the limit of small T agree",
    )


def _ends_falling() -> Evidence:
    """The slope at s = σ has the sign of σ' − σ, for σ' of either sign and e^{2σ'T} = 1 + r, or its reciprocal."""
    at_end = rise().diff(s).subs(s, sigma)
    put = lambda value, growth: sp.factor(
        sp.simplify(at_end.subs(T, sp.log(growth) / (2 * target))).subs(target, value)
    )
    return every(
        (
            ("σ' > σ: rises", positive(put(sigma + gap, 1 + rest))),
            ("0 < σ' < σ: falls", positive(-put(weak, 1 + rest).subs(sigma, weak + gap))),
            ("σ' < 0: falls", positive(-put(-weak, 1 / (1 + rest)))),
        ),
        "3 signs",
    )


def _begins() -> Evidence:
    """The slope at s = 0, `−σ(e^{2σ'T} − 1)`, has the sign of −σ'."""
    at_start = sp.simplify(rise().diff(s).subs(s, 0))
    put = lambda value, growth: sp.simplify(at_start.subs(T, sp.log(growth) / (2 * target))).subs(target, value)
    return every(
        (("σ' > 0: falls", positive(-put(weak, 1 + rest))), ("σ' < 0: rises", positive(put(-weak, 1 / (1 + rest))))),
        "2 signs",
    )


def _zero_task() -> Evidence:
    """σ' = 0, x = s/(1 + 2sT): Δ rises as 2σTs², and its slope at s = σ is negative."""
    gone = s / (1 + 2 * s * T)
    cost = ((sigma - gone) ** 2 - (sigma - s) ** 2) / 2
    limit = sp.limit(tuned(), target, 0)
    return every(
        (
            ("x", identity(limit, gone)),
            ("begins as 2σTs²", identity(sp.limit(cost / s**2, s, 0), 2 * sigma * T)),
            ("ends falling", positive(-sp.together(cost.diff(s).subs(s, sigma)))),
        ),
        "3 cases",
    )


def _own_task() -> Evidence:
    """σ' = σ: Δ is 0 at both ends, and negative between: `x > s` brings the mode nearer to σ."""
    own = rise().subs(T, sp.log(1 + rest) / (2 * target)).subs(target, sigma)
    return every(
        (("ends", identity((sp.simplify(own.subs(s, 0)), sp.simplify(own.subs(s, sigma))), (0, 0))),
         ("between", positive(-sp.factor(sp.simplify(own).subs(sigma, s + gap))))),
        "2 cases",
    )  # fmt: skip


def _plateaus() -> Evidence:
    """At s = σ the rise is `½(σ − x)²`: each learned feature adds a square to what the learned ones cost."""
    return identity(rise().subs(s, sigma), (sigma - tuned(sigma)) ** 2 / 2)


def _engine(expression: dict[str, sp.Expr], function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Against the expression in many digits, σ' of either sign; in units of the cancellation in σ − s and σ' − s."""
    size = 400
    strong = 10.0 ** generator.uniform(-6, 6, size)
    now = strong * np.where(generator.random(size) < 0.3, 1.0, 10.0 ** generator.uniform(-9, 0, size))
    task = strong * 10.0 ** generator.uniform(-6, 3, size) * generator.choice([-1, 1], size)
    budget = 10.0 ** generator.uniform(-12, 1, size) / np.abs(task)
    judged = expression["rise"].subs(x, d2.path().subs(
        {d2.a3.sigma: target, d2.a3.epsilon: s, d2.a3.t: T}, simultaneous=True))  # fmt: skip

    def condition(budget: np.ndarray, s: np.ndarray, sigma: np.ndarray, target: np.ndarray) -> np.ndarray:
        after = mode(s, target, budget)
        middle = np.abs(sigma - (s + after) / 2)
        moved = 1 + (np.abs(target) + s) / np.abs(target - s) + 2 * np.abs(target) * budget + 2 * s * budget
        return 4 * moved * (1 + (sigma + s + np.abs(after)) / np.where(middle > 0, middle, sigma))

    exact = function(budget, 0.0, strong, task)  # nothing to lose
    zero = np.abs(function(0.1, 0.71, 1.0, 0.0) - ((1 - 0.71 / 1.142) ** 2 - 0.29**2) / 2)
    worst = worst_relative_error(judged, (T, s, sigma, target), function, [budget, now, strong, task], condition)
    return float(max(worst, zero / 10, np.abs(exact).max()))


DERIVATION = Derivation(
    claim="D3",
    title="A trap: inside a stage the cost of fine-tuning is never monotone",
    statement=r"\Delta=(s-x)\left(\sigma-\tfrac{s+x}2\right)=2T\,s(\sigma-s)(s-\sigma')+O(T^2);\qquad"
    r"\left.\tfrac{d\Delta}{ds}\right|_{s=\sigma}\propto\sigma'-\sigma,\quad\left.\tfrac{d\Delta}{ds}\right|_{s=0}="
    r"-\sigma(e^{2\sigma'T}-1);\qquad\Delta(\sigma)=\tfrac12(\sigma-x)^2\ge0",
    plain="While one feature is learned, what fine-tuning on a task of the same singular vectors costs is never a "
    "monotone function of pretraining, whatever the task's strength and the budget: a sensitivity read off inside a "
    "stage misleads; only from one learned feature to the next it never falls.",
    symbols={
        "s, x": "a mode before and after fine-tuning for the time T",
        r"\sigma,\sigma'": "its value in the teacher, > 0, and in the task, of either sign",
        r"\Delta": "the mode's pretraining loss after fine-tuning less before",
    },
    assumptions=(
        *(a for a in d2.DERIVATION.assumptions if a.name != "one mode"),
        Assumption("one mode", "Inside a stage one mode is under way; what several cost is the sum."),
    ),
    steps=(
        Step(
            r"d\Delta/ds|_{s=\sigma}\propto\sigma'-\sigma",
            "At the end of the stage Δ falls for every weaker task, and rises for a stronger one.",
            _ends_falling,
        ),
        Step(
            r"d\Delta/ds|_{s=0}=-\sigma(e^{2\sigma'T}-1)",
            "At its beginning Δ falls where σ' > 0, for there fine-tuning helps to learn. With σ' > σ it falls first "
            "and ends positive; with 0 < σ' < σ it falls first, and again at the end; with σ' < 0 it rises and falls.",
            _begins,
        ),
        Step(
            r"\sigma'=0:\ \Delta\sim2\sigma Ts^2,\ \ \Delta'(\sigma)<0",
            "Without it in the task Δ rises and falls as well. T = 0.1, σ = 1: 0.0295 at s = 0.71, 0.0139 at 1.",
            _zero_task,
        ),
        Step(
            r"\sigma'=\sigma:\ \Delta(0)=\Delta(\sigma)=0,\ \Delta<0",
            "On the teacher itself it falls and rises.",
            _own_task,
        ),
        Step(
            r"\Delta(\sigma)=\tfrac12(\sigma-x)^2",
            "Learned features cost squares, which add up over the modes: from plateau to plateau Δ never falls.",
            _plateaus,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("σ − s for σ − (s + x)/2", lambda f: f | {"rise": (s - x) * (sigma - s)}),
        Variant("sign of Δ", lambda f: f | {"rise": -f["rise"]}),
        Variant("end not halved", lambda f: f | {"end": 2 * f["end"]}),
        Variant("end at the rate σ'", lambda f: f | {"end": f["end"].subs(T, T / 2)}),
        Variant("slope at the end of the other sign", lambda f: f | {"end slope": -f["end slope"]}),
        Variant("slope at the beginning linear in T", lambda f: f | {"begin slope": -2 * sigma * target * T}),
        Variant("first order halved", lambda f: f | {"first order": f["first order"] / 2}),
        Variant("first order without the task", lambda f: f | {"first order": 2 * s**2 * (sigma - s)}),
        Variant("peak at 2σ/3, whatever σ'", lambda f: f | {"peak": 2 * sigma / 3}),
    ),
    special_case=SpecialCase(
        "no fine-tuning, T = 0, x = s, and a task without the feature",
        lambda f: {
            "rise": f["rise"].subs(x, s),
            "end": f["end"].subs(T, 0),
            "end slope": f["end slope"].subs(T, 0),
            "begin slope": f["begin slope"].subs(T, 0),
            "first order": f["first order"].subs(target, 0),
            "peak": sp.simplify(f["peak"].subs(target, 0)),
        },
    ),
    floor=Verdict.PROVED,
    uses=("D2",),
    link=Link(
        "overtraining.theory.fine_tuning.shared_task.forgetting_cost",
        "σ 1e-6 … 1e6, s/σ 1e-9 … 1, |σ'|/σ 1e-6 … 1e3, |σ'|T 1e-12 … 10",
        _engine,
    ),
    source="ours",
)
