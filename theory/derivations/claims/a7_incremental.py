"""A7: as ε → 0 features are learned one after another; bounds on the error on either side of each jump."""

from functools import cache

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.conditioning import condition_number
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
from overtraining.theory.derivations.checker.evidence import every, identity, positive, worst_relative_error
from overtraining.theory.derivations.claims import a3_balanced_mode as a3
from overtraining.theory.learning import incremental

sigma, epsilon, tau, delta = sp.symbols("sigma epsilon tau delta", positive=True)
z = sp.Symbol("z", positive=True)  # ε^{|στ − 1|}

IncrementalLimit = dict[str, sp.Expr]


def formula() -> IncrementalLimit:
    """The exact curve in the clock τ, its limits before, at and after τ = 1/σ, and the orders of the error."""
    return {
        "curve": sigma / (1 + (sigma - epsilon) * epsilon ** (sigma * tau - 1)),
        "before": sp.S.Zero,
        "at": sigma / (1 + sigma),
        "after": sigma,
        "order before": 1 - sigma * tau,
        "order after": sigma * tau - 1,
    }


@cache
def curve() -> sp.Expr:
    """A3's solution, solved from what the flow conserves, at `t = τ · ½ln(1/ε)`."""
    clock = {a3.mu: 0, a3.sigma: sigma, a3.epsilon: epsilon}
    return sp.simplify(a3.solved()[0].subs(clock).subs(a3.t, tau * sp.log(1 / epsilon) / 2))


@cache
def in_phase() -> tuple[sp.Expr, sp.Expr]:
    """The curve before and after the jump, in `z = ε^{|στ−1|}`, which goes to 0 with ε."""
    return tuple(sp.simplify(curve().subs(tau, (1 + s * sp.log(z) / sp.log(epsilon)) / sigma)) for s in (-1, 1))


def conclusion(candidate: IncrementalLimit) -> Evidence:
    """The orders are right where the error over z tends to a number that is neither 0 nor infinite."""
    before, after = in_phase()
    scale = [sp.limit(error / z, z, 0) for error in (before, sigma - after)]
    if not all(x.subs(sigma, epsilon + delta).simplify().is_positive for x in scale):
        return Evidence(False, Verdict.PROVED, f"the error is not of order z: {scale}")
    truth = {
        "curve": curve(),
        "before": sp.limit(before, z, 0),
        "at": sp.limit(after.subs(z, 1), epsilon, 0),
        "after": sp.limit(after, z, 0),
        "order before": -(sigma * tau - 1),
        "order after": sigma * tau - 1,
    }
    return every((name, identity(candidate[name], truth[name])) for name in truth)


def _vanishes() -> Evidence:
    """`ε^x → 0` for x > 0, in `y = ln(1/ε)`."""
    x, y = sp.symbols("x y", positive=True)
    return identity(sp.limit(sp.exp(-x * y), y, sp.oo), sp.S.Zero)


def _bounds() -> Evidence:
    """For ε < σ = ε + δ: `0 < s < σz/(σ − ε)` before, `0 < σ − s < σ(σ − ε)z` after; the bounds are met as z → 0."""
    before, after = in_phase()
    errors = {
        "before": (before, sigma * z / (sigma - epsilon)),
        "after": (sigma - after, sigma * (sigma - epsilon) * z),
    }
    sides: dict[str, sp.Expr] = {}
    for name, (error, bound) in errors.items():
        sides |= {f"{name}, below": error, f"{name}, above": (bound - error) / z}
    return every(
        (name, positive(sp.factor(side.subs(sigma, epsilon + delta)), zero_at={z: 0})) for name, side in sides.items()
    )


def _not_uniform() -> Evidence:
    """At `τ = (1 + x/ln(1/ε))/σ` the limit is `σ/(1 + σe^{−x})`: neither 0 nor σ, for every x."""
    x = sp.Symbol("x", real=True)
    near = curve().subs(tau, (1 + x / sp.log(1 / epsilon)) / sigma)
    inner = sp.simplify(near.subs(epsilon, sp.exp(-1 / delta)))  # δ = 1/ln(1/ε)
    return identity(sp.limit(inner, delta, 0, "+"), sigma / (1 + sigma * sp.exp(-x)))


def _engine(claim: IncrementalLimit, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """σ 1e-6 … 1e6, ε 1e-300 … 1, the phase στ 0 … 3 and beyond; the limit and the bound are held to it, too."""
    n = 150
    top, start = 10 ** generator.uniform(-6, 6, n), 10 ** generator.uniform(-300, 0, n)
    clock = generator.choice([0, 1, 1, 1, 1e3], n) * generator.uniform(0, 3, n) / top
    inputs = (tau, sigma, epsilon)
    points = [clock, top, start]
    small = (start < top) & (np.abs(top * clock - 1) > 1e-3)
    at = [x[small] for x in points]
    off = np.abs(function(*at) - incremental.feature_limit(*at[:2]))
    if (off > incremental.limit_error(*at) * (1 + 1e-9) + 1e-12 * at[1]).any():
        return np.inf
    return worst_relative_error(claim["curve"], inputs, function, points, condition_number(claim["curve"], inputs, 400))


_TAU = np.linspace(0, 2, 81)


def _curves() -> Curves:
    starts = (1e-2, 1e-6, 1e-24)
    curves = {f"ε = {e:g}": np.asarray(incremental.feature(_TAU, 1.0, e)) for e in starts}
    return Curves(_TAU, curves, "time τ in units of ½ln(1/ε)", "student singular value")


def _finite() -> Evidence:
    """At ε = 1e-2 a quarter of the feature is learned just before its time; at that time a half is, at every ε."""
    early, half = (float(incremental.feature(x, 1.0, 1e-2)) for x in (0.76, 1.0))
    return Evidence(early > 0.2 and abs(half - 0.5) < 0.01, Verdict.TESTED, f"{early:.2f} instead of 0, {half:.2f}")


def _later(top: float, start: float, clock: float, decay: float = 0.0) -> float:
    """A3's curve, with decay, at `t = τ · ½ln(1/ε)`."""
    values = {a3.sigma: top, a3.epsilon: start, a3.mu: decay, a3.t: clock * np.log(1 / start) / 2}
    return float(a3.formula()[0].subs(values))


def _above() -> Evidence:
    """σ = 0.1 and ε = 0.5 at στ = 0.1: the limit has 0, and the bound `σz/(σ − ε)` is negative."""
    learned = _later(0.1, 0.5, 1.0)
    bound = 0.1 * 0.5**0.9 / (0.1 - 0.5)
    return Evidence(learned > 0.1 and bound < 0, Verdict.TESTED, f"s = {learned:.2f}, the bound {bound:.2f}")


def _decays() -> Evidence:
    """σ = 1 with decay ½, at τ = 1.5, where the limit has 1, and at τ = 3."""
    early, end = (_later(1.0, 1e-12, clock, 0.5) for clock in (1.5, 3.0))
    return Evidence(early < 0.01 and abs(end - 0.5) < 0.01, Verdict.TESTED, f"{early:.1g} instead of 1, then {end:.2f}")


def _orders(claim: IncrementalLimit, after: sp.Expr) -> IncrementalLimit:
    return claim | {"order after": after, "order before": -after}


DERIVATION = Derivation(
    claim="A7",
    title="Features are learned one after another",
    statement=r"t=\tfrac\tau2\ln\tfrac1\varepsilon:\quad "
    r"s=\frac{\sigma}{1+(\sigma-\varepsilon)\varepsilon^{\sigma\tau-1}}\ "
    r"\to\ \begin{cases}0&\sigma\tau<1\\ \sigma/(1+\sigma)&\sigma\tau=1\\ \sigma&\sigma\tau>1\end{cases},"
    r"\quad\text{error }O(\varepsilon^{|\sigma\tau-1|})",
    plain="From a small start, and in the clock ½ln(1/ε), each feature is absent until τ = 1/σ and complete after it; "
    "the error is a power of ε on either side, but not uniformly so: at the jump itself it never vanishes.",
    symbols={
        "s": "student singular value",
        r"\sigma": "teacher singular value",
        r"\varepsilon": "student singular value at the start",
        r"\tau": "time in units of ½ln(1/ε)",
    },
    assumptions=(
        Assumption(
            "small ε",
            "The limit is taken in ε.",
            Counterexample("At ε = 0.01 features come gradually and overlap.", _finite, _curves),
        ),
        Assumption(
            "start below the teacher",
            "ε < σ, and ε < 1, so that the clock runs forward.",
            Counterexample(
                "From a start above the teacher no feature is absent, and the bound on the error is negative.", _above
            ),
        ),
        Assumption(
            "no weight decay",
            "With decay μ < σ the claim holds with σ − μ for σ (A3).",
            Counterexample(
                "With a decay of σ/2 the feature is learned at twice the time, and only half of it.", _decays
            ),
        ),
        Assumption("balanced start", "A3 shows what happens otherwise."),
        Assumption("aligned start", "A2 shows what happens otherwise."),
    ),
    steps=(
        Step(r"z=\varepsilon^{|\sigma\tau-1|}\to0", "An exponential of −|στ − 1| ln(1/ε).", _vanishes),
        Step(
            r"0<s<\tfrac{\sigma z}{\sigma-\varepsilon}\ (\sigma\tau<1),\quad "
            r"0<\sigma-s<\sigma(\sigma-\varepsilon)z\ (\sigma\tau>1)",
            "A3 in the new clock; with σ = ε + δ every difference is a quotient of positive sums. These bounds "
            "hold at every ε < σ, not only in the limit.",
            _bounds,
        ),
        Step(
            r"\tau=\tfrac1\sigma\left(1+\tfrac{x}{\ln(1/\varepsilon)}\right):\quad s\to\tfrac{\sigma}{1+\sigma e^{-x}}",
            "Within a distance of order 1/ln(1/ε) of the jump every value between 0 and σ is a limit.",
            _not_uniform,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("σ/2 at the jump", lambda f: f | {"at": sigma / 2}),
        Variant("clock ln(1/ε)", lambda f: f | {"curve": f["curve"].subs(tau, 2 * tau)}),
        Variant("1 for σ − ε", lambda f: f | {"curve": sigma / (1 + epsilon ** (sigma * tau - 1))}),
        Variant("order τ − 1/σ", lambda f: _orders(f, tau - 1 / sigma)),
        Variant("order 2|στ − 1|", lambda f: _orders(f, 2 * (sigma * tau - 1))),
        Variant("complete before, absent after", lambda f: f | {"before": f["after"], "after": f["before"]}),
        Variant("jump at τ = σ", lambda f: f | {"curve": f["curve"].subs(tau, tau / sigma**2)}),
    ),
    special_case=SpecialCase("σ = 1", lambda f: {name: value.subs(sigma, 1) for name, value in f.items()}),
    floor=Verdict.PROVED,
    link=Link("overtraining.theory.learning.incremental.feature", "σ 1e-6 … 1e6, ε 1e-300 … 1, στ 0 … 3000", _engine),
    uses=("A3",),
    source="Gidel, Bach, Lacoste-Julien 2019 (arXiv 1904.13262), theorem 2; the bounds are ours",
)
