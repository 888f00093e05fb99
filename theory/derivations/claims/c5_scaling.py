"""C5: for dense spectra the inflection is inverse in the variance of the noise, whatever the exponent."""

import functools

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
from overtraining.theory.derivations.checker.evidence import every, identity, tested, worst_relative_error
from overtraining.theory.derivations.claims.b1_noise import g1, g2
from overtraining.theory.derivations.claims.shared.balanced_path import (
    GEOMETRIC,
    NOISE,
    c,
    derived_noise_cost,
    epsilon,
    in_noise_cost,
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
d, kappa, y1, y2 = sp.symbols("d kappa y_1 y_2", real=True)


def formula() -> sp.Expr:
    """The length at the last minimum, `[ln(2c/ε) − (2 − 1/α)]/(4c)`."""
    return (sp.log(2 * noise_cost / epsilon) - (2 - 1 / alpha)) / (4 * noise_cost)


def moment(power: int, weight: sp.Expr) -> sp.Expr:
    """`∫ xⁿ w(p) p(1−p) dx` over all x with `x = ln(p/(1−p))`, that is `∫₀¹ ln(p/(1−p))ⁿ w(p) dp`; n is 0 or 1.

    The logarithm of 1 − p is reflected onto that of p: SymPy takes a wrong branch of it.
    """
    odd = sp.expand((weight - weight.subs(p, 1 - p)) * sp.log(p)) if power else sp.expand(weight)
    return sp.simplify(sp.integrate(odd, (p, 0, 1)))


@functools.cache
def expansion() -> sp.Expr:
    """The slope of P summed over a spectrum of density ρ ∝ σ^d near σ*, as a series in `h = 1/ℓ`.

    σ = σ*(1 + y), where `2σ*t = ℓ = ln(σ*/ε)` defines σ*, and x = 2tσ − ln(σ/ε) = ℓy − ln(1 + y): solved for y as
    `hx + y₂h²`, y₂ making the equation hold at order h. The series is integrated over x term by term: its terms are
    polynomials in x against p(1 − p) < e^{−|x|}, and beyond |x| = √ℓ both sides are of order e^{−√ℓ}.
    """
    y = h * x + y2 * h**2
    equation = sp.series(y / h - sp.log(1 + y) - x, h, 0, 2).removeO()
    (second,) = sp.solve(sp.expand(equation).coeff(h, 1), y2)
    y = h * x + second * h**2
    modes = (1 + y) ** d * sp.diff(y, x) / h  # how many per dx
    each = (1 + y) ** 2 * (derived_noise_cost() - sigma * (1 + y) * (1 - p))  # slope over 2σ*² p(1 − p)
    series = sp.expand(sp.series(modes * each, h, 0, 2).removeO())
    total = sum(moment(n, series.coeff(x, n)) for n in (0, 1))
    return sp.expand(total)


@functools.cache
def inflection() -> tuple[sp.Expr, sp.Expr, sp.Symbol]:
    """`4c t*` through order Λ⁰, the series' leading term, and `Λ = ln(2c/ε)`.

    The series is solved for σ* = 2c(1 + κ/ℓ), then t* = ℓ/(2σ*).
    """
    at = sp.expand(expansion().subs(sigma, 2 * derived_noise_cost() * (1 + kappa * h)))
    (first,) = sp.solve(at.coeff(h, 1), kappa)
    big = sp.Symbol("Lambda", positive=True)
    # ℓ = Λ + ln(1 + κ/ℓ) = Λ + O(1/Λ), and 4c t* = ℓ/(1 + κ/ℓ)
    return sp.expand(big * sp.series(1 / (1 + first * h), h, 0, 2).removeO().subs(h, 1 / big)), at.coeff(h, 0), big


def power_law() -> sp.Expr:
    """`d ln ρ/d ln σ` for `σ = i^{−α}`: i = σ^{−1/α} modes lie above σ, so ρ = −di/dσ."""
    density = -sp.diff(sigma ** (-1 / alpha), sigma)
    return sp.simplify(sigma * sp.diff(sp.log(density), sigma))


def conclusion(candidate: sp.Expr) -> Evidence:
    """The candidate against what the steps derive."""
    scaled, _, big = inflection()
    derived = scaled.subs(d, power_law()).subs(big, sp.log(2 * derived_noise_cost() / epsilon)) / (
        4 * derived_noise_cost()
    )
    return identity(derived, candidate, "4c t* through order 1 in ln(2c/ε)")


def _profile() -> Evidence:
    """On the path s = σp with p = 1/(1 + e^{−x}), x = 2σt − ln(σ/ε − 1), and the slope is 2σ²p(1−p)(c − σ(1−p))."""
    logistic = sigma / (1 + (sigma / epsilon - 1) * sp.exp(-2 * sigma * t))
    stated = 2 * sigma**2 * p * (1 - p) * (derived_noise_cost() - sigma * (1 - p))
    return every((("path", identity(path(), logistic)), ("slope", identity(slope().subs(s, sigma * p), stated))))


def _moments() -> Evidence:
    found = (moment(0, sp.Integer(1)), moment(1, sp.Integer(1)), moment(0, 1 - p), moment(1, 1 - p))
    half = sp.Rational(1, 2)
    return identity(found, (1, 0, half, -half), "1, 0, ½, −½")


def _leading() -> Evidence:
    zero = in_noise_cost(expansion().coeff(h, 0).subs(sigma, 2 * c))
    return identity((zero, inflection()[1]), (0, 0), "the integral vanishes at σ* = 2c, for every d")


def _remainder() -> Evidence:
    """What is left of 4c t*, times ln(2c/ε), stays bounded while ε falls by 190 decades."""
    claimed = sp.lambdify((c, epsilon, alpha), in_noise_cost(formula()))
    worst, price_ = 0.0, 0.02
    for exponent in (0.7, 1.0, 2.0):
        for start in (1e-10, 1e-20, 1e-50, 1e-200):
            left = 4 * price_ * (continuum(start, price_, exponent) - claimed(price_, start, exponent))
            worst = max(worst, abs(left) * np.log(2 * price_ / start))
    return tested(worst, 10.0, "|4c t* − formula| · ln(2c/ε):")


def _last_is_best() -> Evidence:
    """σ = 1/i, c = 0.01, ε = 1e-10: 4c t* within 4/ln(2c/ε) of the formula, and lower than any earlier minimum."""
    found = minima(np.arange(1, 1501) ** -1.0, 1e-10, 0.01)
    claimed = float(in_noise_cost(formula()).subs({c: 0.01, epsilon: 1e-10, alpha: 1}))
    early = bool((found.times[:-1] < 0.05 * found.at("last")).all()) and found.at("best") == found.at("last")
    off = abs(0.04 * (found.at("last") - claimed)) * np.log(2e8)
    return tested(off if early else np.inf, 4.0, f"{found.times.size} minima; |4c t* − formula| · ln(2c/ε):")


def _engine(expression: sp.Expr, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    size = 300
    price_, exponent = 10.0 ** generator.uniform(-12, -0.35, size), 0.5 + 10.0 ** generator.uniform(-6, 2, size)
    start = 2 * price_ * np.exp(-(2 - 1 / exponent) - 10.0 ** generator.uniform(-3, 2.7, size))
    size_of_logs = lambda c_, e, a: (
        2 + (np.abs(np.log(2 * c_)) + np.abs(np.log(e)) + 3) / (np.log(2 * c_ / e) - (2 - 1 / a))
    )
    judged = sp.expand_log(in_noise_cost(expression), force=True)
    return worst_relative_error(judged, (c, epsilon, alpha), function, [price_, start, exponent], size_of_logs)


def continuum(start: float, price_: float, exponent: float) -> float:
    """Inflection for `σ_i = i^{−α}` with i a continuous number: the zero of the slope's integral, by quadrature."""

    def slope_at(time: float) -> float:
        v = np.linspace(0.2 * price_, min(1.0, 12 * price_), 40_001)
        left = (v / start - 1) * np.exp(-2 * v * time)
        s_ = v / (1 + left)
        return float(np.sum(v ** (-1 / exponent - 1) * s_ * (v - s_) * (price_ - v + s_)))

    low, high = 0.5 * np.log(1 / start) / (4 * price_), 1.5 * np.log(1 / start) / (4 * price_)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if slope_at(middle) < 0 else (low, middle)
    return low


def steep() -> Evidence:
    """σ = 1, 10⁻¹, 10⁻², c = 0.002: the best stop is in the last stage above 2c, not where a feature at 2c would be."""
    found = minima([1.0, 0.1, 0.01], 1e-30, 0.002)
    claimed = float(np.log(1e30) / (4 * 0.002))
    off = found.at("best") / claimed
    return Evidence(
        bool(found.times.size == 3 and off < 0.5), Verdict.TESTED, f"{found.times.size} minima, best at {off:.2f} t*"
    )


def steep_curves() -> Curves:
    """The loss after noise of a steep spectrum, with its several minima."""
    times = np.geomspace(10, 20_000, 300)
    v = np.array([1.0, 0.1, 0.01])
    s_ = v / (1 + (v / 1e-30 - 1) * np.exp(-2 * v * times[:, None]))
    return Curves(
        np.log10(times),
        {"σ = 1, 0.1, 0.01": ((v - s_) ** 2 / 2 + 0.002 * s_).sum(1)},
        "log₁₀ length",
        "loss after noise",
    )


def large_start() -> Evidence:
    """c = 0.02, α = 2 from ε = 0.01: ln(2c/ε) = 1.39 is below 2 − 1/α = 1.5."""
    claimed = (np.log(4) - 1.5) / 0.08
    found = continuum(1e-2, 0.02, 2.0)
    return Evidence(
        bool(claimed < 0 < found - 1), Verdict.TESTED, f"turns at {found:.1f}, the formula says {claimed:.1f}"
    )


DERIVATION = Derivation(
    claim="C5",
    title="The inflection point is inverse in the variance of the noise",
    statement=r"t^*=\frac{1}{4c}\left[\ln\frac{2c}{\epsilon}-\left(2-\tfrac1\alpha\right)"
    r"+O\left(\tfrac{1}{\ln(2c/\epsilon)}\right)\right],\qquad\sigma_i=i^{-\alpha}\ \text{dense at}\ 2c",
    plain="Where many features are under way at once, the loss after noise turns when those at σ = 2c are "
    "being learned: at ln(1/ε)/4c to leading order, whatever the spectrum. It is the last minimum and the best; the "
    "strongest features of a power law are never dense, and may make an early one.",
    symbols={
        "c": "price of one unit of singular value under noise, ½(γ₂² d_out + γ₁² d_in)",
        r"\epsilon": "student's singular values at the start",
        r"\alpha": "exponent of the teacher's spectrum",
        "t^*": "pretraining length of the inflection point",
        r"\sigma^*": "singular value being learned, 2σ*t = ln(σ*/ε)",
        "d": "d ln ρ/d ln σ of the spectrum's density at 2c, −1 − 1/α for a power law; the general constant is 3 + d",
    },
    assumptions=(
        Assumption(
            "dense spectrum",
            "Many features are learned at the same time: spacing at 2c well below 2c/ln(2c/ε).",
            Counterexample("A steep spectrum has a minimum per feature above c.", steep, steep_curves),
        ),
        Assumption(
            "small ε",
            "ln(2c/ε) is large.",
            Counterexample("With ln(2c/ε) < 2 − 1/α the formula gives a length before the start.", large_start),
        ),
        *START,
        *NOISE,
    ),
    steps=(
        Step(
            r"\tfrac{dP}{dt}=\sum_\sigma2\sigma^2p(1-p)\left(c-\sigma(1-p)\right),\ p=\tfrac{1}{1+e^{-x}}",
            "Each mode is a logistic front in x = 2σt − ln(σ/ε − 1), which is ln(σ/ε) up to ε/σ.",
            _profile,
        ),
        Step(
            r"\int p(1-p)\{1,x,(1-p),x(1-p)\}dx=1,\,0,\,\tfrac12,\,-\tfrac12",
            "The integrals over the front, exactly.",
            _moments,
        ),
        Step(
            r"\int\rho\,\tfrac{dP}{dt}\propto c-\tfrac{\sigma^*}{2}+O(1/\ell)\ \Rightarrow\ \sigma^*=2c",
            "At leading order the density is constant across the front, and drops out.",
            _leading,
        ),
        Step(
            r"4c\,t^*-\left[\ln\tfrac{2c}{\epsilon}-(2-\tfrac1\alpha)\right]=O\left(1/\ln\tfrac{2c}{\epsilon}\right)",
            "The order of the rest, measured on the integral over the spectrum for three exponents and four starts.",
            _remainder,
        ),
        Step(
            r"\mathrm{argmin}\,P=\text{the last minimum}",
            "Every minimum of the sum over 1500 features: the last is the best, at t*, all others are before t*/20.",
            _last_is_best,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("d_in and d_out swapped", lambda f: f.subs({d_in: d_out, d_out: d_in}, simultaneous=True)),
        Variant("geometric for arithmetic mean in c", lambda f: f.subs(GEOMETRIC, simultaneous=True)),
        Variant("2c in place of 4c", lambda f: 2 * f),
        Variant("correction added", lambda f: f + (2 - 1 / alpha) / (2 * noise_cost)),
        Variant("3 in place of 2", lambda f: f - 1 / (4 * noise_cost)),
        Variant("α in place of 1/α", lambda f: f.subs(alpha, 1 / alpha)),
        Variant("c in place of 2c in the logarithm", lambda f: f - sp.log(2) / (4 * noise_cost)),
    ),
    special_case=SpecialCase(
        "square, equal noise, α = 1", lambda f: f.subs({d_out: d_in, g2: g1, alpha: 1}, simultaneous=True)
    ),
    floor=Verdict.TESTED,
    uses=("A3", "B1", "C1"),
    link=Link(
        "overtraining.theory.inflection.scaling.dense_inflection_time",
        "c 1e-12 … 0.45, α − ½ 1e-6 … 100, ln(2c/ε) to 500",
        _engine,
    ),
    source="ours",
)
