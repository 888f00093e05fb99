"""C3: as the start goes to 0 the features are learned one after another, each with its own effect on the loss."""

from collections.abc import Callable
from typing import Any

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
from overtraining.theory.derivations.checker.evidence import every, identity, positive, worst_relative_error
from overtraining.theory.derivations.claims.b1_noise import g1, g2
from overtraining.theory.derivations.claims.shared.balanced_path import (
    GEOMETRIC,
    NOISE,
    after_noise,
    c,
    epsilon,
    in_noise_cost,
    invariant,
    logistic_path,
    noise_cost,
    path,
    rename,
    s,
    sigma,
    slope,
    t,
)
from overtraining.theory.derivations.claims.shared.path_assumptions import START

k, x = sp.symbols("k x", positive=True)


def formula() -> dict[str, sp.Expr]:
    """One feature in the limit of a small start: the change of P by all of it, its turning value, the rise after it."""
    return {"change": sigma * (noise_cost - sigma / 2), "stop": sigma - noise_cost, "bump": noise_cost**2 / 2}


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The derived loss after noise from 0 to σ, the zero of its slope, and its rise from there to σ."""

    def loss(value: sp.Expr | int) -> sp.Expr:
        return after_noise().subs(s, value)

    (turn,) = sp.solve(sp.diff(after_noise(), s), s)
    return every(
        (
            ("change", identity(loss(sigma) - loss(0), candidate["change"])),
            ("stop", identity(turn, candidate["stop"])),
            ("bump", identity(loss(sigma) - loss(turn), candidate["bump"])),
        ),
        "change, turning value and rise agree",
    )


def one_after_another() -> Evidence:
    """At the same time `X = σ/s − 1` of mode kσ is `ε^{k−1} (kσ − ε)(σ − ε)^{−k} X^k` of that of mode σ."""

    def x_of(value: sp.Expr) -> sp.Expr:  # by the invariant
        return (value / epsilon - 1) * sp.exp(-2 * value * t)

    def end_of(share: sp.Expr, ratio: sp.Expr) -> sp.Expr:
        return sp.limit(share.subs(k, ratio), epsilon, 0, "+")

    derived = (invariant() * sp.exp(-2 * sigma * t)).subs(s, path())
    power = epsilon ** (k - 1)
    factor = (k * sigma - epsilon) * (sigma - epsilon) ** (-k)
    ratio = sp.powdenest(x_of(k * sigma) / x_of(sigma) ** k, force=True)
    logs = sp.expand_log(sp.log(ratio), force=True)
    logs -= sp.expand_log(sp.log(power * factor), force=True)
    logs = sp.expand(logs.subs(epsilon, sigma / (1 + c)))  # any ε < σ; c stands for a positive number
    return every(
        (
            ("X on the path", identity(derived, x_of(sigma))),
            ("relation of two modes", identity(sp.expand_log(sp.simplify(logs), force=True), 0)),
            ("a stronger mode is learned", identity(end_of(power, 1 + x), 0)),
            ("a weaker mode is not begun", identity(end_of(1 / power, 1 / (1 + x)), 0)),
            ("the factor stays finite", identity(factor.subs(epsilon, 0), k * sigma ** (1 - k))),
        ),
        "at most one mode is being learned at any time, as ε → 0",
    )


def _plateaus() -> Evidence:
    """Modes at 0 and at σ have no slope."""
    return identity((slope().subs(s, 0), slope().subs(s, sigma)), (0, 0), "no slope from modes at 0 or at σ")


def _around_the_turning_value() -> Evidence:
    """`X = σ/s − 1` falls in time and is `c/(σ − c)` at the turning value; dP/dt < 0 before it and > 0 after it."""
    y = sp.Symbol("y", positive=True)

    def slope_at(ratio: sp.Expr) -> sp.Expr:
        return sp.factor(in_noise_cost(slope()).subs(s, sigma / (1 + ratio)).subs(sigma, c + y))

    before, after = slope_at(c / y * (1 + x)), slope_at(c / y / (1 + x))
    return every((("before", positive(-before, zero_at={x: 0})), ("after", positive(after, zero_at={x: 0}))))


def _threshold() -> Evidence:
    """Learning all of a feature lowers the loss after noise exactly if σ > 2c."""
    change = in_noise_cost(sp.simplify(after_noise().subs(s, sigma) - after_noise().subs(s, 0)))
    return every(
        (
            ("σ > 2c", positive(-change.subs(sigma, 2 * c + x), zero_at={x: 0})),
            ("σ < 2c", positive(change.subs(c, sigma / 2 + x), zero_at={x: 0})),
        )
    )


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """The change everywhere, turning value and rise where σ > c; elsewhere they must be 0 and the change."""
    size = 400
    strong = 10.0 ** generator.uniform(-150, 150, size)
    ratio = 10.0 ** generator.uniform(-3, 3, size)
    near_half = generator.random(size) < 0.3
    cost = strong * np.where(near_half, 0.5 * (1 + 10.0 ** generator.uniform(-15, -1, size)), ratio)
    stages = function(strong, cost)
    above = strong > cost
    below = ~above
    same = np.allclose(stages.bump[below], stages.change[below], rtol=1e-15, atol=0)
    if not (np.all(stages.stop[below] == 0) and same):
        return np.inf

    def error(name: str, points: slice | np.ndarray) -> float:
        exact = in_noise_cost(expression[name])
        return worst_relative_error(
            exact, (sigma, c), lambda a, b: getattr(function(a, b), name), [strong[points], cost[points]]
        )

    return max(error("change", slice(None)), error("stop", above), error("bump", above))


def _loss(values: list[float], start: float, noise_cost: float, times: np.ndarray) -> np.ndarray:
    """The loss after noise on a grid of times, along the balanced path."""
    v = np.array(values)
    modes = logistic_path(v, start, times[:, None])
    return ((v - modes) ** 2 / 2 + noise_cost * modes).sum(axis=1)


def _minima(loss: np.ndarray) -> int:
    """How many local minima the loss has on the grid."""
    return int(np.sum((loss[1:-1] < loss[:-2]) & (loss[1:-1] < loss[2:])))


def _needs_small_start() -> Evidence:
    """From 1e-2 two features above c share one minimum; from 1e-30 each has its own."""
    times = np.linspace(0, 80, 40_001)
    large, small = (_minima(_loss([1.0, 0.7], start, 0.1, times)) for start in (1e-2, 1e-30))
    detail = f"minima for σ = 1, 0.7 and c = 0.1: {large} from 1e-2, {small} from 1e-30"
    return Evidence((large, small) == (1, 2), Verdict.TESTED, detail)


def _start_curves() -> Curves:
    times = np.linspace(0, 60, 301)
    curves = {f"ε = {start}": _loss([1.0, 0.7], start, 0.1, times) for start in (1e-2, 1e-30)}
    return Curves(times, curves, "pretraining length", "loss after noise")


def _needs_distinct() -> Evidence:
    """Three equal features have their turning point together, and the rise is three times as large."""
    loss = _loss([1.0, 1.0, 1.0], 1e-8, 0.2, np.linspace(0, 40, 40_001))
    rise = float(loss[-1] - loss.min())
    return Evidence(abs(rise - 0.06) < 1e-4, Verdict.TESTED, f"three equal features rise by {rise:.4f}, ½c² = 0.02")


DERIVATION = Derivation(
    claim="C3",
    title="Which features lower the loss after noise",
    statement=r"\Delta P=\sigma\left(c-\tfrac{\sigma}{2}\right),\qquad s_{stop}=\sigma-c,\qquad "
    r"P(\sigma)-P(\sigma-c)=\tfrac12c^2\qquad(\epsilon\to0)",
    plain="As the start goes to 0, features are learned one after another. Learning a feature completely lowers the "
    "loss after noise exactly if σ > 2c. Each feature with σ > c causes a local minimum when its singular value "
    "reaches σ − c, followed by a rise of ½c².",
    symbols={
        r"\sigma": "teacher's singular value",
        "s": "student's singular value",
        "c": "noise cost of one unit of singular value, ½(γ₂² d_out + γ₁² d_in)",
        r"\epsilon": "student's singular value at the start",
        "X": "σ/s − 1, the unlearned part in units of the learned part",
        "k": "ratio of the σ of two modes",
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        r"d_{in},d_{out}": "widths of input and output",
    },
    assumptions=(
        Assumption(
            "small ε",
            "The start goes to 0, so that the stages separate, and it lies below every σ.",
            Counterexample("From 1e-2 two features above c share one minimum.", _needs_small_start, _start_curves),
        ),
        Assumption(
            "distinct singular values",
            "No two features are equal.",
            Counterexample("m equal features have their minimum together, and the rise is m·½c².", _needs_distinct),
        ),
        *START,
        *NOISE,
    ),
    steps=(
        Step(
            r"X_k=\epsilon^{k-1}\,(k\sigma-\epsilon)(\sigma-\epsilon)^{-k}X_1^{k}",
            "Two modes σ and kσ at the same time, k > 1, by the invariant. While X₁ is of order one, X_k → 0: the "
            "stronger mode is already learned. While X_k is of order one, X₁ ∝ ε^{−(k−1)/k} → ∞: the weaker one has "
            "not begun. Both hold uniformly in time.",
            one_after_another,
        ),
        Step(
            r"\left.\tfrac{dP}{dt}\right|_{s=0}=\left.\tfrac{dP}{dt}\right|_{s=\sigma}=0",
            "So in the limit only the mode that is being learned contributes to the slope.",
            _plateaus,
        ),
        Step(
            r"\mathrm{sign}\,\tfrac{dP}{dt}=\mathrm{sign}\left(\tfrac{c}{\sigma-c}-X\right),\quad\sigma>c",
            "At a fixed distance in time before and after the turning value the slope is negative and positive, and it "
            "keeps these signs for small enough ε: a local minimum lies in between.",
            _around_the_turning_value,
        ),
        Step(
            r"\Delta P<0\iff\sigma>2c",
            "The change by all of a feature, with σ = 2c + x and with c = σ/2 + x.",
            _threshold,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in and d_out swapped", lambda f: rename(f, {d_in: d_out, d_out: d_in})),
        Variant("geometric for arithmetic mean in c", lambda f: rename(f, GEOMETRIC)),
        Variant("threshold c for 2c", lambda f: f | {"change": sigma * (noise_cost - sigma) / 2}),
        Variant("turning value σ − 2c", lambda f: f | {"stop": sigma - 2 * noise_cost}),
        Variant("rise c² for ½c²", lambda f: f | {"bump": noise_cost**2}),
        Variant("rise ½σ² for ½c²", lambda f: f | {"bump": sigma**2 / 2}),
        Variant("sign of the change", lambda f: f | {"change": -f["change"]}),
        Variant("noise cost halved", lambda f: rename(f, {g1: g1 / sp.sqrt(2), g2: g2 / sp.sqrt(2)})),
    ),
    special_case=SpecialCase("square, equal noise", lambda f: rename(f, {d_out: d_in, g2: g1})),
    floor=Verdict.PROVED,
    uses=("A3", "B1", "C1"),
    link=Link(
        "overtraining.theory.inflection.stages.stage",
        "σ 1e-150 … 1e150, c/σ 1e-3 … 1e3, also within 1e-15 of ½",
        _engine_error,
    ),
    source="ours; one feature after another: Saxe et al. 2014, Gidel et al. 2019",
)
