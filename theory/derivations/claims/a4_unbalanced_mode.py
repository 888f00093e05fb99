"""A4: one mode whose layers differ by a conserved imbalance, in closed form, from rich to lazy learning."""

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
from overtraining.theory.derivations.checker.equality import same
from overtraining.theory.derivations.checker.evidence import identity, worst_relative_error
from overtraining.theory.derivations.claims import a2_decoupling as a2, a3_balanced_mode as a3
from overtraining.theory.learning.unbalanced_mode import product

sigma, r, R0, t = sp.symbols("sigma r R_0 t", positive=True)
p0, lam = sp.symbols("p_0 lambda", real=True)
E = sp.exp(-r * t)

# σ = (ℓ/4)(X − 1/X), p₀ = (ℓ/4)(Y − 1/Y), ℓ = |λ|: then r = (ℓ/2)(X + 1/X), R₀ = (ℓ/2)(Y + 1/Y), and all is rational
X, Y, Z, e, size = sp.symbols("X Y Z e ell", positive=True)


def value(x: sp.Expr) -> sp.Expr:
    """σ or p in its rational variable: `(ℓ/4)(x − 1/x)`."""
    return size * (x - 1 / x) / 4


def norm(x: sp.Expr) -> sp.Expr:
    """r or R in the same variable: `(ℓ/2)(x + 1/x)`."""
    return size * (x + 1 / x) / 2


def half_angle(x: sp.Expr) -> sp.Expr:
    """The tangent of half the angle φ with `tan φ = 2p/ℓ`."""
    return (x - 1) / (x + 1)


KAPPA = (lam**2 + 4 * sigma * p0) / r


def formula() -> sp.Expr:
    """`p(t)` in σ, p₀, λ, t, `r = √(λ² + 4σ²)` and `R₀ = √(λ² + 4p₀²)`: a weighted mean of p₀ and σ."""
    return _built(KAPPA)


def _built(kappa: sp.Expr, factor: int = 1) -> sp.Expr:
    weight = factor * _weight(E, kappa)
    return (p0 + sigma * weight) / (1 + weight)


def _weight(growth: sp.Expr, kappa: sp.Expr = KAPPA) -> sp.Expr:
    return (1 - growth) / (2 * r * growth) * ((R0 + kappa) + (R0 - kappa) * growth)


def _roots() -> dict[sp.Symbol, sp.Expr]:
    """What r and R₀ stand for."""
    return {r: sp.sqrt(lam**2 + 4 * sigma**2), R0: sp.sqrt(lam**2 + 4 * p0**2)}


def decaying(x: sp.Expr) -> sp.Expr:
    """`tan((φ* − φ)/2)` with `tan φ = 2p/ℓ` and `tan φ* = 2σ/ℓ`, in the rational variable of p."""
    return 2 * size * (value(X) - value(x)) / (norm(X) * norm(x) + size**2 + 4 * value(X) * value(x))


@cache
def solved() -> sp.Expr:
    """p from `decaying(p) = e decaying(p₀)`, `e = e^{−rt}`; linear in `(Z − 1)/(Z + 1)`."""
    unknown = sp.Symbol("x")
    remaining = e * sp.factor(decaying(Y))
    (end,) = sp.solve((half_angle(X) - unknown) - remaining * (1 + unknown * half_angle(X)), unknown)
    return sp.cancel(value((1 + end) / (1 - end)))


def conclusion(candidate: sp.Expr) -> Evidence:
    """Whether the candidate is the formula that the steps derive."""
    rational_form = {sigma: value(X), p0: value(Y), lam: size, r: norm(X), R0: norm(Y)}
    named = a3.in_exponentials(candidate)
    rational = named.replace(sp.exp, lambda x: e ** (-x / (r * t))).subs(rational_form)
    if not (_conserved().holds and same(rational, solved())):
        return Evidence(False, Verdict.PROVED, "differs as a rational function")
    return identity(*_balanced(named), "equal as rational functions, and at λ = 0 to the solution there")


def _balanced(candidate: sp.Expr) -> tuple[tuple, tuple]:
    """Even in λ; at λ = 0 (`r = 2σ`, `R₀ = 2|p₀|`) A3 for p₀ > 0, for p₀ <= 0 what `ṗ = −2p(σ − p)` conserves."""
    start = a3.epsilon
    p = sp.Symbol("p")

    def at(p0_: sp.Expr) -> sp.Expr:
        return candidate.subs({lam: 0, r: 2 * sigma, R0: 2 * start, p0: p0_})

    quantity = sp.exp(2 * sigma * t) * p / (sigma - p)
    drift = sp.simplify(quantity.diff(t) - quantity.diff(p) * 2 * p * (sigma - p))
    (below,) = sp.solve(sp.Eq(quantity, -start / (sigma + start)), p)
    limits = candidate.subs(lam, -lam), at(start), at(-start), sp.limit(at(-start), start, 0), drift
    return limits, (candidate, a3.solved()[0].subs(a3.mu, 0), below, sp.S.Zero, sp.S.Zero)


def _flow() -> Evidence:
    w1, w2 = a2.w1, a2.w2
    v1, v2 = (v.subs({a2.xi: 1, a2.mu: 0}) for v in a2.velocities())
    return identity(
        (sp.expand(w2 * v2 - w1 * v1), sp.expand(v1 * w2 + w1 * v2), (w1**2 + w2**2) ** 2),
        (sp.S.Zero, sp.expand((w1**2 + w2**2) * (a2.sigma - w1 * w2)), (w2**2 - w1**2) ** 2 + 4 * (w1 * w2) ** 2),
    )


def _rational() -> Evidence:
    """With `p = (ℓ/2) sinh θ` and `Z = e^θ`; `Ż = 2σZ − (ℓ/2)(Z² − 1)` is a Riccati equation."""
    tangent = (half_angle(X) - half_angle(Z)) / (1 + half_angle(X) * half_angle(Z))
    velocity = sp.cancel(norm(Z) * (sigma - value(Z)) / value(Z).diff(Z))
    riccati = velocity - (2 * sigma * Z - size * (Z**2 - 1) / 2)
    return identity(
        (sp.expand(norm(Z) ** 2), sp.cancel(decaying(Z) - tangent), sp.cancel(riccati)),
        (sp.expand(size**2 + 4 * value(Z) ** 2), sp.S.Zero, sp.S.Zero),
    )


@cache
def _conserved() -> Evidence:
    """`d/dt decaying = −r decaying` along `ṗ = R(σ − p)`."""
    speed = norm(Z) * (value(X) - value(Z)) / value(Z).diff(Z)
    return Evidence(sp.cancel(decaying(Z).diff(Z) * speed + norm(X) * decaying(Z)) == 0, Verdict.PROVED, "cancels to 0")


def _mean() -> Evidence:
    """`(rR₀)² − (λ² + 4σp₀)² = 4λ²(σ − p₀)²`, so |κ| <= R₀ and the weight is positive and grows without bound."""
    roots = _roots()
    gap = ((r * R0) ** 2 - (lam**2 + 4 * sigma * p0) ** 2).subs(roots)
    g, kappa = sp.Symbol("g", positive=True), sp.Symbol("kappa", real=True)
    slope = _weight(g, kappa).diff(g)
    expected = -(R0 + kappa + (R0 - kappa) * g**2) / (2 * r * g**2)
    return identity((sp.expand(gap - 4 * lam**2 * (sigma - p0) ** 2), sp.simplify(slope - expected)), (0, 0))


def _limits() -> Evidence:
    """Lazy: the weight becomes `(1 − E)/E`, so `p → σ + (p₀ − σ)e^{−|λ|t}`. Rich: see the conclusion."""
    g, big = sp.Symbol("g", positive=True), sp.Symbol("Lambda", positive=True)
    roots = {name: root.subs(lam, big) for name, root in _roots().items()} | {lam: big}
    lazy = sp.limit(_weight(g).subs(roots) * g / (1 - g), big, sp.oo)
    pace = sp.limit(roots[r] - big, big, sp.oo)
    return identity((lazy, pace, sp.limit(_balanced(formula())[1][2], t, sp.oo)), (sp.S.One, sp.S.Zero, sp.S.Zero))


def _engine(expression: sp.Expr, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Products and imbalances of either sign and 0, teachers of 0, and times around learning and later."""
    n = 80
    teacher = 10 ** generator.uniform(-6, 6, n)
    start = (
        teacher * 10 ** generator.uniform([-30, -3], [1, 1], (n // 2, 2)).ravel() * generator.choice([-1, 0, 1, 1], n)
    )
    imbalance = 10 ** generator.uniform(-12, 6, n) * generator.choice([-1, 1], n)
    imbalance[start != 0] *= generator.choice([0, 1], np.count_nonzero(start), p=[0.1, 0.9])
    teacher[imbalance != 0] *= generator.choice([0, 1], np.count_nonzero(imbalance), p=[0.1, 0.9])
    rate = np.hypot(2 * teacher, imbalance)
    time = np.minimum(10 ** generator.uniform(-4, 2.5, n) * generator.choice([0, 1, 1, 1], n) / rate, 1e6)
    full = expression.subs({r: sp.sqrt(lam**2 + 4 * sigma**2), R0: sp.sqrt(lam**2 + 4 * p0**2)})
    inputs = (t, sigma, p0, lam)
    points = [time, teacher, start, imbalance]
    return worst_relative_error(full, inputs, function, points, condition_number(full, inputs, 150))


_TIMES = np.linspace(0, 12, 49)


def _runs() -> dict[str, np.ndarray]:
    """Teacher 1, p₀ = −0.2; small steps, in weights."""

    def run(imbalance: float, decay: float) -> np.ndarray:
        larger = np.sqrt((np.hypot(imbalance, 0.4) + imbalance) / 2)
        w1 = -0.2 / larger
        w2 = larger
        path = []
        for n in range(12_001):
            if n % 250 == 0:
                path.append(w1 * w2)
            pull = 1 - w1 * w2
            w1, w2 = w1 + 1e-3 * (w2 * pull - decay * w1), w2 + 1e-3 * (w1 * pull - decay * w2)
        return np.array(path)

    return {"imbalance 0.3": run(0.3, 0.0), "imbalance 0": run(0.0, 0.0), "imbalance 0.3, decay 0.3": run(0.3, 0.3)}


def _differs(name: str) -> Evidence:
    """The named run leaves the claim, where the control stays on it."""
    runs = _runs()
    claim = product(_TIMES, 1.0, -0.2, 0.3)
    control, gap = (np.abs(runs[k] - claim).max() for k in ("imbalance 0.3", name))
    return Evidence(control < 0.01 and gap > 0.2, Verdict.TESTED, f"off by {gap:.2f}, control {control:.4f}")


def _curves() -> Curves:
    """The products along every run."""
    return Curves(_TIMES, _runs(), "time", "product w₁w₂")


DERIVATION = Derivation(
    claim="A4",
    title="An unbalanced mode, from rich to lazy",
    statement=r"p(t)=\frac{p_0+\sigma B}{1+B},\quad B=\frac{1-E}{2rE}\left[(R_0+\kappa)+(R_0-\kappa)E\right],\quad "
    r"E=e^{-rt},\ r=\sqrt{\lambda^2+4\sigma^2},\ R_0=\sqrt{\lambda^2+4p_0^2},\ \kappa=\frac{\lambda^2+4\sigma p_0}{r}",
    plain="With an imbalance λ between its layers a mode moves from p₀ to σ along a weighted mean of the two; with any "
    "imbalance every start passes the saddle, with a large one learning is exponential at rate |λ|, and for λ → 0 it "
    "follows the logistic curve of A3.",
    symbols={
        "p": "the product w₁w₂; p₀ at the start",
        r"\lambda": "the imbalance w₂² − w₁², conserved, of either sign",
        r"\sigma": "teacher singular value",
        "r": "√(λ² + 4σ²), the rate at the end",
        "R_0": "√(λ² + 4p₀²) = w₁² + w₂² at the start",
        r"\kappa": "between −R₀ and R₀",
    },
    assumptions=(
        Assumption("aligned start", "Then the modes decouple (A2, which shows what happens otherwise)."),
        Assumption(
            "imbalance",
            "λ ≠ 0 is needed to learn the mode from a start of the wrong sign; the formula holds at λ = 0 too.",
            Counterexample("At λ = 0 a start p₀ < 0 ends at 0.", lambda: _differs("imbalance 0"), _curves),
        ),
        Assumption(
            "no weight decay",
            "Else the imbalance decays.",
            Counterexample(
                "Decay changes the end and the rate.", lambda: _differs("imbalance 0.3, decay 0.3"), _curves
            ),
        ),
        Assumption("gradient flow", "In continuous time; A1 has the counterexample."),
        Assumption("whitened inputs", "Not needed: variance ξ along the mode runs the clock ξt."),
    ),
    steps=(
        Step(
            r"\dot\lambda=0,\qquad\dot p=(w_1^2+w_2^2)(\sigma-p),\qquad(w_1^2+w_2^2)^2=\lambda^2+4p^2",
            "A2 and the product rule; the last is an identity.",
            _flow,
        ),
        Step(
            r"\tfrac{2|\lambda|(\sigma-p)}{rR+\lambda^2+4\sigma p}=\tan\tfrac{\varphi^*-\varphi}2,\quad "
            r"\tan\varphi=\tfrac{2p}{|\lambda|},\ \tan\varphi^*=\tfrac{2\sigma}{|\lambda|}",
            "With p = (|λ|/2) sinh θ and Z = e^θ, which obeys the Riccati equation Ż = 2σZ − (|λ|/2)(Z² − 1), the root "
            "is rational, and the angle's half has the tangent (Z − 1)/(Z + 1).",
            _rational,
        ),
        Step(
            r"\tfrac{d}{dt}\left[e^{rt}\tan\tfrac{\varphi^*-\varphi}2\right]=0",
            "Along the flow, as rational functions. Solved for p, from its value at the start, this is the claim.",
            _conserved,
        ),
        Step(
            r"(rR_0)^2-(\lambda^2+4\sigma p_0)^2=4\lambda^2(\sigma-p_0)^2",
            "So |κ| ≤ R₀ and B grows from 0 as E falls: p moves from p₀ to σ without overshoot. For λ ≠ 0 it arrives "
            "from every start, since R₀ + κ > 0: R₀ = −κ would need p₀ = σ, where κ is positive.",
            _mean,
        ),
        Step(
            r"|\lambda|\to\infty:\ p\to\sigma+(p_0-\sigma)e^{-|\lambda|t};\qquad\lambda=0>p_0:\ p\to0",
            "Limits of the formula, by SymPy.",
            _limits,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("σ² for σp₀ in κ", lambda f: _built((lam**2 + 4 * sigma**2) / r)),
        Variant("κ without λ²", lambda f: _built(4 * sigma * p0 / r)),
        Variant("κ = R₀", lambda f: _built(R0)),
        Variant("sign of κ", lambda f: _built(-(lam**2 + 4 * sigma * p0) / r)),
        Variant("factor ½ missing in B", lambda f: _built(KAPPA, factor=2)),
        Variant("rate 2r", lambda f: f.subs(t, 2 * t)),
        Variant("R₀ missing its factor 2", lambda f: f.subs(R0, R0 / 2)),
        Variant("p₀ and σ exchanged", lambda f: f.subs({p0: sigma, sigma: p0}, simultaneous=True)),
    ),
    special_case=SpecialCase("balanced", lambda f: f.subs({lam: 0, r: 2 * sigma, R0: 2 * p0})),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.learning.unbalanced_mode.product",
        "σ 1e-6 … 1e6, |p₀| up to 10σ, |λ| 1e-12 … 1e6, all also 0, either sign",
        _engine,
    ),
    uses=("A2", "A3"),
    source="the flow: Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120); this form of the solution is ours",
)
