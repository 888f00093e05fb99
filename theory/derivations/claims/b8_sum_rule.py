"""B8: the loss curve predicts the growth of sensitivity: each feature lowers the loss by ½σ² and adds σ to Σs."""

import functools

import numpy as np
import sympy as sp

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
from overtraining.theory.derivations.checker.evidence import every, identity, tested
from overtraining.theory.derivations.claims import a6_depth as a6, b2_deep_noise as b2, b7_rates
from overtraining.theory.derivations.claims.b7_rates import alpha
from overtraining.theory.derivations.claims.shared.balanced_path import (
    epsilon,
    flow,
    invariant,
    logistic_path,
    path,
    s,
    sigma,
    t,
)

m, ell, depth, t0, t1, l0, l1, z, x = sp.symbols("m ell L t_0 t_1 l_0 l_1 z x", positive=True)
half = sp.Rational(1, 2)


def formula() -> dict[str, sp.Expr]:
    """dΣs/dL at length t, and at depth L; the sum of exponents; what a finite start does to it; a measured segment."""
    return {
        "measure": -2 * t / m,
        "deep": -2 * (t / m) ** (2 / depth),
        "sum": 2 / depth,
        "finite": 1 / (1 - 1 / ell),
        "segment": 2 / m * (l0 - l1) * (t1 - t0) / sp.log(t1 / t0),
    }


@functools.cache
def whole_stage() -> tuple[sp.Expr, sp.Expr]:
    """What one feature does to Σs and to the loss from t = 0 to ∞, by the path, with the start's limit last."""
    loss = (sigma - s) ** 2 / 2
    start = path().subs(t, 0)
    end = sp.limit(path().subs(epsilon, sigma / (1 + x)), t, sp.oo)
    raised, lowered = (sp.expand(f.subs(s, end) - f.subs(s, start)) for f in (s, loss))
    return raised.subs(epsilon, 0), lowered.subs(epsilon, 0)


@functools.cache
def half_way_at() -> sp.Expr:
    """When s = σ/2, by the invariant: X = 1."""
    (time,) = sp.solve(sp.Eq(invariant().subs(s, sigma / 2), invariant().subs({t: 0, s: epsilon})), t)
    return time


@functools.cache
def half_way() -> sp.Expr:
    """σ·t at which s = σ/2, over m = ½ln(1/ε), as ε → 0: when the stage happens."""
    grown = sp.simplify(half_way_at().subs(epsilon, sp.exp(-2 * m)))
    return sp.limit((sigma * grown / m).subs(sigma, 1 + x), m, sp.oo)


@functools.cache
def local() -> sp.Expr:
    """`−d ln σ/d ln t` at half way in `ℓ = ln(σ/ε − 1)`, which is ln(σ/ε) up to ε/σ; that is dropped."""
    # σ/ε = 1 + 1/q
    slope = sigma * sp.diff(sp.log(half_way_at()), sigma)
    ratio = sp.Symbol("q", positive=True)
    placed = sp.simplify(sp.expand_log(slope.subs(sigma, epsilon * (1 + 1 / ratio)).simplify(), force=True))
    return sp.simplify(-1 / placed.subs(sp.log(ratio), -ell).subs(ratio, 0))


def outer_norm() -> sp.Expr:
    """A mode's part of `‖W_L…W_2‖²`, each of A6's balanced layers holding a = s^{1/L}."""
    return ((a6.a ** (depth - 1)) ** 2).subs(a6.a, s ** (1 / depth))


def first_layer_cost_is_outer_norm() -> bool:
    """In B2 the term in γ₁² alone is ½ tr Σx ‖W_L…W_2‖² times the first layer's width, at depth 2 … 4."""

    def quiet(n: int) -> dict:
        return dict.fromkeys(b2.gamma[1:n], 0)

    rises = {n: b2.formula()[n].subs(quiet(n)) for n in (2, 3, 4)}
    return all(rise == b2.gamma[0] ** 2 * b2.K(0, 1) * b2.K(1, n + 1) / 2 for n, rise in rises.items())


@functools.cache
def sum_of_exponents() -> sp.Expr:
    """β plus the exponent of the outer layers' norm over n = τ^{1/α} features, from the cost in B2 and A6's layers."""
    power = alpha * sp.simplify(s * sp.diff(sp.log(outer_norm()), s))
    grown = sp.integrate(z ** (x - 1), z).subs(x, 1 - power)
    exponent = sp.simplify(z * sp.diff(sp.log(grown), z)) / alpha
    tau = sp.Symbol("tau", positive=True)
    tail = b7_rates.integrals()["loss"].subs(b7_rates.n, tau ** (1 / alpha))
    beta = -sp.simplify(tau * sp.diff(sp.log(tail), tau))
    return sp.simplify(beta + exponent)


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """Whether the candidate is the formula that the steps derive."""
    raised, lowered = whole_stage()
    at = sp.solve(sp.Eq(sigma * t, m * half_way()), sigma)[0]
    deep = (outer_norm() / lowered).subs(s, sigma).subs(sigma, m / t)  # a whole stage at t = m/σ, at every depth
    # between two lengths L = l₀ + k ln(t/t₀): ∫ t dL = k ∫ dt
    k = (l1 - l0) / sp.log(t1 / t0)
    segment = sp.integrate(-2 / m * z * k / z, (z, t0, t1))
    return every(
        (
            ("dΣs/dL", identity((raised / lowered).subs(sigma, at), candidate["measure"])),
            ("at depth L", identity(sp.expand_power_base(deep / candidate["deep"], force=True), 1)),
            ("sum of exponents", identity(sum_of_exponents(), candidate["sum"])),
            ("finite start", identity(local(), candidate["finite"])),
            ("one segment", identity(segment, candidate["segment"])),
        ),
        "measures, sum, finite start and segment agree",
    )


def _stage() -> Evidence:
    rates = (flow(), sp.diff((sigma - s) ** 2 / 2, s) * flow())
    return every(
        (
            ("rates", identity(rates, (2 * s * (sigma - s), -2 * s * (sigma - s) ** 2))),
            ("whole stage", identity(whole_stage(), (sigma, -(sigma**2) / 2))),
            ("when", identity(half_way(), 1)),
        ),
        "Σs gains σ, the loss falls by ½σ², at t = m/σ",
    )


def _deep() -> Evidence:
    """A6's flow gives the learning time `∫ ds/ṡ`, led by `ε^{−(1−2/L)}/((L−2)σ)`, inverse in σ as for L = 2."""
    speed = depth * z ** (2 - 2 / depth) * (sigma - z)
    same_flow = sp.expand(a6.rate().subs({a6.L: depth, a6.s: z}) / z), sp.expand(speed / z)
    power = 1 + x  # 2 − 2/L for L > 2
    lead = sp.limit(epsilon**x * sp.integrate(z**-power, (z, epsilon, sigma)), epsilon, 0, "+") / (depth * sigma)
    stated = (1 / ((depth - 2) * sigma)).subs(depth, 2 / (1 - x))
    return every(
        (
            ("flow", identity(*same_flow)),
            ("early", identity(sp.simplify(speed / (depth * sigma * z ** (2 - 2 / depth))).subs(z, 0), 1)),
            ("time", identity(sp.simplify(lead.subs(depth, 2 / (1 - x))), sp.simplify(stated))),
            (
                "cost",
                Evidence(first_layer_cost_is_outer_norm(), Verdict.PROVED, "the cost of γ₁² in B2 is ∝ ‖W_L…W_2‖²"),
            ),
            ("norm", identity(outer_norm(), s ** (2 - 2 / depth))),
        ),
        "A6's time and B2's cost of noise; leading time for symbolic depth",
    )


def _converges() -> Evidence:
    """Through 40 rescaled lengths: the error times ln(1/ε) stays bounded while ε falls by 200 decades."""
    lengths = np.geomspace(2, 80, 400)
    worst = 0.0
    for start in (1e-12, 1e-25, 1e-50, 1e-100, 1e-200):
        worst = max(worst, abs(_moment_error(start, 0.75, lengths)) * np.log(1 / start))
    return tested(worst, 8.0, "relative error · ln(1/ε):")


def _engine(expression: dict[str, sp.Expr], function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """One segment each against 50 digits: differences of the inputs are exact there, so no condition number."""
    import mpmath

    from overtraining.theory.sensitivity.sum_rule import local_factor, predicted_exponent

    judge = sp.lambdify((t0, t1, l0, l1, m), expression["segment"], modules="mpmath")
    worst = 0.0
    for _ in range(300):
        first = 10.0 ** generator.uniform(-12, 12)
        second = first * (1 + 10.0 ** generator.uniform(-12, 6))
        losses = generator.normal(size=2) * 10.0 ** generator.uniform(-6, 6)
        constant = 10.0 ** generator.uniform(-3, 3)
        computed = function([first, second], losses, constant)[1]
        with mpmath.workdps(50):
            exact = judge(*map(mpmath.mpf, (first, second, *losses, constant)))
            worst = max(worst, float(abs(computed - exact) / abs(exact)))
    for beta, layers in ((0.3, 2), (1.2, 3)):
        worst = max(
            worst, abs(float(predicted_exponent(beta, layers)) - float(expression["sum"].subs(depth, layers)) + beta)
        )
    near = float(expression["finite"].subs(ell, sp.log(sp.Integer(10) ** 12)))
    return max(worst, abs(float(local_factor(1.0, 1e-12)) / near - 1))


def _moment_error(start: float, exponent: float, lengths: np.ndarray) -> float:
    """Growth of Σs predicted from the loss over the true one, minus 1, on 4,000 features from a finite start."""
    v = np.arange(1, 4001) ** -exponent
    modes = [logistic_path(v, start, time) for time in lengths * np.log(1 / start) / 2]
    grown, fallen = (np.array([f(s) for s in modes]) for f in (np.sum, lambda s: ((v - s) ** 2).sum() / 2))
    middle = np.sqrt(lengths[1:] * lengths[:-1])
    return float(np.sum(-2 * middle * np.diff(fallen)) / (grown[-1] - grown[0]) - 1)


def _one_stage(start: float) -> tuple[np.ndarray, np.ndarray]:
    """s of one feature, σ = 1, and what −(2/m)∫t dL has predicted of it by then, along its path."""
    m = np.log(1 / start) / 2
    t = m + np.linspace(-8, 8, 4001)
    s = logistic_path(np.ones(1), start, t)
    steps = -(t[1:] + t[:-1]) / m * np.diff((1 - s) ** 2 / 2)
    return s, s[0] + np.append(0.0, np.cumsum(steps))


def _coarse() -> Evidence:
    """Inside its stage the loss falls first, Σs follows; at the end both agree."""
    s, predicted = _one_stage(1e-200)
    half = int(np.argmax(s >= 0.5))
    holds = predicted[half] > 1.4 * s[half] and abs(predicted[-1] / s[-1] - 1) < 0.01
    return Evidence(holds, Verdict.TESTED, f"at s = {s[half]:.2f}σ predicted {predicted[half]:.2f}σ, in the end 1")


def _coarse_curves() -> Curves:
    s, predicted = (x[::80] for x in _one_stage(1e-200))
    return Curves(s, {"true": s, "from the loss": predicted}, "s/σ of one feature", "growth of Σs")


def _finite() -> Evidence:
    error = _moment_error(1e-3, 0.75, np.geomspace(2, 80, 400))
    return Evidence(error < -0.3, Verdict.TESTED, f"from 1e-3 the prediction with m = ½ln(1/ε) is off by {error:.0%}")


def _colored() -> Evidence:
    """Input variances ξ = 1/i, α = ¾, whole stages: Σs keeps the rule, `tr(W1ΣxW1ᵀ) = Σξs` of B1 breaks it."""
    i = np.arange(1, 300_001, dtype=float)
    sigma = i**-0.75
    variance = 1 / i
    predicted = np.cumsum(2 / (variance * sigma) * variance * sigma**2 / 2)  # t/m = 1/(ξσ), −ΔL = ½ξσ²
    error = np.abs(predicted / np.cumsum(sigma) - 1).max()
    off = float(predicted[-1] / np.cumsum(variance * sigma)[-1])
    return Evidence(
        bool(error < 1e-12 and off > 10), Verdict.TESTED, f"Σs off by {error:.0e}, Σξs by a factor {off:.0f}"
    )


STAGES = Assumption(
    "dense spectrum",
    "Many features under way at once, or whole stages only: the relation is one of measures.",
    Counterexample("Inside a stage the loss falls before Σs rises.", _coarse, _coarse_curves),
)
SMALL = Assumption(
    "small ε",
    "ln(1/ε) is large against the logarithms of σ.",
    Counterexample("From 1e-3 the constant is not ½ ln(1/ε).", _finite),
)
WHITE = Assumption(
    "whitened inputs",
    "Σx = I; with Σx = V diag(ξ) Vᵀ the relation still gives Σs, but the cost of noise on W2 is then ∝ Σξs.",
    Counterexample("Variances 1/i: the relation no longer gives what noise on W2 costs.", _colored),
)


DERIVATION = Derivation(
    claim="B8",
    title="The sum rule: the loss exponent predicts the sensitivity exponent",
    statement=r"d\left(\sum s\right)=-\frac{2t}{m}\,dL,\ m=\tfrac12\ln\tfrac1\epsilon\ (\epsilon\to0);\quad "
    r"d\left(\sum s^{2-2/L}\right)=-2\left(\tfrac tm\right)^{2/L}dL,\ m=\tfrac{\epsilon^{-(1-2/L)}}{L-2}\ (L>2);\quad "
    r"\beta+s=\tfrac2L;\qquad\text{finite }\epsilon:\ \times\frac{1}{1-1/\ell},\ \ell=\ln\tfrac{\sigma^*}{\epsilon}",
    plain="Each feature lowers the loss by ½σ² and raises the weights' norm by σ, at a length m/σ: so the growth of "
    "sensitivity is a moment of the loss curve, up to one constant, and for power laws the two exponents add up to 1.",
    symbols={
        r"\sum s": "‖W1‖² = ‖W2‖², to which sensitivity is proportional",
        "m": "t σ at which a feature is learned: ½ ln(1/ε), at depth L > 2 ε^{−(1−2/L)}/(L−2); one constant",
        r"\beta": "exponent of the loss, L ∝ t^{−β}",
        "s": "exponent of Σs^{2−2/L}, the outer layers' sensitivity; Σs at depth 2",
        "L": "depth where it divides, else the loss",
        r"\ell": "ln(σ*/ε) of the features being learned",
        r"t_0,t_1,l_0,l_1": "two measured lengths and losses, the loss linear in ln t in between",
    },
    assumptions=(STAGES, SMALL, b7_rates.BELOW, WHITE, *b7_rates.PATH),
    steps=(
        Step(
            r"\Delta\sum s=\sigma,\quad\Delta L=-\tfrac12\sigma^2\quad\text{at}\ t=m/\sigma",
            "Over a whole stage, by the path; their rates differ by the factor −(σ − s), −σ/2 on average.",
            _stage,
        ),
        Step(
            r"\dot s=Ls^{2-2/L}(\sigma-s),\quad t=\frac{\epsilon^{-(1-2/L)}}{(L-2)\sigma}",
            "At every depth the learning time is proportional to 1/σ, so n = τ^{1/α} features are learned; the cost "
            "of noise on the first layer is ∝ ‖W_L…W_2‖² = Σs^{2−2/L} (B2), which grows for α < L/(2(L−1)).",
            _deep,
        ),
        Step(
            r"\text{error of}\ -\tfrac2m\int t\,dL=O(1/\ln\tfrac1\epsilon)",
            "Measured on 4,000 features with α = ¾ while ε falls by 200 decades.",
            _converges,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("factor 1 in place of 2", lambda f: f | {"measure": -t / m}),
        Variant("sign of the relation", lambda f: f | {"measure": 2 * t / m}),
        Variant("t/m at every depth", lambda f: f | {"deep": f["measure"]}),
        Variant("(t/m)^{1/L}", lambda f: f | {"deep": -2 * (t / m) ** (1 / depth)}),
        Variant("sum 1 at every depth", lambda f: f | {"sum": sp.Integer(1)}),
        Variant("sum 1/(L − 1)", lambda f: f | {"sum": 1 / (depth - 1)}),
        Variant("sum 3 − L", lambda f: f | {"sum": 3 - depth}),
        Variant("1 + 1/ℓ", lambda f: f | {"finite": 1 + 1 / ell}),
        Variant("exponents lowered", lambda f: f | {"finite": 1 - 1 / ell}),
        Variant("arithmetic mean of the lengths", lambda f: f | {"segment": (l0 - l1) * (t0 + t1) / m}),
    ),
    special_case=SpecialCase("depth 2", lambda f: {k: e.subs(depth, 2) for k, e in f.items()}),
    floor=Verdict.ARGUED,
    uses=("A3", "A6", "B2", "B7"),
    link=Link(
        "overtraining.theory.sensitivity.sum_rule.norm_growth",
        "lengths 1e-12 … 1e18, 1e-12 apart and more, losses of any sign",
        _engine,
    ),
    source="ours",
)
