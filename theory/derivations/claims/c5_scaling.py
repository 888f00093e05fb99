"""C5: for dense spectra the inflection length is proportional to 1/variance of the noise, up to a logarithm."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.two_layers import d_in, d_out
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
from overtraining.theory.derivations.checker.evidence import argued, every, identity, tested, worst_relative_error
from overtraining.theory.derivations.claims.b1_noise import g1, g2
from overtraining.theory.derivations.claims.shared.balanced_path import (
    GEOMETRIC,
    NOISE,
    c,
    derived_noise_cost,
    epsilon,
    in_noise_cost,
    logistic_path,
    noise_cost,
    path,
    s,
    sigma,
    slope,
    t,
)
from overtraining.theory.derivations.claims.shared.path_assumptions import START
from overtraining.theory.inflection.noisy_path import minima

p, alpha, h, x = sp.symbols("p alpha h x", positive=True)
d, a = sp.symbols("d a", real=True)
kappa_1, kappa_2 = sp.symbols("kappa_1 kappa_2", real=True)
logarithm = sp.Symbol("Lambda", positive=True)  # ln(2c/ε)


def formula() -> sp.Expr:
    """The length at the last minimum, `[ln(2c/ε) − (2 − 1/α)]/(4c)`."""
    return (sp.log(2 * noise_cost / epsilon) - (2 - 1 / alpha)) / (4 * noise_cost)


def moment(power: int, weight: sp.Expr) -> sp.Expr:
    """`∫ xⁿ w(p) p(1−p) dx` over all x, with `x = ln(p/(1−p))`, for a polynomial w.

    It is the n-th derivative at a = 0 of `∫₀¹ (p/(1−p))^a w(p) dp`, and `∫₀¹ p^{j+a}(1−p)^{−a} dp` is
    `Γ(1+j+a)Γ(1−a)/(j+1)!`.
    """
    powers = {j: sp.gamma(1 + j + a) * sp.gamma(1 - a) / sp.factorial(j + 1) for j in range(3)}
    integral = sum(factor * powers[j] for (j,), factor in sp.Poly(weight, p).terms())
    return sp.expand(sp.simplify(sp.diff(integral, a, power).subs(a, 0)))


@functools.cache
def front() -> sp.Expr:
    """The series y in `h = 1/ℓ` for which `y/h − ln(1 + y) = x` holds through order h²."""
    unknown = sp.symbols("y_1:4", real=True)
    y = sum(part * h**n for n, part in enumerate(unknown, 1))
    equation = sp.expand(sp.series(y / h - sp.log(1 + y) - x, h, 0, 3).removeO())
    (found,) = sp.solve([equation.coeff(h, n) for n in range(3)], unknown, dict=True)
    return y.subs(found)


@functools.cache
def expansion() -> sp.Expr:
    """The slope of P summed over a spectrum of density ρ ∝ σ^d near σ*, as a series in `h = 1/ℓ`.

    σ = σ*(1 + y), where `2σ*t = ℓ = ln(σ*/ε)` defines σ*, and x = 2tσ − ln(σ/ε) = ℓy − ln(1 + y). The series is
    integrated over x term by term: its terms are polynomials in x times p(1 − p) < e^{−|x|}, and beyond |x| = √ℓ both
    sides are of order e^{−√ℓ}.
    """
    y = front()
    modes = (1 + y) ** d * sp.diff(y, x) / h  # density in x
    slope_of_mode = (1 + y) ** 2 * (derived_noise_cost() - sigma * (1 + y) * (1 - p))  # over 2σ*² p(1 − p)
    series = sp.expand(sp.series(modes * slope_of_mode, h, 0, 3).removeO())
    total = sum(moment(n, series.coeff(x, n)) for n in range(3))
    return sp.expand(total)


@functools.cache
def inflection() -> tuple[sp.Expr, sp.Expr]:
    """`4c t*` through order 1/Λ in `Λ = ln(2c/ε)`, and the leading term of the series.

    The series is solved for σ* = 2c(1 + κ₁/ℓ + κ₂/ℓ²), and then t* = ℓ/(2σ*), where ℓ = Λ + ln(σ*/2c).
    """
    ratio = 1 + kappa_1 * h + kappa_2 * h**2  # σ*/2c
    series = sp.expand(expansion().subs(sigma, 2 * derived_noise_cost() * ratio))
    (found,) = sp.solve([series.coeff(h, 1), series.coeff(h, 2)], [kappa_1, kappa_2], dict=True)
    length = 1 / h + kappa_1 * h  # ℓ with h = 1/Λ, up to order 1/Λ²
    scaled = sp.series(length / ratio.subs(h, 1 / length), h, 0, 2).removeO()
    return sp.expand(scaled.subs(found).subs(h, 1 / logarithm)), series.coeff(h, 0)


def remainder() -> sp.Expr:
    """The coefficient of 1/Λ in `4c t*` for a power law."""
    return sp.expand(inflection()[0].coeff(logarithm, -1).subs(d, power_law()))


def power_law() -> sp.Expr:
    """`d ln ρ/d ln σ` for `σ = i^{−α}`: i = σ^{−1/α} modes lie above σ, so ρ = −di/dσ."""
    density = -sp.diff(sigma ** (-1 / alpha), sigma)
    return sp.simplify(sigma * sp.diff(sp.log(density), sigma))


def conclusion(candidate: sp.Expr) -> Evidence:
    """The candidate against the derived length."""
    scaled, _ = inflection()
    cost = derived_noise_cost()
    through_order_1 = scaled - scaled.coeff(logarithm, -1) / logarithm
    derived = through_order_1.subs(d, power_law()).subs(logarithm, sp.log(2 * cost / epsilon)) / (4 * cost)
    return identity(derived, candidate, "4c t* through order 1 in ln(2c/ε)")


def _profile() -> Evidence:
    """On the path s = σp with p = 1/(1 + e^{−x}), x = 2σt − ln(σ/ε − 1); the slope is 2σ²p(1−p)(c − σ(1−p))."""
    logistic = sigma / (1 + (sigma / epsilon - 1) * sp.exp(-2 * sigma * t))
    stated = 2 * sigma**2 * p * (1 - p) * (derived_noise_cost() - sigma * (1 - p))
    return every((("path", identity(path(), logistic)), ("slope", identity(slope().subs(s, sigma * p), stated))))


def _moments() -> Evidence:
    """The integrals of p(1−p) times 1, x and x² over x, and the same times 1 − p."""
    half, square = sp.Rational(1, 2), sp.pi**2 / 3
    moments = [(moment(n, sp.Integer(1)), moment(n, 1 - p)) for n in range(3)]
    return identity(moments, [(1, half), (0, -half), (square, square / 2)], "1, ½; 0, −½; π²/3, π²/6")


def _leading() -> Evidence:
    """The leading term of the series vanishes at σ* = 2c."""
    zero = in_noise_cost(expansion().coeff(h, 0).subs(sigma, 2 * c))
    checked = identity((zero, inflection()[1]), (0, 0), "the integral vanishes at σ* = 2c, for every d")
    return argued("a dense sum is an integral over the front, whose series in 1/ln(1/ε) is taken term by term", checked)


def _remainder() -> Evidence:
    """The remainder of 4c t*, times Λ = ln(2c/ε), against the next order of the series; the difference is O(1/Λ)."""
    claimed = sp.lambdify((c, epsilon, alpha), in_noise_cost(formula()))
    following = sp.lambdify(alpha, remainder())
    cost = 0.02
    worst = 0.0
    for exponent in (0.7, 1.0, 2.0):
        for start in (1e-10, 1e-20, 1e-50, 1e-200):
            size = np.log(2 * cost / start)
            measured = 4 * cost * (continuum_inflection(start, cost, exponent) - claimed(cost, start, exponent))
            worst = max(worst, abs(measured * size - following(exponent)) * size)
    return every(
        (
            ("next order", identity(remainder(), 1 + sp.pi**2 / 3 * (1 - 1 / alpha))),
            ("integral", tested(worst, 8.0, "")),
        ),
        f"|(4c t* − formula)·Λ − (1 + π²(1 − 1/α)/3)|·Λ: {worst:.2g} <= 8, while ε falls by 190 decades",
    )


def _last_is_best() -> Evidence:
    """σ = 1/i, c = 0.01, ε = 1e-20: the last minimum is the lowest, and 4c t* is that of the series to order 1/Λ²."""
    every_minimum = minima(np.arange(1, 1501) ** -1.0, 1e-20, 0.01)
    last = every_minimum.at("last")
    size = np.log(0.02 / 1e-20)
    claimed = float(in_noise_cost(formula()).subs({c: 0.01, epsilon: 1e-20, alpha: 1}))
    early = every_minimum.times[:-1] / last
    holds = bool(0.06 < early.max() < 0.08) and every_minimum.at("best") == last
    error = abs(0.04 * (last - claimed) * size - float(remainder().subs(alpha, 1))) * size
    detail = f"{early.size} early minima, the latest at {early.max():.3f} t*; |(4c t* − formula)·Λ − 1|·Λ:"
    return tested(error if holds else np.inf, 5.0, detail)


def _engine_error(expression: sp.Expr, function: Callable[..., Any], generator: np.random.Generator) -> float:
    """Over the domain, in units of the cancelling logarithms."""
    size = 300
    cost = 10.0 ** generator.uniform(-12, -0.35, size)
    exponent = 0.5 + 10.0 ** generator.uniform(-6, 2, size)
    start = 2 * cost * np.exp(-(2 - 1 / exponent) - 10.0 ** generator.uniform(-3, 2.7, size))

    def condition(a: np.ndarray, e: np.ndarray, c_: np.ndarray) -> np.ndarray:
        logarithms = np.abs(np.log(2 * c_)) + np.abs(np.log(e)) + 3
        return 2 + logarithms / (np.log(2 * c_ / e) - (2 - 1 / a))

    exact = sp.expand_log(in_noise_cost(expression), force=True)
    return worst_relative_error(exact, (alpha, epsilon, c), function, [exponent, start, cost], condition)


def continuum_inflection(start: float, cost: float, exponent: float) -> float:
    """The inflection length for `σ_i = i^{−α}` with continuous i: the zero of the slope's integral, by quadrature."""

    def slope_at(length: float) -> float:
        v = np.linspace(0.2 * cost, min(1.0, 12 * cost), 40_001)
        student = logistic_path(v, start, length)
        return float(np.sum(v ** (-1 / exponent - 1) * student * (v - student) * (cost - v + student)))

    low, high = 0.0, np.log(1 / start) / (2 * cost)
    for _ in range(41):
        middle = (low + high) / 2
        low, high = (middle, high) if slope_at(middle) < 0 else (low, middle)
    return low


def steep() -> Evidence:
    """σ = 1, 10⁻¹, 10⁻², c = 0.002: the best stop is in the last stage above 2c, long before the formula's length."""
    every_minimum = minima([1.0, 0.1, 0.01], 1e-30, 0.002)
    ratio = every_minimum.at("best") / float(np.log(1e30) / (4 * 0.002))
    count = every_minimum.times.size
    return Evidence(bool(count == 3 and ratio < 0.5), Verdict.TESTED, f"{count} minima, best at {ratio:.2f} t*")


def steep_curves() -> Curves:
    """The loss after noise of a steep spectrum, with its several minima."""
    times = np.geomspace(10, 20_000, 300)
    v = np.array([1.0, 0.1, 0.01])
    student = logistic_path(v, 1e-30, times[:, None])
    curves = {"σ = 1, 0.1, 0.01": ((v - student) ** 2 / 2 + 0.002 * student).sum(1)}
    return Curves(np.log10(times), curves, "log₁₀ length", "loss after noise")


def large_start() -> Evidence:
    """c = 0.02, α = 2 from ε = 0.01: ln(2c/ε) = 1.39 is below 2 − 1/α = 1.5, and the formula is negative."""
    claimed = (np.log(4) - 1.5) / 0.08
    length = continuum_inflection(1e-2, 0.02, 2.0)
    detail = f"inflection at {length:.1f}, the formula says {claimed:.1f}"
    return Evidence(bool(claimed < 0 < length - 1), Verdict.TESTED, detail)


DERIVATION = Derivation(
    claim="C5",
    title="The inflection length is proportional to 1/variance of the noise, up to a logarithm",
    statement=r"t^*=\frac{1}{4c}\left[\ln\frac{2c}{\epsilon}-\left(2-\tfrac1\alpha\right)"
    r"+O\left(\tfrac{1}{\ln(2c/\epsilon)}\right)\right],\qquad\sigma_i=i^{-\alpha}\ \text{dense at}\ 2c",
    plain="If many features are learned at the same time, the loss after noise has its inflection when those with "
    "σ = 2c are being learned: at ln(1/ε)/4c to leading order, whatever the spectrum. This is the last minimum and the "
    "lowest. The strongest features of a power law are never dense, and may cause an early minimum.",
    symbols={
        "c": "noise cost of one unit of singular value, ½(γ₂² d_out + γ₁² d_in)",
        r"\epsilon": "student's singular values at the start",
        r"\alpha": "exponent of the teacher's spectrum",
        "t^*": "pretraining length of the inflection point",
        r"\sigma^*": "the singular value that is being learned, 2σ*t = ln(σ*/ε)",
        "d": "d ln ρ/d ln σ of the spectrum's density at 2c, −1 − 1/α for a power law; the general constant is 3 + d",
    },
    assumptions=(
        Assumption(
            "dense spectrum",
            "Many features are learned at the same time: their spacing at 2c is well below 2c/ln(2c/ε).",
            Counterexample("A steep spectrum has one minimum for each feature above c.", steep, steep_curves),
        ),
        Assumption(
            "small ε",
            "ln(2c/ε) is large.",
            Counterexample("If ln(2c/ε) < 2 − 1/α, the formula gives a negative length.", large_start),
        ),
        *START,
        *NOISE,
    ),
    steps=(
        Step(
            r"\tfrac{dP}{dt}=\sum_\sigma2\sigma^2p(1-p)\left(c-\sigma(1-p)\right),\ p=\tfrac{1}{1+e^{-x}}",
            "Each mode is a logistic front in x = 2σt − ln(σ/ε − 1); the logarithm is ln(σ/ε) up to ε/σ.",
            _profile,
        ),
        Step(
            r"\int p(1-p)\{1,x,x^2\}dx=1,\,0,\,\tfrac{\pi^2}3;\quad"
            r"\int p(1-p)^2\{1,x,x^2\}dx=\tfrac12,\,-\tfrac12,\,\tfrac{\pi^2}6",
            "The integrals over the front, as derivatives of Γ functions.",
            _moments,
        ),
        Step(
            r"\int\rho\,\tfrac{dP}{dt}\propto c-\tfrac{\sigma^*}{2}+O(1/\ell)\ \Rightarrow\ \sigma^*=2c",
            "At leading order the density is constant across the front and cancels.",
            _leading,
        ),
        Step(
            r"4c\,t^*-\left[\Lambda-(2-\tfrac1\alpha)\right]="
            r"\left[1+\tfrac{\pi^2}3(1-\tfrac1\alpha)\right]/\Lambda+O(1/\Lambda^2),\quad\Lambda=\ln\tfrac{2c}\epsilon",
            "The next order of the series is the remainder, as measured on the integral over the spectrum for three "
            "exponents and four starts.",
            _remainder,
        ),
        Step(
            r"\mathrm{argmin}\,P=\text{the last minimum}",
            "All minima of the sum over 1500 features: the last, at t*, is the lowest; three others, of the strongest "
            "features, are before t*/10.",
            _last_is_best,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in and d_out swapped", lambda f: f.subs({d_in: d_out, d_out: d_in}, simultaneous=True)),
        Variant("geometric for arithmetic mean in c", lambda f: f.subs(GEOMETRIC, simultaneous=True)),
        Variant("2c for 4c", lambda f: 2 * f),
        Variant("sign of the correction", lambda f: f + (2 - 1 / alpha) / (2 * noise_cost)),
        Variant("3 for 2 in the correction", lambda f: f - 1 / (4 * noise_cost)),
        Variant("α for 1/α", lambda f: f.subs(alpha, 1 / alpha)),
        Variant("c for 2c in the logarithm", lambda f: f - sp.log(2) / (4 * noise_cost)),
    ),
    special_case=SpecialCase(
        "square, equal noise, α = 1", lambda f: f.subs({d_out: d_in, g2: g1, alpha: 1}, simultaneous=True)
    ),
    floor=Verdict.ARGUED,
    uses=("A3", "B1", "C1"),
    link=Link(
        "overtraining.theory.inflection.scaling.dense_inflection_time",
        "c 1e-12 … 0.45, α − ½ 1e-6 … 100, ln(2c/ε) to 500",
        _engine_error,
    ),
    source="ours",
)
