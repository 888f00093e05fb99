"""D2: on a task with the teacher's singular vectors the flows of a mode do not cross; only an overshoot can hurt."""

import functools

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

T, s, sigma, epsilon, gap, rest = sp.symbols("T s sigma epsilon g r", positive=True)
target = sp.Symbol("sigma'", real=True, nonzero=True)


@functools.cache
def path() -> sp.Expr:
    """A3's solution, without decay."""
    return a3.solved()[0].subs(a3.mu, 0)


def tuned(start: sp.Expr = s) -> sp.Expr:
    """`x(T)`: A3's path with σ' in the teacher's place, from s."""
    return path().subs({a3.sigma: target, a3.epsilon: start, a3.t: T}, simultaneous=True)


def formula() -> dict[str, sp.Expr]:
    """`∂x/∂s`, where the pretraining loss after fine-tuning turns, when, and the downstream loss at the end."""
    growth = sp.exp(2 * target * T)
    return {
        "spread": (target / (s + (target - s) / growth)) ** 2 / growth,
        "turn": sigma * target / (sigma + (target - sigma) * growth),
        "time": sp.log((sigma / epsilon - 1) * target / ((target - sigma) * (growth - 1))) / (2 * sigma),
        "downstream": (target * (target - sigma) / (target + sigma * (growth - 1))) ** 2 / 2,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """Against A3's path, once for pretraining and once for fine-tuning."""
    there = path().subs({a3.sigma: sigma, a3.epsilon: epsilon, a3.t: candidate["time"]})
    return every(
        (
            ("spread", identity(tuned().diff(s), candidate["spread"])),
            ("at the turn fine-tuning ends at σ", identity(tuned(candidate["turn"]), sigma)),
            ("pretraining is there at that time", identity(there, candidate["turn"])),
            ("downstream loss at the end", identity((target - tuned(sigma)) ** 2 / 2, candidate["downstream"])),
        ),
        "spread, turn, time and the end agree",
    )


def _no_crossing() -> Evidence:
    """`∂x/∂s = (x/s)² e^{−2σ'T}`, a square times an exponential."""
    return identity(tuned().diff(s), (tuned() / s) ** 2 * sp.exp(-2 * target * T))


def _stays_below() -> Evidence:
    """`(x − σ')/(s − σ') = s⁻¹x e^{−2σ'T} > 0`: x is on the side of σ' on which s was, so x <= max(s, σ') <= σ."""
    return identity(sp.simplify((tuned() - target) / (s - target)), sp.simplify(tuned() / s * sp.exp(-2 * target * T)))


def _slopes() -> Evidence:
    """Both losses after, differentiated in s: their sign is that of x − σ, or of x − σ'."""
    x, spread = tuned(), tuned().diff(s)
    return identity(
        (((sigma - x) ** 2 / 2).diff(s), ((target - x) ** 2 / 2).diff(s)), ((x - sigma) * spread, (x - target) * spread)
    )


def _turn_inside() -> Evidence:
    """With σ' = σ + g and e^{2σ'T} = 1 + r: `0 < s* < σ` for every T > 0, and at s = σ fine-tuning ends above σ."""
    with_growth = lambda e: sp.simplify(e.subs(T, sp.log(1 + rest) / (2 * target)).subs(target, sigma + gap))
    turn = with_growth(formula()["turn"])
    return every(
        (
            ("s* > 0", positive(turn)),
            ("s* < σ", positive(sp.together(sigma - turn))),
            ("x(σ) > σ", positive(sp.together(with_growth(tuned(sigma)) - sigma))),
        ),
        "3 signs",
    )


def _end() -> Evidence:
    """With 0 < σ' < σ the downstream loss is 0 where s = σ', and at the end positive, for every T."""
    at_turn = sp.simplify(tuned(target) - target)
    weak = sp.Symbol("q", positive=True)
    end = (tuned(sigma) - target).subs(T, sp.log(1 + rest) / (2 * target)).subs(target, weak).subs(sigma, weak + gap)
    return every((("0 at s = σ'", identity(at_turn, 0)), ("x > σ' at the end", positive(sp.together(end)))), "2 cases")


def _engine(expression: dict[str, sp.Expr], function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Inside against the expression, in units of the logarithms that cancel; outside the stated limits, exactly."""
    size = 300
    strong = 10.0 ** generator.uniform(-6, 6, size)
    task = strong * (1 + 10.0 ** generator.uniform(-3, 3, size))
    budget = generator.uniform(1e-3, 30, size) / task * 10.0 ** generator.uniform(-6, 0, size)
    start = strong * 10.0 ** -generator.uniform(0.01, 290, size)
    inputs = (T, sigma, target, epsilon)
    turn = sp.lambdify(inputs[:3], expression["turn"])(budget, strong, task)
    inside = start < turn * (1 - 1e-6)
    if not (inside.any() and (function(budget[~inside], strong[~inside], task[~inside], start[~inside]) < 1e-5).all()):
        return np.inf
    if (
        not np.isinf(function(budget, strong, strong, start)).all()
        or not np.isinf(function(0.0, strong, task, start)).all()
    ):
        return np.inf

    def condition(budget: np.ndarray, sigma: np.ndarray, target: np.ndarray, epsilon: np.ndarray) -> np.ndarray:
        grown = 2 * target * budget
        logs = (
            np.abs(np.log(sigma / epsilon))
            + np.abs(np.log(np.expm1(grown)))
            + np.abs(np.log(target / (target - sigma)))
        )
        moved = sigma / (sigma - epsilon) + 2 * (target + sigma) / (target - sigma) + 2 + grown
        total = np.log((sigma - epsilon) / epsilon * target / (target - sigma)) - np.log(np.expm1(grown))
        return 2 + (logs + moved) / np.abs(total)

    points = [x[inside] for x in (budget, strong, task, start)]
    return worst_relative_error(expression["time"], inputs, function, points, condition)


S = np.linspace(0.01, 1, 100)


def mode(s: np.ndarray, target: float | np.ndarray, budget: float | np.ndarray) -> np.ndarray:
    """A balanced mode after fine-tuning, written out here."""
    return target * s / (s + (target - s) * np.exp(-2 * target * budget))


def turned_loss(budget: float = 1.0) -> np.ndarray:
    """`½‖f − (1, 0)‖²` after fine-tuning on (1, 1) from (s, 0), one hidden unit, followed in small steps."""
    steps, w, u = 2000, np.stack([np.sqrt(S), np.zeros_like(S)]), np.sqrt(S)
    task = np.array([[1.0], [1.0]])
    for _ in range(steps):
        left = task - u * w
        w, u = w + budget / steps * u * left, u + budget / steps * (left * w).sum(axis=0)
    return ((u * w - np.array([[1.0], [0.0]])) ** 2).sum(axis=0) / 2


def turned() -> Evidence:
    """The loss after is lowest long before the end."""
    loss = turned_loss()
    best = S[np.argmin(loss)]
    detail = f"lowest {loss.min():.3f} at s = {best:.2f}, at the end {loss[-1]:.3f}"
    return Evidence(bool(best < 0.3 and loss[-1] > loss.min() + 0.1), Verdict.TESTED, detail)


def turned_curves() -> Curves:
    """The loss after fine-tuning on the turned task, and on the teacher itself."""
    shared = (1 - mode(S, 1.0, 1.0)) ** 2 / 2
    return Curves(S, {"turned task": turned_loss(), "shared task": shared}, "s", "pretraining loss after")


LENGTHS = np.linspace(0.5, 20, 196)


def two_modes() -> np.ndarray:
    """The pretraining loss after T = 0.1 for σ = (1, ½), σ' = (2, ¼), from ε = 1e-3."""
    loss = np.zeros(LENGTHS.size)
    for strong, task in ((1.0, 2.0), (0.5, 0.25)):
        s = strong / (1 + (strong / 1e-3 - 1) * np.exp(-2 * strong * LENGTHS))
        loss += (strong - mode(s, task, 0.1)) ** 2 / 2
    return loss


def slowest() -> Evidence:
    """It falls all along: the second mode is learned while and after the first overshoots."""
    loss, first = two_modes(), mode(np.ones(1), 2.0, 0.1)[0]
    holds = bool((np.diff(loss) < 0).all() and first > 1.1)
    return Evidence(
        holds, Verdict.TESTED, f"falls all along, to {loss[-1]:.4f}; the first mode ends at {first:.3f} > 1"
    )


def slowest_curves() -> Curves:
    """The loss after, along pretraining."""
    return Curves(LENGTHS, {"σ' = (2, ¼)": two_modes()}, "pretraining length", "pretraining loss after")


def from_above() -> Evidence:
    """A mode that comes down from 3 to 1, on σ' = ½ for T = 0.2."""
    s = np.linspace(3, 1, 200)
    loss = (1 - mode(s, 0.5, 0.2)) ** 2 / 2
    best = s[np.argmin(loss)]
    holds = bool(1 < best < 2 and loss[-1] > 0.01)
    return Evidence(holds, Verdict.TESTED, f"lowest at s = {best:.2f} on the way down, {loss[-1]:.3f} at the end")


def crosses() -> Evidence:
    """One step of 1.5 on σ' = ½ from s = 0.81 and from s = 1."""
    w = np.array([0.9, 1.0])
    x = (w + 1.5 * w * (0.5 - w**2)) ** 2
    return Evidence(bool(x[1] < x[0] - 0.1), Verdict.TESTED, f"0.81 → {x[0]:.3f} and 1 → {x[1]:.3f}: the order is lost")


DERIVATION = Derivation(
    claim="D2",
    title="Alignment protects: on a shared task only overshoot hurts the pretraining loss",
    statement=r"\frac{\partial x}{\partial s}=\left(\tfrac xs\right)^2e^{-2\sigma'T}>0,\quad "
    r"\frac{\partial L_{pre}}{\partial s}=(x-\sigma)\frac{\partial x}{\partial s},\quad "
    r"\frac{\partial L_{ft}}{\partial s}=(x-\sigma')\frac{\partial x}{\partial s};\qquad\sigma'>\sigma:\ "
    r"t^*=\frac1{2\sigma}\ln\frac{(\sigma/\epsilon-1)\,\sigma'}{(\sigma'-\sigma)(e^{2\sigma'T}-1)}",
    plain="Where the task shares the teacher's singular vectors and no feature is stronger in it, longer pretraining "
    "always lowers the pretraining loss after fine-tuning; a feature that is stronger in the task overshoots and turns "
    "it, for every budget, at a length known exactly; the downstream loss turns where s = σ', whatever the budget.",
    symbols={
        "s, x": "a mode before and after fine-tuning for the time T",
        r"\sigma,\sigma'": "its value in the teacher and in the task",
        r"\epsilon": "its start, 0 < ε < σ",
        "t^*": "the pretraining length where the pretraining loss after fine-tuning turns; 0 if s(0) is beyond it",
    },
    assumptions=(
        Assumption(
            "shared singular vectors",
            "B = U diag(σ') Vᵀ with the teacher's U and V.",
            Counterexample(
                "B = (1, 1) against A = (1, 0): on A's own mode the task is as strong as A, and the pretraining loss "
                "after T = 1 is lowest at s = 0.16.",
                turned,
                turned_curves,
            ),
        ),
        Assumption(
            "one mode",
            "Only for the inflection. Protection is for any number of modes, all with σ' <= σ.",
            Counterexample(
                "σ = (1, ½), σ' = (2, ¼), T = 0.1: the first mode overshoots, and the loss after fine-tuning still "
                "falls all along: the second, later one pays for it.",
                slowest,
                slowest_curves,
            ),
        ),
        Assumption(
            "start below the teacher",
            "0 < ε < σ.",
            Counterexample("From ε = 3 the loss after turns although σ' < σ.", from_above),
        ),
        Assumption("aligned start", "Then pretraining keeps the modes apart (A2)."),
        Assumption(
            "balanced start",
            "Only for the formulas: with an imbalance too a mode obeys one autonomous equation (A4); its flows do not "
            "cross, so that the signs are the same.",
        ),
        Assumption(
            "gradient flow",
            "Small steps, in fine-tuning as well.",
            Counterexample("Steps of 1.5 reverse the order of two starts.", crosses),
        ),
        Assumption("whitened inputs", "In fine-tuning. Other variances along the modes change only the clocks."),
    ),
    steps=(
        Step(
            r"\partial x/\partial s=(x/s)^2e^{-2\sigma'T}>0",
            "A3 with σ' as the teacher, differentiated by its start: a later checkpoint stays ahead.",
            _no_crossing,
        ),
        Step(
            r"x-\sigma'=(s-\sigma')\,\tfrac xs\,e^{-2\sigma'T}",
            "Fine-tuning approaches σ' from the side on which the mode was: s, σ' <= σ give x <= σ.",
            _stays_below,
        ),
        Step(
            r"\partial L_{pre}/\partial s=(x-\sigma)\,\partial x/\partial s,\quad"
            r"\partial L_{ft}/\partial s=(x-\sigma')\,\partial x/\partial s",
            "So L_pre falls while x < σ: for ever if σ' <= σ, as s rises along pretraining. L_ft falls while s < σ'.",
            _slopes,
        ),
        Step(
            r"\sigma'>\sigma:\ 0<s^*<\sigma<x(\sigma)",
            "Fine-tuning takes some s* to σ exactly and every later s beyond it: a turn at every T > 0. A start above "
            "s* is past it.",
            _turn_inside,
        ),
        Step(
            r"0<\sigma'<\sigma:\ L_{ft}=0\text{ at }s=\sigma',\quad L_{ft}>0\text{ at }s=\sigma",
            "The downstream loss has an inflection at every budget. σ = 1, σ' = ½, T = 0.2: it ends at 0.060.",
            _end,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("spread without its exponential", lambda f: f | {"spread": f["spread"] * sp.exp(2 * target * T)}),
        Variant("spread x/s, not squared", lambda f: f | {"spread": sp.sqrt(f["spread"])}),
        Variant("turn at the rate σ'", lambda f: f | {"turn": f["turn"].subs(T, T / 2)}),
        Variant(
            "σ and σ' exchanged in the turn",
            lambda f: f | {"turn": f["turn"].subs({sigma: target, target: sigma}, simultaneous=True)},
        ),
        Variant("e^{2σ'T} for e^{2σ'T} − 1", lambda f: f | {"time": f["time"] - _late() / (2 * sigma)}),
        Variant("time at the rate σ", lambda f: f | {"time": 2 * f["time"]}),
        Variant(
            "−1 dropped at the start", lambda f: f | {"time": f["time"] - sp.log(1 - epsilon / sigma) / (2 * sigma)}
        ),
        Variant("σ' for σ' − σ", lambda f: f | {"time": f["time"] + sp.log(1 - sigma / target) / (2 * sigma)}),
        Variant("downstream loss not halved", lambda f: f | {"downstream": 2 * f["downstream"]}),
    ),
    special_case=SpecialCase(
        "no fine-tuning, T = 0, but for the time", lambda f: f | {k: f[k].subs(T, 0) for k in ("spread", "turn")}
    ),
    floor=Verdict.PROVED,
    uses=("A3", "D1"),
    link=Link(
        "overtraining.theory.fine_tuning.shared_task.overshoot_length",
        "σ 1e-6 … 1e6, σ'/σ − 1 1e-3 … 1e3, σ'T 1e-9 … 30, ε/σ 1e-290 … 1",
        _engine,
    ),
    source="ours",
)


def _late() -> sp.Expr:
    return -sp.log(1 - sp.exp(-2 * target * T))
