"""A5: balanced gradient flow of the whole product matrix, solved; and what it can never learn."""

from collections.abc import Callable

import numpy as np
import sympy as sp

from theory.derivations.a5_counterexamples import unbalanced, unbalanced_curves, unwhitened
from theory.derivations.a5_engine import compare
from theory.derivations.core import (
    Assumption,
    Counterexample,
    Derivation,
    Evidence,
    Link,
    SpecialCase,
    Step,
    Variant,
    Verdict,
)  # fmt: skip
from theory.derivations.evidence import every, identity
from theory.derivations.matrix_words import (
    IDENTITY,
    ZERO,
    Block,
    Rules,
    derivative,
    gradient,
    multiply,
    normal,
    scaled,
    subtract,
    transpose,
)  # fmt: skip
from theory.derivations.shapes import SHAPES, integers, noise_ring
from theory.derivations.trace_words import Letter, MatrixSum

W1, W2, A = Letter("W1", "h", "d_in"), Letter("W2", "d_out", "h"), Letter("A", "d_out", "d_in")
w1, w2, a = map(MatrixSum.of, (W1, W2, A))
Q: Block = ((w1.T,), (w2,))
F: Block = ((ZERO, a.T), (a, ZERO))
BALANCED: Rules = (((W2.T, W2), w1 @ w1.T),)

q, y = (MatrixSum.of(Letter(name, "n", "h")) for name in ("Q", "Y"))
f = MatrixSum.of(Letter("F", "n", "n", symmetric=True))
S, SI = (Letter(name, "h", "h", symmetric=True) for name in ("S", "Si"))
s, si, z = MatrixSum.of(S), MatrixSum.of(SI), MatrixSum.of(Letter("Z", "h", "h"))
half = sp.Rational(1, 2)
Solution = dict[str, MatrixSum]


def formula() -> Solution:
    """`QQᵀ` and Q in letters Y, S⁻¹ and Z, with Ẏ, Ṡ and Ż; the start is `Y = Q₀`, `S = I`, `Z = I`."""
    gram = y.T @ y
    return {"QQᵀ": y @ si @ y.T, "Ẏ": f @ y, "Ṡ": gram, "Q": y @ z, "Ż": scaled(-half, si @ gram @ z)}


def rates() -> dict[str, MatrixSum]:
    """Gradient flow, the gradients taken by machine from `½ tr((W2W1 − A)(W2W1 − A)ᵀ)`."""
    error = w2 @ w1 - a
    loss = half * (error @ error.T).trace()
    return {"W1": scaled(-1, gradient(loss, W1)), "W2": scaled(-1, gradient(loss, W2))}


def _vanish(block: Block, rules: Rules, detail: str) -> Evidence:
    left = sum(len(normal(entry, rules)) for row in block for entry in row)
    return Evidence(left == 0, Verdict.PROVED, f"{detail}; {left} words differ, for symbolic widths")


def _stacked() -> Evidence:
    """`Q̇ = FQ − ½QQᵀQ` on balanced weights."""
    flow = rates()
    moved = tuple(tuple(derivative(x, flow) for x in row) for row in Q)
    cubic = multiply(multiply(Q, transpose(Q)), Q)
    claimed = subtract(multiply(F, Q), tuple(tuple(scaled(half, x) for x in row) for row in cubic))
    return _vanish(subtract(moved, claimed), BALANCED, "Q̇ from the loss")


def _stays_balanced() -> Evidence:
    moved = derivative(w2.T @ w2 - w1 @ w1.T, rates())
    return _vanish(((moved,),), (), "W2ᵀW2 − W1W1ᵀ is conserved")


def riccati(candidate: Solution) -> Evidence:
    """Does the candidate's QQᵀ solve the equation that the loss gives, and start at Q₀Q₀ᵀ?"""
    p, flow = q @ q.T, {"Q": f @ q - scaled(half, q @ q.T @ q)}
    inverse = scaled(-1, si @ candidate["Ṡ"] @ si)
    truth = lambda p: f @ p + p @ f - p @ p
    from_loss = _vanish(((derivative(p, flow) - truth(p),),), (), "d(QQᵀ)/dt from Q̇")
    solved = candidate["QQᵀ"]
    moved = derivative(solved, {"Y": candidate["Ẏ"], "Si": inverse})
    start = normal(solved - y @ y.T, (((SI,), IDENTITY),))
    return every(
        [
            ("equation", from_loss),
            ("solution", _vanish(((moved - truth(solved),),), (), "d/dt of the solution")),
            ("start", Evidence(not start, Verdict.PROVED, f"at t = 0 {len(start)} words differ from Q₀Q₀ᵀ")),
        ]
    )


def transport(candidate: Solution) -> Evidence:
    """`ZᵀSZ` is conserved, so `ZZᵀ = S⁻¹`; with that, `Q̇ = FQ − ½QQᵀQ`."""
    inverse: Rules = (((S, SI), IDENTITY), ((SI, S), IDENTITY))
    flow = {"Z": candidate["Ż"], "S": candidate["Ṡ"], "Y": candidate["Ẏ"]}
    kept = derivative(z.T @ s @ z, flow)
    letter = Letter("Z", "h", "h")
    whole = candidate["Q"]
    moved = derivative(whole, flow) - f @ whole + scaled(half, whole @ whole.T @ whole)
    return every(
        [
            ("ZᵀSZ", _vanish(((kept,),), inverse, "d(ZᵀSZ)/dt")),
            ("weights", _vanish(((moved,),), (((letter, letter.T), si),), "Q̇")),
        ]
    )


def conclusion(candidate: Solution) -> Evidence:
    return every(
        [("QQᵀ", riccati(candidate)), ("weights", transport(candidate))], "QQᵀ and Q solve the flow of the loss"
    )


def _inverse() -> Evidence:
    """`d(S S⁻¹)/dt = 0` gives the derivative of the inverse."""
    flow = {"S": y.T @ y, "Si": scaled(-1, si @ y.T @ y @ si)}
    return _vanish(((derivative(s @ si, flow),),), (((S, SI), IDENTITY),), "d(S S⁻¹)/dt")


def _unique() -> Evidence:
    """Every solution is this one: `C = (I + P₀G)R − P₀` obeys `Ċ = −CĠR`, and so stays 0.

    `R = e^{−Ft}QQᵀe^{−Ft}`, `G = ∫e^{2Fs}ds`. For bounded `ĠR`, `kI + sym(ĠR) = MMᵀ` with some k; then
    `d(e^{−2kt}‖C‖²)/dt = −2e^{−2kt}‖CM‖² <= 0`, a nonnegative number that starts at 0 and does not grow.
    """
    p0, g, dg, r = (MatrixSum.of(Letter(n, "n", "n", symmetric=True)) for n in ("P0", "G", "dG", "R"))
    flow = {"G": dg, "R": scaled(-1, r @ dg @ r)}
    c = (IDENTITY + p0 @ g) @ r - p0
    homogeneous = derivative(c, flow) + c @ dg @ r
    any_c, b = (MatrixSum.of(Letter(n, "n", "n")) for n in ("C", "B"))
    k = sp.Symbol("k")
    square = scaled(k, IDENTITY) + scaled(half, b + b.T)  # MMᵀ
    rest = k * (any_c @ any_c.T).trace() + (any_c.T @ any_c @ b).trace() - (any_c @ square @ any_c.T).trace()
    through = (IDENTITY + q @ q.T @ g) @ q - q @ (IDENTITY + q.T @ g @ q)
    force, decay, growth = (Letter(n, "n", "n", symmetric=True) for n in ("F", "E", "EI"))
    p, grow, frame = MatrixSum.of(Letter("P", "n", "n", symmetric=True)), MatrixSum.of(growth), MatrixSum.of(decay)
    rules: Rules = (((force, decay), frame @ f), ((decay, growth), IDENTITY), ((growth, decay), IDENTITY))
    moving = frame @ p @ frame
    moved = derivative(moving, {"E": scaled(-1, frame @ f), "P": f @ p + p @ f - p @ p})
    moved += moving @ grow @ grow @ moving
    return every(
        [
            ("Ṙ = −RĠR with Ġ = e^{2Ft}", _vanish(((moved,),), rules, "in the moving frame")),
            ("Ċ = −CĠR", _vanish(((homogeneous,),), (), "C")),
            ("no growth", Evidence(rest.is_zero(), Verdict.PROVED, "k‖C‖² + ⟨C, CB⟩ = ‖CM‖²")),
            ("(I + P₀G)Q₀ = Q₀S", _vanish(((through,),), (), "C = 0 is the solution")),
        ]
    )


def _polar() -> Evidence:
    """`fᵀf = (W1ᵀW1)²` and `QᵀQ = 2W1W1ᵀ`: f has the rank of Q, and that of QQᵀ is conserved."""
    product = w2 @ w1
    square = product.T @ product - w1.T @ w1 @ w1.T @ w1
    twice = multiply(transpose(Q), Q)[0][0] - scaled(2, w1 @ w1.T)
    return _vanish(((square, twice),), BALANCED, "fᵀf = (W1ᵀW1)², QᵀQ = 2W1W1ᵀ")


def _reflection() -> Evidence:
    """`I + M = M(I + M)ᵀ` for orthogonal M: its determinant is its own det M-fold, so 0 for det M = −1."""
    orthogonal = Letter("M", "d", "d")
    m = MatrixSum.of(orthogonal)
    rest = IDENTITY + m - m @ (IDENTITY + m.T)
    identity_ = _vanish(((rest,),), (((orthogonal, orthogonal.T), IDENTITY),), "I + M = M(I + M)ᵀ")
    lost = sp.Symbol("lost")  # det(I + M) = det M · det(I + M)
    return every([("words", identity_), ("det", identity(sp.solve(lost - (-1) * lost, lost), [sp.Integer(0)]))])


def _on_shapes() -> Evidence:
    """`Q̇` and the equation of `QQᵀ` from the loss written out in its entries, exact, on balanced integer weights."""
    generator = np.random.default_rng(0)
    return every((f"(d_in, h, d_out) = {shape}", _one_shape(shape, generator)) for shape in SHAPES)


def _one_shape(shape: tuple[int, int, int], generator: np.random.Generator) -> Evidence:
    i, k, o = shape
    core = integers(generator, k, min(i, o))  # W2ᵀW2 = W1W1ᵀ = core coreᵀ
    n1, n2 = core * sp.eye(core.cols, i) * _signs(i), _signs(o) * sp.eye(o, core.cols) * core.T
    target = integers(generator, o, i)
    ring, noise = noise_ring({"N1": n1.shape, "N2": n2.shape})
    ground = lambda m: np.array([[ring(int(x)) for x in row] for row in m.tolist()], dtype=object)
    error = (ground(n2) + noise["N2"]) @ (ground(n1) + noise["N1"]) - ground(target)
    loss = (error * error).sum() / 2
    slopes = [-sp.Rational(str(loss.coeff(generator_))) for generator_ in ring.gens]
    moved = sp.Matrix.vstack(sp.Matrix(k, i, slopes[: k * i]).T, sp.Matrix(o, k, slopes[k * i :]))
    stack = sp.Matrix.vstack(n1.T, n2)
    force = sp.Matrix(sp.BlockMatrix([[sp.zeros(i), target.T], [target, sp.zeros(o)]]))
    return identity(moved, force * stack - stack * stack.T * stack / 2)


def _signs(size: int) -> sp.Matrix:
    return sp.diag(*((-1) ** j for j in range(size)))


def _commuting(candidate: Solution) -> dict[str, sp.Expr]:
    """One mode: every matrix is a number."""
    number = lambda matrix: sum(c * sp.prod(sp.Symbol(letter.name) for letter in word) for c, word in matrix.terms)
    return {key: sp.expand(number(matrix)) for key, matrix in candidate.items()}


def _change(key: str, change: Callable[[MatrixSum], MatrixSum]) -> Callable[[Solution], Solution]:
    return lambda claim: claim | {key: change(claim[key])}


DERIVATION = Derivation(
    claim="A5",
    title="The whole matrix under gradient flow, from any balanced start to any target",
    statement=r"QQ^\top(t)=e^{Ft}Q_0\,S^{-1}Q_0^\top e^{Ft},\quad S=I+Q_0^\top\!\int_0^t\!e^{2Fs}ds\,Q_0,\qquad "
    r"Q=e^{Ft}Q_0Z,\quad \dot Z=-\tfrac12S^{-1}\dot SZ",
    plain="From balanced weights the product and the Gram matrices have a closed form for every shape and target; the "
    "weights need one more integration; and the rank of the product, and for square ones the sign of its determinant, "
    "never change, so that a start of the wrong sign leaves a feature unlearned for ever.",
    symbols={
        "Q": "[W1ᵀ; W2], the layers stacked, (d_in + d_out) × h; Q₀ its start",
        "F": "[[0, Aᵀ], [A, 0]], with eigenvalues ±σ and 0",
        "S": "h × h, positive definite",
        "Z": "h × h, Z Zᵀ = S⁻¹; equal to S^{−1/2} only where S(t) commutes with itself",
        "A": "the teacher, any d_out × d_in matrix",
    },
    assumptions=(
        Assumption(
            "balanced start",
            "W2ᵀW2 = W1W1ᵀ at the start, and so always.",
            Counterexample(
                "An imbalance of 1e-3 lets the flow learn what the balanced one never can: the determinant changes sign.",
                unbalanced,
                unbalanced_curves,
            ),
        ),
        Assumption(
            "whitened inputs",
            "Σx = I.",
            Counterexample("With Σx = diag(2, ½) the product runs ahead of the formula.", unwhitened),
        ),
    ),
    steps=(
        Step(
            r"\tfrac{d}{dt}(W_2^\top W_2-W_1W_1^\top)=0",
            "The gradients are taken by machine from the loss; balance at the start is balance always.",
            _stays_balanced,
        ),
        Step(r"\dot Q=FQ-\tfrac12QQ^\top Q", "The two gradients, stacked, with W2ᵀW2 replaced by W1W1ᵀ.", _stacked),
        Step(
            r"\dot Q=FQ-\tfrac12QQ^\top Q\ \text{on every shape}",
            "The same from the loss written out in its entries, in exact arithmetic, on every shape in {1,2,3}³.",
            _on_shapes,
        ),
        Step(
            r"\tfrac{d}{dt}S^{-1}=-S^{-1}\dot SS^{-1}",
            "From S S⁻¹ = I; S is the identity plus a positive semidefinite matrix, so it is always invertible.",
            _inverse,
        ),
        Step(
            r"(I+P_0G)R-P_0=0,\quad R=e^{-Ft}QQ^\top e^{-Ft},\ G=\int_0^te^{2Fs}ds",
            "Every solution from this start is the one claimed: the difference from it solves a homogeneous linear "
            "equation, its norm, suitably damped, cannot grow, and it starts at zero. No theorem on ODEs is cited.",
            _unique,
        ),
        Step(
            r"f^\top f=(W_1^\top W_1)^2,\quad Q^\top Q=2W_1W_1^\top",
            "The rank of f is that of Q, and QQᵀ = e^{Ft}Q₀S⁻¹Q₀ᵀe^{Ft} keeps its rank, e^{Ft} and S being invertible. "
            "So det f of a square product with h >= d is never 0 if it was not, and being continuous keeps its sign.",
            _polar,
        ),
        Step(
            r"\det M=-1\ \Rightarrow\ \det(I+M)=0",
            "M is the polar factor of the teacher against that of the start. The growing part of the start is singular "
            "with I + M, and QQᵀ(t) is a product around it: a direction that is absent at the start stays absent.",
            _reflection,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("e^{2Ft} for e^{Ft}", _change("Ẏ", lambda x: scaled(2, x))),
        Variant("S twice as fast", _change("Ṡ", lambda x: scaled(2, x))),
        Variant("sign of S", _change("Ṡ", lambda x: scaled(-1, x))),
        Variant("S from QQᵀ, of the wrong size", _change("Ṡ", lambda _: y @ y.T)),
        Variant("S⁻¹ outside", _change("QQᵀ", lambda _: y @ y.T @ si)),
        Variant("S⁻² for S⁻¹", _change("QQᵀ", lambda _: y @ si @ si @ y.T)),
        Variant("factor ½ missing from Ż", _change("Ż", lambda x: scaled(2, x))),
        Variant("Ż = −½ṠS⁻¹Z", _change("Ż", lambda _: scaled(-half, y.T @ y @ si @ z))),
        Variant("Ż = −½ZS⁻¹Ṡ, as if Z were S^{−1/2}", _change("Ż", lambda _: scaled(-half, z @ si @ y.T @ y))),
        Variant("Zᵀ for Z", _change("Q", lambda _: y @ z.T)),
    ),
    special_case=SpecialCase("one mode, where everything commutes", _commuting),
    floor=Verdict.PROVED,
    link=Link(
        "theory.matrix_flow.matrix_flow", "all shapes {1 … 4}³, ranks, repeated and zero values, σt up to 300", compare
    ),
    source="Fukumizu 1998; Braun, Dominé, Fitzgerald, Saxe 2022; uniqueness, every shape and the obstruction are ours",
)
