"""Steps of D4m: the contribution of one feature, the history of fine-tuning, and what a mode may lose."""

import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, ZERO, Rules, normal_form, scaled
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import every, identity

half = sp.Rational(1, 2)
F, C, H, J, I = (Letter(x, "N", "N", symmetric=True) for x in "FCHJI")
S, SI = (Letter(x, "n", "n", symmetric=True) for x in ("S", "Si"))
Q = Letter("Q", "N", "n")
EYE = Letter("e", "N", "one")
PSI = Letter("psi", "N", "one")
f, c, h, j, i, q, e, psi = map(MatrixSum.of, (F, C, H, J, I, Q, EYE, PSI))
forth = c + f @ h  # e^{FT}, with C = cosh FT and H = sinh(FT)/F
back = c - f @ h  # e^{−FT}
AT_START: Rules = (
    ((Q.T, EYE), ZERO),
    ((EYE.T, Q), ZERO),
    ((Q.T, J, Q), ZERO),
    ((Q.T, J, EYE), ZERO),
    ((EYE.T, J, Q), ZERO),
    ((EYE.T, J, EYE), ZERO),
)
EXPONENTIALS: Rules = (
    ((J, F), scaled(-1, f @ j)),
    ((J, C), c @ j),
    ((J, H), h @ j),
    ((J, J), IDENTITY),
    ((H, F), f @ h),
    ((C, F), f @ c),
    ((H, C), c @ h),
    ((C, C), IDENTITY + f @ f @ h @ h),
)
BALANCED: Rules = (((Q.T, J, PSI), ZERO), ((PSI.T, J, Q), ZERO), ((PSI.T, J, PSI), ZERO))


def vanishes(difference: MatrixSum, rules: Rules, detail: str) -> Evidence:
    """Proved if no word of the difference remains under the rules."""
    remaining = normal_form(difference, rules)
    return Evidence(not remaining, Verdict.PROVED, f"{detail}: {len(remaining)} words differ, for symbolic widths")


def balanced_piece() -> Evidence:
    """`ψ = e − QS⁻¹Qᵀ∫e` satisfies `ψᵀJψ = 0` and `QᵀJψ = 0`, with `J = diag(1, −1)`.

    Hence so do w and Q(T), since `e^{FT}Je^{FT} = J`.
    """
    start = e - q @ MatrixSum.of(SI) @ q.T @ i @ e
    change = forth @ j @ forth - j
    return every(
        (
            ("QᵀJψ", vanishes(q.T @ j @ start, AT_START, "W1v = W2ᵀu")),
            ("ψᵀJψ", vanishes(start.T @ j @ start, AT_START, "‖u‖ = ‖v‖")),
            ("e^{FT}", vanishes(change, EXPONENTIALS, "JF = −FJ")),
        )
    )


def history() -> Evidence:
    """`h = S⁻¹Qᵀ∫e` equals `Qᵀ∫ψ`, so `Qᵀe^{−FT}w = −QᵀQ Qᵀ(sinh FT/F) w`, since `∫ = e^{FT} sinh(FT)/F`."""
    si = MatrixSum.of(SI)
    s = MatrixSum.of(S)
    projected = si @ q.T @ i @ e
    rules: Rules = (((Q.T, I, Q), s - IDENTITY), ((S, SI), IDENTITY), ((SI, S), IDENTITY))
    w = forth @ psi
    back_at_start = q.T @ back @ w - q.T @ psi
    commutator = h @ forth @ psi - forth @ h @ psi
    letter_p = Letter("P", "N", "N", symmetric=True)  # outside the feature's plane: Pe = 0 and PQ = Q
    p, w_ = MatrixSum.of(letter_p), MatrixSum.of(Letter("w", "N", "one"))
    outside: Rules = (((letter_p, EYE), ZERO), ((letter_p, Q), q))
    start = e - q @ q.T @ h @ w_  # e^{−FT}w = ψ
    projected_start = p @ start + q @ q.T @ h @ w_
    return every(
        (
            ("h", vanishes(q.T @ i @ (e - q @ projected) - projected, rules, "S = 1 + Qᵀ∫Q")),
            ("e^{−FT}w", vanishes(back_at_start, EXPONENTIALS, "= ψ")),
            ("∫", vanishes(commutator, EXPONENTIALS, "commutes")),
            ("Pe^{−FT}w", vanishes(projected_start, outside, "= −QQᵀ(sinh FT/F)w")),
        )
    )


def overlap(of_cosh: sp.Expr, of_sinh: sp.Expr) -> Evidence:
    """`Qᵀe^{FT}w = 2Qᵀ cosh(FT) w + QᵀQ Qᵀ(sinh FT/F) w`, by adding the constraint of `history`."""
    w = MatrixSum.of(Letter("w", "N", "one"))
    constraint = q.T @ back @ w + q.T @ q @ q.T @ h @ w  # = 0
    stated = scaled(of_cosh, q.T @ c @ w) + scaled(of_sinh, q.T @ q @ q.T @ h @ w)
    return vanishes(q.T @ forth @ w + constraint - stated, (), "candidate")


def learned_along_piece(coefficient: sp.Expr) -> Evidence:
    """`uᵀf_n v = ¼‖Q(T)ᵀw‖²`: f_n is the off-diagonal block of `G = QQᵀ`, `½(G − JGJ)`, and `QᵀJw = 0`."""
    g = forth @ q @ MatrixSum.of(SI) @ q.T @ forth
    w = forth @ psi
    twice = scaled(half, g - j @ g @ j)
    difference = w.T @ (twice - scaled(2 * coefficient, g)) @ w
    return vanishes(difference, (*BALANCED, *EXPONENTIALS), "of f_n")


def teacher() -> Evidence:
    """`σuv` of a learned feature, and of this one or a later one, each as a bound minus a square."""
    u, v = sp.symbols("u v", real=True)
    s = sp.Symbol("s", positive=True)
    return every(
        (
            ("learned", identity(s * u * v, s * (u + v) ** 2 / 4 - s * (u - v) ** 2 / 4)),
            ("others", identity(s * u * v, s * (u**2 + v**2) / 2 - s * (u - v) ** 2 / 2)),
        )
    )


def first_exit() -> Evidence:
    """`PF^{j+1}E = (PF^jP)(PFE) + (PF^jE)(EFE)` with `E + P = 1`: the last step leaves the feature's plane, or stays.

    So `‖PF^j E w‖ <= j‖B‖^{j−1} N‖β‖` by induction, `β = PFe`; W stands for F^j.
    """
    letter_p, letter_e = (Letter(x, "N", "N", symmetric=True) for x in "PE")
    p, n, power = (MatrixSum.of(Letter(x, "N", "N", symmetric=True)) for x in "PEW")
    difference = p @ power @ f @ n - p @ power @ p @ f @ n - p @ power @ n @ f @ n
    rules: Rules = (((letter_p,), IDENTITY - n), ((letter_e, letter_e), n))
    return vanishes(difference, rules, "first exit")


def largest_loss(lost: sp.Expr) -> Evidence:
    """`k² − (Ak + z)²/S = z²/(A² − S) − ((A² − S)k + Az)²/(S(A² − S))`, which is at most z²/(A² − S)."""
    k, z = sp.symbols("k z", real=True)
    a, s = sp.symbols("A S", positive=True)
    square = ((a**2 - s) * k + a * z) ** 2 / (s * (a**2 - s))
    return identity(k**2 - (a * k + z) ** 2 / s, lost - square)
