"""D1: fine-tuning is a second gradient flow from balanced weights, so both losses after it have a closed form."""

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
downstream_loss, overlap, squared_distance, g_in, g_out = sp.symbols("L_ft O G g_in g_out", real=True)
T, s, x = sp.symbols("T s x", positive=True)
sigma_task = sp.Symbol("sigma'", real=True, nonzero=True)


def losses() -> tuple[TraceSum, TraceSum]:
    """`½‖f − A‖²` and `½‖f − B‖²` as traces of words, with symbolic dimensions."""
    return half * squared_norm(w2 @ w1 - a), half * squared_norm(w2 @ w1 - b)


def traces() -> dict[sp.Symbol, TraceSum]:
    """What the symbols of the formula stand for."""
    f = w2 @ w1
    return {
        downstream_loss: losses()[1],
        overlap: ((a - b) @ (b - f).T).trace(),
        squared_distance: squared_norm(a - b),
        g_in: ((f - a) @ w1.T @ w1 @ (f - b).T).trace(),
        g_out: ((f - a).T @ w2 @ w2.T @ (f - b)).trace(),
    }


def formula() -> dict[str, sp.Expr]:
    """L_pre in terms of L_ft; its slope in T; on a shared mode, the product after T and the distance of the weights."""
    return {
        "L_pre": downstream_loss + overlap + squared_distance / 2,
        "slope": -(g_in + g_out),
        "x": sigma_task * s / (s + (sigma_task - s) * sp.exp(-2 * sigma_task * T)),
        "distance²": 2 * (sp.sqrt(x) - sp.sqrt(s)) ** 2,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The candidate against the two losses, the flow of the second, and A3's path with σ' in the teacher's place."""
    pretraining, downstream = losses()
    path = a3.solved()[0].subs({a3.sigma: sigma_task, a3.mu: 0, a3.epsilon: s, a3.t: T}, simultaneous=True)
    moved = 2 * (sp.sqrt(x) - sp.sqrt(s)) ** 2  # w1 = w2 = √x on a balanced mode
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
    solution = formula()["x"]
    return identity((solution.diff(T), solution.subs(T, 0)), (2 * solution * (sigma_task - solution), s))


def _no_pole() -> Evidence:
    """With `e^{−2|σ'|T} = 1/(1 + δ)` numerator and denominator have the same sign, for σ' of either sign."""
    delta, size = sp.symbols("delta m", positive=True)
    cases = []
    for value, decay in ((size, 1 / (1 + delta)), (-size, 1 + delta)):
        solution = formula()["x"].subs(sp.exp(-2 * sigma_task * T), decay).subs(sigma_task, value)
        positive = sp.factor(solution).is_positive is True
        cases.append((f"σ' = {value}", Evidence(positive, Verdict.PROVED, "x > 0")))
    return every(cases)


def _distance_bound() -> Evidence:
    """`dL_ft/dT = −‖θ̇‖²`; then `T∫‖θ̇‖² − ‖∫θ̇‖² = T∫‖θ̇ − mean‖² >= 0` bounds the distance."""
    downstream = losses()[1]
    speed = sum((squared_norm(gradient(downstream, name)) for name in ("W1", "W2")), TraceSum({}))
    fall = along(downstream, descent(downstream, "W1", "W2")) + speed
    return Evidence(fall.is_zero(), Verdict.PROVED, f"{len(fall.terms)} traces remain, for symbolic dimensions")


def _flat() -> Evidence:
    """The slope at T = 0 is `−⟨∇L_pre, ∇L_ft⟩`, which is 0 on every task wherever pretraining is stationary."""
    pretraining, downstream = losses()
    inner = TraceSum({})
    for name in ("W1", "W2"):
        inner = inner + (gradient(pretraining, name) @ gradient(downstream, name).T).trace()
    difference = along(pretraining, descent(downstream, "W1", "W2")) + inner
    return Evidence(difference.is_zero(), Verdict.PROVED, "dL_pre/dT = −⟨∇L_pre, ∇L_ft⟩")


def _engine_error(claim: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """Both losses against A5 in 60 and 120 digits, and modes of either sign, in units of the conditioning."""
    return max(*(_matrix_error(claim, function, generator) for _ in range(24)), _mode_error(claim, generator))


def _matrix_error(claim: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The error of both losses on a random shape, rank, task and budget."""
    d_in, d_out = generator.integers(1, 5, 2).tolist()
    k = int(generator.integers(1, min(d_in, d_out) + 1))
    u, v = (np.linalg.qr(generator.normal(size=(d, d)))[0][:, :k] for d in (d_out, d_in))
    products = 10.0 ** generator.uniform(-6, 0.5, k)
    teacher, task = generator.normal(size=(2, d_out, d_in))
    budget = float(generator.choice([0.0, 0.1, 1.0, 4.0]) / np.linalg.norm(task, 2))
    tuned = function(budget, Modes(u, products, v), teacher, task)
    if tuned.flow.saddle and budget > 0:  # rounding of the frames would leave it
        return 0.0
    low, high = (_exact_losses(claim, budget, (u, products, v), teacher, task, digits) for digits in (60, 120))
    size = max(float(h) for h in high) + np.linalg.norm(teacher) ** 2 + np.linalg.norm(task) ** 2
    error = max(abs(float(x) - float(y)) for x, y in zip((tuned.pretraining, tuned.downstream), high, strict=True))
    agreed = all(abs(x - y) < 1e-30 for x, y in zip(low, high, strict=True))
    return error / size / (10 - np.log10(products.min())) if agreed else float("inf")


def _exact_losses(
    claim: dict[str, sp.Expr],
    budget: float,
    modes: tuple[np.ndarray, np.ndarray, np.ndarray],
    teacher: np.ndarray,
    task: np.ndarray,
    digits: int,
) -> tuple[Any, Any]:
    """The claim's L_pre and L_ft at f from `e^{FT}Q₀(I + Q₀ᵀ∫e^{2Fs}ds Q₀)⁻¹Q₀ᵀe^{FT}`, with growing exponentials."""
    u, products, v = modes
    with mpmath.workdps(digits):
        d_in, n = task.shape[1], sum(task.shape)
        start = mpmath.matrix(np.concatenate([v, u]).tolist()) * mpmath.diag([mpmath.sqrt(float(p)) for p in products])
        force = mpmath.zeros(n)
        force[d_in:, :d_in] = mpmath.matrix(task.tolist())
        force[:d_in, d_in:] = mpmath.matrix(task.T.tolist())
        values, basis = mpmath.eigsy(force)
        grown = [mpmath.expm1(2 * y * budget) / (2 * y) if abs(y) > 1e-30 else mpmath.mpf(budget) for y in values]
        inner = (mpmath.eye(start.cols) + (basis.T * start).T * mpmath.diag(grown) * (basis.T * start)) ** -1
        end = basis * mpmath.diag([mpmath.exp(y * budget) for y in values]) * basis.T * start
        f = (end * inner * end.T)[d_in:, :d_in]
        difference = mpmath.matrix((teacher - task).tolist())
        unlearned = mpmath.matrix(task.tolist()) - f
        downstream = _inner_product(unlearned, unlearned) / 2
        traces_at = (downstream, _inner_product(difference, unlearned), _inner_product(difference, difference))
        return sp.lambdify((downstream_loss, overlap, squared_distance), claim["L_pre"], "mpmath")(
            *traces_at
        ), downstream


def _inner_product(m: Any, n: Any) -> Any:
    return mpmath.fsum(p * q for p, q in zip(m, n, strict=True))


def _mode_error(claim: dict[str, sp.Expr], generator: np.random.Generator) -> float:
    """The error of a shared mode and of the distance of its weights."""
    from overtraining.theory.fine_tuning.tuned_flow import fine_tune_mode, mode_distance

    size = 200
    products = 10.0 ** generator.uniform(-6, 3, size)
    strengths = 10.0 ** generator.uniform(-3, 3, size)
    tasks = strengths * generator.choice([-1, 1], size)
    budget = generator.uniform(0, 8, size) / strengths

    def condition(t: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return 20 * (1 + np.abs(q) * t + p * t)

    def distance_condition(t: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
        return condition(t, p, q) * (1 + np.sqrt(p) / np.asarray(mode_distance(t, p, q)))

    points = [budget, products, tasks]
    mode = worst_relative_error(claim["x"], (T, s, sigma_task), lambda *p: fine_tune_mode(*p)[0], points, condition)
    distance = sp.sqrt(claim["distance²"].subs(x, claim["x"]))
    return max(mode, worst_relative_error(distance, (T, s, sigma_task), mode_distance, points, distance_condition))


def _unbalanced() -> Evidence:
    """W1 = 2 and W2 = ½ have the product 1, but on B = 0 they forget faster than the balanced 1 · 1."""
    from overtraining.theory.fine_tuning.tuned_flow import fine_tune_mode

    w = np.array([2.0, 0.5])
    step = 1e-4
    for _ in range(2000):
        w = w - step * w[::-1] * w.prod()
    balanced = float(fine_tune_mode(0.2, 1.0, 0.0)[0])
    return Evidence(w.prod() < balanced - 0.1, Verdict.TESTED, f"f = {w.prod():.3f}, balanced {balanced:.3f}")


DERIVATION = Derivation(
    claim="D1",
    title="Forgetting is exact: the matrix solution, applied twice",
    statement=r"Q'=FQ-\tfrac12QQ^\top Q,\ F=\begin{pmatrix}-\tfrac\lambda2I&B^\top\\B&\tfrac\lambda2I\end{pmatrix};\ "
    r"L_{pre}(T)=L_{ft}(T)+\langle A-B,B-f\rangle+\tfrac12\|A-B\|^2,\quad \frac{dL_{pre}}{dT}=-\langle\nabla L_{pre},"
    r"\nabla L_{ft}\rangle;\quad x=\frac{\sigma's}{s+(\sigma'-s)e^{-2\sigma'T}}",
    plain="Pretraining keeps balanced weights balanced, so the same closed form solves fine-tuning on any task: both "
    "losses are known exactly at every pretraining length and budget, and if the task shares the teacher's singular "
    "vectors, the modes evolve independently.",
    symbols={
        "A, B": "teachers of pretraining and of the downstream task, any d_out × d_in matrices",
        "T": "fine-tuning time, learning rate × steps",
        "Q, F": "as in A5, with B in place of A",
        r"\lambda": "the imbalance, conserved by both flows",
        "s, x": "a shared mode before and after fine-tuning",
        r"\sigma'": "the task's singular value on a shared mode, of either sign",
    },
    assumptions=(
        Assumption(
            "balanced start",
            "W2ᵀW2 − W1W1ᵀ = λI at the start of pretraining.",
            Counterexample("A mode with the same product but unequal layers is forgotten faster.", _unbalanced),
        ),
        *(x for x in a5.DERIVATION.assumptions if x.name != "balanced start"),
    ),
    steps=(
        Step(
            r"\tfrac{d}{dT}(W_2^\top W_2-W_1W_1^\top)=0",
            "This holds for any teacher, so for A and then for B: fine-tuning starts from weights that are as balanced "
            "as those at the start of pretraining.",
            stays_balanced,
        ),
        Step(r"Q'=FQ-\tfrac12QQ^\top Q", "A5's equation, in which the teacher may be any matrix, here B.", stacked),
        Step(
            r"\tfrac{dL_{pre}}{dT}=-\langle\nabla L_{pre},\nabla L_{ft}\rangle",
            "So where pretraining is stationary nothing is forgotten at first order in T, on any task.",
            _flat,
        ),
        Step(
            r"\|\theta(T)-\theta(0)\|^2\le T\,(L_{ft}(0)-L_{ft}(T))",
            "L_ft falls at the rate of the squared speed (checked by machine), and by Cauchy–Schwarz the squared "
            "distance is at most T times the integral of the squared speed.",
            _distance_bound,
        ),
        Step(r"x'=2x(\sigma'-x),\ x(0)=s", "A shared mode, for σ' of either sign.", _mode_flow),
        Step(
            r"x>0",
            "Numerator and denominator have the same sign: there is no pole, and a mode never changes its sign.",
            _no_pole,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("cross term dropped", lambda f: f | {"L_pre": downstream_loss + squared_distance / 2}),
        Variant("sign of the cross term", lambda f: f | {"L_pre": downstream_loss - overlap + squared_distance / 2}),
        Variant("cross term halved", lambda f: f | {"L_pre": downstream_loss + overlap / 2 + squared_distance / 2}),
        Variant("‖A − B‖² without ½", lambda f: f | {"L_pre": downstream_loss + overlap + squared_distance}),
        Variant("slope from W1 alone", lambda f: f | {"slope": -g_in}),
        Variant("sign of the slope", lambda f: f | {"slope": -f["slope"]}),
        Variant("e^{−σ'T} for e^{−2σ'T}", lambda f: f | {"x": f["x"].subs(T, T / 2)}),
        Variant(
            "s and σ' exchanged", lambda f: f | {"x": f["x"].subs({s: sigma_task, sigma_task: s}, simultaneous=True)}
        ),
        Variant("distance of one layer alone", lambda f: f | {"distance²": f["distance²"] / 2}),
        Variant("distance of the products", lambda f: f | {"distance²": 2 * (x - s) ** 2}),
    ),
    special_case=SpecialCase(
        "fine-tuning on the pretraining task itself",
        lambda f: f | {"L_pre": f["L_pre"].subs({overlap: 0, squared_distance: 0})},
    ),
    floor=Verdict.PROVED,
    uses=("A3", "A5"),
    link=Link(
        "overtraining.theory.fine_tuning.tuned_flow.fine_tune",
        "all shapes {1 … 4}², ranks, s 1e-6 … 3, ‖B‖T 0 … 4; modes: s 1e-6 … 1e3, |σ'| 1e-3 … 1e3",
        _engine_error,
    ),
    source="the sources of A5; the composition and the bound on the distance are ours. Related work on pretraining and "
    "then fine-tuning linear networks: arXiv 2602.20062, 2602.02855",
)
