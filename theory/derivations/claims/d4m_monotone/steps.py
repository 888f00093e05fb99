"""Steps of D4m: the contribution of one feature, bounds on the neglected terms, and the certified margin."""

from typing import Any

import sympy as sp
from mpmath import iv

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
    return every(
        (
            ("h", vanishes(q.T @ i @ (e - q @ projected) - projected, rules, "S = 1 + Qᵀ∫Q")),
            ("e^{−FT}w", vanishes(back_at_start, EXPONENTIALS, "= ψ")),
            ("∫", vanishes(commutator, EXPONENTIALS, "commutes")),
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


def room() -> Evidence:
    """`A² − S = 3 + 6X + 4X² − 2Xϑ` at `A = 2(1 + X)`, `S = 1 + 2X + 2X₁ϑ`; and Cauchy's inequality, by a square."""
    x, th, a, b = sp.symbols("X t a b", positive=True)
    cauchy = (3 + 4 * x**2) * (a**2 / 3 + b**2) - (a + 2 * x * b) ** 2
    return every(
        (
            ("room", identity((2 * (1 + x)) ** 2 - (1 + 2 * x + th), 3 + 6 * x + 4 * x**2 - th)),
            ("Cauchy", identity(cauchy, 3 * (b - 2 * x * a / 3) ** 2)),
        )
    )


def _series(x: Any, coefficient: Any, terms: int = 12) -> Any:
    """`Σ c_k x^k` for coefficients between 0 and 1 and 0 <= x <= ½, with an interval for the remainder."""
    known = sum((iv.mpf(coefficient(k).p) / coefficient(k).q * x**k for k in range(terms)), iv.mpf(0))
    return known + iv.mpf([0, 2]) * x**terms


def _if_even(k: int, value: sp.Rational) -> sp.Rational:
    """The coefficient of an even function: 0 for odd k."""
    return sp.S.Zero if k % 2 else sp.Rational(value)


def margin(kappa: sp.Expr) -> Any:
    """`3 − 2Xϑ − κ²(α² + 3β²)/q²` at `x = θq` and `q = x(1 + X)`; the claim holds where it is >= 0.

    x = ‖B‖T and X = σ₁T.  α and β bound the action of `2 cosh − 2` and `sinh x/x − 1` on w; R bounds w at the start.
    """
    size = iv.mpf(sp.Rational(kappa).p) / sp.Rational(kappa).q

    def value(theta: Any, q_: Any) -> Any:
        x = theta * q_
        p = (1 - theta) * q_  # xX
        sinh_ratio = _series(x, lambda k: _if_even(k, 1 / sp.factorial(k + 1)))  # sinh x/x
        cosh_part = _series(x, lambda k: _if_even(k, 1 / sp.factorial(k + 2)))  # (cosh x − 1)/x²
        sinh_part = _series(x, lambda k: _if_even(k, 1 / sp.factorial(k + 3)))  # (sinh x/x − 1)/x²
        chi = _series(x, lambda k: _if_even(k, (k + 2) / sp.factorial(k + 3)))  # (x cosh x − sinh x)/x³
        vartheta = _series(x, lambda k: sp.Rational(2 ** (k + 1), sp.factorial(k + 2)))  # ϑ/x
        grown = iv.exp(x)
        denominator = 2 - grown - 2 * p * chi
        if not denominator.a > 0:
            return denominator
        r = (theta * grown + iv.sqrt(2) * theta * x + 2 * (1 - theta) * sinh_ratio) / denominator  # xR/q
        alpha = 2 * theta * x * cosh_part + 2 * r * sinh_ratio
        beta = theta * x * sinh_part + r * chi
        return 3 - 2 * p * vartheta - size**2 * (alpha**2 + 3 * beta**2)

    return value
