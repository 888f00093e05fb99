"""D4m: budgets up to which one more learned feature never makes fine-tuning cheaper: a certified region, any task."""

from collections.abc import Callable
from typing import Any

import mpmath
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
from overtraining.theory.derivations.checker.evidence import certified_positive, every, identity, worst_relative_error
from overtraining.theory.derivations.claims.d4m_monotone import bounds, steps

m, a, uav, qw2, qcw, qhw = sp.symbols("m a uᵀAv |Qᵀw|² QᵀCw QᵀQQᵀHw", real=True)
k, z = sp.symbols("k z", real=True)
A, S, T, b, sigma, top, gap, reach = sp.symbols("A S T b sigma sigma_1 gap q", positive=True)


def formula() -> dict[str, sp.Expr]:
    """N²a of a piece; the overlap of w with the learned weights; the growth; the largest loss of overlap; the budget.

    "unlearned": a is the unlearned part of the teacher along the piece m û v̂ᵀ that the feature adds.
    """
    q = sp.sqrt(gap / top) / 4
    return {
        "unlearned": uav - qw2 / 4,
        "overlap": 2 * qcw + qhw,
        "growth": (m - sigma) ** 2 / 2 + m * (sigma - a),
        "lost": z**2 / (A**2 - S),
        "budget": 2 * q / (b + sp.sqrt(b * (b + 4 * top * q))),
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """Both overlaps in words, the growth against D4's, the largest loss, and the budget by interval arithmetic."""
    unlearned = candidate["unlearned"]
    overlap = candidate["overlap"]
    if unlearned.coeff(uav) == 1:
        along_piece = steps.learned_along_piece(-unlearned.coeff(qw2))
    else:
        along_piece = identity(unlearned.coeff(uav), 1)
    return every(
        (
            ("unlearned", along_piece),
            ("overlap", steps.overlap(overlap.coeff(qcw), overlap.coeff(qhw))),
            ("growth", identity(candidate["growth"], (m**2 + sigma**2) / 2 - m * a)),
            ("lost", steps.largest_loss(candidate["lost"])),
            ("budget", _certified(candidate["budget"])),
        ),
        "overlaps, growth and budget",
    )


def _certified(budget: sp.Expr) -> Evidence:
    """`bT(1 + σ₁T) = κ√(gap/σ₁)` with a number κ for which the margin is positive on the whole domain."""
    root = sp.Symbol("r", positive=True)  # √(gap/σ₁)
    kappa = sp.simplify((b * budget * (1 + top * budget)).subs(gap, top * root**2) / root)
    if kappa.free_symbols:
        return Evidence(False, Verdict.PROVED, f"not a function of the gap alone: {kappa}")
    return certified_positive(bounds.margin(kappa), ((0.0, 1.0), (0.0, float(kappa))), most_boxes=2000)


def _growth_bound() -> Evidence:
    """The smaller weight in the plane is at least N − ω, since `N² − ω² >= (N − ω)²`; `a <= σ` gives growth >= 0."""
    n, more = sp.symbols("N omega", positive=True)
    return every(
        (
            ("weight", identity((n + more) ** 2 - more**2 - n**2, 2 * more * n)),
            ("growth", identity(formula()["growth"].subs(a, sigma - more), (m - sigma) ** 2 / 2 + m * more)),
        ),
        "with N − ω >= 0 written n, and a = σ − more",
    )


def _engine_error(claim: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The budget over its whole domain; within it, on random tasks, no fall of the cost beyond rounding."""
    strong, strength = 10.0 ** generator.uniform(-6, 6, (2, 100))
    weak = strong * generator.uniform(0.01, 1, 100)

    def budget_of_second(*points: np.ndarray) -> np.ndarray:
        return np.array([function(np.array(row[:2]), row[2])[1] for row in zip(*points, strict=True)])

    exact = claim["budget"].subs(gap, sigma)
    error = worst_relative_error(exact, (top, sigma, b), budget_of_second, [strong, weak, strength])
    return max(error, _largest_fall(function, generator))


def _largest_fall(function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The largest fall of the cost at safe budgets, over the squared norms; a result of 1e-12 means a fall of 1e-9."""
    from overtraining.theory.fine_tuning.plateaus import fine_tune_plateaus

    worst = 0.0
    for _ in range(200):
        d_out, d_in = generator.integers(2, 5, 2)
        values = np.sort(10.0 ** generator.uniform(-2, 1, int(generator.integers(1, min(d_out, d_in) + 1))))[::-1]
        tasks = generator.normal(size=(20, d_out, d_in)) * 10.0 ** generator.uniform(-2, 1, (20, d_out, d_in))
        norms = np.linalg.norm(tasks, 2, axis=(-2, -1))
        for n, budget in enumerate(function(values, norms).T):
            within = np.minimum(budget, 3 / norms) * generator.uniform(0.5, 1, 20)
            change = np.asarray(fine_tune_plateaus(within, values, tasks).growth)[:, n]
            worst = max(worst, float((-change / (values[0] ** 2 + norms**2)).max()))
    return worst * 1e-3


def growth(budget: Any, sigma: list[Any], task: Any, n: int) -> Any:
    """`Δ_{n+1} − Δ_n` by A5 with mpmath's digits, from both plateaus."""
    d = task.rows
    teacher = mpmath.diag([*sigma, *[0] * (d - len(sigma))])
    force = mpmath.zeros(2 * d)
    force[d:, :d] = task
    force[:d, d:] = task.T
    rate, basis = mpmath.eigsy(force)
    middle = mpmath.diag([mpmath.expm1(2 * x * budget) / (2 * x) if x else budget for x in rate])
    ahead = basis * mpmath.diag([mpmath.exp(x * budget) for x in rate]) * basis.T

    def cost(learned: int) -> Any:
        if not learned:
            return mpmath.mpf(0)
        start = mpmath.zeros(2 * d, learned)
        for k in range(learned):
            start[k, k] = start[d + k, k] = mpmath.sqrt(sigma[k])
        within = basis.T * start
        q = ahead * start
        f = (q * mpmath.inverse(mpmath.eye(learned) + within.T * middle * within) * q.T)[d:, :d] - teacher
        return mpmath.fsum(x * x for x in f) / 2 - mpmath.fsum(x * x for x in sigma[learned:]) / 2

    return cost(n + 1) - cost(n)


def breaking_task(budget: Any, sigma: Any) -> Any:
    """A task of norm 1 whose direction beyond the teacher rotates feature 2 past feature 1.

    To leading order `u₁ = −T y + ½T²y'b` and `u₃ = Tb`, with `y' = √3/2` and `b = ½`. Here y is such that the new
    feature overlaps with the strong one while the strong one does not see it, and B₂₂ such that its piece keeps its
    size.
    """
    far = mpmath.sqrt(mpmath.mpf(3)) / 2
    near = mpmath.mpf(1) / 2
    y = -mpmath.mpf(7) / 6 * budget * far * near
    own = sigma - near**2 * budget
    task = mpmath.matrix([[0, y, far], [y, own, near], [far, near, 0]])
    return task / mpmath.sqrt(max(mpmath.eigsy(task.T * task, eigvals_only=True)))


def scaled_growth(reach: Any, gap: Any, strong: Any = 0) -> Any:
    """The growth over T⁴σ for σ = (1, gap + strong, strong) at `‖B‖T = reach √gap`."""
    sigma = [mpmath.mpf(1), gap + strong, strong] if strong else [mpmath.mpf(1), gap]
    budget = reach * mpmath.sqrt(gap)
    return growth(budget, sigma, breaking_task(budget, gap + strong), 1) / budget**4 / (gap + strong)


def beyond_the_budget() -> Evidence:
    """At 2.1 √gap Δ falls, however small the gap, ‖B‖T and σ₁T are; the claim's budgets are 8.4 times smaller."""
    with mpmath.workdps(60):
        gaps = [mpmath.mpf(10) ** -k for k in (4, 8, 12)]
        beyond = [float(scaled_growth(mpmath.mpf("2.1"), gap)) for gap in gaps]
        within = [float(scaled_growth(mpmath.mpf("0.25"), gap)) for gap in gaps]
    detail = f"growth/(T⁴σ) at gaps of 1e-4, 1e-8, 1e-12: {', '.join(f'{x:.4f}' for x in beyond)}; at ¼√gap positive"
    return Evidence(max(beyond) < -0.003 and min(within) > 0, Verdict.TESTED, detail)


def equal_features() -> Evidence:
    """What counts is not how weak a feature is, but its gap to the next: σ = (1, 0.01 + g, 0.01), g → 0."""
    with mpmath.workdps(50):
        weak = mpmath.mpf("0.01")
        values = [float(scaled_growth(mpmath.mpf(4), mpmath.mpf(10) ** -k, weak)) for k in (6, 8)]
    return Evidence(max(values) < 0, Verdict.TESTED, f"growth/(T⁴σ) at 4√g: {values[0]:.4f}, {values[1]:.4f}")


def curves() -> Curves:
    """The growth of the cost against the budget in units of √gap, one curve for each gap."""
    reach = np.linspace(0.25, 4.0, 31)
    by_gap = {}
    with mpmath.workdps(40):
        for k in (2, 4, 6):
            gap = mpmath.mpf(10) ** -k
            by_gap[f"gap 1e-{k}"] = np.array([float(scaled_growth(mpmath.mpf(float(x)), gap)) for x in reach])
    return Curves(reach, by_gap, "‖B‖T/√gap", "growth of the cost/(T⁴σ)")


DERIVATION = Derivation(
    claim="D4m",
    title="Budgets for which every learned feature adds to the cost, whatever the task",
    statement=r"\|B\|T\,(1+\sigma_1T)\le\tfrac14\sqrt{\frac{\sigma_{n+1}-\sigma_{n+2}}{\sigma_1}}\ \Rightarrow\ "
    r"\Delta_{n+1}\ge\Delta_n\ \text{for every }B;\quad a=\hat u^\top A\hat v-\|W_2^\top\hat u\|^2;\quad "
    r"\Delta_{n+1}<\Delta_n\Rightarrow a>\sigma_{n+1};\quad \Delta_1\ge\Delta_0\ \text{at every }T",
    plain="Up to a budget that is set by the gap to the next feature, one more learned feature never makes fine-tuning "
    "cheaper, on any task and at any angle. The first feature never does so at any budget. The square root of the gap "
    "is needed: at 8.4 times this budget there are tasks that break the claim, however small all quantities are.",
    symbols={
        r"\sigma_{n+1},\sigma_{n+2}": "the feature learned next and the one after it, 0 beyond the teacher's rank",
        r"\hat u,\hat v": "unit vectors of the piece m û v̂ᵀ that the feature adds after fine-tuning (D4)",
        "a": "unlearned part of A along the piece; W₂ are the weights after fine-tuning from plateau n",
        "w, N": "w = (v, u) before scaling, with w = (e, e) at the start; N = ‖u‖ = ‖v‖",
        "Q, C, H": "the stacked weights of plateau n; cosh FT; sinh(FT)/F",
        "x, X": "‖B‖T and σ₁T",
        "A, S, k, z": "2(1 + σ_kT); 1 + 2σ_kT + 2Xϑ; Q₀ᵀw; the rest of Qᵀe^{FT}w beyond Ak",
    },
    assumptions=(
        Assumption(
            "a budget for the gap",
            "The bound. It holds for each n separately, and for all of them up to the smallest of their budgets.",
            Counterexample(
                "σ = (1, g), 3 × 3: B₁₃ = √3/2, B₂₃ = ½, B₁₂ ≈ −0.5T rotate the new feature past the strong one; at "
                "‖B‖T = 2.1√g Δ falls, for g = 1e-4, 1e-8 and 1e-12 alike. So no condition on ‖B‖T and σ₁T alone is "
                "enough, and no budget of a larger order than the root of the gap is safe.",
                beyond_the_budget,
                curves,
            ),
        ),
        Assumption(
            "a gap to the next feature",
            "Equal features have no safe budget.",
            Counterexample("σ = (1, 0.01 + g, 0.01): Δ falls at 4√g as g → 0.", equal_features),
        ),
        Assumption("strongest feature first", "As in D4, which has the counterexample."),
        Assumption("infinitely small start", "As in D4, which has the counterexample."),
        Assumption("finished features", "As in D4 and D3, which have the counterexamples."),
    ),
    steps=(
        Step(
            r"\|u\|=\|v\|,\quad W_1v=W_2^\top u=\tfrac12Q(T)^\top w",
            "The two vectors of the piece have the same length and the same overlap with either layer.",
            steps.balanced_piece,
        ),
        Step(
            r"N^2a=u^\top Av-\tfrac14\|Q(T)^\top w\|^2",
            "What fine-tuning has learned along the piece is a square, so it only lowers a.",
            lambda: steps.learned_along_piece(sp.Rational(1, 4)),
        ),
        Step(
            r"u^\top Av\le\tfrac14\|Q_0^\top w\|^2+\sigma_{n+1}N^2-\tfrac12(\sigma_{n+1}-\sigma_{n+2})\|w_\perp\|^2",
            "Each product with a singular value of the teacher is a bound minus a square; w⊥ is the part of w outside "
            "the feature's own plane.",
            steps.teacher,
        ),
        Step(
            r"a\le\sigma_{n+1}\Rightarrow\Delta_{n+1}-\Delta_n=\tfrac12(m-\sigma)^2+m(\sigma-a)\ge0",
            "So it is enough that ‖Q₀ᵀw‖² − ‖Q(T)ᵀw‖² <= 2(σ_{n+1} − σ_{n+2})‖w⊥‖²; for n = 0 both norms are 0 at "
            "every T. The other identity bounds the part in the plane from below, by N − ‖w⊥‖.",
            _growth_bound,
        ),
        Step(
            r"Q_0^\top e^{-FT}w=-Q_0^\top Q_0\,Q_0^\top\tfrac{\sinh FT}{F}w",
            "The history of fine-tuning, expressed by w alone.",
            steps.history,
        ),
        Step(
            r"Q_0^\top e^{FT}w=2Q_0^\top\cosh(FT)w+Q_0^\top Q_0Q_0^\top\tfrac{\sinh FT}{F}w=A\,Q_0^\top w+z",
            "With A = 2(1 + TΣ), every term of the rest z has at least two factors F: (2 cosh FT − 2)w and "
            "(sinh FT/FT − 1)w.",
            lambda: steps.overlap(sp.Integer(2), sp.Integer(1)),
        ),
        Step(
            r"k^2-\frac{(Ak+z)^2}{S}\le\frac{z^2}{A^2-S}",
            "‖Q(T)ᵀw‖² is the squared norm of Q₀ᵀe^{FT}w weighted by S⁻¹, and S <= 1 + 2TΣ + 2Xϑ with "
            "ϑ = (e^{2x} − 1)/2x − 1.",
            lambda: steps.largest_loss(formula()["lost"]),
        ),
        Step(
            r"v^\top S^{-1}v\ge v^\top\bar S^{-1}v\ (S\le\bar S),\quad "
            r"\frac{z_k^2}{A^2-\bar S}\le2\sigma_k\frac{\alpha_k^2+3\beta_k^2}{3-2X\vartheta}",
            "For each mode separately, with X_k = σ_kT <= X, A² − S̄ = 3 + 6X_k + 4X_k² − 2Xϑ, and "
            "z_k = √(2σ_k)(α_k + 2X_kβ_k) from the components of (2 cosh FT − 2)w and (sinh FT/FT − 1)w.",
            bounds.weighted,
        ),
        Step(
            r"PF^{j+1}E=(PF^jP)(PFE)+(PF^jE)(EFE)\ \Rightarrow\ \|PF^jw_e\|\le j\|B\|^{j-1}N\|\beta\|",
            "β = PFe couples the feature to all others. Each power of F is split at the last step out of the feature's "
            "plane: by induction on j, with ‖PFv‖ <= N‖β‖ for every v in the plane with weights up to N (next step).",
            steps.first_exit,
        ),
        Step(
            r"(N-\|w_\perp\|)^2\|\beta\|^2\le\|PFw_e\|^2\le N^2\|\beta\|^2,\quad\|\beta\|^2\le2\|B\|^2",
            "F swaps the two halves of a vector.",
            bounds.halves,
        ),
        Step(
            r"\|g(FT)w_\perp\|\le g_+(x)\|w_\perp\|,\quad\|Pg(FT)w_e\|\le g_+'(x)NT\|\beta\|,\quad g_+=\sum|c_j|x^j",
            "Term by term in the series of g = Σ c_j (FT)^j, for the six functions of FT that occur.",
            bounds.majorants,
        ),
        Step(
            r"NT\|\beta\|\le R\|w_\perp\|,\quad R=\frac{e^x+\sqrt2x+2X\frac{\sinh x}x}{2-e^x-2X\chi(x)};\quad "
            r"3-2X\vartheta\ge\tfrac{\kappa^2}{q^2}(\alpha^2+3\beta^2)",
            "The history multiplied by P, P(e^{−FT} − 1)w_e = −Pe^{−FT}w⊥ − Q₀Q₀ᵀ(sinh FT/F)w, bounded word by word, "
            "is a linear inequality for NT‖β‖; χ = (x cosh x − sinh x)/x². The same bounds give α = 2(cosh x − 1) + "
            "2R sinh x and β = sinh x/x − 1 + Rχ. The margin that the intervals evaluate is the one that follows, and "
            "its series are enclosed with their remainders.",
            bounds.enclosed,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("κ = ½ for ¼", lambda f: f | {"budget": f["budget"].subs(gap, 4 * gap)}),
        Variant("the gap for its root", lambda f: f | {"budget": f["budget"].subs(gap, gap**2 / top)}),
        Variant("the gap not divided by σ₁", lambda f: f | {"budget": f["budget"].subs(gap, gap * top)}),
        Variant("σ₁T dropped", lambda f: f | {"budget": sp.sqrt(gap / top) / 4 / b}),
        Variant("½ for ¼ of the learned part", lambda f: f | {"unlearned": uav - qw2 / 2}),
        Variant("sign of the learned part", lambda f: f | {"unlearned": uav + qw2 / 4}),
        Variant("cosh once, not twice", lambda f: f | {"overlap": qcw + qhw}),
        Variant("term with sinh dropped", lambda f: f | {"overlap": 2 * qcw}),
        Variant("growth without its square", lambda f: f | {"growth": m * (sigma - a)}),
        Variant("A for A² in the loss", lambda f: f | {"lost": z**2 / (A - S)}),
    ),
    special_case=SpecialCase(
        "nothing learned before (Q = 0), and a single feature, whose gap is its own value",
        lambda f: {key: e.subs({qw2: 0, qcw: 0, qhw: 0, z: 0, gap: top}) for key, e in f.items()},
    ),
    floor=Verdict.CERTIFIED,
    uses=("A5", "D4"),
    link=Link(
        "overtraining.theory.fine_tuning.plateaus.safe_budget",
        "σ, ‖B‖ 1e-6 … 1e6; 4,000 tasks of all shapes up to 4 × 4",
        _engine_error,
    ),
    source="ours",
)
