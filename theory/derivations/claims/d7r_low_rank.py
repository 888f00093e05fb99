"""D7r: the least loss after a low-rank update of both layers, and an update that reaches it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from scipy.optimize import minimize

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

SIGMA = sp.IndexedBase("sigma", nonnegative=True)  # σ₁ >= … >= σ_d >= 0 of B − f
i = sp.Symbol("i", integer=True, positive=True)
r, d = sp.symbols("r d", integer=True, positive=True)  # rank of the update of each layer; number of directions
FIRST, SECOND, UPDATE = sp.symbols("M_a M_b V_1")  # the two halves of the learned part; the update of the first layer


def tail(first: sp.Expr, last: sp.Expr = d) -> sp.Expr:
    """`Σ σ_i²` from the first to the last of these directions."""
    return sp.Sum(SIGMA[i] ** 2, (i, first, last))


def formula() -> dict[str, sp.Expr]:
    """The floor of updates of rank r; the parts of the update; the cost in both losses.

    "first": M in `V1 = W2⁺M`.  "second" and "through": M and V in `V2 = M(W1 + V)⁺`.  "cost": L_pre + L_ft after an
    update of converged weights.
    """
    return {
        "floor": tail(2 * r + 1) / 2,
        "first": FIRST,
        "second": SECOND,
        "through": UPDATE,
        "cost": tail(sp.Integer(1)) / 2,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The floor is half the bound of `_weights` at the rank of `_rank`, and what M_a + M_b leaves; both losses."""
    reached = _rank_of_change()
    left = tail(reached + 1) / 2  # ½‖D − M‖² for M the strongest directions, as many as the change has ranks
    gained = tail(sp.Integer(1), reached) / 2  # L_pre = ½‖M‖² from f = A
    return every(
        (
            ("update", _update(candidate)),
            ("floor", _equal_sums(candidate["floor"], left)),
            ("cost", _equal_sums(candidate["cost"], left + gained)),
        ),
        "floor and update, for symbolic widths and ranks",
    )


def _equal_sums(one: sp.Expr, other: sp.Expr) -> Evidence:
    """Proved: two sums over directions agree in every direction, whatever r and d >= 2r: by telescoping both."""
    before = sp.Function("S")  # S(n) = Σ_{i<=n} σ_i²

    def telescoped(total: sp.Expr) -> sp.Expr:
        def partial(body: sp.Expr, limits: sp.Tuple) -> sp.Expr:
            index, first, last = limits
            if body != SIGMA[index] ** 2:
                raise ValueError(f"{body} is not σ_i²")
            return (before(last) - before(first - 1)).subs(before(0), 0)

        return total.replace(sp.Sum, partial)

    return identity(telescoped(one), telescoped(other))


def _update(candidate: dict[str, sp.Expr]) -> Evidence:
    """`(W2 + V2)(W1 + V1) = W2W1 + M_a + M_b` if `W2W2⁺M_a = M_a`, `M_b(W1 + V1)⁺(W1 + V1) = M_b`, for any widths."""
    w1 = MatrixSum.of(Letter("W1", "h", "d_in"))
    w2 = MatrixSum.of(Letter("W2", "d_out", "h"))
    inverse_2 = Letter("W2⁺", "h", "d_out")
    inverse_1 = Letter("(W1+V1)⁺", "d_in", "h")

    def learned_part(expression: sp.Expr) -> MatrixSum:
        parts = MatrixSum(())
        for symbol, name in ((FIRST, "M_a"), (SECOND, "M_b")):
            parts = parts + scaled(expression.coeff(symbol), MatrixSum.of(Letter(name, "d_out", "d_in")))
        return parts

    first, second = learned_part(candidate["first"]), learned_part(candidate["second"])
    v1 = MatrixSum.of(inverse_2) @ first
    v2 = second @ MatrixSum.of(inverse_1)
    inverted = w1 + scaled(candidate["through"].coeff(UPDATE), v1)
    # `M_b (…)` is 0 for the pseudo-inverse of what is inverted, if its rows are in those of W1 + V1
    not_identity = MatrixSum.of(inverse_1) @ inverted - IDENTITY
    change = w2 @ v1 + v2 @ (w1 + v1)
    difference = change - learned_part(FIRST) - learned_part(SECOND) - second @ not_identity
    reached = Letter("M_a", "d_out", "d_in")
    rules: Rules = (((Letter("W2", "d_out", "h"), inverse_2, reached), MatrixSum.of(reached)),)
    remaining = normal_form(difference, rules)
    return Evidence(not remaining, Verdict.PROVED, f"{len(remaining)} words differ")


def _rank_of_change() -> sp.Expr:
    """`(W2 + V2)(W1 + V1) − W2W1` is a sum of words with V1 or V2: two groups of rank at most r, the width inside each.

    With `V1 = P Z`, `V2 = P' Z'` over r columns, every word of the change passes through r of one of them.
    """
    w1, w2 = MatrixSum.of(Letter("W1", "h", "d_in")), MatrixSum.of(Letter("W2", "d_out", "h"))
    v1 = MatrixSum.of(Letter("P1", "h", "r")) @ MatrixSum.of(Letter("Z1", "r", "d_in"))
    v2 = MatrixSum.of(Letter("P2", "d_out", "r")) @ MatrixSum.of(Letter("Z2", "r", "h"))
    change = (w2 + v2) @ (w1 + v1) - w2 @ w1
    groups = (v2 @ (w1 + v1), w2 @ v1)
    if normal_form(change - groups[0] - groups[1]):
        raise ValueError("the change of f is not the sum of both groups")
    inner = [{x.cols for _, word in group.terms for x in word[:1]} for group in (groups[0],)]
    inner.append({x.cols for _, word in groups[1].terms for x in word[1:2]})
    if any(widths != {"r"} for widths in inner):
        raise ValueError(f"the groups pass through {inner}")
    return len(groups) * r


def _rank() -> Evidence:
    """`(W2 + V2)(W1 + V1) − W2W1 = V2(W1 + V1) + W2V1`: two terms of rank r; with W2 of rank n it is n + r at most."""
    w1, v1 = (MatrixSum.of(Letter(n, "h", "d_in")) for n in ("W1", "V1"))
    w2, v2 = (MatrixSum.of(Letter(n, "d_out", "h")) for n in ("W2", "V2"))
    change = (w2 + v2) @ (w1 + v1) - w2 @ w1 - v2 @ (w1 + v1) - w2 @ v1
    rank_n = MatrixSum.of(Letter("U", "d_out", "n")) @ MatrixSum.of(Letter("S", "n", "h"))
    rank_r = MatrixSum.of(Letter("P", "d_out", "r")) @ MatrixSum.of(Letter("Z", "r", "h"))
    product = (rank_n + rank_r) @ (w1 + v1) - rank_n @ (w1 + v1) - rank_r @ (w1 + v1)
    holds = not normal_form(change) and not normal_form(product)
    return Evidence(holds, Verdict.PROVED, "rank at most 2r, and with W2 of rank n at most n + r")


def _outside() -> Evidence:
    """With P on the columns of W2, `(1 − P)Δf = (1 − P)V2(W1 + V1)`: of Δf's columns, r at most lie outside W2's."""
    w1, v1 = (MatrixSum.of(Letter(n, "h", "d_in")) for n in ("W1", "V1"))
    w2, v2 = (MatrixSum.of(Letter(n, "d_out", "h")) for n in ("W2", "V2"))
    p = Letter("P", "d_out", "d_out", symmetric=True)
    change = (w2 + v2) @ (w1 + v1) - w2 @ w1 - v2 @ (w1 + v1)
    difference = change - MatrixSum.of(p) @ change
    rules: Rules = (((p, Letter("W2", "d_out", "h")), w2),)
    return Evidence(not normal_form(difference, rules), Verdict.PROVED, "the rows by transposing the network")


def _projected() -> Evidence:
    """`‖X‖² = ‖XP‖² + ‖X(1 − P)‖²` for a projection P; with X = D − M and MP = 0, `‖D − M‖² >= ‖DP‖²`."""
    p = Letter("P", "d_in", "d_in", symmetric=True)
    x = MatrixSum.of(Letter("X", "d_out", "d_in"))
    projection = MatrixSum.of(p)
    inside, outside = x @ projection, x - x @ projection
    difference = x @ x.T - inside @ inside.T - outside @ outside.T
    return Evidence(not normal_form(difference, [((p, p), projection)]), Verdict.PROVED, "for symbolic widths")


def _weights() -> Evidence:
    """`‖DP‖² = Σσ_i²p_i`, 0 <= p_i <= 1, Σp_i = d − k: `Σσ_i²p_i − Σ_{i>k}σ_i²` is a sum of terms >= 0, for all d, k.

    Index by index what is left beside the terms `(σ_i² − σ_k²)p_i` for i <= k and `(σ_k² − σ_i²)(1 − p_i)` for i > k is
    σ_k²p_i and σ_k²(p_i − 1); their sum over all i is σ_k²(Σp_i − (d − k)) = 0.
    """
    square, middle, share, rest, more = sp.symbols("s t p q delta", nonnegative=True)
    traced, dimension, kept = sp.symbols("P d k", nonnegative=True)
    above, below = (square - middle) * share, (middle - square) * (1 - share)  # the terms, for i <= k and for i > k
    strong, weak = square * share - above, square * share - square - below
    signs = above.subs(square, middle + more), below.subs({middle: square + more, share: 1 - rest}, simultaneous=True)
    of_share, constant = sp.expand(weak).coeff(share), weak.subs(share, 0)
    over_all = of_share * traced + constant * (dimension - kept)  # Σ strong + Σ weak, with P for Σp_i
    return every(
        (
            ("i <= k", identity(strong, middle * share)),
            ("i > k", identity(weak, middle * share - middle)),
            ("sum", identity(over_all.subs(traced, dimension - kept), 0)),
            ("terms", identity(signs, (more * share, more * rest))),
        ),
        "index by index, for every number of singular values and every rank",
    )


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """The floors for matrices of known singular values, and the loss after the update, for both ranks."""
    from overtraining.theory.remedies.tradeoff import low_rank_update

    worst = 0.0
    for rank in (1, 2):
        u, v = (np.linalg.qr(generator.normal(size=(n, n)))[0][:, :5] for n in (6, 5))
        values = np.sort(generator.uniform(1, 2, 5))[::-1]
        exact = float(
            expression["floor"]
            .subs({r: rank, d: 5})
            .doit()
            .subs(dict(zip(map(SIGMA.__getitem__, range(1, 6)), values, strict=True)))
        )
        difference = u * values @ v.T
        worst = max(worst, abs(float(function(difference, rank)) / exact - 1))
        w1, w2 = generator.normal(size=(7, 5)), generator.normal(size=(6, 7))
        v1, v2 = low_rank_update(w1, w2, w2 @ w1 + difference, rank)
        unlearned = (w2 + v2) @ (w1 + v1) - w2 @ w1 - difference
        worst = max(worst, abs(float((unlearned**2).sum() / 2) / exact - 1) * 1e-2)  # two pseudo-inverses
        if max(map(np.linalg.matrix_rank, (v1, v2))) > rank:
            return np.inf
    return worst


def _few_columns() -> Evidence:
    """Converged weights of 3 inputs and 6 outputs, rank 1: a search over 4 starts ends above the floor."""
    from overtraining.theory.remedies.tradeoff import low_rank_floor

    generator = np.random.default_rng(1)
    w1, w2, task = (generator.normal(size=shape) for shape in ((3, 3), (6, 3), (6, 3)))
    sizes = [(3, 1), (1, 3), (6, 1), (1, 3)]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        p, q, r, s = (
            x.reshape(size)
            for x, size in zip(np.split(flat, np.cumsum([a * b for a, b in sizes])[:-1]), sizes, strict=True)
        )
        first, second = w1 + p @ q, w2 + r @ s
        error = second @ first - task
        slope_1, slope_2 = second.T @ error, error @ first.T
        slopes = (slope_1 @ q.T, p.T @ slope_1, slope_2 @ s.T, r.T @ slope_2)
        return float((error**2).sum() / 2), np.concatenate([x.ravel() for x in slopes])

    starts = generator.normal(size=(4, 15))
    least = min(float(minimize(loss, start, jac=True, method="L-BFGS-B").fun) for start in starts)
    floor = float(low_rank_floor(task - w2 @ w1, 1))
    return Evidence(least > 1.05 * floor, Verdict.TESTED, f"least loss found {least:.3f}, floor {floor:.3f}")


def _untrained() -> Evidence:
    """From W1 = W2 = 0 and B = diag(2, 1), rank 1: V2V1 has rank 1, so the loss is at least ½; the floor is 0."""
    from overtraining.theory.remedies.tradeoff import low_rank_floor

    task = np.diag([2.0, 1.0])
    floor = float(low_rank_floor(task, 1))
    best = 0.5  # Eckart and Young, for rank n + r = 1
    units = [np.array([np.cos(angle), np.sin(angle)]) for angle in np.linspace(0, 3, 13)]
    least = min(
        ((task - s * np.outer(u, v)) ** 2).sum() / 2 for s in np.linspace(0, 3, 31) for u in units for v in units
    )
    return Evidence(floor == 0 and least >= best - 1e-12, Verdict.TESTED, f"least loss {least:.3f}, floor {floor:g}")


def _with_replay() -> Evidence:
    """A = diag(1, 1), B = diag(3, 2): a rank-1 update ends with a sum of losses of 2.5, replay with share ½ of 1.25."""
    replay = np.hypot(2, 1) ** 2 / 8
    return Evidence(2 * replay < 2.5 - 1, Verdict.TESTED, f"L_pre + L_ft = 2.5, with replay {2 * replay:.2f}")


DERIVATION = Derivation(
    claim="D7r",
    title="Low-rank updates: the least loss, and an update that reaches it",
    statement=r"L_{ft}\ge\tfrac12\sum_{i>2r}\sigma_i(B-f)^2,\quad V_1=W_2^+M_a,\ V_2=M_b(W_1+V_1)^+\ \Rightarrow\ "
    r"(W_2+V_2)(W_1+V_1)=f+M_a+M_b;\quad L_{pre}+L_{ft}=\tfrac12\|A-B\|^2\ \text{from }f=A",
    plain="An update of rank r in each of two layers changes the network by a matrix of rank at most 2r, so the weaker "
    "directions of the difference remain unlearned. If the weights reach the task's directions, this floor is "
    "attained, but its cost in both losses is higher than that of replay.",
    symbols={
        "A,B,f": "teacher of pretraining, task, network",
        r"\sigma_i": "singular values of B − f before fine-tuning",
        "r, n": "rank of the update of each of two layers; the lower of the ranks of W1 and W2 before",
        "M_a,M_b": "together the 2r strongest directions of B − f, each of rank r at most",
        "V_1,V_2": "the updates",
        "P": "the projection on the directions that a matrix M of rank k maps to 0",
    },
    assumptions=(
        Assumption(
            "weights that reach the task",
            "Needed only for the update: the columns of M_a are in those of W2, and the rows of M_b in those of "
            "W1 + V1; or the same of the transposed network.",
            Counterexample("If nothing is learned, the update has rank r, not 2r.", _untrained),
        ),
        Assumption(
            "not much wider than high",
            "Of the columns (rows) of the 2r strongest directions, at most r lie outside those of W2 (of W1).",
            Counterexample("With 3 inputs and 6 outputs W2 reaches too few directions of the outputs.", _few_columns),
        ),
        Assumption(
            "the best update, not the best trade",
            "The cost is that of the update with the least downstream loss.",
            Counterexample("Replay of the full weights has a lower sum of both losses.", _with_replay),
        ),
    ),
    steps=(
        Step(
            r"\mathrm{rank}\,\Delta f\le2r,\quad\mathrm{rank}(f+\Delta f)\le n+r",
            "The change of f is a sum of two products of rank r; the rank of a layer grows by r at most.",
            _rank,
        ),
        Step(
            r"\|D-M\|^2\ge\|DP\|^2,\quad MP=0",
            "P projects on the d − k directions that a matrix M of rank k maps to 0.",
            _projected,
        ),
        Step(
            r"\sum\sigma_i^2p_i\ge\sum_{i>k}\sigma_i^2,\quad 0\le p_i\le1,\ \sum p_i=d-k",
            "Term by term, for every number of singular values and every rank (Ky Fan's argument); p_i = ‖Pv_i‖², and "
            "their sum is tr P. So the bound of Eckart and Young is proved here, not cited.",
            _weights,
        ),
        Step(
            r"(W_2+V_2)(W_1+V_1)=f+M_a+M_b",
            "Some directions are learned through the second layer as it was, the others through the updated first.",
            lambda: _update(formula()),
        ),
        Step(
            r"(1-P)\Delta f=(1-P)V_2(W_1+V_1)",
            "P projects on the columns of W2. So the floor needs that at most r columns of M_a + M_b lie outside "
            "those of W2, and at most r rows outside those of W1.",
            _outside,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("rank r for 2r", lambda f: f | {"floor": tail(r + 1) / 2}),
        Variant("rank 3r for 2r", lambda f: f | {"floor": tail(3 * r + 1) / 2}),
        Variant("rank r + 1 for 2r, the same at r = 1", lambda f: f | {"floor": tail(r + 2) / 2}),
        Variant("½ missing", lambda f: f | {"floor": 2 * f["floor"]}),
        Variant("all directions through the second layer", lambda f: f | {"first": FIRST + SECOND}),
        Variant("inverse of the first layer before its update", lambda f: f | {"through": sp.Integer(0)}),
        Variant("M_a for M_b in the second layer", lambda f: f | {"second": FIRST}),
        Variant("cost of a trade-off on the frontier", lambda f: f | {"cost": f["cost"] / 2}),
    ),
    special_case=SpecialCase(
        "two equal directions and none beyond, one through each layer",
        lambda f: {
            k: e.subs({r: 1, d: 2}).doit().subs({SIGMA[1]: 1, SIGMA[2]: 1, UPDATE: 0, SECOND: 0, FIRST: 0})
            for k, e in f.items()
        },
    ),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.remedies.tradeoff.low_rank_floor",
        "6 × 5 matrices of known singular values, ranks 1 and 2; the update",
        _engine_error,
    ),
    source="ours; the floor: Eckart and Young 1936; Fan 1949",
)
