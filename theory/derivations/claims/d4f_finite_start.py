"""D4f: what D4's limit ε → 0 misses at a finite start: a begun feature's piece, and a bound by Grönwall's inequality.

`X = QQᵀ` after fine-tuning is `φ(X₀) = YQ₀S⁻¹Q₀ᵀY` with `Y = e^{FT}`, `G = ∫Y²` and `S = 1 + Q₀ᵀGQ₀` (A5). A checkpoint
on plateau n differs from the plateau by columns `√s_j z_j` of features that have begun, `|z_j|² = 2`, and by what
learned features lack.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, Rules, normal_form, scaled
from overtraining.theory.derivations.calculus.trace_calculus import agree, along, squared_norm
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
from overtraining.theory.derivations.claims import d1_fine_tuning as d1
from overtraining.theory.derivations.claims.d4_misaligned import bordered
from overtraining.theory.fine_tuning.tuned_flow import fine_tune
from overtraining.theory.learning.matrix_modes import Modes

s, sigma, m, g, T, b = sp.symbols("s sigma m g T b", positive=True)
u, M, q, eta, loss = sp.symbols("u M q eta L", nonnegative=True)
CROSS, DAMPING = sp.Symbol("y₂ᵀBy₁", real=True), sp.Symbol("|Qᵀy|²", nonnegative=True)
ENERGY_SLOPE = 4 * CROSS - 2 * DAMPING
"""d|y|²/dt, as `energy` derives it."""


def formula() -> dict[str, sp.Expr]:
    """Size of a begun feature's piece; of any other one at most; deviation of f; error of the loss after fine-tuning.

    u: half of the trace that all begun features add to X.  M: Σm of the learned features.  q: the largest share that
    one of them lacks.  eta: the deviation.  L: the loss after fine-tuning in the limit.
    """
    return {
        "begun": g * s / (1 + s * (g / m - 1 / sigma)),
        "others": s * sp.exp(2 * b * T),
        "deviation": u + q * (M + u),
        "error": eta * sp.sqrt(2 * loss) + eta**2 / 2,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The piece from the border of S, the others from |Φ|, the deviation from two comparisons, the loss from both.

    The squares of another feature's column, |z|² = 2, have the half trace s.
    """
    c, rho = sp.symbols("c rho", positive=True)
    k = s / sigma  # the new column of Q₀ is √k times that of a learned feature, and so is its border of S
    seen = c - rho  # bᵀS⁻¹b of the learned feature
    rho_s = 1 + k * (c - 1) - k * seen
    piece = (k * rho * m / rho_s).subs(rho, g * sigma / m)
    kappa = 1 / (1 - q)
    most = M + u  # ½ tr φ of the learned and the begun features
    longest, change = sp.sqrt(2 * loss), sp.Symbol("c", real=True)
    after = (loss + longest * change + change**2 / 2).subs(change, eta)  # the deviation along A − f: Cauchy and Schwarz
    return every(
        (
            ("begun", identity(candidate["begun"], piece)),
            ("others", identity(candidate["others"], s * sp.exp(b * T) ** 2)),
            ("deviation", identity(candidate["deviation"], u + sp.simplify(most - most / kappa))),
            ("error", identity(candidate["error"], after - loss)),
        ),
        "piece, growth, deviation and error agree",
    )


def _matrices() -> tuple[MatrixSum, ...]:
    names = (("Y", "N", "N", True), ("F", "N", "N", True), ("G", "N", "N", True), ("Q", "N", "n", False))
    words = [MatrixSum.of(Letter(name, rows, columns, symmetric=sym)) for name, rows, columns, sym in names]
    return (*words, *(MatrixSum.of(Letter(name, "n", "n", symmetric=True)) for name in ("S", "Si")))


def _rules() -> Rules:
    """`QᵀGQ = S − 1` and `S S⁻¹ = 1`."""
    large_g, column = Letter("G", "N", "N", symmetric=True), Letter("Q", "N", "n")
    inner, inverse = (Letter(name, "n", "n", symmetric=True) for name in ("S", "Si"))
    return [
        ((column.T, large_g, column), MatrixSum.of(inner) - IDENTITY),
        ((inner, inverse), IDENTITY),
        ((inverse, inner), IDENTITY),
    ]


def _is_zero(difference: MatrixSum, detail: str) -> Evidence:
    left = len(normal_form(difference, _rules()))
    return Evidence(left == 0, Verdict.PROVED, f"{detail}; {left} words differ, for symbolic dimensions")


def transition() -> Evidence:
    """`Φ = Y − YQS⁻¹QᵀG` obeys `Φ̇ = (F − X)Φ`, by `Ẏ = FY`, `Ġ = Y²` and `Ṡ = QᵀY²Q`."""
    y, f, large_g, column, _, inverse = _matrices()
    back = y @ column @ inverse @ column.T
    x, phi = back @ y, y - back @ large_g
    slope = f @ phi + back @ y @ y @ column @ inverse @ column.T @ large_g - back @ y @ y
    return _is_zero(slope - (f @ phi - x @ phi), "derivative of the transition")


def schur_complement() -> Evidence:
    """`ρ − 1 = zᵀ(G − GQS⁻¹QᵀG)z`, a sum of squares: `RᵀGR + PᵀP` with `R = 1 − QS⁻¹QᵀG`, `P = S⁻¹QᵀG`."""
    _, _, large_g, column, _, inverse = _matrices()
    seen = inverse @ column.T @ large_g
    rest = IDENTITY - column @ seen
    squares = rest.T @ large_g @ rest + seen.T @ seen
    return _is_zero(large_g - large_g @ column @ seen - squares, "sum of squares")


def energy() -> Evidence:
    """`d|y|²/dt = 4 y₂ᵀBy₁ − 2|Qᵀy|²` for `ẏ = (F − QQᵀ)y` with the halves y₁, y₂ of y and the blocks of F."""
    y_1, y_2 = MatrixSum.of(Letter("y1", "d_in", "one")), MatrixSum.of(Letter("y2", "d_out", "one"))
    q_1, q_2 = MatrixSum.of(Letter("Q1", "d_in", "n")), MatrixSum.of(Letter("Q2", "d_out", "n"))
    task = MatrixSum.of(Letter("B", "d_out", "d_in"))
    seen = q_1.T @ y_1 + q_2.T @ y_2
    flow = {"y1": task.T @ y_2 - q_1 @ seen, "y2": task @ y_1 - q_2 @ seen}
    traces = {CROSS: (y_2.T @ task @ y_1).trace(), DAMPING: squared_norm(seen)}
    return agree(along(squared_norm(y_1) + squared_norm(y_2), flow), ENERGY_SLOPE, traces)


def gronwall() -> Evidence:
    """`e^{−2‖B‖t}|y|²` falls: its slope is −2e^{−2‖B‖t} times a sum of terms that are not negative.

    They are `‖B‖(|y₁| − |y₂|)²`, `|Qᵀy|²` and twice what `y₂ᵀBy₁` lacks of `‖B‖|y₁||y₂|` (Cauchy–Schwarz). Without the
    damping, on singular vectors of ‖B‖, all three are 0, and the bound is attained.
    """
    t = sp.Symbol("t", real=True)
    one, other, short = sp.symbols("|y₁| |y₂| lack", nonnegative=True)
    size = sp.Function("N")(t)  # |y|²
    moved = sp.diff(sp.exp(-2 * b * t) * size, t).subs(size.diff(t), ENERGY_SLOPE).subs(size, one**2 + other**2)
    terms = b * (one - other) ** 2 + 2 * short + DAMPING
    falls = moved.subs(CROSS, b * one * other - short) + 2 * sp.exp(-2 * b * t) * terms
    return every(
        (("slope of |y|²", energy()), ("weighted", identity(sp.expand(falls), 0))),
        "the derivative of e^{−2‖B‖t}|y|² is −2e^{−2‖B‖t} times a sum of terms >= 0",
    )


def scaling() -> Evidence:
    """`κφ(X₀/κ) − φ(X₀)` is (κ − 1) times a sum of squares, for κ >= 1; and φ depends on `X₀ = QQᵀ` alone.

    With `N = QᵀGQ` and `K = (κ + N)⁻¹` it is `(κ − 1) YQ K S⁻¹ (κN + (1 + κ)N² + N³) S⁻¹K QᵀY`: N, N³ are squares with
    G >= 0 in the middle, and κ(κ + N)⁻¹ = (1 + N/κ)⁻¹.
    """
    kappa = sp.Symbol("kappa", positive=True)
    _, _, large_g, column, _, inverse = _matrices()
    letter_n, letter_k, letter_s = (Letter(name, "n", "n", symmetric=True) for name in ("N", "K", "Si"))
    n, k = MatrixSum.of(letter_n), MatrixSum.of(letter_k)
    solved: Rules = [
        ((letter_k, letter_n), IDENTITY - scaled(kappa, k)),
        ((letter_s, letter_n), IDENTITY - inverse),
        ((letter_n, letter_s), IDENTITY - inverse),
        ((letter_s, letter_k), scaled(1 / (kappa - 1), inverse - k)),  # partial fractions
    ]
    squares = scaled(kappa, n) + scaled(1 + kappa, n @ n) + n @ n @ n
    rest = scaled(kappa, k) - inverse - scaled(kappa - 1, k @ inverse @ squares @ inverse @ k)
    remaining = [sp.simplify(c) for c in normal_form(rest, solved).values()]
    fractions = (inverse - k) @ (scaled(kappa, IDENTITY) + n) @ (IDENTITY + n) - scaled(kappa - 1, IDENTITY)
    apart = normal_form(fractions, solved[:3])
    through = column @ inverse @ column.T @ (IDENTITY + large_g @ column @ column.T) - column @ column.T
    return every(
        (
            ("sum of squares", Evidence(not any(remaining), Verdict.PROVED, f"{remaining} remain")),
            ("partial fractions", Evidence(not apart, Verdict.PROVED, f"{len(apart)} words differ")),
            ("φ = YX₀(1 + GX₀)⁻¹Y", _is_zero(through, "Q S⁻¹Qᵀ(1 + GQQᵀ) = QQᵀ")),
            ("share", identity((1 - 1 / kappa).subs(kappa, 1 / (1 - q)), q)),
        ),
        "a sum of squares, for symbolic dimensions, and 1 − 1/κ = q",
    )


def half_trace() -> Evidence:
    """`‖uwᵀ‖_* = |u||w| <= ½(|u|² + |w|²)`, the half trace of the square of (w, u)."""
    one, other = sp.symbols("|u| |w|", real=True)
    return identity((one**2 + other**2) / 2 - one * other, (one - other) ** 2 / 2)


def above_the_teacher() -> Evidence:
    """A mode at 2, above σ = 1, lacks nothing of its feature, so that η = 0, and f is off all the same."""
    one = np.ones((1, 1))
    ends = [fine_tune(0.1, Modes(one, np.array([x]), one), one, one / 2).flow.product.item() for x in (1.0, 2.0)]
    apart = ends[1] - ends[0]
    return Evidence(apart > 0.5, Verdict.TESTED, f"on B = ½ at T = 0.1, f = {ends[1]:.3f} instead of {ends[0]:.3f}")


def _engine_error(claim: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The bound against its parts on random checkpoints of three features; and no cost beyond it (1e-9 is 1e-12)."""
    begun, others, deviation = (
        sp.lambdify(symbols, claim[name], "numpy")
        for name, symbols in (("begun", (s, sigma, m, g)), ("others", (s, b, T)), ("deviation", (u, q, M)))
    )
    worst = _excess(generator)
    for _ in range(200):
        values = np.sort(10.0 ** generator.uniform(-3, 3, 3))[::-1]
        at = values * 10.0 ** generator.uniform(-9, 0, (4, 3))
        sizes, gains, reach = *10.0 ** generator.uniform(-3, 3, (2, 3)), generator.uniform(0, 15)
        gains = np.maximum(gains, sizes / values)  # ρ >= 1
        found = function(at, values, sizes, gains, np.array(reach))
        for n in range(4):
            added = sum(float(others(at[n, j], reach, 1.0)) for j in range(n + 1, 3))
            added += float(begun(at[n, n], values[n], sizes[n], gains[n])) if n < 3 else 0.0
            lacks = max((1 - at[n, :n] / values[:n]).tolist(), default=0.0)
            exact = float(deviation(added, lacks, sizes[:n].sum()))
            worst = max(worst, abs(float(found[n]) - exact) / (exact or 1.0))
    return worst


def _excess(generator: np.random.Generator) -> float:
    """How far costs are beyond `Plateaus.error`, over the squared norms."""
    from overtraining.theory.fine_tuning.plateaus import fine_tune_plateaus, rise_on_plateaus

    worst = 0.0
    for _ in range(50):
        d_out, d_in = generator.integers(1, 5, 2)
        values = np.sort(10.0 ** generator.uniform(-1, 0.5, int(generator.integers(1, min(d_out, d_in) + 1))))[::-1]
        tasks = generator.normal(size=(20, d_out, d_in)) * 10.0 ** generator.uniform(-1, 1)
        norms = np.linalg.norm(tasks, 2, axis=(-2, -1))
        budget, epsilon = generator.uniform(0, 10, 20) / norms, values[-1] * 10.0 ** generator.uniform(-30, -0.1)
        limit = fine_tune_plateaus(budget, values, tasks)
        distance = np.abs(rise_on_plateaus(budget, values, tasks, epsilon) - limit.rise)
        worst = max(worst, float(((distance - limit.error(epsilon)) / (norms**2 + values[0] ** 2)[:, None]).max()))
    return worst * 1e-3


DERIVATION = Derivation(
    claim="D4f",
    title="What the limit of a small start misses: fine-tuning finishes features that have barely begun",
    statement=r"m(s)=\frac{gs}{1+s(g/m-1/\sigma)},\quad g\le e^{2\|B\|T};\qquad\|f(T)-f_n(T)\|_*\le\eta=u+q(M+u),\ "
    r"u=m(s_{n+1})+e^{2\|B\|T}\sum_{j>n+1}s_j;\qquad|\text{loss after}-L|\le\eta\sqrt{2L}+\tfrac12\eta^2",
    plain="On the plateau of a finite start the next feature has already begun. Fine-tuning lets it grow up to "
    "e^{2‖B‖T}-fold, and adds the same rank-one piece that the learned feature would add, only smaller. What D4 says "
    "of plateaus therefore holds up to a bound that is small only where the begun feature stays small after this "
    "growth; what the learned features still lack is not amplified.",
    symbols={
        "s, m(s)": "the next feature at the checkpoint, and the size of its piece; m(σ) = m, the piece of D4",
        "g,\\rho": "ρm/σ, the growth of a feature that has barely begun; ρ = c − bᵀS⁻¹b of D4's bordered S",
        r"q, M": "the largest share 1 − s_i/σ_i that a learned feature lacks; Σm of the learned features = ‖f_n(T)‖_*",
        r"\eta, L": "bound on the deviation of the network; the loss after fine-tuning from plateau n in the limit",
        r"F,Y,G,\Phi": "[[0, Bᵀ], [B, 0]]; e^{FT}; ∫e^{2Ft}dt; how changes of X₀ pass to X(T)",
    },
    assumptions=(
        Assumption(
            "a start below the teacher",
            "No singular value is above its feature, as on the path from ε < σ_r.",
            Counterexample("A mode above its feature lacks nothing, and is off all the same.", above_the_teacher),
        ),
        *d1.DERIVATION.assumptions,
    ),
    steps=(
        Step(
            r"Q_{n+1}Q_{n+1}^\top=Q_nQ_n^\top+zz^\top",
            "A feature that has begun is one more column of Q₀, √(s/σ) times the column of the learned feature. So it "
            "adds D4's piece with another size, and with ρ(s) = 1 + (s/σ)(ρ − 1).",
            bordered,
        ),
        Step(
            r"\rho-1=z^\top(G-GQS^{-1}Q^\top G)z\ge0",
            "So every further column, taken one after another, adds to X at most Φz(Φz)ᵀs, Φ = Y − YQS⁻¹QᵀG.",
            schur_complement,
        ),
        Step(r"\dot\Phi=(F-X)\Phi", "Φ is the transition matrix of the linear equation with F − X.", transition),
        Step(
            r"|\Phi z|^2\le2e^{2\|B\|T}",
            "d|y|²/dt = 2yᵀ(F − X)y, where X >= 0 only damps, so that e^{−2‖B‖t}|y|² falls. So g <= e^{2‖B‖T}, and a "
            "further feature at s adds at most 2s e^{2‖B‖T} to the trace.",
            gronwall,
        ),
        Step(
            r"\kappa\,\varphi(X_0/\kappa)\ge\varphi(X_0),\quad 1-1/\kappa=q",
            "κ times what the checkpoint has is all features together and further columns, which only add to φ. So "
            "what learned features lack costs at most the share q of the half trace M + u, without growth.",
            scaling,
        ),
        Step(
            r"\|uw^\top\|_*\le\tfrac12(|u|^2+|w|^2)",
            "A change of X by squares of columns (w, u) changes f, its corner, by the sum of the uwᵀ, in the nuclear "
            "norm by at most half of its trace. The squares of the pieces of the learned features have the half traces "
            "m: |u| = |w|, since the weights are balanced with and without the feature.",
            half_trace,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("no saturation of a begun feature", lambda f: f | {"begun": g * s}),
        Variant("saturation at once, without 1/σ", lambda f: f | {"begun": g * s / (1 + s * g / m)}),
        Variant("e^{‖B‖T} for e^{2‖B‖T}", lambda f: f | {"others": s * sp.exp(b * T)}),
        Variant("two traces for half of them", lambda f: f | {"others": 2 * s * sp.exp(2 * b * T)}),
        Variant("what learned features lack left out", lambda f: f | {"deviation": u}),
        Variant("begun features not lacking", lambda f: f | {"deviation": u + q * M}),
        Variant("what is lacking amplified", lambda f: f | {"deviation": u + q * (M + u) * sp.exp(2 * b * T)}),
        Variant("first order in the deviation", lambda f: f | {"error": eta * sp.sqrt(2 * loss)}),
        Variant("√L for √2L", lambda f: f | {"error": eta * sp.sqrt(loss) + eta**2 / 2}),
    ),
    special_case=SpecialCase(
        "learned features that lack nothing", lambda f: f | {"deviation": f["deviation"].subs(q, 0)}
    ),
    floor=Verdict.PROVED,
    uses=("A5", "D1", "D4"),
    link=Link(
        "overtraining.theory.fine_tuning.plateau_depth.deviation_bound",
        "σ, m, g 1e-3 … 1e3, s/σ 1e-9 … 1, ‖B‖T to 15; 1,000 tasks of all shapes up to 4 × 4",
        _engine_error,
    ),
    source="ours",
)
