"""A5: the λ-balanced gradient flow of the whole product matrix in closed form, and what it can never learn."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, Block, Rules, normal_form, scaled, vanishes
from overtraining.theory.derivations.calculus.trace_calculus import derivative
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
from overtraining.theory.derivations.checker.evidence import every
from overtraining.theory.derivations.claims.a5_matrix_flow.link import compare
from overtraining.theory.derivations.claims.a5_matrix_flow.steps import (
    SI,
    S,
    f,
    freed,
    inverse,
    on_shapes,
    polar,
    q,
    reflection,
    s,
    si,
    unique,
    y,
    z,
)
from overtraining.theory.derivations.claims.shared.stacked_flow import F, half, stacked, stays_balanced
from overtraining.theory.learning.matrix_solution import matrix_flow

MatrixSolution = dict[str, Any]


def formula() -> MatrixSolution:
    """F in blocks; `QQᵀ` and Q in letters Y, S⁻¹ and Z, with Ẏ, Ṡ and Ż; the start is `Y = Q₀`, `S = I`, `Z = I`."""
    gram = y.T @ y
    return {"F": F, "QQᵀ": y @ si @ y.T, "Ẏ": f @ y, "Ṡ": gram, "Q": y @ z, "Ż": scaled(-half, si @ gram @ z)}


def riccati(candidate: MatrixSolution) -> Evidence:
    """Whether the candidate's QQᵀ solves the equation that follows from the loss and starts at Q₀Q₀ᵀ."""
    p = q @ q.T
    flow = {"Q": f @ q - scaled(half, q @ q.T @ q)}
    of_inverse = scaled(-1, si @ candidate["Ṡ"] @ si)

    def truth(p: MatrixSum) -> MatrixSum:
        return f @ p + p @ f - p @ p

    from_loss = vanishes(((derivative(p, flow) - truth(p),),), (), "d(QQᵀ)/dt from Q̇")
    solved = candidate["QQᵀ"]
    moved = derivative(solved, {"Y": candidate["Ẏ"], "Si": of_inverse})
    start = normal_form(solved - y @ y.T, (((SI,), IDENTITY),))
    return every(
        [
            ("equation", from_loss),
            ("solution", vanishes(((moved - truth(solved),),), (), "d/dt of the solution")),
            ("start", Evidence(not start, Verdict.PROVED, f"at t = 0 {len(start)} words differ from Q₀Q₀ᵀ")),
        ]
    )


def transport(candidate: MatrixSolution) -> Evidence:
    """`ZᵀSZ` is conserved, so `ZZᵀ = S⁻¹`; with that, `Q̇ = FQ − ½QQᵀQ`; and Q starts at Q₀, for −Q solves it too."""
    undo: Rules = (((S, SI), IDENTITY), ((SI, S), IDENTITY))
    flow = {"Z": candidate["Ż"], "S": candidate["Ṡ"], "Y": candidate["Ẏ"]}
    rate_of_product = derivative(z.T @ s @ z, flow)
    letter = Letter("Z", "h", "h")
    whole = candidate["Q"]
    moved = derivative(whole, flow) - f @ whole + scaled(half, whole @ whole.T @ whole)
    at_start = normal_form(whole - y, tuple(((x,), IDENTITY) for x in (letter, letter.T, S, SI)))
    return every(
        [
            ("ZᵀSZ", vanishes(((rate_of_product,),), undo, "d(ZᵀSZ)/dt")),
            ("weights", vanishes(((moved,),), (((letter, letter.T), si),), "Q̇")),
            ("start", Evidence(not at_start, Verdict.PROVED, f"at t = 0 {len(at_start)} words differ from Q₀")),
        ]
    )


def conclusion(candidate: MatrixSolution) -> Evidence:
    """Whether the candidate is the formula that the steps derive."""
    return every(
        [("F", stacked(candidate["F"])), ("QQᵀ", riccati(candidate)), ("weights", transport(candidate))],
        "QQᵀ and Q solve the flow of the loss",
    )


def _commuting(candidate: MatrixSolution) -> dict[str, Any]:
    """One mode: every matrix is a number."""

    def number(matrix: MatrixSum) -> sp.Expr:
        return sp.expand(sum(c * sp.prod(sp.Symbol(x.name) for x in word) for c, word in matrix.terms))

    force = tuple(tuple(map(number, row)) for row in candidate["F"])
    return {"F": force} | {key: number(matrix) for key, matrix in candidate.items() if key != "F"}


def _change(key: str, change: Callable[[Any], MatrixSum | Block]) -> Callable[[MatrixSolution], MatrixSolution]:
    return lambda claim: claim | {key: change(claim[key])}


def _diagonal(first: int, second: int) -> Callable[[Block], Block]:
    """F with other multiples of its own on the diagonal."""
    return lambda x: ((scaled(first, x[0][0]), x[0][1]), (x[1][0], scaled(second, x[1][1])))


TEACHER = np.diag([1.0, 0.8])
TIMES = np.linspace(0, 40, 81)


def _integrated_product(
    w1: np.ndarray, w2: np.ndarray, teacher: np.ndarray, times: np.ndarray, input_covariance: np.ndarray
) -> np.ndarray:
    """The product `W2 W1` at every time, by integration of the weights."""
    cut = w1.size

    def velocity(_: float, theta: np.ndarray) -> np.ndarray:
        x1 = theta[:cut].reshape(w1.shape)
        x2 = theta[cut:].reshape(w2.shape)
        push = (teacher - x2 @ x1) @ input_covariance
        return np.concatenate([(x2.T @ push).ravel(), (push @ x1.T).ravel()])

    start = np.concatenate([w1.ravel(), w2.ravel()])
    path = solve_ivp(velocity, (0, times[-1]), start, method="DOP853", t_eval=times, rtol=1e-10, atol=1e-12).y.T
    return np.array([theta[cut:].reshape(w2.shape) @ theta[:cut].reshape(w1.shape) for theta in path])


def _wrong_sign(imbalance: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights whose product has a determinant of the other sign than the teacher's; the second mode is unbalanced."""
    return np.diag([0.1, 0.1]), np.diag([0.1, -np.sqrt(0.01 + imbalance)])


def _unbalanced() -> Evidence:
    """From the wrong sign of the determinant a balanced start is stuck; with an imbalance of 1e-3 it is not."""
    end = matrix_flow(TIMES[-1], *_wrong_sign(0.0), TEACHER)
    freed = _integrated_product(*_wrong_sign(1e-3), TEACHER, TIMES, np.eye(2))[-1]
    cured = ((freed - TEACHER) ** 2).sum() / 2
    detail = f"loss at t = 40: {end.loss:.3f} balanced, {cured:.1g} with an imbalance of 1e-3"
    return Evidence(end.saddle and abs(float(end.loss) - 0.32) < 1e-6 > float(cured), Verdict.TESTED, detail)


def _unbalanced_curves() -> Curves:
    """The loss of both starts."""
    freed = ((_integrated_product(*_wrong_sign(1e-3), TEACHER, TIMES, np.eye(2)) - TEACHER) ** 2).sum((1, 2)) / 2
    stuck = np.asarray(matrix_flow(TIMES, *_wrong_sign(0.0), TEACHER).loss)
    return Curves(TIMES, {"balanced": stuck, "imbalance 0.001": freed}, "pretraining length t", "loss")


def _unwhitened() -> Evidence:
    """With inputs of unequal variance the product differs from the formula."""
    start = 0.1 * np.eye(2)
    t = np.array([0.0, 1.5])
    integrated = _integrated_product(start, start, TEACHER, t, np.diag([2.0, 0.5]))[-1]
    claimed = matrix_flow(t, start, start, TEACHER).product[-1]
    off = float(np.abs(integrated - claimed).max())
    return Evidence(off > 0.3, Verdict.TESTED, f"the product is off by {off:.2f} at t = 1.5")


def _overshoots() -> Evidence:
    """One weight per layer, A = 1, from 0.9 = w₁ = w₂: the flow ends at 1, steps of 1.5 leave for good."""
    w = 0.9
    for _ in range(20):
        w = w + 1.5 * w * (1 - w * w)
    end = float(matrix_flow(30.0, np.array([[0.9]]), np.array([[0.9]]), np.eye(1)).loss)
    loss = (w * w - 1) ** 2 / 2
    return Evidence(
        end < 1e-12 and loss > 0.01, Verdict.TESTED, f"loss {loss:.3f} after 20 steps, on the flow {end:.1g}"
    )


DERIVATION = Derivation(
    claim="A5",
    title="The whole matrix under gradient flow, from any λ-balanced start to any target",
    statement=r"W_2^\top W_2-W_1W_1^\top=\lambda I:\quad F=\begin{pmatrix}-\tfrac\lambda2I&A^\top\\A&\tfrac\lambda2I"
    r"\end{pmatrix},\qquad QQ^\top(t)=e^{Ft}Q_0\,S^{-1}Q_0^\top e^{Ft},\quad "
    r"S=I+Q_0^\top\!\int_0^t\!e^{2Fs}ds\,Q_0,\qquad Q=e^{Ft}Q_0Z,\quad \dot Z=-\tfrac12S^{-1}\dot SZ",
    plain="From balanced and λ-balanced weights the product and the Gram matrices have a closed form for every shape "
    "and target; the weights need one more integration. At λ = 0 the rank of the product, and for square ones the sign "
    "of its determinant, never change, so that from a start of the wrong sign a feature is never learned; any λ ≠ 0 "
    "removes this obstruction.",
    symbols={
        "Q": "[W1ᵀ; W2], the layers stacked, (d_in + d_out) × h; Q₀ its start",
        "F": "with eigenvalues ±√(σ² + λ²/4), and on unpaired directions λ/2 (out) and −λ/2 (in)",
        r"\lambda": "the imbalance, of either sign; h <= d_out if it is positive, h <= d_in if negative",
        "S": "h × h, positive definite",
        "Z": "h × h, Z Zᵀ = S⁻¹; equal to S^{−1/2} only where S(t) commutes with itself",
        "A": "the teacher, any d_out × d_in matrix",
    },
    assumptions=(
        Assumption(
            "balanced start",
            "W2ᵀW2 − W1W1ᵀ = λI at the start, and so always; λ = 0 is balance.",
            Counterexample(
                "With an imbalance of 1e-3 in one direction only, no multiple of I, the determinant changes sign and "
                "the flow learns what it never can at λ = 0.",
                _unbalanced,
                _unbalanced_curves,
            ),
        ),
        Assumption(
            "whitened inputs",
            "Σx = I.",
            Counterexample("With Σx = diag(2, ½) the product is ahead of the formula.", _unwhitened),
        ),
        Assumption(
            "gradient flow",
            "Training follows the flow, that is small steps.",
            Counterexample("Steps of 1.5 from near the teacher lead away from it.", _overshoots),
        ),
    ),
    steps=(
        Step(
            r"\tfrac{d}{dt}(W_2^\top W_2-W_1W_1^\top)=0",
            "The gradients are taken by machine from the loss; an imbalance λI at the start stays.",
            stays_balanced,
        ),
        Step(r"\dot Q=FQ-\tfrac12QQ^\top Q", "The two gradients, stacked, with W2ᵀW2 replaced by W1W1ᵀ + λI.", stacked),
        Step(
            r"\dot Q=FQ-\tfrac12QQ^\top Q\ \text{on every shape}",
            "The same from the loss written out in its entries, in exact arithmetic, on every shape in {1,2,3}³, with "
            "λ = 0 and, where the shape allows, ±4.",
            on_shapes,
            cross_check=True,
        ),
        Step(
            r"\tfrac{d}{dt}S^{-1}=-S^{-1}\dot SS^{-1}",
            "From S S⁻¹ = I; S is the identity plus a positive semidefinite matrix, so it is always invertible.",
            inverse,
        ),
        Step(
            r"(I+P_0G)R-P_0=0,\quad R=e^{-Ft}QQ^\top e^{-Ft},\ G=\int_0^te^{2Fs}ds",
            "Every solution from this start is the one claimed: the difference from it solves a homogeneous linear "
            "equation, its norm, suitably damped, cannot grow, and it starts at zero. No theorem on ODEs is cited.",
            unique,
        ),
        Step(
            r"f^\top f=(W_1^\top W_1)^2+\lambda W_1^\top W_1,\quad Q^\top Q=2W_1W_1^\top+\lambda I",
            "At λ = 0 the rank of f is that of Q, and QQᵀ = e^{Ft}Q₀S⁻¹Q₀ᵀe^{Ft} keeps its rank, e^{Ft} and S being "
            "invertible. So det f of a square product with h >= d is never 0 if it was not, and being continuous keeps "
            "its sign: where that differs from the sign of det A, f never becomes A, and a feature stays unlearned.",
            polar,
        ),
        Step(
            r"\det M=-1\ \Rightarrow\ \det(I+M)=0",
            "Which part of the start is missing: E = e^{Ft} on the growing eigenvectors (v, u)/√2 of F, C is the start "
            "in them (its growing part, VᵀV₀ + UᵀU₀), M the teacher's polar factor against the start's. C is singular "
            "with I + M, and the growing part of QQᵀ(t) is a product E C … Cᵀ E: what is absent in C stays absent.",
            reflection,
        ),
        Step(
            r"FJ+JF=\lambda I,\quad Q^\top JQ=\lambda I,\quad J=\mathrm{diag}(-I,I)",
            "Why λ ≠ 0 removes the obstruction; take λ > 0. By the first, eᵢᵀJeⱼ = −λδᵢⱼ/2ρᵢ on the eigenvectors of F "
            "at −ρᵢ < 0, so that zᵀJz < 0 for every z that only falls. But z = Q₀x has zᵀJz = λ‖x‖² by the second: no "
            "hidden direction x is without a growing part. F² = λ²/4 + diag(AᵀA, AAᵀ) gives the rates.",
            freed,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("sign of λ", _change("F", _diagonal(-1, -1))),
        Variant("λ for λ/2", _change("F", _diagonal(2, 2))),
        Variant("λ/2 on both blocks with one sign", _change("F", _diagonal(-1, 1))),
        Variant("λ on the second block only", _change("F", _diagonal(0, 2))),
        Variant("λ forgotten", _change("F", _diagonal(0, 0))),
        Variant("e^{2Ft} for e^{Ft}", _change("Ẏ", lambda x: scaled(2, x))),
        Variant("S twice as fast", _change("Ṡ", lambda x: scaled(2, x))),
        Variant("sign of S", _change("Ṡ", lambda x: scaled(-1, x))),
        Variant("S⁻² for S⁻¹", _change("QQᵀ", lambda _: y @ si @ si @ y.T)),
        Variant("factor ½ missing from Ż", _change("Ż", lambda x: scaled(2, x))),
        Variant("Ż = −½ṠS⁻¹Z", _change("Ż", lambda _: scaled(-half, y.T @ y @ si @ z))),
        Variant("Ż = −½ZS⁻¹Ṡ, as if Z were S^{−1/2}", _change("Ż", lambda _: scaled(-half, z @ si @ y.T @ y))),
        Variant("Zᵀ for Z", _change("Q", lambda _: y @ z.T)),
        Variant("Q = −YZ, which solves the flow from −Q₀", _change("Q", lambda x: scaled(-1, x))),
    ),
    special_case=SpecialCase("one mode, where everything commutes", _commuting),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.learning.matrix_solution.matrix_flow",
        "all shapes {1 … 4}³, ranks, repeated and zero values, |λ| 1e-3 … 10 and 0, ρt to 300; weights to σt of 3",
        compare,
    ),
    source="Fukumizu 1998; Braun, Dominé, Fitzgerald, Saxe 2022; λ ≠ 0: Dominé et al. 2024 (arXiv 2409.14623); "
    "uniqueness, every shape, the obstruction and what frees it are ours",
)
