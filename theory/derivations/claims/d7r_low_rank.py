"""D7r: what an update of low rank in both layers leaves unlearned, at least; and the update that leaves no more."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, Rules, normal_form, scaled
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
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
from overtraining.theory.derivations.checker.evidence import every, identity

STEPS = sp.symbols("delta_1:6", nonnegative=True)
VALUES = tuple(sp.Add(*STEPS[i:]) for i in range(5))  # σ₁ >= … >= σ₅ >= 0 of B − f
FIRST, SECOND, MOVED = sp.symbols("M_a M_b V_1")  # the halves of what is learned; the update of the first layer


def formula() -> dict[str, sp.Expr]:
    """The floor of updates of rank 1 and of rank 2 at five directions; what W2 and the moved W1 are inverted on; price.

    "first": of `V1 = W2⁺(…)`.  "second" and "through": `V2 = (…)(W1 + … V1)⁺`.  "price": what L_pre + L_ft is from
    converged weights after an update of rank 1.
    """
    return {
        "rank 1": sum(v**2 for v in VALUES[2:]) / 2,
        "rank 2": VALUES[4] ** 2 / 2,
        "first": FIRST,
        "second": SECOND,
        "through": MOVED,
        "price": sum(v**2 for v in VALUES) / 2,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The floors as least of all choices of directions; the update multiplied out; the two losses along it."""
    found = [("update", _reached(candidate))]
    for rank in (1, 2):
        floor = candidate[f"rank {rank}"]
        sums = [sum(VALUES[i] ** 2 for i in s) / 2 for s in combinations(range(5), 5 - 2 * rank)]
        over = [sp.expand(s - floor) for s in sums]
        least = all(e.is_nonnegative is True for e in over) and any(e == 0 for e in over)
        found.append((f"rank {rank}", Evidence(least, Verdict.PROVED, "the least of all choices of directions")))
    left = sum(v**2 for v in VALUES[2:]) / 2  # f = A + M: L_ft = ½‖D − M‖², L_pre = ½‖M‖²
    moved = sum(v**2 for v in VALUES[:2]) / 2
    return every([*found, ("price", identity(sp.expand(candidate["price"] - left - moved), 0))], "floors and update")


def _reached(candidate: dict[str, sp.Expr]) -> Evidence:
    """`(W2 + V2)(W1 + V1) = W2W1 + M_a + M_b`, with `W2W2⁺ = 1` and `(W1 + V1)⁺(W1 + V1) = 1`, for symbolic widths."""
    w1, w2 = MatrixSum.of(Letter("W1", "h", "d_in")), MatrixSum.of(Letter("W2", "d_out", "h"))
    right, left = Letter("W2⁺", "h", "d_out"), Letter("(W1+V1)⁺", "d_in", "h")
    halves = {FIRST: "M_a", SECOND: "M_b"}
    half = lambda e: sum(
        (scaled(e.coeff(s), MatrixSum.of(Letter(n, "d_out", "d_in"))) for s, n in halves.items()), MatrixSum(())
    )
    v1 = MatrixSum.of(right) @ half(candidate["first"])
    v2 = half(candidate["second"]) @ MatrixSum.of(left)
    turned = w1 + scaled(candidate["through"].coeff(MOVED), v1)
    undone = MatrixSum.of(left) @ turned - IDENTITY  # what the pseudo-inverse of the moved W1 undoes
    rest = w2 @ v1 + v2 @ (w1 + v1) - half(FIRST) - half(SECOND) - half(candidate["second"]) @ undone
    rules: Rules = (((Letter("W2", "d_out", "h"), right), IDENTITY),)
    return Evidence(not normal_form(rest, rules), Verdict.PROVED, f"{len(normal_form(rest, rules))} words differ")


def _rank() -> Evidence:
    """`(W2 + V2)(W1 + V1) − W2W1 = V2(W1 + V1) + W2V1`: two terms, each through r columns; and n + r columns in all."""
    w1, v1 = (MatrixSum.of(Letter(n, "h", "d_in")) for n in ("W1", "V1"))
    w2, v2 = (MatrixSum.of(Letter(n, "d_out", "h")) for n in ("W2", "V2"))
    change = (w2 + v2) @ (w1 + v1) - w2 @ w1 - v2 @ (w1 + v1) - w2 @ v1
    out = MatrixSum.of(Letter("U", "d_out", "n")) @ MatrixSum.of(Letter("S", "n", "h"))
    beside = MatrixSum.of(Letter("P", "d_out", "r")) @ MatrixSum.of(Letter("Z", "r", "h"))
    whole = (out + beside) @ (w1 + v1) - out @ (w1 + v1) - beside @ (w1 + v1)
    return Evidence(
        not normal_form(change) and not normal_form(whole), Verdict.PROVED, "rank at most 2r, and at most n + r"
    )


def _projected() -> Evidence:
    """`‖X‖² = ‖XP‖² + ‖X(1 − P)‖²` for a projection P; with X = D − M and MP = 0, `‖D − M‖² >= ‖DP‖²`."""
    p, x = Letter("P", "d_in", "d_in", symmetric=True), MatrixSum.of(Letter("X", "d_out", "d_in"))
    proj = MatrixSum.of(p)
    rest = x @ x.T - (x @ proj) @ (x @ proj).T - (x - x @ proj) @ (x - x @ proj).T
    return Evidence(not normal_form(rest, [((p, p), proj)]), Verdict.PROVED, "for symbolic widths")


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


def _engine(expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The floors from matrices of known singular values; and the update, whose loss is the floor, for either rank."""
    from overtraining.theory.remedies.tradeoff import low_rank_update

    worst = 0.0
    for rank in (1, 2):
        u, v = (np.linalg.qr(generator.normal(size=(n, n)))[0][:, :5] for n in (6, 5))
        values = np.sort(generator.uniform(1, 2, 5))[::-1]
        at = dict(zip(STEPS, (*-np.diff(values), values[-1]), strict=True))
        exact, difference = float(expression[f"rank {rank}"].subs(at)), u * values @ v.T
        worst = max(worst, abs(float(function(difference, rank)) / exact - 1))
        w1, w2 = generator.normal(size=(7, 5)), generator.normal(size=(6, 7))
        v1, v2 = low_rank_update(w1, w2, w2 @ w1 + difference, rank)
        left = (w2 + v2) @ (w1 + v1) - w2 @ w1 - difference
        worst = max(worst, abs(float((left**2).sum() / 2) / exact - 1) * 1e-2)  # two pseudo-inverses
        if max(map(np.linalg.matrix_rank, (v1, v2))) > rank:
            return np.inf
    return worst


def _untrained() -> Evidence:
    """From W1 = W2 = 0 and B = diag(2, 1), rank 1: V2V1 has rank 1, so that ½ remains where the floor says 0."""
    from overtraining.theory.remedies.tradeoff import low_rank_floor

    task = np.diag([2.0, 1.0])
    floor, best = float(low_rank_floor(task, 1)), 0.5  # Eckart and Young: of rank n + r = 1
    turn = [np.array([np.cos(t), np.sin(t)]) for t in np.linspace(0, 3, 13)]
    found = min(((task - s * np.outer(u, v)) ** 2).sum() / 2 for s in np.linspace(0, 3, 31) for u in turn for v in turn)
    return Evidence(floor == 0 and found >= best - 1e-12, Verdict.TESTED, f"best {found:.3f}, floor {floor:g}")


def _with_replay() -> Evidence:
    """A = diag(1, 1), B = diag(3, 2): an update of rank 1 pays 2.5 in all, replay of half the time 1.25."""
    replay = np.hypot(2, 1) ** 2 / 8
    return Evidence(2 * replay < 2.5 - 1, Verdict.TESTED, f"L_pre + L_ft = 2.5, with replay {2 * replay:.2f}")


DERIVATION = Derivation(
    claim="D7r",
    title="Updates of low rank: the floor, and the update that reaches it",
    statement=r"L_{ft}\ge\tfrac12\sum_{i>2r}\sigma_i(B-f)^2,\quad V_1=W_2^+M_a,\ V_2=M_b(W_1+V_1)^+\ \Rightarrow\ "
    r"(W_2+V_2)(W_1+V_1)=f+M_a+M_b;\quad L_{pre}+L_{ft}=\tfrac12\|A-B\|^2\ \text{from }f=A",
    plain="An update of rank r in each of two layers changes the network by rank 2r at most, and leaves what is beyond "
    "it; where the weights reach the task's directions the floor is reached, at a price that replay undercuts.",
    symbols={
        "A,B,f": "pretraining's teacher, the task's, the network",
        r"\sigma_i": "singular values of B − f before fine-tuning",
        "r, n": "rank of the update of each of two layers; rank of f before",
        "M_a,M_b": "the 2r strongest directions of B − f, r in each",
        "V_1,V_2": "the updates",
        "P": "the projection on what a matrix M of rank k leaves out",
    },
    assumptions=(
        Assumption(
            "weights that reach the task",
            "Only for the update: W2 has full rank on M_a's columns and W1 + V1 on M_b's rows.",
            Counterexample("Nothing learned: the update's rank r is all there is, not 2r.", _untrained),
        ),
        Assumption(
            "the best update, not the best trade",
            "The price is that of the least downstream loss.",
            Counterexample("Replay of the full weights has the lower sum of both losses.", _with_replay),
        ),
    ),
    steps=(
        Step(
            r"\mathrm{rank}\,\Delta f\le2r,\quad\mathrm{rank}(f+\Delta f)\le n+r",
            "The change of f is a sum of two products through r columns; the second layer goes through n + r.",
            _rank,
        ),
        Step(
            r"\|D-M\|^2\ge\|DP\|^2,\quad MP=0",
            "P projects on what a matrix M of rank k leaves out, d − k directions.",
            _projected,
        ),
        Step(
            r"\sum\sigma_i^2p_i\ge\sum_{i>k}\sigma_i^2,\quad 0\le p_i\le1,\ \sum p_i=d-k",
            "Term by term, for up to five singular values (Ky Fan's argument); p_i = ‖Pv_i‖², whose sum is tr P.",
            _weights,
        ),
        Step(
            r"(W_2+V_2)(W_1+V_1)=f+M_a+M_b",
            "Half of the directions through the second layer as it was, half through the first as it is now.",
            lambda: _reached(formula()),
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("rank r of two layers", lambda f: f | {"rank 1": sum(v**2 for v in VALUES[1:]) / 2}),
        Variant("rank 3r", lambda f: f | {"rank 1": sum(v**2 for v in VALUES[3:]) / 2}),
        Variant("largest left out", lambda f: f | {"rank 2": VALUES[0] ** 2 / 2}),
        Variant("½ missing", lambda f: f | {"rank 2": VALUES[4] ** 2}),
        Variant("all through the second layer", lambda f: f | {"first": FIRST + SECOND}),
        Variant("the first layer as it was", lambda f: f | {"through": sp.Integer(0)}),
        Variant("the halves exchanged in one layer", lambda f: f | {"second": FIRST}),
        Variant("price of a trade on the frontier", lambda f: f | {"price": f["price"] / 2}),
    ),
    special_case=SpecialCase(
        "two equal directions and nothing beyond, one of them through each layer",
        lambda f: {
            k: e.subs(dict.fromkeys(STEPS[2:], 0)).subs({STEPS[0]: 0, MOVED: 0, SECOND: 0, FIRST: 0})
            for k, e in f.items()
        },
    ),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.remedies.tradeoff.low_rank_floor",
        "6 × 5 of known singular values, ranks 1 and 2; the update",
        _engine,
    ),
    source="ours; the floor: Eckart and Young 1936; Fan 1949",
)
