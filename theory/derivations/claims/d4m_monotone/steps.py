"""D4m's steps: what a feature adds, written without its history; the size of what is neglected; the certificate."""

from typing import Any

import sympy as sp
from mpmath import iv

from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, ZERO, Rules, normal_form, scaled
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import every, identity

half, quarter = sp.Rational(1, 2), sp.Rational(1, 4)
F, C, H, J, I = (Letter(x, "N", "N", symmetric=True) for x in "FCHJI")
S, SI = (Letter(x, "n", "n", symmetric=True) for x in ("S", "Si"))
Q, EYE, PSI = Letter("Q", "N", "n"), Letter("e", "N", "one"), Letter("psi", "N", "one")
f, c, h, j, i, q, e, psi = map(MatrixSum.of, (F, C, H, J, I, Q, EYE, PSI))
forth, back = c + f @ h, c - f @ h  # e^{FT} and e^{−FT}: C = cosh FT, H = sinh(FT)/F
AT_START: Rules = ((((Q.T, EYE)), ZERO), (((EYE.T, Q)), ZERO), ((Q.T, J, Q), ZERO), ((Q.T, J, EYE), ZERO),
                   ((EYE.T, J, Q), ZERO), ((EYE.T, J, EYE), ZERO))  # fmt: skip
EXPONENTIALS: Rules = (
    ((J, F), scaled(-1, f @ j)), ((J, C), c @ j), ((J, H), h @ j), ((J, J), IDENTITY), ((H, F), f @ h), ((C, F), f @ c),
    ((H, C), c @ h), ((C, C), IDENTITY + f @ f @ h @ h),
)  # fmt: skip
BALANCED: Rules = (((Q.T, J, PSI), ZERO), ((PSI.T, J, Q), ZERO), ((PSI.T, J, PSI), ZERO))


def words(left: MatrixSum, rules: Rules, detail: str) -> Evidence:
    """Proved where no word remains."""
    rest = normal_form(left, rules)
    return Evidence(not rest, Verdict.PROVED, f"{detail}: {len(rest)} words differ, for symbolic widths")


def balanced_piece() -> Evidence:
    """`ψ = e − QS⁻¹Qᵀ∫e` has `ψᵀJψ = 0`, `QᵀJψ = 0`, `J = diag(1, −1)`; so have w and Q(T), as `e^{FT}Je^{FT} = J`."""
    start = e - q @ MatrixSum.of(SI) @ q.T @ i @ e
    moved = forth @ j @ forth - j
    return every(
        (
            ("QᵀJψ", words(q.T @ j @ start, AT_START, "W1v = W2ᵀu")),
            ("ψᵀJψ", words(start.T @ j @ start, AT_START, "‖u‖ = ‖v‖")),
            ("e^{FT}", words(moved, EXPONENTIALS, "J turns F over")),
        )
    )


def history() -> Evidence:
    """`h = S⁻¹Qᵀ∫e` is `Qᵀ∫ψ`, so that `Qᵀe^{−FT}w = −QᵀQ Qᵀ(sinh FT/F) w`, as `∫ = e^{FT} sinh(FT)/F`."""
    si, s = MatrixSum.of(SI), MatrixSum.of(S)
    short = si @ q.T @ i @ e
    rules: Rules = (((Q.T, I, Q), s - IDENTITY), ((S, SI), IDENTITY), ((SI, S), IDENTITY))
    w = forth @ psi
    back_home = q.T @ back @ w - q.T @ psi
    integral = h @ forth @ psi - forth @ h @ psi
    return every(
        (
            ("h", words(q.T @ i @ (e - q @ short) - short, rules, "S = 1 + Qᵀ∫Q")),
            ("e^{−FT}w", words(back_home, EXPONENTIALS, "= ψ")),
            ("∫", words(integral, EXPONENTIALS, "commutes")),
        )
    )


def overlap(of_cosh: sp.Expr, of_sinh: sp.Expr) -> Evidence:
    """`Qᵀe^{FT}w = 2Qᵀ cosh(FT) w + QᵀQ Qᵀ(sinh FT/F) w`, the constraint of `history` added to it."""
    w = MatrixSum.of(Letter("w", "N", "one"))
    constraint = q.T @ back @ w + q.T @ q @ q.T @ h @ w  # = 0
    rest = q.T @ forth @ w + constraint - scaled(of_cosh, q.T @ c @ w) - scaled(of_sinh, q.T @ q @ q.T @ h @ w)
    return words(rest, (), "candidate")


def taken(coefficient: sp.Expr) -> Evidence:
    """`uᵀf_n v = ¼‖Q(T)ᵀw‖²`: f_n is the part of `G = QQᵀ` off its diagonal, `½(G − JGJ)`, and `QᵀJw = 0`."""
    g, w = forth @ q @ MatrixSum.of(SI) @ q.T @ forth, forth @ psi
    twice = scaled(half, g - j @ g @ j)
    return words(w.T @ (twice - scaled(2 * coefficient, g)) @ w, (*BALANCED, *EXPONENTIALS), "of f_n")


def teacher(signs: int = -1) -> Evidence:
    """`σuv` of a learned feature, of this one, and of a later one, each as a bound less a square."""
    u, v = sp.symbols("u v", real=True)
    s = sp.Symbol("s", positive=True)
    return every(
        (
            ("learned", identity(s * u * v, s * (u + v) ** 2 / 4 + signs * s * (u - v) ** 2 / 4)),
            ("others", identity(s * u * v, s * (u**2 + v**2) / 2 + signs * s * (u - v) ** 2 / 2)),
        )
    )


def first_exit() -> Evidence:
    """`PF^{j+1}E = (PF^jP)(PFE) + (PF^jE)(EFE)`, `E + P = 1`: out of the feature's plane at some step, then anywhere.

    So `‖PF^j E w‖ <= j‖B‖^{j−1} N‖β‖` by induction, `β = PFe`; W stands for F^j.
    """
    p, n, power = (MatrixSum.of(Letter(x, "N", "N", symmetric=True)) for x in "PEW")
    rest = p @ power @ f @ n - p @ power @ p @ f @ n - p @ power @ n @ f @ n
    plane: Rules = (((Letter("P", "N", "N", symmetric=True),), IDENTITY - n),)
    idempotent: Rules = (*plane, ((Letter("E", "N", "N", symmetric=True),) * 2, n))
    return words(rest, idempotent, "first exit")


def worst_of_one(lost: sp.Expr) -> Evidence:
    """`k² − (Ak + z)²/S = z²/(A² − S) − ((A² − S)k + Az)²/(S(A² − S))`: never more than z²/(A² − S)."""
    k, z = sp.symbols("k z", real=True)
    a, s = sp.symbols("A S", positive=True)
    square = ((a**2 - s) * k + a * z) ** 2 / (s * (a**2 - s))
    return identity(k**2 - (a * k + z) ** 2 / s, lost - square)


def room() -> Evidence:
    """`A² − S = 3 + 6X + 4X² − 2Xϑ` at `A = 2(1 + X)`, `S = 1 + 2X + 2X₁ϑ`; and Cauchy's inequality as a square."""
    x, th, a, b = sp.symbols("X t a b", positive=True)
    cauchy = (3 + 4 * x**2) * (a**2 / 3 + b**2) - (a + 2 * x * b) ** 2
    return every(
        (
            ("room", identity((2 * (1 + x)) ** 2 - (1 + 2 * x + th), 3 + 6 * x + 4 * x**2 - th)),
            ("Cauchy", identity(cauchy, 3 * (b - 2 * x * a / 3) ** 2)),
        )
    )


def _series(x: Any, coefficient: Any, terms: int = 12) -> Any:
    """`Σ c_k x^k` with an interval for the rest, of coefficients between 0 and 1 and 0 <= x <= ½."""
    known = sum((iv.mpf(coefficient(k).p) / coefficient(k).q * x**k for k in range(terms)), iv.mpf(0))
    return known + iv.mpf([0, 2]) * x**terms


def _even(k: int, value: sp.Rational) -> sp.Rational:
    return sp.S.Zero if k % 2 else sp.Rational(value)


def margin(kappa: sp.Expr) -> Any:
    """`3 − 2Xϑ − κ²(α² + 3β²)/q²` on `x = θq`, `X = (q − x)/x`, where `q = x(1 + X)`: the claim holds where it is >= 0.

    x = ‖B‖T and X = σ₁T.  α and β bound what `2 cosh − 2` and `sinh x/x − 1` make of w; R what its start was.
    """
    size = iv.mpf(sp.Rational(kappa).p) / sp.Rational(kappa).q

    def value(theta: Any, q_: Any) -> Any:
        x, p = theta * q_, (1 - theta) * q_
        shc = _series(x, lambda k: _even(k, 1 / sp.factorial(k + 1)))  # sinh x/x
        c2 = _series(x, lambda k: _even(k, 1 / sp.factorial(k + 2)))  # (cosh x − 1)/x²
        s3 = _series(x, lambda k: _even(k, 1 / sp.factorial(k + 3)))  # (sinh x/x − 1)/x²
        chi = _series(x, lambda k: _even(k, (k + 2) / sp.factorial(k + 3)))  # (x cosh x − sinh x)/x³
        th = _series(x, lambda k: sp.Rational(2 ** (k + 1), sp.factorial(k + 2)))  # ϑ/x
        grown = iv.exp(x)
        below = 2 - grown - 2 * p * chi
        if not below.a > 0:
            return below
        r = (theta * grown + iv.sqrt(2) * theta * x + 2 * (1 - theta) * shc) / below  # xR/q
        alpha, beta = 2 * theta * x * c2 + 2 * r * shc, theta * x * s3 + r * chi
        return 3 - 2 * p * th - size**2 * (alpha**2 + 3 * beta**2)

    return value
