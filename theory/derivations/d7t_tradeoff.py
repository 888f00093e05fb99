"""D7t: replay is training on an interpolated target, which no other remedy beats in the end; what a low rank allows."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import sympy as sp

from theory.derivations import a3_balanced_mode as a3
from theory.derivations.core import (
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
)  # fmt: skip
from theory.derivations.evidence import every, identity, worst_error
from theory.derivations.matrix_words import normal, scaled
from theory.derivations.trace_calculus import squared_norm
from theory.derivations.trace_words import Letter, MatrixSum, TraceSum
from theory.tradeoff import interpolated, low_rank_floor

alpha, beta = sp.symbols("alpha beta", real=True)  # A and B, entry by entry
rho, distance, loss = sp.symbols("rho D ell", positive=True)
STEPS = sp.symbols("delta_1:6", nonnegative=True)
VALUES = tuple(sp.Add(*STEPS[i:]) for i in range(5))  # σ₁ >= … >= σ₅ >= 0 of B − f
HALF = sp.Rational(1, 2)


def formula() -> dict[str, sp.Expr]:
    """The target; what mixing leaves at its optimum; the best trade; the floor of one update of rank 1, and of 2."""
    return {
        "target": (1 - rho) * beta + rho * alpha,
        "mixed": rho * (1 - rho) * distance**2 / 2,
        "frontier": (distance - sp.sqrt(2 * loss)) ** 2 / 2,
        "rank 1": sum(v**2 for v in VALUES[2:]) / 2,
        "rank 2": VALUES[4] ** 2 / 2,
    }


def _letters() -> tuple[MatrixSum, ...]:
    return tuple(MatrixSum.of(Letter(name, "d_out", "d_in")) for name in "fAB")


def _mixed() -> TraceSum:
    f, a, b = _letters()
    return (1 - rho) * (HALF * squared_norm(f - b)) + rho * (HALF * squared_norm(f - a))


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """Target and rest as an identity of traces for every f; the frontier where replay ends; the floors as minima."""
    f, a, b = _letters()
    target = scaled(candidate["target"].coeff(alpha), a) + scaled(candidate["target"].coeff(beta), b)
    rest = _mixed() - HALF * squared_norm(f - target) - (candidate["mixed"] / distance**2) * squared_norm(a - b)
    share = sp.Symbol("q", positive=True)  # 1 − ρ
    frontier = candidate["frontier"].subs(loss, rho**2 * distance**2 / 2).subs(rho, 1 - share)
    found = [
        ("target and rest", Evidence(rest.is_zero(), Verdict.PROVED, f"{len(rest.terms)} traces differ")),
        ("frontier", identity(sp.expand(frontier), share**2 * distance**2 / 2)),
    ]
    for rank in (1, 2):
        floor = candidate[f"rank {rank}"]
        sums = [sum(VALUES[i] ** 2 for i in s) / 2 for s in combinations(range(5), 5 - 2 * rank)]
        over = [sp.expand(s - floor) for s in sums]
        least = all(e.is_nonnegative is True for e in over) and any(e == 0 for e in over)
        found.append((f"rank {rank}", Evidence(least, Verdict.PROVED, "the least of all choices of directions")))
    return every(found, "target, rest, frontier and floors")


def _bound() -> Evidence:
    """`½‖f − A_ρ‖² >= 0` at `L_ft = ½ρ²D²` is `L_pre >= ½(1 − ρ)²D²`."""
    lowest = (formula()["mixed"] - (1 - rho) * rho**2 * distance**2 / 2) / rho
    return identity(sp.expand(lowest), sp.expand((1 - rho) ** 2 * distance**2 / 2))


def _rank() -> Evidence:
    """`(W2 + V2)(W1 + V1) − W2W1 = V2(W1 + V1) + W2V1`: two terms, each through r columns."""
    w1, v1 = (MatrixSum.of(Letter(n, "h", "d_in")) for n in ("W1", "V1"))
    w2, v2 = (MatrixSum.of(Letter(n, "d_out", "h")) for n in ("W2", "V2"))
    rest = (w2 + v2) @ (w1 + v1) - w2 @ w1 - v2 @ (w1 + v1) - w2 @ v1
    return Evidence(not normal(rest), Verdict.PROVED, "rank at most 2r")


def _projected() -> Evidence:
    """`‖X‖² = ‖XP‖² + ‖X(1 − P)‖²` for a projection P; with X = D − M and MP = 0, `‖D − M‖² >= ‖DP‖²`."""
    p, x = Letter("P", "d_in", "d_in", symmetric=True), MatrixSum.of(Letter("X", "d_out", "d_in"))
    proj = MatrixSum.of(p)
    rest = x @ x.T - (x @ proj) @ (x @ proj).T - (x - x @ proj) @ (x - x @ proj).T
    return Evidence(not normal(rest, [((p, p), proj)]), Verdict.PROVED, "for symbolic widths")


def _weights() -> Evidence:
    """`‖DP‖² = Σσ_i²p_i`, 0 <= p_i <= 1, Σp_i = d − k: `Σσ_i²p_i − Σ_{i>k}σ_i²` is a sum of terms >= 0."""
    cases = []
    for d in range(2, 6):
        p = sp.symbols(f"p_1:{d + 1}")
        for k in range(1, d):
            last = d - k - sum(p[1:])  # eliminates p₁
            full = (last, *p[1:])
            square = [v**2 for v in VALUES[5 - d :]]
            split = sum((square[i] - square[k - 1]) * full[i] for i in range(k))
            split += sum((square[k - 1] - square[i]) * (1 - full[i]) for i in range(k, d))
            total = sum(s * q for s, q in zip(square, full, strict=True)) - sum(square[k:])
            cases.append((f"d = {d}, k = {k}", identity(sp.expand(total - split), 0)))
    return every(cases)


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
    """The frontier; the target; the floors from matrices of known singular values."""
    d, below = 10.0 ** generator.uniform(-6, 6, 200), generator.uniform(0.01, 0.99, 200)
    if (function(d, d * d) != 0).any():
        return np.inf
    given = d**2 * below**2 / 2
    condition = lambda *_: 2 / (1 - below)
    worst = worst_error(expression["frontier"], (distance, loss), function, [d, given], condition)
    a, b, r = generator.normal(size=50), generator.normal(size=50), generator.random(50)
    size = lambda a, b, r: (np.abs((1 - r) * b) + np.abs(r * a)) / np.abs((1 - r) * b + r * a) + 1 / (1 - r)
    worst = max(worst, worst_error(expression["target"], (alpha, beta, rho), interpolated, [a, b, r], size))
    for rank in (1, 2):
        u, v = (np.linalg.qr(generator.normal(size=(n, n)))[0][:, :5] for n in (6, 5))
        values = np.sort(generator.uniform(1, 2, 5))[::-1]
        at = dict(zip(STEPS, (*-np.diff(values), values[-1]), strict=True))
        exact = float(expression[f"rank {rank}"].subs(at))
        worst = max(worst, abs(float(low_rank_floor(u * values @ v.T, rank)) / exact - 1))
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
    title="Replay, low rank, and the best trade between two tasks",
    statement=r"(1-\rho)L_{ft}+\rho L_{pre}=\tfrac12\|f-A_\rho\|^2+\tfrac12\rho(1-\rho)\|A-B\|^2,\ "
    r"A_\rho=(1-\rho)B+\rho A;\quad L_{pre}\ge\tfrac12\left(\|A-B\|-\sqrt{2L_{ft}}\right)_+^2;\quad "
    r"L_{ft}\ge\tfrac12\sum_{i>2r}\sigma_i(B-f_{pre})^2",
    plain="Replay is fine-tuning on a target between the tasks, on the same clock, and ends, whatever the pretraining "
    "length, on the best trade between both losses that any weights allow; an update of low rank per layer leaves the "
    "directions beyond twice its rank unlearned.",
    symbols={
        "A,B,f": "pretraining's teacher, the task's, the network",
        r"\rho": "share of pretraining's loss",
        "D": "‖A − B‖",
        r"\ell": "downstream loss L_ft",
        "r": "rank of the update of each of two layers",
        r"\sigma_i": "singular values of B − f before fine-tuning",
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
        Step(r"\mathrm{rank}\,\Delta f\le2r", "The change of f is a sum of two products through r columns.", _rank),
        Step(
            r"\|D-M\|^2\ge\|DP\|^2,\quad MP=0",
            "P projects on what a matrix M of rank k leaves out, d − k directions.",
            _projected,
        ),
        Step(
            r"\sum\sigma_i^2p_i\ge\sum_{i>k}\sigma_i^2,\quad 0\le p_i\le1,\ \sum p_i=d-k",
            "Term by term, for up to five singular values (Ky Fan's argument).",
            _weights,
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
        Variant("rank r of two layers", lambda f: f | {"rank 1": sum(v**2 for v in VALUES[1:]) / 2}),
        Variant("largest left out", lambda f: f | {"rank 2": VALUES[0] ** 2 / 2}),
    ),
    special_case=SpecialCase("equal shares of equal tasks", lambda f: {
        k: e.subs({beta: alpha, rho: HALF, loss: 0}, simultaneous=True) for k, e in f.items()}),
    floor=Verdict.PROVED,
    uses=("A3",),
    link=Link("theory.tradeoff.least_forgetting", "D 1e-6 … 1e6, L_ft 0 … ∞; targets; floors of 6 × 5", _engine),
    source="ours; the floor: Eckart and Young 1936; Fan 1949",
)  # fmt: skip
