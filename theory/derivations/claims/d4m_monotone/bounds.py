"""Bounds of D4m: norms of functions of FT on the two parts of w, from words, and the margin that they leave.

`w = w_e + w⊥` with `w_e = Ew` in the plane of the feature's own two directions and `w⊥ = Pw`, P = 1 − E. Two numbers
bound everything: ‖w⊥‖, and `b = NT‖β‖` with β = PFe, which couples the plane to all other directions.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import sympy as sp
from mpmath import iv

from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, ZERO, Rules, normal_form
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, Word
from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import every, identity, positive

x, X = sp.symbols("x X", positive=True)  # ‖B‖T and σ₁T
k = sp.Symbol("k", integer=True, nonnegative=True)
b, omega = sp.symbols("b omega", positive=True)  # NT‖β‖ and ‖w⊥‖

MAJORANT = {
    "e^{−FT}": sp.exp(x),
    "e^{−FT} − 1 + FT": sp.exp(x) - 1 - x,
    "sinh FT/FT": sp.sinh(x) / x,
    "sinh FT/FT − 1": sp.sinh(x) / x - 1,
    "2cosh FT − 2": 2 * sp.cosh(x) - 2,
    "(e^{2FT} − 1)/2FT − 1": (sp.exp(2 * x) - 1) / (2 * x) - 1,
}
"""`Σ|c_j|x^j` for each function `Σ c_j (FT)^j`: a bound of its norm."""
FUNCTION = {
    "e^{−FT}": (lambda j: (-1) ** j / sp.factorial(j)),
    "e^{−FT} − 1 + FT": (lambda j: (-1) ** j / sp.factorial(j) if j > 1 else 0),
    "sinh FT/FT": (lambda j: 0 if j % 2 else 1 / sp.factorial(j + 1)),
    "sinh FT/FT − 1": (lambda j: 0 if j % 2 or not j else 1 / sp.factorial(j + 1)),
    "2cosh FT − 2": (lambda j: 0 if j % 2 or not j else 2 / sp.factorial(j)),
    "(e^{2FT} − 1)/2FT − 1": (lambda j: sp.Integer(2) ** j / sp.factorial(j + 1) if j else 0),
}
"""Their coefficients c_j."""

P, K, FT = (Letter(name, "N", "N", symmetric=True) for name in ("P", "K", "FT"))  # K = T Q₀Q₀ᵀ
PLANE, OUT = Letter("w_e", "N", "one"), Letter("w⊥", "N", "one")
OF = {name: MatrixSum.of(Letter(name, "N", "N", symmetric=True)) for name in MAJORANT}
p, k_, ft, plane, out = map(MatrixSum.of, (P, K, FT, PLANE, OUT))
IN_PLANE: Rules = (((P, PLANE), ZERO), ((K, PLANE), ZERO))
PREFIX = {"P": sp.Integer(1), "K": 2 * X}
"""Norms: P is a projection, and `Q₀ᵀQ₀ = 2Σ`."""


def norm_bound(words: Mapping[Word, sp.Expr]) -> sp.Expr:
    """A bound of the norm of a vector in words, each a prefix P or K = KP, a function of FT, and a part of w.

    `‖g(FT)w⊥‖ <= Σ|c_j|x^j ‖w⊥‖`; and since `‖PF^j w_e‖ <= j‖B‖^{j−1}N‖β‖` (`steps.first_exit`), `‖P g(FT)w_e‖` is at
    most `Σ j|c_j|x^{j−1} b`, the derivative.
    """
    total = sp.Integer(0)
    for word, coefficient in words.items():
        prefix, function, part = (letter.name for letter in word)
        majorant = MAJORANT[function]
        size = majorant.diff(x) * b if part == PLANE.name else majorant * omega
        total += abs(coefficient) * PREFIX[prefix] * size
    return total


def halves() -> Evidence:
    """`(N − ω)²‖β‖² <= ‖PFw_e‖² <= N²‖β‖²` and `‖β‖² <= 2‖B‖²`, in the squares of the two halves of β.

    F swaps the halves, so with `w_e = (v₁, u₁)` the squared norm of PFw_e is `u₁²β₁ + v₁²β₂`. Both weights are between
    N − ω and N in size; here they are `N² = u₁² + more` and `u₁² = (N − ω)² + more`, and β_i is ‖B‖² minus something.
    """
    largest, least, beta_1, beta_2, more_1, more_2, size = sp.symbols(
        "N² (N−ω)² beta_1 beta_2 r_1 r_2 B²", positive=True
    )

    def squared(u: sp.Expr, v: sp.Expr) -> sp.Expr:
        return u * beta_1 + v * beta_2

    above = largest * (beta_1 + beta_2) - squared(largest - more_1, largest - more_2)
    below = squared(least + more_1, least + more_2) - least * (beta_1 + beta_2)
    of_task = 2 * size - (beta_1 + beta_2).subs({beta_1: size - more_1, beta_2: size - more_2})
    gain = more_1 * beta_1 + more_2 * beta_2
    return every(
        (
            ("above", identity(above, gain)),
            ("below", identity(below, gain)),
            ("β", identity(of_task, more_1 + more_2)),
            ("gain", positive(gain)),
        ),
        "by sums of positive terms",
    )


def coupling() -> sp.Expr:
    """R of `NT‖β‖ <= R‖w⊥‖`: `P e^{−FT} w + K (sinh FT/FT) w = 0`, solved for its term of first order, T P F w_e.

    The norm of that term is at least `b − √2x‖w⊥‖`: the weights of w_e are at least N − ‖w⊥‖, and ‖β‖ <= √2‖B‖.
    """
    split = IDENTITY - ft + OF["e^{−FT} − 1 + FT"]
    equation = p @ OF["e^{−FT}"] @ out + p @ split @ plane + k_ @ OF["sinh FT/FT"] @ (plane + out)
    words = normal_form(equation, IN_PLANE)
    if words.pop((P, FT, PLANE)) != -1:
        raise ValueError("the term of first order is not −T P F w_e")
    (solution,) = sp.solve(sp.Eq(b - sp.sqrt(2) * x * omega, norm_bound(words)), b)
    return sp.cancel(solution / omega)


def on_w(function: str, ratio: sp.Expr) -> sp.Expr:
    """The bound of `‖P g(FT) w‖/‖w⊥‖` for a function without a constant term, with `b = ratio ‖w⊥‖`."""
    words = normal_form(p @ OF[function] @ (plane + out), IN_PLANE)
    return sp.expand(norm_bound(words).subs(b, ratio * omega) / omega)


def vartheta() -> sp.Expr:
    """ϑ of `S <= 1 + 2TΣ + 2Xϑ`, where `S = 1 + Q₀ᵀ∫e^{2Fs}ds Q₀` and `∫e^{2Fs}ds = T(1 + ((e^{2FT} − 1)/2FT − 1))`."""
    return MAJORANT["(e^{2FT} − 1)/2FT − 1"]


def derived_margin(kappa: sp.Expr) -> sp.Expr:
    """`3 − 2Xϑ − κ²(α² + 3β²)/q²`, q = x(1 + X); where it is >= 0, `Σz²/(A² − S) <= 2(σ_{n+1} − σ_{n+2})‖w⊥‖²`."""
    ratio = coupling()
    alpha, beta = on_w("2cosh FT − 2", ratio), on_w("sinh FT/FT − 1", ratio)
    return 3 - 2 * X * vartheta() - kappa**2 * (alpha**2 + 3 * beta**2) / (x * (1 + X)) ** 2


def majorants() -> Evidence:
    """Each majorant has the absolute values of the function's coefficients, compared to order 12."""
    cases = []
    for name, majorant in MAJORANT.items():
        known = sp.series(majorant, x, 0, 13).removeO()
        stated = sum(abs(sp.sympify(FUNCTION[name](j))) * x**j for j in range(13))
        cases.append((name, identity(sp.expand(known - stated), 0)))
    y = sp.Symbol("y", real=True)
    values = {
        "e^{−FT}": sp.exp(-y),
        "e^{−FT} − 1 + FT": sp.exp(-y) - 1 + y,
        "sinh FT/FT": sp.sinh(y) / y,
        "sinh FT/FT − 1": sp.sinh(y) / y - 1,
        "2cosh FT − 2": 2 * sp.cosh(y) - 2,
        "(e^{2FT} − 1)/2FT − 1": (sp.exp(2 * y) - 1) / (2 * y) - 1,
    }
    for name, value in values.items():
        # all coefficients >= 0, or alternating in sign: the function at |y|, or at −|y|
        side = x if FUNCTION[name](2) * FUNCTION[name](3) >= 0 else -x
        cases.append((f"{name} at ±x", identity(value.subs(y, side), MAJORANT[name])))
    return every(cases, "the functions at x or −x, as their coefficients have one sign or alternate")


def weighted() -> Evidence:
    """`vᵀS⁻¹v >= vᵀS̄⁻¹v` for S <= S̄; and what a mode may lose, over `2σ_k(a² + 3b²)/(3 − v)`, with v = 2Xϑ.

    The first difference is `rᵀSr + gᵀ(S̄ − S)g` with `g = S̄⁻¹v`, `r = S⁻¹v − g`.
    """
    s, si, big, bigi = (Letter(name, "n", "n", symmetric=True) for name in ("S", "Si", "Z", "Zi"))
    v = MatrixSum.of(Letter("v", "n", "one"))
    of_s, of_si, of_big, of_bigi = map(MatrixSum.of, (s, si, big, bigi))
    rules: Rules = tuple((pair, IDENTITY) for pair in ((s, si), (si, s), (big, bigi), (bigi, big)))
    g = of_bigi @ v
    r = of_si @ v - g
    difference = v.T @ of_si @ v - v.T @ of_bigi @ v - r.T @ of_s @ r - g.T @ (of_big - of_s) @ g
    mode, a, lost = sp.symbols("X_k a v", positive=True)
    weight = 3 + 4 * mode**2
    cauchy = weight * (a**2 / 3 + b**2) - (a + 2 * mode * b) ** 2
    space = (2 * (1 + mode)) ** 2 - (1 + 2 * mode + lost)  # A² − S̄
    room = 3 * space - weight * (3 - lost)
    return every(
        (
            ("S⁻¹", Evidence(not normal_form(difference, rules), Verdict.PROVED, "a sum of two squares")),
            ("A² − S", identity(space, 3 + 6 * mode + 4 * mode**2 - lost)),
            ("Cauchy", identity(cauchy, 3 * (b - 2 * mode * a / 3) ** 2)),
            ("in every mode", positive(room, zero_at={mode: 0})),
        ),
        "in every mode, with X_k = σ_kT",
    )


class Parts(NamedTuple):
    """The functions of x in the margin, free of their removable poles at 0: as intervals, or in closed form."""

    grown: Any  # e^x
    sinh_ratio: Any  # sinh x/x
    cosh_part: Any  # (cosh x − 1)/x²
    sinh_part: Any  # (sinh x/x − 1)/x²
    chi: Any  # (x cosh x − sinh x)/x³
    vartheta: Any  # ((e^{2x} − 1)/2x − 1)/x
    root: Any  # √2


CLOSED = Parts(
    sp.exp(x),
    sp.sinh(x) / x,
    (sp.cosh(x) - 1) / x**2,
    (sp.sinh(x) / x - 1) / x**2,
    (x * sp.cosh(x) - sp.sinh(x)) / x**3,
    ((sp.exp(2 * x) - 1) / (2 * x) - 1) / x,
    sp.sqrt(2),
)
EVEN = {
    "sinh_ratio": 1 / sp.factorial(k + 1),
    "cosh_part": 1 / sp.factorial(k + 2),
    "sinh_part": 1 / sp.factorial(k + 3),
    "chi": (k + 2) / sp.factorial(k + 3),
}
ALL = {"vartheta": 2 ** (k + 1) / sp.factorial(k + 2)}
TERMS = 12
"""Coefficients of x^k: of even functions, where k is even, and of one that has all powers."""


def coefficient(name: str, power: int) -> sp.Rational:
    """Of x^power."""
    series = ALL | EVEN
    return sp.S.Zero if name in EVEN and power % 2 else series[name].subs(k, power)


def in_margin(theta: Any, q: Any, kappa: Any, parts: Parts) -> tuple[Any, Any]:
    """The margin at `x = θq`, `q = x(1 + X)`, and the denominator of R, which has to be positive."""
    u = theta * q
    v = (1 - theta) * q  # xX
    denominator = 2 - parts.grown - 2 * v * parts.chi
    r = (theta * parts.grown + parts.root * theta * u + 2 * (1 - theta) * parts.sinh_ratio) / denominator  # xR/q
    alpha = 2 * theta * u * parts.cosh_part + 2 * r * parts.sinh_ratio  # over q
    beta = theta * u * parts.sinh_part + r * parts.chi
    return 3 - 2 * v * parts.vartheta - kappa**2 * (alpha**2 + 3 * beta**2), denominator


def enclosed() -> Evidence:
    """What the intervals evaluate is the derived margin; its series are the closed forms; the rest is in [0, 2]x^12.

    The coefficients fall: each is at most the one two powers before, and the first two of the rest are at most 1.
    """
    kappa = sp.Symbol("kappa", positive=True)
    names = {sp.exp(x): sp.Symbol("e"), sp.sinh(x): sp.Symbol("s"), sp.cosh(x): sp.Symbol("c")}
    sides = in_margin(1 / (1 + X), x * (1 + X), kappa, CLOSED)[0], derived_margin(kappa)
    cases = [("margin", identity(*(side.subs(names) for side in sides)))]
    for name, series in (EVEN | ALL).items():
        known = sp.series(getattr(CLOSED, name), x, 0, TERMS).removeO()
        taken = sum(coefficient(name, n) * x**n for n in range(TERMS))
        cases.append((name, identity(sp.expand(known - taken), 0)))
        falls = sp.factor(sp.gammasimp(1 - series.subs(k, k + 2) / series))
        cases.append((f"{name} falls", Evidence(_positive_coefficients(falls), Verdict.PROVED, str(falls))))
        drop = 1 - coefficient(name, 2) / coefficient(name, 0)
        cases.append((f"{name} at first", identity(falls.subs(k, 0), drop)))
        small = all(coefficient(name, n) <= 1 for n in (TERMS, TERMS + 1))
        cases.append((f"{name} is small", Evidence(small, Verdict.PROVED, "at most 1")))
    return every(cases, "the margin is the derived one, and its series are enclosed")


def _positive_coefficients(ratio: sp.Expr) -> bool:
    """Whether numerator and denominator have positive coefficients only, so that the ratio is positive for k >= 0."""
    numerator, denominator = (sp.Poly(part, k) for part in sp.fraction(sp.cancel(ratio)))
    return all(c > 0 for poly in (numerator, denominator) for c in poly.coeffs())


def margin(kappa: sp.Expr) -> Any:
    """The margin as a function of the intervals θ and q."""
    size = iv.mpf(sp.Rational(kappa).p) / sp.Rational(kappa).q

    def value(theta: Any, q: Any) -> Any:
        u = theta * q
        rest = iv.mpf([0, 2]) * u**TERMS  # coefficients between 0 and 1, and u <= ½

        def series(name: str) -> Any:
            known = (coefficient(name, n) for n in range(TERMS))
            return sum((iv.mpf(c.p) / c.q * u**n for n, c in enumerate(known)), iv.mpf(0)) + rest

        by_name = {name: series(name) for name in EVEN | ALL}
        parts = Parts(grown=iv.exp(u), root=iv.sqrt(2), **by_name)
        positive_margin, denominator = in_margin(theta, q, size, parts)
        return positive_margin if denominator.a > 0 else denominator

    return value
