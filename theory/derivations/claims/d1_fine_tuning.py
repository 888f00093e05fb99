"""D1: fine-tuning is a second gradient flow from balanced weights, so both losses after it are known exactly."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.trace_calculus import agree, along, descent, gradient, squared_norm
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum
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
from overtraining.theory.derivations.checker.evidence import every, identity, worst_relative_error
from overtraining.theory.derivations.claims import a3_balanced_mode as a3, a5_matrix_flow as a5
from overtraining.theory.derivations.claims.shared.stacked_flow import stacked, stays_balanced, w1, w2
from overtraining.theory.learning.matrix_modes import Modes

a, b = (MatrixSum.of(Letter(name, "d_out", "d_in")) for name in ("A", "B"))
half = sp.Rational(1, 2)
left, overlap, apart, g_in, g_out = TRACES = sp.symbols("L_ft O G g_in g_out", real=True)
T, s, x = sp.symbols("T s x", positive=True)
target = sp.Symbol("sigma'", real=True, nonzero=True)


def losses() -> tuple[TraceSum, TraceSum]:
    """`½‖f − A‖²` and `½‖f − B‖²` in words, dimensions symbolic."""
    return half * squared_norm(w2 @ w1 - a), half * squared_norm(w2 @ w1 - b)


def traces() -> dict[sp.Symbol, TraceSum]:
    """What the symbols of the formula stand for."""
    f = w2 @ w1
    return {
        left: losses()[1],
        overlap: ((a - b) @ (b - f).T).trace(),
        apart: squared_norm(a - b),
        g_in: ((f - a) @ w1.T @ w1 @ (f - b).T).trace(),
        g_out: ((f - a).T @ w2 @ w2.T @ (f - b)).trace(),
    }


def formula() -> dict[str, sp.Expr]:
    """L_pre by what is left of the task, its slope in T, and on a shared mode the product and how far weights move."""
    return {
        "L_pre": left + overlap + apart / 2,
        "slope": -(g_in + g_out),
        "x": target * s / (s + (target - s) * sp.exp(-2 * target * T)),
        "distance²": 2 * (sp.sqrt(x) - sp.sqrt(s)) ** 2,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The candidate against the two losses, the flow of the second, and A3's path with σ' in the teacher's place."""
    pretraining, downstream = losses()
    path = a3.solved()[0].subs({a3.sigma: target, a3.mu: 0, a3.epsilon: s, a3.t: T}, simultaneous=True)
    moved = sum((sp.sqrt(x) - sp.sqrt(s)) ** 2 for _ in (w1, w2))  # w1 = w2 = √x on a balanced mode
    return every(
        (
            ("L_pre", agree(pretraining, candidate["L_pre"], traces())),
            ("slope", agree(along(pretraining, descent(downstream, "W1", "W2")), candidate["slope"], traces())),
            ("mode", identity(path, candidate["x"])),
            ("distance", identity(moved, candidate["distance²"])),
        ),
        "losses, slope, mode and distance agree",
    )


def _mode_flow() -> Evidence:
    """`dx/dT = 2x(σ' − x)` and `x(0) = s`, σ' of either sign."""
    claim = formula()["x"]
    return identity((claim.diff(T), claim.subs(T, 0)), (2 * claim * (target - claim), s))


def _no_pole() -> Evidence:
    """`s e^{…}`: with `E = e^{−2|σ'|T} = 1/(1 + δ)` numerator and denominator have one sign, whichever σ' has."""
    delta, size = sp.symbols("delta m", positive=True)
    claim = formula()["x"]
    decay = lambda value, e: claim.subs(sp.exp(-2 * target * T), e).subs(target, value)
    cases = ((size, 1 / (1 + delta)), (-size, 1 + delta))
    return every((f"σ' = {v}", Evidence(sp.factor(decay(v, e)).is_positive is True, Verdict.PROVED, "x > 0"))
                 for v, e in cases)  # fmt: skip


def _slows() -> Evidence:
    """`dL_ft/dT = −‖θ̇‖²`; the rest is `T∫‖θ̇‖² − ‖∫θ̇‖² = T∫‖θ̇ − mean‖² >= 0`, here for a path of two pieces."""
    downstream = losses()[1]
    force = [gradient(downstream, name) for name in ("W1", "W2")]
    fall = along(downstream, descent(downstream, "W1", "W2")) + squared_norm(force[0]) + squared_norm(force[1])
    return Evidence(fall.is_zero(), Verdict.PROVED, f"{len(fall.terms)} traces remain, for symbolic dimensions")


def _flat() -> Evidence:
    """The slope at T = 0 is `−⟨∇L_pre, ∇L_ft⟩`: it is 0 on every task where pretraining stands still."""
    pretraining, downstream = losses()
    inner = sum(
        (half * 2 * (gradient(pretraining, n) @ gradient(downstream, n).T).trace() for n in ("W1", "W2")), TraceSum({})
    )
    rest = along(pretraining, descent(downstream, "W1", "W2")) + inner
    return Evidence(rest.is_zero(), Verdict.PROVED, "dL_pre/dT = −⟨∇L_pre, ∇L_ft⟩")


def _engine(claim: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """Both losses against the textbook A5 in 60 and 120 digits, and modes of either sign; in units of conditioning."""
    return max(*(_one(claim, function, generator) for _ in range(24)), _modes(claim, generator))


def _one(claim: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    d_in, d_out = generator.integers(1, 5, 2).tolist()
    k = int(generator.integers(1, min(d_in, d_out) + 1))
    u, v = (np.linalg.qr(generator.normal(size=(d, d)))[0][:, :k] for d in (d_out, d_in))
    products = 10.0 ** generator.uniform(-6, 0.5, k)
    first, second = generator.normal(size=(2, d_out, d_in))
    budget = float(generator.choice([0.0, 0.1, 1.0, 4.0])) / np.linalg.norm(second, 2)
    found = function(budget, Modes(u, products, v), first, second)
    if found.flow.saddle and budget > 0:  # rounding of the frames would leave it
        return 0.0
    low, high = (_losses(claim, budget, (u, products, v), first, second, digits) for digits in (60, 120))
    size = max(float(h) for h in high) + np.linalg.norm(first) ** 2 + np.linalg.norm(second) ** 2
    error = max(abs(float(x) - float(y)) for x, y in zip((found.pretraining, found.downstream), high, strict=True))
    agreed = all(abs(x - y) < 1e-30 for x, y in zip(low, high, strict=True))
    return error / size / (10 - np.log10(products.min())) if agreed else float("inf")


def _losses(claim, budget, modes, first, second, digits):  # type: ignore[no-untyped-def]
    """The claim's L_pre and L_ft at f by `e^{FT}Q₀(I + Q₀ᵀ∫e^{2Fs}ds Q₀)⁻¹Q₀ᵀe^{FT}`, growing exponentials and all."""
    u, products, v = modes
    with mpmath.workdps(digits):
        d_in, n = second.shape[1], sum(second.shape)
        start = mpmath.matrix(np.concatenate([v, u]).tolist()) * mpmath.diag([mpmath.sqrt(float(p)) for p in products])
        force = mpmath.zeros(n)
        force[d_in:, :d_in], force[:d_in, d_in:] = mpmath.matrix(second.tolist()), mpmath.matrix(second.T.tolist())
        values, basis = mpmath.eigsy(force)
        grown = [mpmath.expm1(2 * y * budget) / (2 * y) if abs(y) > 1e-30 else mpmath.mpf(budget) for y in values]
        inner = (mpmath.eye(start.cols) + (basis.T * start).T * mpmath.diag(grown) * (basis.T * start)) ** -1
        end = basis * mpmath.diag([mpmath.exp(y * budget) for y in values]) * basis.T * start
        f = (end * inner * end.T)[d_in:, :d_in]
        gap, rest = mpmath.matrix((first - second).tolist()), mpmath.matrix(second.tolist()) - f
        dot = lambda m, n: mpmath.fsum(p * q for p, q in zip(m, n, strict=True))
        given = (dot(rest, rest) / 2, dot(gap, rest), dot(gap, gap))
        return sp.lambdify((left, overlap, apart), claim["L_pre"], "mpmath")(*given), given[0]


def _modes(claim: dict[str, sp.Expr], generator: np.random.Generator) -> float:
    from overtraining.theory.fine_tuning.tuned_flow import fine_tune_mode, mode_distance

    size = 200
    products, tasks = 10.0 ** generator.uniform(-6, 3, size), 10.0 ** generator.uniform(-3, 3, size)
    tasks, budget = tasks * generator.choice([-1, 1], size), generator.uniform(0, 8, size) / tasks
    condition = lambda t, p, q: 20 * (1 + np.abs(q) * t + p * t)
    points = [budget, products, tasks]
    mode = worst_relative_error(claim["x"], (T, s, target), lambda *p: fine_tune_mode(*p)[0], points, condition)
    steep = lambda t, p, q: condition(t, p, q) * (1 + np.sqrt(p) / np.asarray(mode_distance(t, p, q)))
    moved = sp.sqrt(claim["distance²"].subs(x, claim["x"]))
    return max(mode, worst_relative_error(moved, (T, s, target), mode_distance, points, steep))


def _unbalanced() -> Evidence:
    """W1 = 2, W2 = ½ has the product 1 and not the weights: on B = 0 it forgets faster than the balanced 1 = 1 · 1."""
    from overtraining.theory.fine_tuning.tuned_flow import fine_tune_mode

    w, step = np.array([2.0, 0.5]), 1e-4
    for _ in range(2000):
        w = w - step * w[::-1] * w.prod()
    claimed = float(fine_tune_mode(0.2, 1.0, 0.0)[0])
    return Evidence(w.prod() < claimed - 0.1, Verdict.TESTED, f"f = {w.prod():.3f}, balanced {claimed:.3f}")


DERIVATION = Derivation(
    claim="D1",
    title="Forgetting is exact: the matrix solution, applied twice",
    statement=r"Q'=FQ-\tfrac12QQ^\top Q,\ F=\begin{pmatrix}-\tfrac\lambda2I&B^\top\\B&\tfrac\lambda2I\end{pmatrix};\ "
    r"L_{pre}(T)=L_{ft}(T)+\langle A-B,B-f\rangle+\tfrac12\|A-B\|^2,\quad \frac{dL_{pre}}{dT}=-\langle\nabla L_{pre},"
    r"\nabla L_{ft}\rangle;\quad x=\frac{\sigma's}{s+(\sigma'-s)e^{-2\sigma'T}}",
    plain="Pretraining leaves weights balanced as they were, so that fine-tuning on any task is solved by the same "
    "closed form: both losses are exact at every pretraining length and budget, and where the task shares the "
    "teacher's singular vectors every mode goes its own way.",
    symbols={
        "A, B": "pretraining and downstream teacher, any d_out × d_in",
        "T": "fine-tuning time, learning rate × steps",
        "Q, F": "as in A5, with B in A's place",
        r"\lambda": "the imbalance, conserved by both flows",
        "s, x": "a shared mode before and after fine-tuning",
        r"\sigma'": "the task's value on a shared mode, of either sign",
    },
    assumptions=(
        Assumption(
            "balanced start",
            "W2ᵀW2 − W1W1ᵀ = λI at the start of pretraining.",
            Counterexample("One mode with the same product and unequal layers forgets faster.", _unbalanced),
        ),
        *(x for x in a5.DERIVATION.assumptions if x.name != "balanced start"),
    ),
    steps=(
        Step(
            r"\tfrac{d}{dT}(W_2^\top W_2-W_1W_1^\top)=0",
            "For any target, so for A and then for B: what pretraining hands over is as balanced as it was.",
            stays_balanced,
        ),
        Step(r"Q'=FQ-\tfrac12QQ^\top Q", "A5's equation, whose target is any matrix, here B.", stacked),
        Step(
            r"\tfrac{dL_{pre}}{dT}=-\langle\nabla L_{pre},\nabla L_{ft}\rangle",
            "So where pretraining stands still nothing is forgotten at first order in T, on any task.",
            _flat,
        ),
        Step(
            r"\|\theta(T)-\theta(0)\|^2\le T\,(L_{ft}(0)-L_{ft}(T))",
            "L_ft falls by the squared speed (here, by machine), and a path of given length is never longer than its "
            "root mean square speed allows.",
            _slows,
        ),
        Step(r"x'=2x(\sigma'-x),\ x(0)=s", "A shared mode, for σ' of either sign.", _mode_flow),
        Step(r"x>0", "Numerator and denominator have one sign: no pole, and a mode never changes its sign.", _no_pole),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("cross term dropped", lambda f: f | {"L_pre": left + apart / 2}),
        Variant("sign of the cross term", lambda f: f | {"L_pre": left - overlap + apart / 2}),
        Variant("cross term halved", lambda f: f | {"L_pre": left + overlap / 2 + apart / 2}),
        Variant("‖A − B‖² without ½", lambda f: f | {"L_pre": left + overlap + apart}),
        Variant("slope of W1 only", lambda f: f | {"slope": -g_in}),
        Variant("sign of the slope", lambda f: f | {"slope": -f["slope"]}),
        Variant("rate σ' for 2σ'", lambda f: f | {"x": f["x"].subs(T, T / 2)}),
        Variant("s and σ' exchanged", lambda f: f | {"x": f["x"].subs({s: target, target: s}, simultaneous=True)}),
        Variant("distance of one layer", lambda f: f | {"distance²": f["distance²"] / 2}),
        Variant("distance of the products", lambda f: f | {"distance²": 2 * (x - s) ** 2}),
    ),
    special_case=SpecialCase(
        "fine-tuning on the pretraining task itself", lambda f: f | {"L_pre": f["L_pre"].subs({overlap: 0, apart: 0})}
    ),
    floor=Verdict.PROVED,
    uses=("A3", "A5"),
    link=Link(
        "overtraining.theory.fine_tuning.tuned_flow.fine_tune",
        "all shapes {1 … 4}², ranks, s 1e-6 … 3, ‖B‖T 0 … 4; modes: s 1e-6 … 1e3, |σ'| 1e-3 … 1e3",
        _engine,
    ),
    source="A5's sources; the composition and the bound on the distance are ours. Neighbours on pretraining and then "
    "fine-tuning linear networks: arXiv 2602.20062, 2602.02855",
)
