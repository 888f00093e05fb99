"""D7t: replay is training on an interpolated target, which no other remedy beats in the end."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import scaled
from overtraining.theory.derivations.calculus.trace_calculus import squared_norm
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum
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
from overtraining.theory.derivations.checker.evidence import every, identity, worst_relative_error
from overtraining.theory.derivations.claims import a3_balanced_mode as a3
from overtraining.theory.fine_tuning.mixed_target import interpolated

alpha, beta = sp.symbols("alpha beta", real=True)  # A and B, entry by entry
rho, distance, loss = sp.symbols("rho D ell", positive=True)
HALF = sp.Rational(1, 2)


def formula() -> dict[str, sp.Expr]:
    """The target; what mixing leaves at its optimum; the best trade."""
    return {
        "target": (1 - rho) * beta + rho * alpha,
        "mixed": rho * (1 - rho) * distance**2 / 2,
        "frontier": (distance - sp.sqrt(2 * loss)) ** 2 / 2,
    }


def _letters() -> tuple[MatrixSum, ...]:
    return tuple(MatrixSum.of(Letter(name, "d_out", "d_in")) for name in "fAB")


def _mixed() -> TraceSum:
    f, a, b = _letters()
    return (1 - rho) * (HALF * squared_norm(f - b)) + rho * (HALF * squared_norm(f - a))


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """Target and rest as an identity of traces for every f; the frontier where replay ends."""
    f, a, b = _letters()
    target = scaled(candidate["target"].coeff(alpha), a) + scaled(candidate["target"].coeff(beta), b)
    rest = _mixed() - HALF * squared_norm(f - target) - (candidate["mixed"] / distance**2) * squared_norm(a - b)
    share = sp.Symbol("q", positive=True)  # 1 − ρ
    frontier = candidate["frontier"].subs(loss, rho**2 * distance**2 / 2).subs(rho, 1 - share)
    return every(
        (
            ("target and rest", Evidence(rest.is_zero(), Verdict.PROVED, f"{len(rest.terms)} traces differ")),
            ("frontier", identity(sp.expand(frontier), share**2 * distance**2 / 2)),
        ),
        "target, rest and frontier",
    )


def _bound() -> Evidence:
    """`½‖f − A_ρ‖² >= 0` at `L_ft = ½ρ²D²` is `L_pre >= ½(1 − ρ)²D²`."""
    lowest = (formula()["mixed"] - (1 - rho) * rho**2 * distance**2 / 2) / rho
    return identity(sp.expand(lowest), sp.expand((1 - rho) ** 2 * distance**2 / 2))


def _cheap() -> Evidence:
    """`∂²L_ft/∂ρ∂T` at T = 0 on a balanced mode: −2s(σ' − s)(σ − σ'), a gain where σ' is on the way from s to σ."""
    s, T = sp.symbols("s T", positive=True)
    speed = 2 * s * ((1 - rho) * beta + rho * alpha - s)  # A3 with the interpolated target
    first = sp.expand(a3.rate().subs({a3.mu: 0, a3.sigma: (1 - rho) * beta + rho * alpha, a3.s: s}, simultaneous=True))
    gain = sp.diff((beta - s - T * speed) ** 2 / 2, T).subs(T, 0).diff(rho)
    claimed = -2 * s * (beta - s) * (alpha - beta)
    return identity(
        (sp.expand(first - speed), sp.expand(gain - claimed)), (0, 0), "replay of the stronger task hurries"
    )


def _engine(expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The frontier; the target."""
    d, below = 10.0 ** generator.uniform(-6, 6, 200), generator.uniform(0.01, 0.99, 200)
    if (function(d, d * d) != 0).any():
        return np.inf
    given = d**2 * below**2 / 2
    condition = lambda *_: 2 / (1 - below)
    worst = worst_relative_error(expression["frontier"], (distance, loss), function, [d, given], condition)
    a, b, r = generator.normal(size=50), generator.normal(size=50), generator.random(50)
    size = lambda a, b, r: (np.abs((1 - r) * b) + np.abs(r * a)) / np.abs((1 - r) * b + r * a) + 1 / (1 - r)
    worst = max(worst, worst_relative_error(expression["target"], (alpha, beta, rho), interpolated, [a, b, r], size))
    return worst


def _other_inputs() -> Evidence:
    """Downstream inputs of covariance diag(4, ¼), A = 0, B = (1, 1), ρ = ½: the optimum is (0.8, 0.2), not (½, ½)."""
    best = np.array([4.0, 0.25]) / (1 + np.array([4.0, 0.25]))
    return Evidence(bool(np.abs(best - 0.5).min() > 0.29), Verdict.TESTED, f"optimum at {best}")


def _curves() -> Curves:
    share = np.linspace(0, 1, 41)
    low = np.sqrt(1 - share**2)
    return Curves(
        share, {"replay, to the end": 1 - share, "low rank": low}, "√L_ft over its largest", "√L_pre over its largest"
    )


DERIVATION = Derivation(
    claim="D7t",
    title="Replay, and the best trade between two tasks",
    statement=r"(1-\rho)L_{ft}+\rho L_{pre}=\tfrac12\|f-A_\rho\|^2+\tfrac12\rho(1-\rho)\|A-B\|^2,\ "
    r"A_\rho=(1-\rho)B+\rho A;\quad L_{pre}\ge\tfrac12\left(\|A-B\|-\sqrt{2L_{ft}}\right)_+^2",
    plain="Replay is fine-tuning on a target between the tasks, on the same clock, and ends, whatever the pretraining "
    "length, on the best trade between both losses that any weights allow.",
    symbols={
        "A,B,f": "pretraining's teacher, the task's, the network",
        r"\rho": "share of pretraining's loss",
        "D": "‖A − B‖",
        r"\ell": "downstream loss L_ft",
    },
    assumptions=(
        Assumption(
            "same inputs",
            "Both losses are over inputs of the same covariance; whitened where norms are not weighted.",
            Counterexample("With other inputs downstream the optimum leaves the segment.", _other_inputs, _curves),
        ),
        Assumption("wide enough hidden layer", "h carries A_ρ; otherwise the frontier is a bound that is not reached."),
    ),
    steps=(
        Step(
            r"L_{pre}\ge\frac{\tfrac12\rho(1-\rho)D^2-(1-\rho)L_{ft}}{\rho}=\tfrac12(1-\rho)^2D^2\ \text{at }"
            r"L_{ft}=\tfrac12\rho^2D^2",
            "What mixing leaves is a bound for all weights; at A_ρ itself it is attained.",
            _bound,
        ),
        Step(
            r"\frac{\partial^2L_{ft}}{\partial\rho\,\partial T}=-2s(\sigma'-s)(\sigma-\sigma')",
            "Replay does not always cost: on a mode on its way from s < σ' toward σ > σ' it speeds the task up.",
            _cheap,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("shares exchanged", lambda f: f | {"target": f["target"].subs(rho, 1 - rho)}),
        Variant("target at half way", lambda f: f | {"target": (alpha + beta) / 2}),
        Variant("½ missing", lambda f: f | {"mixed": 2 * f["mixed"]}),
        Variant("ρ² for ρ(1 − ρ)", lambda f: f | {"mixed": rho**2 * distance**2 / 2}),
        Variant("a straight frontier", lambda f: f | {"frontier": distance**2 / 2 - loss}),
        Variant("√L_ft for √(2L_ft)", lambda f: f | {"frontier": (distance - sp.sqrt(loss)) ** 2 / 2}),
    ),
    special_case=SpecialCase("equal shares of equal tasks", lambda f: {
        k: e.subs({beta: alpha, rho: HALF, loss: 0}, simultaneous=True) for k, e in f.items()}),
    floor=Verdict.PROVED,
    uses=("A3",),
    link=Link("overtraining.theory.remedies.tradeoff.least_forgetting", "D 1e-6 … 1e6, L_ft 0 … ∞; targets", _engine),
    source="ours",
)  # fmt: skip
