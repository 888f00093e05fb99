"""D7t: replay is training on an interpolated teacher, and no other remedy ends at a better trade-off."""

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
    """The interpolated teacher; the least mixed loss; the best trade-off of both losses."""
    return {
        "teacher": (1 - rho) * beta + rho * alpha,
        "mixed": rho * (1 - rho) * distance**2 / 2,
        "frontier": (distance - sp.sqrt(2 * loss)) ** 2 / 2,
    }


def _letters() -> tuple[MatrixSum, ...]:
    """The network f and the teachers A and B."""
    return tuple(MatrixSum.of(Letter(name, "d_out", "d_in")) for name in "fAB")


def _mixed_loss() -> TraceSum:
    f, a, b = _letters()
    return (1 - rho) * (HALF * squared_norm(f - b)) + rho * (HALF * squared_norm(f - a))


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """Teacher and least loss, as an identity of traces for every f; the frontier, at the end of replay."""
    f, a, b = _letters()
    teacher = scaled(candidate["teacher"].coeff(alpha), a) + scaled(candidate["teacher"].coeff(beta), b)
    least = (candidate["mixed"] / distance**2) * squared_norm(a - b)
    difference = _mixed_loss() - HALF * squared_norm(f - teacher) - least
    frontier = candidate["frontier"].subs(loss, rho**2 * distance**2 / 2)
    identity_of_traces = Evidence(difference.is_zero(), Verdict.PROVED, f"{len(difference.terms)} traces differ")
    return every(
        (
            ("teacher and least loss", identity_of_traces),
            ("frontier", identity(sp.expand(frontier), sp.expand((1 - rho) ** 2 * distance**2 / 2))),
        ),
        "teacher, least loss and frontier",
    )


def _bound() -> Evidence:
    """`½‖f − A_ρ‖² >= 0` at `L_ft = ½ρ²D²` means `L_pre >= ½(1 − ρ)²D²`."""
    bound = (formula()["mixed"] - (1 - rho) * rho**2 * distance**2 / 2) / rho
    return identity(sp.expand(bound), sp.expand((1 - rho) ** 2 * distance**2 / 2))


def _faster() -> Evidence:
    """`∂²L_ft/∂ρ∂T` at T = 0 on a balanced mode is −2s(σ' − s)(σ − σ'): a gain where σ' lies between s and σ."""
    s, T = sp.symbols("s T", positive=True)
    mixture = formula()["teacher"]
    speed = 2 * s * (mixture - s)
    by_a3 = a3.rate().subs({a3.mu: 0, a3.sigma: mixture, a3.s: s}, simultaneous=True)
    gain = sp.diff((beta - s - T * speed) ** 2 / 2, T).subs(T, 0).diff(rho)
    claimed = -2 * s * (beta - s) * (alpha - beta)
    differences = (sp.expand(by_a3 - speed), sp.expand(gain - claimed))
    return identity(differences, (0, 0), "replay of the stronger teacher speeds it up")


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """The frontier, and the interpolated teacher."""
    d = 10.0 ** generator.uniform(-6, 6, 200)
    below = generator.uniform(0.01, 0.99, 200)
    if (function(d, d * d) != 0).any():
        return np.inf
    points = [d, d**2 * below**2 / 2]
    condition = 2 / (1 - below)
    worst = worst_relative_error(expression["frontier"], (distance, loss), function, points, lambda *_: condition)

    def mixture_condition(a: np.ndarray, b: np.ndarray, r: np.ndarray) -> np.ndarray:
        return (np.abs((1 - r) * b) + np.abs(r * a)) / np.abs((1 - r) * b + r * a) + 1 / (1 - r)

    points = [generator.normal(size=50), generator.normal(size=50), generator.random(50)]
    symbols = (alpha, beta, rho)
    mixed = worst_relative_error(expression["teacher"], symbols, interpolated, points, mixture_condition)
    return max(worst, mixed)


def _other_inputs() -> Evidence:
    """Downstream inputs of covariance diag(4, ¼), A = 0, B = (1, 1), ρ = ½: the optimum is (0.8, 0.2), not (½, ½)."""
    best = np.array([4.0, 0.25]) / (1 + np.array([4.0, 0.25]))
    return Evidence(bool(np.abs(best - 0.5).min() > 0.29), Verdict.TESTED, f"optimum at {best}")


def _curves() -> Curves:
    share = np.linspace(0, 1, 41)
    low_rank = np.sqrt(1 - share**2)
    curves = {"replay, converged": 1 - share, "low rank": low_rank}
    return Curves(share, curves, "√L_ft over its largest value", "√L_pre over its largest value")


DERIVATION = Derivation(
    claim="D7t",
    title="Replay, and the best trade-off between two tasks",
    statement=r"(1-\rho)L_{ft}+\rho L_{pre}=\tfrac12\|f-A_\rho\|^2+\tfrac12\rho(1-\rho)\|A-B\|^2,\ "
    r"A_\rho=(1-\rho)B+\rho A;\quad L_{pre}\ge\tfrac12\left(\|A-B\|-\sqrt{2L_{ft}}\right)_+^2",
    plain="Replay is fine-tuning on a teacher between the two tasks, in the same time. Whatever the pretraining "
    "length, it ends at the best trade-off between both losses that any weights allow.",
    symbols={
        "A,B,f": "teacher of pretraining, task, network",
        r"\rho": "weight of the pretraining loss",
        "D": "‖A − B‖",
        r"\ell": "downstream loss L_ft",
    },
    assumptions=(
        Assumption(
            "same inputs",
            "Both losses are over inputs of the same covariance, whitened unless the norms are weighted with it.",
            Counterexample(
                "With other inputs downstream the optimum is not on the segment between the teachers.",
                _other_inputs,
                _curves,
            ),
        ),
        Assumption(
            "wide enough hidden layer", "h carries A_ρ; otherwise the frontier is a bound that is not attained."
        ),
    ),
    steps=(
        Step(
            r"L_{pre}\ge\frac{\tfrac12\rho(1-\rho)D^2-(1-\rho)L_{ft}}{\rho}=\tfrac12(1-\rho)^2D^2\ \text{at }"
            r"L_{ft}=\tfrac12\rho^2D^2",
            "The least mixed loss is a bound for all weights, attained at A_ρ.",
            _bound,
        ),
        Step(
            r"\frac{\partial^2L_{ft}}{\partial\rho\,\partial T}=-2s(\sigma'-s)(\sigma-\sigma')",
            "Replay is not always a cost: on a mode that moves from s < σ' toward σ > σ' it speeds up learning the "
            "task.",
            _faster,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("weights of the losses exchanged", lambda f: f | {"teacher": f["teacher"].subs(rho, 1 - rho)}),
        Variant("teacher halfway between the tasks", lambda f: f | {"teacher": (alpha + beta) / 2}),
        Variant("½ missing", lambda f: f | {"mixed": 2 * f["mixed"]}),
        Variant("ρ² for ρ(1 − ρ)", lambda f: f | {"mixed": rho**2 * distance**2 / 2}),
        Variant("linear frontier", lambda f: f | {"frontier": distance**2 / 2 - loss}),
        Variant("√L_ft for √(2L_ft)", lambda f: f | {"frontier": (distance - sp.sqrt(loss)) ** 2 / 2}),
    ),
    special_case=SpecialCase(
        "equal weights of equal tasks",
        lambda f: {k: e.subs({beta: alpha, rho: HALF, loss: 0}, simultaneous=True) for k, e in f.items()},
    ),
    floor=Verdict.PROVED,
    uses=("A3",),
    link=Link(
        "overtraining.theory.remedies.tradeoff.least_forgetting",
        "D 1e-6 … 1e6, L_ft 0 … ∞; interpolated teachers",
        _engine_error,
    ),
    source="ours",
)
