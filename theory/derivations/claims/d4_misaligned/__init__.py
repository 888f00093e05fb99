"""D4: misaligned tasks: the cost of a small budget never falls from plateau to plateau; its growth at any budget."""

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
    next_feature,
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
d_in, d_out = sp.symbols("d_in d_out", positive=True, integer=True)
m2, ma = sp.symbols("m² ma", real=True)


def formula() -> dict[str, sp.Expr]:
    """What feature σ adds to Δ/T²: with another feature p, beyond all features, by itself; the ratio; the increment.

    "learned" and "unlearned": with a feature learned before, and with a later one.  "beyond": with a direction that
    the teacher lacks.  "increment": Δ_{n+1} − Δ_n at any T.
    """
    return {
        "learned": ((sigma + p) ** 2 - p**2) * (x**2 + y**2) / 2 + sigma * p * x * y,
        "unlearned": sigma**2 * (x**2 + y**2) / 2 - sigma * p * x * y,
        "beyond": sigma**2 * x**2 / 2,
        "own": 2 * sigma**2 * (b - sigma) ** 2,
        "ratio": T**2 * (v * (4 * total / sigma + d_in + d_out + 2) + 4 * sigma**2),
        "increment": (m2 + sigma**2) / 2 - ma,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The increments as sums over the entries, the mean over tasks, and the exact increment, for symbolic widths."""
    return every(
        (
            ("increments", identity(_claimed_sums(candidate), _derived_sums())),
            ("ratio", identity(_mean_ratio(), candidate["ratio"])),
            ("increment", _one_piece(candidate["increment"])),
        ),
        "increments, ratio and the rank-one piece agree, for symbolic widths",
    )


def _sums(features: str, powers: tuple[int, int, int]) -> sp.Symbol:
    """`Σ_j p_j^k x_j^l y_j^m` over the features learned before, over the later ones, or over what the teacher lacks."""
    return sp.Symbol(f"Σ_{features} {powers}", real=True)


def _derived_sums() -> sp.Expr:
    """The increment of `next_feature`, each number such as aᵀBBᵀa written as sums over the entries of B in the frames.

    x_j = aᵀBv_j and y_j = u_jᵀBb; over all j their squares are those of the feature itself and of the three kinds.
    """
    kinds = ("learned", "unlearned", "beyond")
    values: dict[tuple[str, ...], sp.Expr] = {
        ("aᵀ", "B", "b"): b,
        ("aᵀ", "B", "Bᵀ", "a"): b**2 + sum(_sums(kind, (0, 2, 0)) for kind in kinds),
        ("bᵀ", "Bᵀ", "B", "b"): b**2 + sum(_sums(kind, (0, 0, 2)) for kind in kinds),
        ("aᵀ", "B", "G", "Bᵀ", "a"): _sums("learned", (1, 2, 0)),
        ("bᵀ", "Bᵀ", "C", "B", "b"): _sums("learned", (1, 0, 2)),
        ("aᵀ", "B", "fᵀ", "B", "b"): _sums("learned", (1, 1, 1)),
        ("aᵀ", "B", "Lᵀ", "B", "b"): _sums("unlearned", (1, 1, 1)),
    }
    return sp.expand(sum(c * sp.prod(values[number] for number in key) for key, c in next_feature().items()))


def _claimed_sums(claim: Mapping[str, sp.Expr]) -> sp.Expr:
    """The claim's terms for one other feature, or direction beyond them, summed over all of them."""
    beyond = claim["beyond"]
    terms = {"learned": claim["learned"], "unlearned": claim["unlearned"], "beyond": beyond + beyond.subs(x, y)}
    total = claim["own"]
    for kind, term in terms.items():
        total += sum(c * _sums(kind, powers) for powers, c in sp.Poly(term, p, x, y).terms())
    return sp.expand(total)


def _on_shapes() -> Evidence:
    """The increments from the Taylor series of the weights, entry by entry, with a symbolic task."""
    shapes = ((2, 2), (3, 3), (2, 3), (3, 2))
    cases = [(f"{o} × {i}", _increments(formula(), o, i)) for o, i in shapes]
    checked = every(cases, f"tested on shapes {', '.join(map(str, shapes))}, of full rank")
    return Evidence(checked.holds, Verdict.TESTED, checked.detail)


def _increments(claim: dict[str, sp.Expr], o: int, i: int) -> Evidence:
    """Δ_{n+1} − Δ_n at order T² on a d_out × d_in task with symbolic entries."""
    orders_two, roots, task = second_orders(o, i)
    cases = []
    for f in range(len(roots)):
        derived = orders_two[f + 1] - orders_two[f]
        cases.append((f"feature {f + 1}", identity(sp.expand(derived - _claimed_sum(claim, f, roots, task)), 0)))
    return every(cases)


def _claimed_sum(claim: dict[str, sp.Expr], f: int, roots: tuple[sp.Symbol, ...], task: sp.Matrix) -> sp.Expr:
    """The claim's terms for feature f, written in the entries of B."""
    r = len(roots)
    feature = {sigma: roots[f] ** 2}
    added = claim["own"].subs(feature | {b: task[f, f]})
    for j in range(r):
        if j != f:
            pair = feature | {p: roots[j] ** 2, x: task[f, j], y: task[j, f]}
            added += claim["learned" if j < f else "unlearned"].xreplace(pair)
    beyond = [task[f, j] for j in range(r, task.cols)] + [task[i, f] for i in range(r, task.rows)]
    return sp.expand(added + sum(claim["beyond"].subs(feature | {x: entry}) for entry in beyond))


def _mean(term: sp.Expr) -> sp.Expr:
    """The mean over independent entries of mean 0 and variance v."""
    moments = {(0, 0, 0): 1, (2, 0, 0): v, (0, 2, 0): v, (0, 0, 2): v}
    return sum(c * moments.get(powers, 0) for powers, c in sp.Poly(term, x, y, b).terms())


def _mean_ratio() -> sp.Expr:
    """`2T²/σ²` times the mean of `next_feature` over tasks: `E BBᵀ = v d_in`, `E BGBᵀ = v tr G`, with tr G = P."""
    means = {
        (): sp.Integer(1),
        (("aᵀ", "B", "b"), ("aᵀ", "B", "b")): v,
        (("aᵀ", "B", "Bᵀ", "a"),): v * d_in,
        (("bᵀ", "Bᵀ", "B", "b"),): v * d_out,
        (("aᵀ", "B", "G", "Bᵀ", "a"),): v * total,
        (("bᵀ", "Bᵀ", "C", "B", "b"),): v * total,
    }
    of_one_entry = {(("aᵀ", "B", "b"),), (("aᵀ", "B", "fᵀ", "B", "b"),), (("aᵀ", "B", "Lᵀ", "B", "b"),)}  # mean 0
    terms = (0 if key in of_one_entry else c * means[key] for key, c in next_feature().items())
    return sp.expand(2 * T**2 / sigma**2 * sum(terms))


def _one_piece(candidate: sp.Expr) -> Evidence:
    """`½‖f + z wᵀ − A‖² − ½‖f − A‖² + ½σ²`: the loss with the piece minus without, plus the feature's loss before."""
    z, w = (MatrixSum.of(Letter(name, rows, "one")) for name, rows in (("z", "d_out"), ("w", "d_in")))
    unlearned = MatrixSum.of(Letter("R", "d_out", "d_in"))
    piece = z @ w.T
    change = half * squared_norm(piece - unlearned) - half * squared_norm(unlearned)
    traces = {m2: squared_norm(piece), ma: (unlearned @ piece.T).trace()}
    return agree(change, sp.expand(candidate - sigma**2 / 2), traces)


def _later_pairs() -> Evidence:
    """The mean of a pair with a later feature is that of two single entries, which gives the counts in the ratio."""
    means = _mean(formula()["unlearned"]), 2 * _mean(formula()["beyond"])
    return identity(means, (sigma**2 * v, sigma**2 * v))


def _engine_error(claim: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The claim's terms in 50 digits on tasks of every shape; the ratio; the exact growth of the cost at small T."""
    growth = max(_growth_error(claim, function, generator) for _ in range(30))
    return max(growth, _ratio_error(claim), _small_budget_error(generator))


def _growth_error(claim: Mapping[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The growth of the cost at order T², on a random task of any shape and rank."""
    o, i = generator.integers(1, 5, 2).tolist()
    r = int(generator.integers(1, min(o, i) + 1))
    values = np.sort(10.0 ** generator.uniform(-3, 1, r))[::-1].copy()
    task = generator.normal(size=(o, i)) * 10.0 ** generator.uniform(-3, 2)
    exact = {key: sp.lambdify((sigma, p, x, y, b), claim[key], "mpmath") for key in ("learned", "unlearned", "own")}
    growth = function(values, task)
    d = max(o, i)

    def entry(row: int, column: int) -> float:
        return float(task[row, column]) if row < o and column < i else 0.0

    worst = 0.0
    with mpmath.workdps(50):
        strong = [mpmath.mpf(float(q)) for q in values] + [mpmath.mpf(0)] * (d - r)
        for f in range(r):
            terms = [exact["own"](strong[f], 0, 0, 0, entry(f, f))]
            for j in range(d):
                if j != f:
                    pair = exact["learned" if j < f else "unlearned"]
                    terms.append(pair(strong[f], strong[j], entry(f, j), entry(j, f), 0))
            condition = 10 * (1 + float(values[f] / abs(entry(f, f) - values[f])))
            error = float(abs(mpmath.fsum(terms) - float(growth[f])) / mpmath.fsum(terms))
            worst = max(worst, error / condition)
    return worst


def _ratio_error(claim: Mapping[str, sp.Expr]) -> float:
    from overtraining.theory.fine_tuning.plateaus import hurting_ratio

    values = np.array([2.0, 0.7, 0.1])
    ratios = np.asarray(hurting_ratio(0.3, values, 0.4, d_in=5, d_out=3))
    worst = 0.0
    for f, value in enumerate(values):
        point = {T: 0.3, v: 0.4, sigma: value, total: values[:f].sum(), d_in: 5, d_out: 3}
        worst = max(worst, abs(float(claim["ratio"].subs(point)) / float(ratios[f]) - 1))
    return worst


def _small_budget_error(generator: np.random.Generator) -> float:
    """The exact growth over T², extrapolated to T = 0, against the order T²; a result of 1e-12 means an error of 1%."""
    from overtraining.theory.fine_tuning.plateaus import fine_tune_plateaus, plateau_growth

    values = np.array([1.0, 0.6])
    task = generator.normal(size=(50, 2, 3))
    slopes = [fine_tune_plateaus(t, values, task).growth / t**2 for t in (2e-4, 1e-4)]
    limit = 2 * slopes[1] - slopes[0]
    return float(np.abs(limit / plateau_growth(values, task) - 1).max()) * 1e-10


SIGMA = np.array([1.0, 0.5])
TASK = np.array([[1.0, 0.1], [0.1, 2.0]])


def cost(budget: np.ndarray, learned: list[int], task: np.ndarray = TASK, sigma: np.ndarray = SIGMA) -> np.ndarray:
    """Δ: the pretraining loss after fine-tuning minus before, from weights with the `learned` features, by D1."""
    frame = np.eye(2)[:, learned]
    unlearned: np.ndarray = np.delete(sigma, learned)
    after = fine_tune(budget, Modes(frame, sigma[learned], frame), np.diag(sigma), task).pretraining
    return np.asarray(after) - (unlearned**2).sum() / 2


def rank_stealing() -> Evidence:
    """The only learned feature rotates to the task's strong direction and is lost; a second feature restores it."""
    one, two = (float(cost(np.array([5.0]), list(range(n)))[0]) for n in (1, 2))
    first = np.eye(2)[:, :1]
    product = fine_tune(5.0, Modes(first, SIGMA[:1], first), np.diag(SIGMA), TASK).flow.product
    weak_task = np.array([[0.35, 0.15], [0.15, 0.35]])
    far_apart = np.array([100.0, 0.3])
    few, more = (float(cost(np.array([1.0]), list(range(n)), weak_task, far_apart)[0]) for n in (1, 2))
    detail = f"Δ = 0, {one:.3f}, {two:.3f} with 0, 1, 2 features; with one, f = {product.round(2).tolist()}, all on "
    detail += f"the other axis; at ‖B‖T = ½ and σ₁T = 100 the second feature lowers Δ by {few - more:.4f}"
    holds = two < one - 0.3 and product[1, 1] > 1.9 and product[0, 0] < 0.1 and 0.004 < few - more < 0.006
    return Evidence(holds, Verdict.TESTED, detail)


def at_finite_start(epsilon: float, budget: float = 5.0) -> tuple[float, float]:
    """Δ from a start ε after one feature (where it lacks the share that the next one has) and after both, by D1."""
    odds = SIGMA / epsilon - 1
    length = np.log(odds.prod()) / (2 * SIGMA.sum())
    middle = SIGMA / (1 + odds * np.exp(-2 * SIGMA * length))
    after = [fine_tune(budget, Modes(np.eye(2), x, np.eye(2)), np.diag(SIGMA), TASK) for x in (middle, SIGMA)]
    return float(after[0].pretraining) - float(((SIGMA - middle) ** 2).sum()) / 2, float(after[1].pretraining)


def fall_that_is_not_there() -> Evidence:
    """The fall of `rank_stealing`, 1.478 to 1.135, is there from 1e-30, and from 1e-12 and larger starts Δ rises."""
    costs = {epsilon: at_finite_start(epsilon) for epsilon in (1e-3, 1e-12, 1e-30)}
    detail = "; ".join(f"{before:.3f}, {after:.3f} from {epsilon:g}" for epsilon, (before, after) in costs.items())
    falls = [before > after for before, after in costs.values()]
    return Evidence(falls == [False, False, True], Verdict.TESTED, f"Δ after one feature and after both: {detail}")


def stealing_curves() -> Curves:
    """The cost of both plateaus against the budget."""
    budget = np.linspace(0, 8, 81)
    curves = {f"{n} learned": cost(budget, list(range(n))) for n in (1, 2)}
    return Curves(budget, curves, "fine-tuning time T", "cost Δ")


def out_of_order() -> Evidence:
    """On B = [[0, 1], [1, ½]] the weak feature, learned first, makes Δ negative; with no feature Δ is 0."""
    task = np.array([[0.0, 1.0], [1.0, 0.5]])
    weak = float(cost(np.array([0.01]), [1], task)[0])
    return Evidence(weak < -1e-5, Verdict.TESTED, f"Δ = {weak:.2g} after the weak feature alone, 0 after none")


def task_knows_the_teacher() -> Evidence:
    """B = A has entries of mean square v = 0.31; at T = 0.5 the ratio is far above 1, and yet no feature costs."""
    task = np.diag(SIGMA)
    v = float((task**2).mean())
    budget = 0.5
    ratio = budget**2 * (v * 6 + 4)
    after = float(cost(np.array([budget]), [0], task)[0])
    return Evidence(ratio > 1 and abs(after) < 1e-12, Verdict.TESTED, f"ratio {ratio:.2f} and Δ = {abs(after):.1g}")


def under_way() -> Evidence:
    """D3: while it is being learned, at s = 0.71, a feature costs 0.0295; once learned, it costs 0.0139."""
    costs = [((1 - s / (1 + 0.2 * s)) ** 2 - (1 - s) ** 2) / 2 for s in (0.71, 1.0)]
    detail = f"Δ = {costs[0]:.4f} while the feature is learned, {costs[1]:.4f} afterwards"
    return Evidence(costs[0] > 2 * costs[1], Verdict.TESTED, detail)


DERIVATION = Derivation(
    claim="D4",
    title="Misaligned tasks: every learned feature is one more thing to lose",
    statement=r"\frac{\Delta_{n+1}-\Delta_n}{T^2}\to2\sigma^2(B_{n+1,n+1}-\sigma)^2+\sum_{j\le n}\left[\tfrac12"
    r"((\sigma+\sigma_j)^2-\sigma_j^2)(x_j^2+y_j^2)+\sigma\sigma_jx_jy_j\right]+\sum_{j>n+1}\left[\tfrac12\sigma^2"
    r"(x_j^2+y_j^2)-\sigma\sigma_jx_jy_j\right]\ge0;\quad\text{all }T:\ f_{n+1}=f_n+m\hat u\hat v^\top,\ "
    r"\Delta_{n+1}-\Delta_n=\tfrac12(m^2+\sigma^2)-m\,\hat u^\top(A-f_n)\hat v",
    plain="As the start goes to 0, at a fixed fine-tuning budget: from one plateau of pretraining to the next the cost "
    "of a small budget never falls, whatever the task. At any budget, one more learned feature adds one rank-one piece "
    "to the fine-tuned network; it raises the loss after fine-tuning exactly if the piece is more than twice as large "
    "as what was missing in its direction, and lowers the cost if it restores what the task had displaced.",
    symbols={
        r"\Delta_n": "pretraining loss after fine-tuning from plateau n (n features learned), minus the loss before",
        r"\sigma,\sigma_j": "the feature learned next, σ = σ_{n+1}, and the others, 0 beyond the teacher's rank",
        "x_j,y_j": "B_{n+1,j} and B_{j,n+1} in the teacher's frames; 0 where there is no such entry",
        r"m\hat u\hat v^\top": "what the feature adds to the network after fine-tuning, a matrix of rank one",
        "T": "fine-tuning time, fixed while ε → 0",
        "v, P": "variance of the entries of a random task; sum of the features learned before",
    },
    assumptions=(
        Assumption(
            "small budget",
            "Both ‖B‖T and σ₁T are small. Needed only for increments >= 0 and for the ratio, which are of order T²; "
            "the increment by rank-one pieces holds at every T.",
            Counterexample(
                "σ = (1, ½), B = [[1, 0.1], [0.1, 2]], T = 5: a balanced network keeps its rank, so the task's strong "
                "direction takes over the only feature, until the second can serve it. A small ‖B‖T alone is not "
                "enough either: σ = (100, 0.3), B = [[0.35, 0.15], [0.15, 0.35]], T = 1.",
                rank_stealing,
                stealing_curves,
            ),
        ),
        Assumption(
            "strongest feature first",
            "At plateau n the n strongest features are learned.",
            Counterexample("The weak feature alone makes Δ negative.", out_of_order),
        ),
        Assumption(
            "infinitely small start",
            "ε → 0 at a fixed budget (and, for increments >= 0, T → 0 after that): what has barely begun must stay "
            "small when it grows by e^{2‖B‖T}. D4f has the bound for a finite start.",
            Counterexample(
                "σ = (1, ½), B = [[1, 0.1], [0.1, 2]], T = 5: the fall from the first plateau to the second is absent "
                "from ε = 1e-12.",
                fall_that_is_not_there,
            ),
        ),
        Assumption(
            "finished features",
            "The claim compares plateaus: every feature is either learned or absent.",
            Counterexample("Within a stage the cost rises and falls (D3).", under_way),
        ),
        Assumption(
            "task without knowledge of the teacher",
            "Needed only for the ratio: the entries of B are independent, with mean 0 and variance v.",
            Counterexample("On B = A nothing is ever lost.", task_knows_the_teacher),
        ),
        *d1.DERIVATION.assumptions,
    ),
    steps=(
        Step(
            r"L_{pre}'(0)=0,\ L_{pre}''(0)=\|\dot f\|^2-2\,\mathrm{tr}\left((A-f)^\top Df^\top D\right),\ D=B-f",
            "Along the fine-tuning flow, at a plateau, where W2ᵀ(A − f) = 0 and (A − f)W1ᵀ = 0. In the teacher's "
            "frames ḟ_ij = (s_i + s_j)D_ij, and the second order is ½Σ(s_i + s_j)²D_ij² − Σ_{i>n>=k} σ_iσ_kD_ikD_ki. "
            "The claim is its change if f gains σ a bᵀ, an identity of words for symbolic widths.",
            orders,
        ),
        Step(
            r"\tfrac12\sigma^2(x^2+y^2)+\sigma\sigma_j\left[(x+\tfrac y2)^2+\tfrac34y^2\right],\quad"
            r"\tfrac12\sigma(\sigma-\sigma_j)(x^2+y^2)+\tfrac12\sigma\sigma_j(x-y)^2",
            "Later features are not stronger, so every term of an increment is a sum of squares: >= 0 for every B.",
            lambda: squares(formula()),
        ),
        Step(
            r"E[\tfrac12\sigma^2(x^2+y^2)-\sigma\sigma_jxy]=2\,E[\tfrac12\sigma^2x^2]",
            "For the ratio: in the mean over tasks, all d_in + d_out − 2n − 2 entries on later directions contribute "
            "the same.",
            _later_pairs,
        ),
        Step(
            r"Q_{n+1}Q_{n+1}^\top=Q_nQ_n^\top+zz^\top,\quad z=\rho^{-1/2}(y-Y_nS_n^{-1}b)",
            "From plateau n + 1, A5 has one more column in Y = e^{FT}Q₀ and one more row and column in S. So the "
            "closed form gains one piece of rank one, at every T and for every B. With z = (w, u) the product gains "
            "u wᵀ = m û v̂ᵀ, where ‖u‖ = ‖w‖ since both plateaus are balanced.",
            bordered,
        ),
        Step(
            r"\tfrac12L_{pre}''(0)\ \text{after}-\text{before feature }n+1",
            "The increments again, entry by entry from the Taylor series of both layers, with a symbolic task.",
            _on_shapes,
            cross_check=True,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant(
            "(σ + σ_j)² without subtracting σ_j²", lambda f: f | {"learned": f["learned"] + p**2 * (x**2 + y**2) / 2}
        ),
        Variant(
            "sign of the coupling to learned features", lambda f: f | {"learned": f["learned"] - 2 * sigma * p * x * y}
        ),
        Variant("coupling to later features dropped", lambda f: f | {"unlearned": sigma**2 * (x**2 + y**2) / 2}),
        Variant("coupling to later features doubled", lambda f: f | {"unlearned": f["unlearned"] - sigma * p * x * y}),
        Variant("directions beyond the teacher counted twice", lambda f: f | {"beyond": 2 * f["beyond"]}),
        Variant("own term (b − 0)² for (b − σ)²", lambda f: f | {"own": 2 * sigma**2 * b**2}),
        Variant("own term halved", lambda f: f | {"own": f["own"] / 2}),
        Variant("ratio with 2ΣΣσ_k for 4ΣΣσ_k", lambda f: f | {"ratio": f["ratio"] - T**2 * v * 2 * total / sigma}),
        Variant("ratio with d_in + d_out for d_in + d_out + 2", lambda f: f | {"ratio": f["ratio"] - 2 * T**2 * v}),
        Variant("ratio linear in T", lambda f: f | {"ratio": f["ratio"] / T}),
        Variant("increment without the feature's loss before", lambda f: f | {"increment": m2 / 2 - ma}),
        Variant("increment with ½ma for ma", lambda f: f | {"increment": (m2 + sigma**2 - ma) / 2}),
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
        _engine_error,
    ),
    source="ours; our version of the first half of what Theorem 4.7 of arXiv 2503.19206 is reported to state",
)
