"""A5: the steps from the loss: the solution, its uniqueness, and what cannot be learned from a given start."""

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import (
    IDENTITY,
    ZERO,
    Block,
    Rules,
    multiply,
    scaled,
    subtract,
    transpose,
    vanishes,
)
from overtraining.theory.derivations.calculus.shapes import SHAPES, in_ring, integers, noise_ring
from overtraining.theory.derivations.calculus.trace_calculus import derivative
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import every, examples, identity
from overtraining.theory.derivations.claims.shared.stacked_flow import BALANCED, F, Q, a, half, lam, w1, w2

q, y = (MatrixSum.of(Letter(name, "n", "h")) for name in ("Q", "Y"))
f = MatrixSum.of(Letter("F", "n", "n", symmetric=True))
S, SI = (Letter(name, "h", "h", symmetric=True) for name in ("S", "Si"))
_P0, _G, _DG, _R = (Letter(name, "n", "n", symmetric=True) for name in ("P0", "G", "dG", "R"))
s = MatrixSum.of(S)
si = MatrixSum.of(SI)
z = MatrixSum.of(Letter("Z", "h", "h"))


def inverse() -> Evidence:
    """`d(S S⁻¹)/dt = 0` gives the derivative of the inverse."""
    flow = {"S": y.T @ y, "Si": scaled(-1, si @ y.T @ y @ si)}
    return vanishes(((derivative(s @ si, flow),),), (((S, SI), IDENTITY),), "d(S S⁻¹)/dt")


def unique() -> Evidence:
    """Every solution is this one: `C = (I + P₀G)R − P₀` obeys `Ċ = −CĠR`, and so stays 0.

    `R = e^{−Ft}QQᵀe^{−Ft}`, `G = ∫e^{2Fs}ds`. For bounded `ĠR`, `kI + sym(ĠR) = MMᵀ` with some k; then
    `d(e^{−2kt}‖C‖²)/dt = −2e^{−2kt}‖CM‖² <= 0`, a nonnegative number that starts at 0 and does not grow.
    """
    p0, g, dg, r = map(MatrixSum.of, (_P0, _G, _DG, _R))
    flow = {"G": dg, "R": scaled(-1, r @ dg @ r)}
    c = (IDENTITY + p0 @ g) @ r - p0
    homogeneous = derivative(c, flow) + c @ dg @ r
    any_c, b = (MatrixSum.of(Letter(n, "n", "n")) for n in ("C", "B"))
    k = sp.Symbol("k")
    square = scaled(k, IDENTITY) + scaled(half, b + b.T)  # MMᵀ
    rest = k * (any_c @ any_c.T).trace() + (any_c.T @ any_c @ b).trace() - (any_c @ square @ any_c.T).trace()
    through = (IDENTITY + q @ q.T @ g) @ q - q @ (IDENTITY + q.T @ g @ q)
    force, decay, growth = (Letter(n, "n", "n", symmetric=True) for n in ("F", "E", "EI"))
    p = MatrixSum.of(Letter("P", "n", "n", symmetric=True))
    grow = MatrixSum.of(growth)
    frame = MatrixSum.of(decay)
    rules: Rules = (((force, decay), frame @ f), ((decay, growth), IDENTITY), ((growth, decay), IDENTITY))
    moving = frame @ p @ frame
    moved = derivative(moving, {"E": scaled(-1, frame @ f), "P": f @ p + p @ f - p @ p})
    moved += moving @ grow @ grow @ moving
    return every(
        [
            ("Ṙ = −RĠR with Ġ = e^{2Ft}", vanishes(((moved,),), rules, "in the moving frame")),
            ("C = 0 at G = 0, R = P₀", vanishes(((c,),), (((_G,), ZERO), ((_R,), p0)), "C")),
            ("Ċ = −CĠR", vanishes(((homogeneous,),), (), "C")),
            ("no growth", Evidence(rest.is_zero(), Verdict.PROVED, "k‖C‖² + ⟨C, CB⟩ = ‖CM‖²")),
            ("(I + P₀G)Q₀ = Q₀S", vanishes(((through,),), (), "C = 0 is the solution")),
        ]
    )


def polar() -> Evidence:
    """`fᵀf = G² + λG` with `G = W1ᵀW1` and `QᵀQ = 2W1W1ᵀ + λI`: at λ = 0, f has the rank of Q, which is conserved."""
    product = w2 @ w1
    gram = w1.T @ w1
    square = product.T @ product - gram @ gram - scaled(lam, gram)
    twice = multiply(transpose(Q), Q)[0][0] - scaled(2, w1 @ w1.T) - scaled(lam, IDENTITY)
    return vanishes(((square, twice),), BALANCED, "fᵀf = G² + λG, QᵀQ = 2W1W1ᵀ + λI")


def freed() -> Evidence:
    """`FJ + JF = λI`, `QᵀJQ = λI` for `J = diag(−I, I)`, and `F² = λ²/4 + diag(AᵀA, AAᵀ)`.

    So between eigenvectors of F at −ρᵢ and −ρⱼ `−(ρᵢ + ρⱼ) eᵢᵀJeⱼ = λδᵢⱼ`: J is negative on what falls, if λ > 0.
    """
    sign: Block = ((scaled(-1, IDENTITY), ZERO), (ZERO, IDENTITY))
    unit: Block = ((IDENTITY, ZERO), (ZERO, IDENTITY))

    def times(x: sp.Expr | int, block: Block) -> Block:
        return tuple(tuple(scaled(x, entry) for entry in row) for row in block)

    anti = subtract(multiply(F, sign), times(-1, multiply(sign, F)))
    grams: Block = ((a.T @ a, ZERO), (ZERO, a @ a.T))
    start = multiply(transpose(Q), multiply(sign, Q))[0][0]
    return every(
        [
            ("FJ + JF = λI", vanishes(subtract(anti, times(lam, unit)), (), "FJ + JF")),
            ("QᵀJQ = λI", vanishes(((start - scaled(lam, IDENTITY),),), BALANCED, "QᵀJQ")),
            ("F²", vanishes(subtract(subtract(multiply(F, F), grams), times(lam**2 / 4, unit)), (), "F²")),
        ]
    )


def reflection() -> Evidence:
    """For det M = −1, `I + M = M(I + M)ᵀ` makes I + M singular; and the growing part of the start is I + M in frames.

    `C = VᵀV₀ + UᵀU₀`, with the teacher's frames U, V and the start's; `O = UVᵀ`, `O₀ = U₀V₀ᵀ`, `M = OᵀO₀`. What C
    lacks, `xᵀC = 0`, `QQᵀ = E C (…) Cᵀ E` lacks at every time, in the direction `E⁻¹x`.
    """
    m, u, v, u0, v0 = (Letter(name, "d", "d") for name in ("M", "U", "V", "U0", "V0"))
    orthogonal: Rules = tuple(rule for x in (m, u, v, u0, v0) for rule in (((x, x.T), IDENTITY), ((x.T, x), IDENTITY)))
    of_m, of_u, of_v, of_u0, of_v0 = map(MatrixSum.of, (m, u, v, u0, v0))
    polar, start = of_u @ of_v.T, of_u0 @ of_v0.T
    grow = of_v.T @ of_v0 + of_u.T @ of_u0
    words = {
        "I + M = M(I + M)ᵀ": IDENTITY + of_m - of_m @ (IDENTITY + of_m.T),
        "C = Uᵀ(O + O₀)V₀": grow - of_u.T @ (polar + start) @ of_v0,
        "O + O₀ = O(I + M)": polar + start - polar @ (IDENTITY + polar.T @ start),
    }
    absent_direction = Letter("x", "d", "one")
    frame = Letter("E", "d", "d", symmetric=True)
    inverse = Letter("EI", "d", "d")
    c = Letter("C", "d", "k")
    core = MatrixSum.of(Letter("core", "k", "k"))
    still = MatrixSum.of(absent_direction.T) @ MatrixSum.of(inverse) @ MatrixSum.of(frame) @ MatrixSum.of(c) @ core
    absent: Rules = (((inverse, frame), IDENTITY), ((absent_direction.T, c), ZERO))
    singular = [(f"d = {d}", identity((sp.eye(d) + _reflected(d)).det(), sp.Integer(0))) for d in (1, 2, 3, 4)]
    return every(
        [
            *((name, vanishes(((word,),), orthogonal, name)) for name, word in words.items()),
            ("absent for ever", vanishes(((still,),), absent, "xᵀE⁻¹(E C …)")),
            *singular,
        ],
        "for symbolic d; det(I + M) = det M det(I + M) = −det(I + M), cross-checked for d = 1 … 4",
    )


def _reflected(d: int) -> sp.Matrix:
    """An orthogonal matrix of rationals with determinant −1: Cayley's transform, one column with its sign changed."""
    skew = sp.Matrix(d, d, lambda i, j: sp.Rational(i - j, 1 + i + j))
    return (sp.eye(d) - skew) * (sp.eye(d) + skew).inv() * sp.diag(*[1] * (d - 1), -1)


def on_shapes() -> Evidence:
    """`Q̇` from the loss written out in its entries, exact, on balanced integer and λ-balanced rational weights."""
    generator = np.random.default_rng(0)
    cases = [(shape, sign) for shape in SHAPES for sign in (0, 1, -1) if sign == 0 or shape[1] <= shape[1 + sign]]
    return examples(
        (f"(d_in, h, d_out) = {shape}, λ {sign}", _one_shape(shape, sign, generator)) for shape, sign in cases
    )


def _one_shape(shape: tuple[int, int, int], sign: int, generator: np.random.Generator) -> Evidence:
    i, k, o = shape
    imbalance = sp.Integer(4 * sign)
    n1, n2 = _apart(i, k, o) if sign > 0 else _balanced(shape, generator)
    if sign < 0:
        n2, n1 = (x.T for x in _apart(o, k, i))
    assert n2.T * n2 - n1 * n1.T == imbalance * sp.eye(k)
    target = integers(generator, o, i)
    ring, noise = noise_ring({"N1": n1.shape, "N2": n2.shape})
    error = (in_ring(ring, n2) + noise["N2"]) @ (in_ring(ring, n1) + noise["N1"]) - in_ring(ring, target)
    loss = (error * error).sum() / 2
    slopes = [-sp.Rational(str(loss.coeff(generator_))) for generator_ in ring.gens]
    moved = sp.Matrix.vstack(sp.Matrix(k, i, slopes[: k * i]).T, sp.Matrix(o, k, slopes[k * i :]))
    stack = sp.Matrix.vstack(n1.T, n2)
    shift = imbalance / 2
    force = sp.Matrix(sp.BlockMatrix([[-shift * sp.eye(i), target.T], [target, shift * sp.eye(o)]]))
    return identity(moved, force * stack - stack * stack.T * stack / 2)


def _balanced(shape: tuple[int, int, int], generator: np.random.Generator) -> tuple[sp.Matrix, sp.Matrix]:
    """Balanced integer weights: W2ᵀW2 = W1W1ᵀ = core coreᵀ."""
    i, k, o = shape
    core = integers(generator, k, min(i, o))
    return core * sp.eye(core.cols, i) * _signs(i), _signs(o) * sp.eye(o, core.cols) * core.T


def _apart(i: int, k: int, o: int) -> tuple[sp.Matrix, sp.Matrix]:
    """Rational weights with W2ᵀW2 − W1W1ᵀ = 4I: modes (n − 1/n, n + 1/n), and (0, 2) where d_in has none left."""

    def size(n: int, sign: int) -> sp.Expr:
        return n + sign * sp.Rational(1, n)

    first = sp.Matrix(k, i, lambda row, column: size(row + 2, -1) if row == column else 0)
    second = sp.Matrix(o, k, lambda row, column: size(row + 2 if row < i else 1, 1) if row == column else 0)
    hidden = _reflected(k)
    return hidden * first * _reflected(i), _reflected(o) * second * hidden.T


def _signs(size: int) -> sp.Matrix:
    return sp.diag(*((-1) ** j for j in range(size)))
