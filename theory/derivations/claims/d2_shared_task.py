"""D2: a task with the teacher's singular vectors: modes keep their order, and only overshooting raises L_pre."""

import functools
from collections.abc import Callable
from typing import Any

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
from overtraining.theory.derivations.checker.evidence import every, identity, positive, worst_relative_error
from overtraining.theory.derivations.claims import a3_balanced_mode as a3

T, s, sigma, epsilon, gap, excess = sp.symbols("T s sigma epsilon g r", positive=True)
sigma_task = sp.Symbol("sigma'", real=True, nonzero=True)


@functools.cache
def path() -> sp.Expr:
    """A3's solution, without decay."""
    return a3.solved()[0].subs(a3.mu, 0)


def fine_tuned(start: sp.Expr = s) -> sp.Expr:
    """`x(T)`: A3's path from s, with σ' in place of the teacher's singular value."""
    return path().xreplace({a3.sigma: sigma_task, a3.epsilon: start, a3.t: T})


def formula() -> dict[str, sp.Expr]:
    """`∂x/∂s`; the s and the length at the inflection of the pretraining loss; the downstream loss at the end."""
    growth = sp.exp(2 * sigma_task * T)
    return {
        "spread": (sigma_task / (s + (sigma_task - s) / growth)) ** 2 / growth,
        "turn": sigma * sigma_task / (sigma + (sigma_task - sigma) * growth),
        "time": sp.log((sigma / epsilon - 1) * sigma_task / ((sigma_task - sigma) * (growth - 1))) / (2 * sigma),
        "downstream": (sigma_task * (sigma_task - sigma) / (sigma_task + sigma * (growth - 1))) ** 2 / 2,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The candidate against A3's path, used once for pretraining and once for fine-tuning."""
    downstream = (sigma_task - fine_tuned(sigma)) ** 2 / 2
    reached = path().subs({a3.sigma: sigma, a3.epsilon: epsilon, a3.t: candidate["time"]})
    return every(
        (
            ("spread", identity(fine_tuned().diff(s), candidate["spread"])),
            ("fine-tuning from the turning point ends at σ", identity(fine_tuned(candidate["turn"]), sigma)),
            ("pretraining reaches it at that time", identity(reached, candidate["turn"])),
            ("downstream loss at the end", identity(downstream, candidate["downstream"])),
        ),
        "spread, turning point, time and the downstream loss at the end agree",
    )


def _no_crossing() -> Evidence:
    """`∂x/∂s = (x/s)² e^{−2σ'T}`, a square times an exponential."""
    return identity(fine_tuned().diff(s), (fine_tuned() / s) ** 2 * sp.exp(-2 * sigma_task * T))


def _stays_below() -> Evidence:
    """`(x − σ')/(s − σ') = s⁻¹x e^{−2σ'T} > 0`: x stays on the same side of σ' as s, so x <= max(s, σ') <= σ."""
    return identity(
        sp.simplify((fine_tuned() - sigma_task) / (s - sigma_task)),
        sp.simplify(fine_tuned() / s * sp.exp(-2 * sigma_task * T)),
    )


def _slopes() -> Evidence:
    """Both losses after fine-tuning, differentiated in s: their slopes have the signs of x − σ and of x − σ'."""
    x, spread = fine_tuned(), fine_tuned().diff(s)
    pretraining = ((sigma - x) ** 2 / 2).diff(s)
    downstream = ((sigma_task - x) ** 2 / 2).diff(s)
    return identity((pretraining, downstream), ((x - sigma) * spread, (x - sigma_task) * spread))


def with_growth(expression: sp.Expr) -> sp.Expr:
    """The same with `e^{2σ'T} = 1 + r`, r > 0 for σ' > 0."""
    return expression.subs(T, sp.log(1 + excess) / (2 * sigma_task))


def _turn_inside() -> Evidence:
    """With σ' = σ + g: `0 < s* < σ` for every T > 0, and from s = σ fine-tuning ends above σ."""

    def stronger_task(expression: sp.Expr) -> sp.Expr:
        return sp.simplify(with_growth(expression).subs(sigma_task, sigma + gap))

    turn = stronger_task(formula()["turn"])
    return every(
        (
            ("s* > 0", positive(turn)),
            ("s* < σ", positive(sp.together(sigma - turn), zero_at={excess: 0})),
            ("x(σ) > σ", positive(sp.together(stronger_task(fine_tuned(sigma)) - sigma), zero_at={excess: 0})),
        ),
        "3 signs",
    )


def _end() -> Evidence:
    """With 0 < σ' < σ the downstream loss is 0 at s = σ' and positive at the end, for every T."""
    at_task = sp.simplify(fine_tuned(sigma_task) - sigma_task)
    weak = sp.Symbol("q", positive=True)
    end = with_growth(fine_tuned(sigma) - sigma_task).subs(sigma_task, weak).subs(sigma, weak + gap)
    above = positive(sp.together(end), zero_at={gap: 0})
    return every((("0 at s = σ'", identity(at_task, 0)), ("x > σ' at the end", above)), "2 cases")


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """In the interior against the expression, in units of the cancelling logarithms; outside, the limits exactly."""
    size = 300
    strong = 10.0 ** generator.uniform(-6, 6, size)
    task = strong * (1 + 10.0 ** generator.uniform(-3, 3, size))
    budget = generator.uniform(1e-3, 30, size) / task * 10.0 ** generator.uniform(-6, 0, size)
    start = strong * 10.0 ** -generator.uniform(0.01, 290, size)
    inputs = (T, sigma, sigma_task, epsilon)
    turn = sp.lambdify(inputs[:3], expression["turn"])(budget, strong, task)
    inside = start < turn * (1 - 1e-6)
    outside = ~inside
    if not inside.any() or (function(budget[outside], strong[outside], task[outside], start[outside]) >= 1e-5).any():
        return np.inf
    same_task = function(budget, strong, strong, start)
    no_budget = function(0.0, strong, task, start)
    if not (np.isinf(same_task).all() and np.isinf(no_budget).all()):
        return np.inf

    def condition(budget: np.ndarray, sigma: np.ndarray, sigma_task: np.ndarray, epsilon: np.ndarray) -> np.ndarray:
        grown = 2 * sigma_task * budget
        logs = (
            np.abs(np.log(sigma / epsilon))
            + np.abs(np.log(np.expm1(grown)))
            + np.abs(np.log(sigma_task / (sigma_task - sigma)))
        )
        change = sigma / (sigma - epsilon) + 2 * (sigma_task + sigma) / (sigma_task - sigma) + 2 + grown
        total = np.log((sigma - epsilon) / epsilon * sigma_task / (sigma_task - sigma)) - np.log(np.expm1(grown))
        return 2 + (logs + change) / np.abs(total)

    points = [x[inside] for x in (budget, strong, task, start)]
    return worst_relative_error(expression["time"], inputs, function, points, condition)


STUDENT = np.linspace(0.01, 1, 100)


def mode(budget: float | np.ndarray, s: np.ndarray, sigma_task: float | np.ndarray) -> np.ndarray:
    """A balanced mode after fine-tuning, by its closed form."""
    return sigma_task * s / (s + (sigma_task - s) * np.exp(-2 * sigma_task * budget))


def rotated_loss(budget: float = 1.0) -> np.ndarray:
    """`½‖f − (1, 0)‖²` after fine-tuning on (1, 1) from (s, 0): one hidden unit, small gradient steps."""
    steps = 2000
    w = np.stack([np.sqrt(STUDENT), np.zeros_like(STUDENT)])
    u = np.sqrt(STUDENT)
    task = np.array([[1.0], [1.0]])
    for _ in range(steps):
        unlearned = task - u * w
        w, u = w + budget / steps * u * unlearned, u + budget / steps * (unlearned * w).sum(axis=0)
    return ((u * w - np.array([[1.0], [0.0]])) ** 2).sum(axis=0) / 2


def rotated_task() -> Evidence:
    """The pretraining loss after fine-tuning is lowest long before the end of pretraining."""
    loss = rotated_loss()
    best = STUDENT[np.argmin(loss)]
    detail = f"lowest {loss.min():.3f} at s = {best:.2f}, at the end {loss[-1]:.3f}"
    return Evidence(bool(best < 0.3 and loss[-1] > loss.min() + 0.1), Verdict.TESTED, detail)


def rotated_curves() -> Curves:
    """The pretraining loss after fine-tuning on the rotated task, and after fine-tuning on the teacher itself."""
    shared = (1 - mode(1.0, STUDENT, 1.0)) ** 2 / 2
    curves = {"rotated task": rotated_loss(), "shared task": shared}
    return Curves(STUDENT, curves, "s", "pretraining loss after fine-tuning")


LENGTHS = np.linspace(0.5, 20, 196)


def two_modes() -> np.ndarray:
    """The pretraining loss after fine-tuning for T = 0.1: σ = (1, ½), σ' = (2, ¼), from ε = 1e-3."""
    loss = np.zeros(LENGTHS.size)
    for strong, task in ((1.0, 2.0), (0.5, 0.25)):
        s = strong / (1 + (strong / 1e-3 - 1) * np.exp(-2 * strong * LENGTHS))
        loss += (strong - mode(0.1, s, task)) ** 2 / 2
    return loss


def slowest() -> Evidence:
    """The loss keeps falling: the second mode is learned while the first overshoots, and afterwards."""
    loss = two_modes()
    first = mode(0.1, np.ones(1), 2.0)[0]
    holds = bool((np.diff(loss) < 0).all() and first > 1.1)
    return Evidence(holds, Verdict.TESTED, f"keeps falling, to {loss[-1]:.4f}; the first mode ends at {first:.3f} > 1")


def slowest_curves() -> Curves:
    """The pretraining loss after fine-tuning, along pretraining."""
    curves = {"σ' = (2, ¼)": two_modes()}
    return Curves(LENGTHS, curves, "pretraining length", "pretraining loss after fine-tuning")


def from_above() -> Evidence:
    """A mode that falls from 3 to 1 in pretraining, then σ' = ½ for T = 0.2."""
    s = np.linspace(3, 1, 200)
    loss = (1 - mode(0.2, s, 0.5)) ** 2 / 2
    best = s[np.argmin(loss)]
    holds = bool(1 < best < 2 and loss[-1] > 0.01)
    return Evidence(holds, Verdict.TESTED, f"lowest at s = {best:.2f}, before the end, where it is {loss[-1]:.3f}")


def crosses() -> Evidence:
    """One step of size 1.5 on σ' = ½, from s = 0.81 and from s = 1."""
    w = np.array([0.9, 1.0])
    x = (w + 1.5 * w * (0.5 - w**2)) ** 2
    detail = f"0.81 → {x[0]:.3f} and 1 → {x[1]:.3f}: the order is reversed"
    return Evidence(bool(x[1] < x[0] - 0.1), Verdict.TESTED, detail)


def _log_of_growth_lost() -> sp.Expr:
    """`ln(e^{2σ'T}/(e^{2σ'T} − 1))`, for a wrong variant."""
    return -sp.log(1 - sp.exp(-2 * sigma_task * T))


DERIVATION = Derivation(
    claim="D2",
    title="Alignment protects: on a shared task only overshooting raises the pretraining loss",
    statement=r"\frac{\partial x}{\partial s}=\left(\tfrac xs\right)^2e^{-2\sigma'T}>0,\quad "
    r"\frac{\partial L_{pre}}{\partial s}=(x-\sigma)\frac{\partial x}{\partial s},\quad "
    r"\frac{\partial L_{ft}}{\partial s}=(x-\sigma')\frac{\partial x}{\partial s};\qquad\sigma'>\sigma:\ "
    r"t^*=\frac1{2\sigma}\ln\frac{(\sigma/\epsilon-1)\,\sigma'}{(\sigma'-\sigma)(e^{2\sigma'T}-1)}",
    plain="Where the task shares the teacher's singular vectors and none of its features is stronger than in the "
    "teacher, longer pretraining always lowers the pretraining loss after fine-tuning; a feature that is stronger in "
    "the task overshoots, which gives this loss an inflection at every budget, at a length known exactly; the "
    "downstream loss has its inflection where s = σ', whatever the budget.",
    symbols={
        "s, x": "a mode before and after fine-tuning for the time T",
        r"\sigma,\sigma'": "its singular value in the teacher and in the task",
        r"\epsilon": "its value at the start of pretraining, 0 < ε < σ",
        "t^*": "the pretraining length at the inflection of the pretraining loss; 0 if the start is beyond it",
    },
    assumptions=(
        Assumption(
            "shared singular vectors",
            "B = U diag(σ') Vᵀ with the teacher's U and V.",
            Counterexample(
                "B = (1, 1) against A = (1, 0): on A's own mode the task is as strong as A, and yet the pretraining "
                "loss after T = 1 is lowest at s = 0.16.",
                rotated_task,
                rotated_curves,
            ),
        ),
        Assumption(
            "one mode",
            "Needed only for the inflection. The protection holds for any number of modes, all with σ' <= σ.",
            Counterexample(
                "σ = (1, ½), σ' = (2, ¼), T = 0.1, ε = 1e-3: the first mode overshoots, and yet the loss after "
                "fine-tuning keeps falling, because the second mode, learned later, lowers it by more. From a much "
                "smaller start, which separates the modes, it rises in between.",
                slowest,
                slowest_curves,
            ),
        ),
        Assumption(
            "start below the teacher",
            "0 < ε < σ.",
            Counterexample("From ε = 3 the loss after fine-tuning has an inflection although σ' < σ.", from_above),
        ),
        Assumption("aligned start", "Pretraining then keeps the modes separate (A2)."),
        Assumption(
            "balanced start",
            "Needed only for the formulas: with an imbalance a mode still obeys one autonomous equation (A4), whose "
            "solutions do not cross, so that the signs are the same.",
        ),
        Assumption(
            "gradient flow",
            "Small steps, in fine-tuning too.",
            Counterexample("Steps of size 1.5 reverse the order of two starts.", crosses),
        ),
        Assumption("whitened inputs", "In fine-tuning. Other variances along the modes only rescale time."),
    ),
    steps=(
        Step(
            r"\partial x/\partial s=(x/s)^2e^{-2\sigma'T}>0",
            "A3 with σ' as the teacher, differentiated with respect to its start: a later checkpoint stays ahead.",
            _no_crossing,
        ),
        Step(
            r"x-\sigma'=(s-\sigma')\,\tfrac xs\,e^{-2\sigma'T}",
            "Fine-tuning approaches σ' from the side on which the mode started: if s, σ' <= σ, then x <= σ.",
            _stays_below,
        ),
        Step(
            r"\partial L_{pre}/\partial s=(x-\sigma)\,\partial x/\partial s,\quad"
            r"\partial L_{ft}/\partial s=(x-\sigma')\,\partial x/\partial s",
            "So L_pre falls as long as x < σ: always if σ' <= σ, since s rises along pretraining. L_ft falls as long "
            "as s < σ'.",
            _slopes,
        ),
        Step(
            r"\sigma'>\sigma:\ 0<s^*<\sigma<x(\sigma)",
            "Fine-tuning takes one value s* exactly to σ, and every larger s beyond σ: there is a turning point at "
            "every T > 0. A start above s* is already past it.",
            _turn_inside,
        ),
        Step(
            r"0<\sigma'<\sigma:\ L_{ft}=0\text{ at }s=\sigma',\quad L_{ft}>0\text{ at }s=\sigma",
            "The downstream loss has an inflection at every budget. For σ = 1, σ' = ½, T = 0.2 it ends at 0.060.",
            _end,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("spread without its exponential", lambda f: f | {"spread": f["spread"] * sp.exp(2 * sigma_task * T)}),
        Variant("spread x/s instead of its square", lambda f: f | {"spread": sp.sqrt(f["spread"])}),
        Variant("turning point with e^{σ'T} for e^{2σ'T}", lambda f: f | {"turn": f["turn"].subs(T, T / 2)}),
        Variant(
            "σ and σ' exchanged in the turning point",
            lambda f: f | {"turn": f["turn"].subs({sigma: sigma_task, sigma_task: sigma}, simultaneous=True)},
        ),
        Variant("e^{2σ'T} for e^{2σ'T} − 1", lambda f: f | {"time": f["time"] - _log_of_growth_lost() / (2 * sigma)}),
        Variant("time 1/σ for 1/(2σ)", lambda f: f | {"time": 2 * f["time"]}),
        Variant(
            "σ/ε for σ/ε − 1 in the time", lambda f: f | {"time": f["time"] - sp.log(1 - epsilon / sigma) / (2 * sigma)}
        ),
        Variant("σ' for σ' − σ", lambda f: f | {"time": f["time"] + sp.log(1 - sigma / sigma_task) / (2 * sigma)}),
        Variant("½ missing in the downstream loss", lambda f: f | {"downstream": 2 * f["downstream"]}),
    ),
    special_case=SpecialCase(
        "no fine-tuning (T = 0), except in the time", lambda f: f | {k: f[k].subs(T, 0) for k in ("spread", "turn")}
    ),
    floor=Verdict.PROVED,
    uses=("A3", "D1"),
    link=Link(
        "overtraining.theory.fine_tuning.shared_task.overshoot_length",
        "σ 1e-6 … 1e6, σ'/σ − 1 1e-3 … 1e3, σ'T 1e-9 … 30, ε/σ 1e-290 … 1",
        _engine_error,
    ),
    source="ours",
)
