"""D4: misaligned tasks: the cost of small budgets never falls from plateau to plateau; and that of any, exactly."""

from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.trace_calculus import agree, squared_norm
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
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
from overtraining.theory.derivations.checker.evidence import every, identity
from overtraining.theory.derivations.claims import d1_fine_tuning as d1
from overtraining.theory.derivations.claims.d4_misaligned.steps import (
    b,
    bordered,
    half,
    orders,
    p,
    second_orders,
    sigma,
    squares,
    x,
    y,
)
from overtraining.theory.fine_tuning.tuned_flow import fine_tune
from overtraining.theory.learning.matrix_modes import Modes

T, v, total = sp.symbols("T v P", positive=True)
n, d_in, d_out = sp.symbols("n d_in d_out", positive=True, integer=True)
m2, ma = sp.symbols("m² ma", real=True)

Formula = dict[str, sp.Expr]


def formula() -> Formula:
    """What feature σ adds to Δ/T², with each other feature p, beyond, by itself; the ratio; the increment at any T."""
    return {
        "learned": ((sigma + p) ** 2 - p**2) * (x**2 + y**2) / 2 + sigma * p * x * y,
        "unlearned": sigma**2 * (x**2 + y**2) / 2 - sigma * p * x * y,
        "beyond": sigma**2 * x**2 / 2,
        "own": 2 * sigma**2 * (b - sigma) ** 2,
        "ratio": T**2 * (v * (4 * total / sigma + d_in + d_out + 2) + 4 * sigma**2),
        "increment": (m2 + sigma**2) / 2 - ma,
    }


def conclusion(candidate: Formula) -> Evidence:
    """Increments on small shapes with symbolic entries, the mean over tasks, and the exact increment in words."""
    shapes = ((2, 2), (3, 3), (2, 3), (3, 2))
    return every(
        (
            *((f"{o} × {i}", _increments(candidate, o, i)) for o, i in shapes),
            ("ratio", identity(_mean_ratio(), candidate["ratio"])),
            ("increment", _one_piece(candidate["increment"])),
        ),
        "increments, ratio and pieces agree",
    )


def _increments(claim: Formula, o: int, i: int) -> Evidence:
    found, roots, task = second_orders(o, i)
    return every(
        (f"feature {f + 1}", identity(sp.expand(found[f + 1] - found[f] - _sum_of(claim, f, roots, task)), 0))
        for f in range(len(roots))
    )


def _sum_of(claim: Formula, f: int, roots: tuple[sp.Symbol, ...], task: sp.Matrix) -> sp.Expr:
    """The claim's terms for feature f, written out in the entries of B."""
    r, put = len(roots), {sigma: roots[f] ** 2}
    added = claim["own"].subs(put | {b: task[f, f]})
    for j in range(r):
        if j != f:
            pair = put | {p: roots[j] ** 2, x: task[f, j], y: task[j, f]}
            added += claim["learned" if j < f else "unlearned"].subs(pair, simultaneous=True)
    lone = [task[f, j] for j in range(r, task.cols)] + [task[i, f] for i in range(r, task.rows)]
    return sp.expand(added + sum(claim["beyond"].subs(put | {x: entry}) for entry in lone))


def _mean(term: sp.Expr) -> sp.Expr:
    """Over independent entries of mean 0 and variance v."""
    moments = {(0, 0, 0): 1, (2, 0, 0): v, (0, 2, 0): v, (0, 0, 2): v}
    return sum(c * moments.get(powers, 0) for powers, c in sp.Poly(term, x, y, b).terms())


def _mean_ratio() -> sp.Expr:
    """`2T²/σ²` times the mean increment: n earlier features of sum P, d_in + d_out − 2n − 2 entries on later ones.

    From the increments that `second_orders` yields, whose terms are read off its polynomials for 2 × 3.
    """
    found, (w1, w2), task = second_orders(2, 3)
    step = sp.expand(found[2] - found[1]).subs({w1: sp.sqrt(p), w2: sp.sqrt(sigma)})
    pair = step.subs({task[0, 1]: x, task[1, 0]: y, task[1, 1]: 0, task[1, 2]: 0}) - step.subs(dict.fromkeys(task, 0))
    own = step.subs({entry: 0 for entry in task if entry != task[1, 1]}).subs(task[1, 1], b)
    lone = step.subs({entry: 0 for entry in task if entry != task[1, 2]}).subs(task[1, 2], x) - own.subs(b, 0)
    each, of_own, of_lone = (sp.expand(_mean(sp.expand(term))) for term in (pair, own, lone))
    earlier = n * each.subs(p, 0) + total * each.coeff(p, 1)
    return sp.expand(2 * T**2 / sigma**2 * (earlier + of_own + (d_in + d_out - 2 * n - 2) * of_lone))


def _one_piece(candidate: sp.Expr) -> Evidence:
    """`½‖f + z wᵀ − A‖² − ½‖f − A‖² + ½σ²`: the loss after, with less without, and what the feature took off before."""
    z, w = (MatrixSum.of(Letter(name, rows, "one")) for name, rows in (("z", "d_out"), ("w", "d_in")))
    left = MatrixSum.of(Letter("R", "d_out", "d_in"))
    piece = z @ w.T
    change = half * squared_norm(piece - left) - half * squared_norm(left)
    traces = {m2: squared_norm(piece), ma: (left @ piece.T).trace()}
    return agree(change, sp.expand(candidate - sigma**2 / 2), traces)


def _later_pairs() -> Evidence:
    """The mean of a later pair is that of its two entries, each as if alone: the counts in the ratio."""
    return identity(_mean(formula()["unlearned"]), 2 * _mean(formula()["beyond"]))


def _engine(claim: Formula, function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The claim's terms in 50 digits on tasks of every shape; the exact engine at small T, and the ratio, as well."""
    return max(*(_order_two(claim, function, generator) for _ in range(30)), _ratio(claim), _exact(generator))


def _order_two(claim: Mapping[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    o, i = generator.integers(1, 5, 2).tolist()
    r = int(generator.integers(1, min(o, i) + 1))
    values = np.sort(10.0 ** generator.uniform(-3, 1, r))[::-1].copy()
    task = generator.normal(size=(o, i)) * 10.0 ** generator.uniform(-3, 2)
    judge = {key: sp.lambdify((sigma, p, x, y, b), claim[key], "mpmath") for key in ("learned", "unlearned", "own")}
    found, worst, d = function(values, task), 0.0, max(o, i)
    at = lambda row, column: float(task[row, column]) if row < o and column < i else 0.0
    with mpmath.workdps(50):
        strong = [mpmath.mpf(float(q)) for q in values] + [mpmath.mpf(0)] * (d - r)
        for f in range(r):
            terms = [judge["own"](strong[f], 0, 0, 0, at(f, f))] + [
                judge["learned" if j < f else "unlearned"](strong[f], strong[j], at(f, j), at(j, f), 0)
                for j in range(d)
                if j != f
            ]
            size = 1 + float(values[f] / abs(at(f, f) - values[f]))
            worst = max(worst, float(abs(mpmath.fsum(terms) - float(found[f])) / mpmath.fsum(terms)) / size / 10)
    return worst


def _ratio(claim: Mapping[str, sp.Expr]) -> float:
    from overtraining.theory.fine_tuning.plateaus import hurting_ratio

    values, worst = np.array([2.0, 0.7, 0.1]), 0.0
    found = np.asarray(hurting_ratio(0.3, values, 0.4, d_in=5, d_out=3))
    for f, value in enumerate(values):
        put = {T: 0.3, v: 0.4, sigma: value, total: values[:f].sum(), d_in: 5, d_out: 3}
        worst = max(worst, abs(float(claim["ratio"].subs(put)) / float(found[f]) - 1))
    return worst


def _exact(generator: np.random.Generator) -> float:
    """The exact growth over T², extrapolated to T = 0, against the order T²; 1e-12 stands for one part in 100."""
    from overtraining.theory.fine_tuning.plateaus import fine_tune_plateaus, plateau_growth

    values, task = np.array([1.0, 0.6]), generator.normal(size=(50, 2, 3))
    slopes = [fine_tune_plateaus(t, values, task).growth / t**2 for t in (2e-4, 1e-4)]
    limit = 2 * slopes[1] - slopes[0]
    return float(np.abs(limit / plateau_growth(values, task) - 1).max()) * 1e-10


SIGMA, TASK = np.array([1.0, 0.5]), np.array([[1.0, 0.1], [0.1, 2.0]])


def rise(budget: np.ndarray, learned: list[int], task: np.ndarray = TASK, sigma: np.ndarray = SIGMA) -> np.ndarray:
    """The pretraining loss after fine-tuning less before, from the features named, by D1."""
    frame, missing = np.eye(2)[:, learned], np.delete(sigma, learned)
    after = fine_tune(budget, Modes(frame, sigma[learned], frame), np.diag(sigma), task).pretraining
    return np.asarray(after) - (missing**2).sum() / 2


def rank_stealing() -> Evidence:
    """One learned feature turns to the task's strong direction, and what it was is gone; the second brings it back."""
    one, two = (float(rise(np.array([5.0]), list(range(n)))[0]) for n in (1, 2))
    turned = fine_tune(5.0, Modes(np.eye(2)[:, :1], SIGMA[:1], np.eye(2)[:, :1]), np.diag(SIGMA), TASK).flow.product
    weak_task, far = np.array([[0.35, 0.15], [0.15, 0.35]]), np.array([100.0, 0.3])
    few, more = (float(rise(np.array([1.0]), list(range(n)), weak_task, far)[0]) for n in (1, 2))
    detail = f"Δ = 0, {one:.3f}, {two:.3f}: with one feature f = {turned.round(2).tolist()}, all on the other axis; "
    detail += f"with ‖B‖T = ½ and σ₁T = 100 Δ falls by {few - more:.4f} with the second"
    holds = two < one - 0.3 and turned[1, 1] > 1.9 and turned[0, 0] < 0.1 and 0.004 < few - more < 0.006
    return Evidence(holds, Verdict.TESTED, detail)


def stealing_curves() -> Curves:
    """Both plateaus' cost against the budget."""
    budget = np.linspace(0, 8, 81)
    return Curves(
        budget, {f"{n} learned": rise(budget, list(range(n))) for n in (1, 2)}, "fine-tuning time T", "cost Δ"
    )


def out_of_order() -> Evidence:
    """The weak feature first: on B = [[0, 1], [1, ½]] it lowers Δ below 0, which it is with none."""
    task = np.array([[0.0, 1.0], [1.0, 0.5]])
    weak = float(rise(np.array([0.01]), [1], task)[0])
    return Evidence(weak < -1e-5, Verdict.TESTED, f"Δ = {weak:.2g} after the weak feature alone, 0 after none")


def task_knows_the_teacher() -> Evidence:
    """B = A has entries of mean square v = 0.31; T = 0.5 puts the ratio far above 1, and no feature hurts."""
    task = np.diag(SIGMA)
    v, budget = float((task**2).mean()), 0.5
    ratio = budget**2 * (v * 6 + 4)
    after = float(rise(np.array([budget]), [0], task)[0])
    return Evidence(ratio > 1 and abs(after) < 1e-12, Verdict.TESTED, f"ratio {ratio:.2f} and Δ = {abs(after):.1g}")


def under_way() -> Evidence:
    """D3: half learned, at s = 0.71, a feature costs 0.0295; learned, 0.0139."""
    cost = [((1 - s / (1 + 0.2 * s)) ** 2 - (1 - s) ** 2) / 2 for s in (0.71, 1.0)]
    return Evidence(cost[0] > 2 * cost[1], Verdict.TESTED, f"Δ = {cost[0]:.4f} under way, {cost[1]:.4f} learned")


DERIVATION = Derivation(
    claim="D4",
    title="Misaligned tasks: every learned feature is one more thing to lose",
    statement=r"\frac{\Delta_{n+1}-\Delta_n}{T^2}\to2\sigma^2(B_{n+1,n+1}-\sigma)^2+\sum_{j\le n}\left[\tfrac12"
    r"((\sigma+\sigma_j)^2-\sigma_j^2)(x_j^2+y_j^2)+\sigma\sigma_jx_jy_j\right]+\sum_{j>n+1}\left[\tfrac12\sigma^2"
    r"(x_j^2+y_j^2)-\sigma\sigma_jx_jy_j\right]\ge0;\quad\text{all }T:\ f_{n+1}=f_n+m\hat u\hat v^\top,\ "
    r"\Delta_{n+1}-\Delta_n=\tfrac12(m^2+\sigma^2)-m\,\hat u^\top(A-f_n)\hat v",
    plain="From one plateau of pretraining to the next what a small fine-tuning costs never falls, whatever the task; "
    "with any budget one more learned feature adds one rank-one piece to the fine-tuned network, which hurts exactly "
    "where it is more than twice what it finds missing, and lowers the cost where it brings back what the task had "
    "pushed out.",
    symbols={
        r"\Delta_n": "pretraining loss after fine-tuning from plateau n (n strongest features learned), less before",
        r"\sigma,\sigma_j": "the feature learned next, σ = σ_{n+1}, and the others, 0 beyond the teacher's rank",
        "x_j,y_j": "B_{n+1,j} and B_{j,n+1}, in the teacher's frames; 0 where there is no such entry",
        r"m\hat u\hat v^\top": "what the feature adds to the network after fine-tuning, of rank one",
        "T": "fine-tuning time",
        "v, P": "variance of the entries of a random task; the sum of the features learned before",
    },
    assumptions=(
        Assumption(
            "small budget",
            "Small ‖B‖T AND σ₁T; only for increments >= 0 and the ratio, which are the order T². The pieces are exact.",
            Counterexample(
                "σ = (1, ½), B = [[1, 0.1], [0.1, 2]], T = 5: a balanced network keeps its rank, and the task's strong "
                "direction takes the only feature that there is until the second can carry it. And no ‖B‖T is small "
                "enough by itself: σ = (100, 0.3), B = [[0.35, 0.15], [0.15, 0.35]], T = 1.",
                rank_stealing,
                stealing_curves,
            ),
        ),
        Assumption(
            "strongest feature first",
            "Plateau n has the n strongest features.",
            Counterexample("The weak feature alone makes Δ negative.", out_of_order),
        ),
        Assumption(
            "finished features",
            "Plateaus only: every feature is learned or absent.",
            Counterexample("Inside a stage the cost rises and falls (D3).", under_way),
        ),
        Assumption(
            "task without knowledge of the teacher",
            "Only for the ratio: entries of B are independent, of mean 0 and variance v.",
            Counterexample("On B = A nothing is ever lost.", task_knows_the_teacher),
        ),
        *d1.DERIVATION.assumptions,
    ),
    steps=(
        Step(
            r"L_{pre}'(0)=0,\ L_{pre}''(0)=\|\dot f\|^2-2\,\mathrm{tr}\left((A-f)^\top Df^\top D\right),\ D=B-f",
            "Along the fine-tuning flow, at a plateau, where W2ᵀ(A − f) and (A − f)W1ᵀ are 0. In the teacher's frames "
            "ḟ_ij = (s_i + s_j)D_ij: ½Σ(s_i + s_j)²D_ij² − Σ_{i>n>=k} σ_iσ_kD_ikD_ki.",
            orders,
        ),
        Step(
            r"\tfrac12\sigma^2(x^2+y^2)+\sigma\sigma_j\left[(x+\tfrac y2)^2+\tfrac34y^2\right],\quad"
            r"\tfrac12\sigma(\sigma-\sigma_j)(x^2+y^2)+\tfrac12\sigma\sigma_j(x-y)^2",
            "Every term of an increment is a sum of squares, the later features being no stronger: >= 0 for EVERY B.",
            lambda: squares(formula()),
        ),
        Step(
            r"E[\tfrac12\sigma^2(x^2+y^2)-\sigma\sigma_jxy]=2\,E[\tfrac12\sigma^2x^2]",
            "For the ratio: in the mean over tasks the d_in + d_out − 2n − 2 entries on later directions count alike.",
            _later_pairs,
        ),
        Step(
            r"Q_{n+1}Q_{n+1}^\top=Q_nQ_n^\top+zz^\top,\quad z=\rho^{-1/2}(y-Y_nS_n^{-1}b)",
            "A5 from plateau n + 1 has one more column, Y = e^{FT}Q₀, and S bordered by it: the closed form gains one "
            "piece of rank one, at every T and for every B. With z = (w, u) the product gains u wᵀ = m û v̂ᵀ, where "
            "‖u‖ = ‖w‖, both plateaus being balanced.",
            bordered,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant(
            "(σ + σ_j)² without what was there before",
            lambda f: f | {"learned": f["learned"] + p**2 * (x**2 + y**2) / 2},
        ),
        Variant("sign of the learned coupling", lambda f: f | {"learned": f["learned"] - 2 * sigma * p * x * y}),
        Variant("coupling to later features dropped", lambda f: f | {"unlearned": sigma**2 * (x**2 + y**2) / 2}),
        Variant("coupling to later features doubled", lambda f: f | {"unlearned": f["unlearned"] - sigma * p * x * y}),
        Variant("directions beyond counted twice", lambda f: f | {"beyond": 2 * f["beyond"]}),
        Variant("own term against 0, not σ", lambda f: f | {"own": 2 * sigma**2 * b**2}),
        Variant("own term halved", lambda f: f | {"own": f["own"] / 2}),
        Variant("ratio with 2ΣΣσ_k", lambda f: f | {"ratio": f["ratio"] - T**2 * v * 2 * total / sigma}),
        Variant("ratio without its 2", lambda f: f | {"ratio": f["ratio"] - 2 * T**2 * v}),
        Variant("ratio linear in T", lambda f: f | {"ratio": f["ratio"] / T}),
        Variant("increment without what was learned", lambda f: f | {"increment": m2 / 2 - ma}),
        Variant("increment with ½ma", lambda f: f | {"increment": (m2 + sigma**2 - ma) / 2}),
    ),
    special_case=SpecialCase(
        "a task with the teacher's singular vectors, at order T²",
        lambda f: f | {key: f[key].subs({x: 0, y: 0}) for key in ("learned", "unlearned", "beyond")},
    ),
    floor=Verdict.PROVED,
    uses=("A5", "D1"),
    link=Link(
        "overtraining.theory.fine_tuning.plateaus.plateau_growth",
        "all shapes {1 … 4}², any rank, σ 1e-3 … 10, B 1e-3 … 1e2",
        _engine,
    ),
    source="ours; this project's version of what Theorem 4.7 of arXiv 2503.19206 is reported to say, first half",
)
