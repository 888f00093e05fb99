"""A3: one balanced mode learns along a logistic curve, from either side of σ, with weight decay of any size."""

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
from overtraining.theory.derivations.claims import a2_decoupling as a2

s, t, sigma, epsilon = sp.symbols("s t sigma epsilon", positive=True)
mu = sp.Symbol("mu", nonnegative=True)
kappa = sp.Symbol("kappa", real=True, nonzero=True)
xi = sp.Symbol("xi", positive=True)


def formula() -> tuple[sp.Expr, sp.Expr]:
    """The student's singular value for σ ≠ μ, and for σ = μ."""
    kappa = sigma - mu
    return kappa / (1 + (kappa / epsilon - 1) * sp.exp(-2 * kappa * t)), epsilon / (1 + 2 * epsilon * t)


def rate(variance: sp.Expr = sp.S.One) -> sp.Expr:
    """`ṡ` of `s = w1w2` by A2's velocities at a balanced point, `w1 = w2 = √s`."""
    v1, v2 = (v.subs({a2.sigma: sigma, a2.xi: variance, a2.mu: mu}) for v in a2.velocities())
    return sp.expand((v1 * a2.w2 + a2.w1 * v2).subs({a2.w1: sp.sqrt(s), a2.w2: sp.sqrt(s)}))


def conserved() -> tuple[sp.Expr, sp.Expr]:
    """A quantity that the flow conserves, for σ ≠ μ and for σ = μ: it fixes the curve without a theorem on ODEs."""
    return (sigma - mu - s) / s * sp.exp(2 * (sigma - mu) * t), 1 / s - 2 * t


@cache
def solved() -> tuple[sp.Expr, sp.Expr]:
    """s from `conserved = its value at the start`."""
    (general,), (equal,) = (sp.solve(sp.Eq(c, c.subs({s: epsilon, t: 0})), s) for c in conserved())
    return general, equal


def conclusion(candidate: tuple[sp.Expr, sp.Expr]) -> Evidence:
    """Whether the candidate is the formula that the steps derive."""
    if not _conserved().holds:
        return Evidence(False, Verdict.PROVED, "the quantity solved for is not conserved")
    return identity(solved(), tuple(map(in_exponentials, candidate)))


def in_exponentials(expression: sp.Expr) -> sp.Expr:
    """A formula with its hyperbolic functions as exponentials, so that SymPy recognizes equal formulas."""
    return expression.rewrite([sp.sinh, sp.cosh, sp.tanh, sp.coth], sp.exp)


def _stays_balanced() -> Evidence:
    """`d/dt (w2² − w1²)` by A2."""
    v1, v2 = a2.velocities()
    return identity(2 * a2.w2 * v2 - 2 * a2.w1 * v1, -2 * a2.mu * (a2.w2**2 - a2.w1**2))


def _rate() -> Evidence:
    return identity(rate(), 2 * s * (sigma - mu - s))


def _clock() -> Evidence:
    """Inputs of variance ξ: the clock ξt, the decay μ/ξ."""
    return identity(rate(xi), xi * rate().subs(mu, mu / xi))


def _conserved() -> Evidence:
    general, equal = conserved()

    def along(c: sp.Expr, v: sp.Expr) -> sp.Expr:
        return c.diff(t) + c.diff(s) * v

    return identity((along(general, rate()), along(equal, rate().subs(mu, sigma))), (sp.Integer(0), sp.Integer(0)))


def _no_pole() -> Evidence:
    """The denominator over ε is `E/ε + (1 − E)/κ` with `E = e^{−2κt}`; with `e^y = 1 + δ` each case is positive."""
    delta = sp.Symbol("delta", positive=True)
    size = sp.Symbol("k", positive=True)

    def whole(k: sp.Expr, e: sp.Expr) -> sp.Expr:
        return e / epsilon + (1 - e) / k

    falls, grows = 1 / (1 + delta), 1 + delta
    ends = tuple(sp.limit(e, delta, end) for e in (falls, 1 / grows) for end in (0, sp.oo))
    cases = [
        ("all times", identity(ends, (1, 0, 1, 0))),
        ("σ > μ", positive(whole(size, falls))),
        ("σ < μ", positive(whole(-size, grows))),
    ]
    denominator = (1 + (kappa / epsilon - 1) * sp.exp(-2 * kappa * t)) / kappa
    return every([*cases, ("form", identity(denominator, whole(kappa, sp.exp(-2 * kappa * t))))])


def _limits() -> Evidence:
    general, equal = formula()
    k = sp.Symbol("k", positive=True)

    def end(value: sp.Expr) -> sp.Expr:
        return sp.limit(general.subs(sigma, mu + value), t, sp.oo)

    middle = sp.limit(general.subs(sigma, mu + kappa).simplify(), kappa, 0)
    return identity((end(k), end(-k), sp.limit(equal, t, sp.oo), middle), (k, sp.Integer(0), sp.Integer(0), equal))


def _engine(pair: tuple[sp.Expr, sp.Expr], function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """σ of 0 and 1e-6 … 1e6, ε of 1e-300 … 10σ, t of 0 … 1e6, half of the times near learning, μ around σ and 0."""
    n = 400
    teacher = 10 ** generator.uniform(-6, 6, n)
    start = np.maximum(teacher * 10 ** generator.uniform([-306, -3], [1, 1], (n // 2, 2)).ravel(), 1e-300)
    learning = generator.uniform(0, 2, n) * np.abs(np.log(teacher / start)) / (2 * teacher)
    time = np.minimum(np.where(generator.random(n) < 0.5, learning, 10 ** generator.uniform(-6, 6, n)), 1e6)
    time[:10] = 0
    decay = teacher * generator.choice([0, 1e-3, 0.5, 1 - 1e-9, 1 + 1e-9, 2, 10], n)
    absent = generator.random(n) < 0.1  # modes that the teacher does not have; they decay
    decay = np.where(absent, 10 ** generator.uniform(-6, 6, n), decay)
    teacher = np.where(absent, 0, teacher)
    general, equal = pair
    inputs = (t, sigma, epsilon, mu)
    points = [time, teacher, start, decay]
    worst = worst_relative_error(general, inputs, function, points, condition_number(general, inputs))

    def same(time: np.ndarray, teacher: np.ndarray, start: np.ndarray) -> np.ndarray:
        return function(time, teacher, start, teacher)

    return max(worst, worst_relative_error(equal, (t, sigma, epsilon), same, points[:3]))


def _paths() -> dict[str, np.ndarray]:
    """Teacher 1, product ±0.01 at the start, time 0 … 5."""

    def run(w1: float, w2: float, step: float, every: int) -> np.ndarray:
        path = []
        for n in range(round(5 / step) + 1):
            if n % every == 0:
                path.append(w1 * w2)
            w1, w2 = w1 + step * w2 * (1 - w1 * w2), w2 + step * w1 * (1 - w1 * w2)
        return np.array(path)

    return {
        "balanced start": run(0.1, 0.1, 5e-4, 500),
        "unbalanced start": run(0.01, 1.0, 5e-4, 500),
        "opposite signs": run(0.1, -0.1, 5e-4, 500),
        "steps of 0.25": run(0.1, 0.1, 0.25, 1),
    }


def _differs(name: str) -> Evidence:
    """The named run leaves the formula from its own start; the balanced run is the control of the integration."""
    x = np.linspace(0, 5, 21)
    paths = _paths()

    def claimed(start: float) -> np.ndarray:
        return 1 / (1 + (1 / start - 1) * np.exp(-2 * x))

    control, gap = (np.abs(paths[k] - claimed(paths[k][0])).max() for k in ("balanced start", name))
    return Evidence(control < 0.005 and gap > 0.05, Verdict.TESTED, f"off by {gap:.2f}, control {control:.4f}")


def _curves() -> Curves:
    return Curves(np.linspace(0, 5, 21), _paths(), "time", "student singular value")


DERIVATION = Derivation(
    claim="A3",
    title="A balanced mode learns along a logistic curve",
    statement=r"s(t)=\frac{\kappa}{1+(\kappa/\varepsilon-1)e^{-2\kappa t}},\quad\kappa=\sigma-\mu;\qquad "
    r"s(t)=\frac{\varepsilon}{1+2\varepsilon t}\ \text{ for }\sigma=\mu",
    plain="A balanced mode moves from its start ε, on either side of σ, to σ − μ; if weight decay μ exceeds σ it "
    "decays to 0 exponentially, and if the two are equal it decays as 1/t.",
    symbols={
        "s": "student singular value",
        r"\sigma": "teacher singular value",
        r"\varepsilon": "student singular value at the start, > 0",
        r"\mu": "weight decay",
        r"\kappa": "σ − μ, of either sign",
    },
    assumptions=(
        Assumption("aligned start", "Then the modes decouple (A2, which shows what happens otherwise)."),
        Assumption(
            "balanced start",
            "Both layers hold the same weight, w₁ = w₂ = √ε.",
            Counterexample(
                "With the same product but unequal layers the mode learns early (A4).",
                lambda: _differs("unbalanced start"),
                _curves,
            ),
        ),
        Assumption(
            "start on the teacher's side",
            "ε > 0: w₁w₂ has the sign of the teacher's mode.",
            Counterexample(
                "Balanced weights of opposite sign end in the saddle at 0 and never learn; for ε < 0 the formula has a "
                "pole and then tends to σ.",
                lambda: _differs("opposite signs"),
                _curves,
            ),
        ),
        Assumption(
            "gradient flow",
            "The weights follow the gradient in continuous time.",
            Counterexample("With steps of 0.25 learning is late.", lambda: _differs("steps of 0.25"), _curves),
        ),
        Assumption("whitened inputs", "Not needed: variance ξ along the mode runs the clock ξt with decay μ/ξ."),
    ),
    steps=(
        Step(
            r"\tfrac{d}{dt}(w_2^2-w_1^2)=-2\mu(w_2^2-w_1^2)",
            "By A2; a balanced mode stays balanced, with decay as well.",
            _stays_balanced,
        ),
        Step(r"\dot s=2s(\sigma-\mu-s)", "The product rule on s = w₁w₂ with A2's velocities at w₁ = w₂ = √s.", _rate),
        Step(r"\dot s|_{\xi,\mu}=\xi\,\dot s|_{1,\mu/\xi}", "Input variance only rescales time and decay.", _clock),
        Step(
            r"\tfrac{d}{dt}\left[\tfrac{\kappa-s}{s}e^{2\kappa t}\right]=0,\qquad "
            r"\tfrac{d}{dt}\left[\tfrac1s-2t\right]=0\ \text{ for }\kappa=0",
            "Along the flow, by differentiation. Solved for s, with the start's value on the right, this is the claim.",
            _conserved,
        ),
        Step(
            r"\tfrac{e^{-2\kappa t}}{\varepsilon}+\tfrac{1-e^{-2\kappa t}}{\kappa}>0",
            "The reciprocal of s is a sum of positive terms for either sign of κ, so the curve has no pole.",
            _no_pole,
        ),
        Step(
            r"s(\infty)=\max(\kappa,0),\qquad\lim_{\kappa\to0}s=\tfrac{\varepsilon}{1+2\varepsilon t}",
            "Limits taken by SymPy, for each sign of κ.",
            _limits,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("decay 2μ", lambda f: (f[0].subs(mu, 2 * mu), f[1])),
        Variant("decay with the wrong sign", lambda f: (f[0].subs(mu, -mu), f[1])),
        Variant("μ at the end but not in the rate", lambda f: (f[0].subs(t, t * sigma / (sigma - mu)), f[1])),
        Variant("rate σ for 2σ", lambda f: (f[0].subs(t, t / 2), f[1])),
        Variant(
            "−1 dropped", lambda f: ((sigma - mu) / (1 + (sigma - mu) / epsilon * sp.exp(-2 * (sigma - mu) * t)), f[1])
        ),
        Variant("dies as ε/(1 + εt)", lambda f: (f[0], epsilon / (1 + epsilon * t))),
        Variant("ε and σ exchanged", lambda f: (f[0].subs({epsilon: sigma, sigma: epsilon}, simultaneous=True), f[1])),
        Variant("e^{+2κt}", lambda f: (f[0].subs(t, -t), f[1])),
    ),
    special_case=SpecialCase("no decay", lambda f: (f[0].subs(mu, 0), f[1])),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.learning.balanced_mode.singular_value",
        "σ 0 and 1e-6 … 1e6, ε 1e-300 … 10σ, t 0 … 1e6, μ 0 … 10σ with σ − μ of either sign and 0",
        _engine,
    ),
    uses=("A2",),
    source="Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 7; weight decay by the same derivation",
)
