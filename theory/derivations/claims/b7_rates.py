"""B7: for a power-law spectrum and ε → 0, loss and norm of the weights are powers of the pretraining length."""

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
from overtraining.theory.derivations.checker.evidence import argued, every, identity, positive, tested
from overtraining.theory.derivations.claims import a3_balanced_mode as a3
from overtraining.theory.derivations.claims.shared.balanced_path import (
    epsilon,
    invariant,
    logistic_path,
    path,
    s,
    sigma,
    t,
)

tau, alpha, z, x, y, n = sp.symbols("tau alpha z x y n", positive=True)
half = sp.Rational(1, 2)


def formula() -> dict[str, sp.Expr]:
    """Exponents of τ = t/½ln(1/ε) and factors, of the loss and of Σs (for α > 1: of what it lacks to its bound)."""
    return {
        "loss_exponent": 2 - 1 / alpha,
        "loss_factor": 1 / (2 * (2 * alpha - 1)),
        "norm_exponent": 1 / alpha - 1,
        "norm_factor": 1 / (1 - alpha),
    }


@functools.cache
def integrals() -> dict[str, sp.Expr]:
    """`½∫_n^∞ i^{−2α} di` and the antiderivative of `i^{−α}` at n: both sums up to one term."""
    # 2α > 1: the tail exists
    a = 1 + 2 * x
    b = 1 + x
    tail = sp.integrate(z**-a, (z, n, sp.oo)) / 2
    grown = sp.integrate(z ** (-b), z).subs(z, n)
    return {"loss": sp.simplify(tail.subs(x, (2 * alpha - 1) / 2)), "norm": sp.simplify(grown.subs(x, alpha - 1))}


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """With n = τ^{1/α} features learned, the derived integrals are factor times power."""
    count = tau ** (1 / alpha)
    loss, norm = (integrals()[k].subs(n, count) for k in ("loss", "norm"))

    def power(name: str, sign: int) -> sp.Expr:
        return candidate[f"{name}_factor"] * tau ** (sign * candidate[f"{name}_exponent"])

    def flat(e: sp.Expr) -> sp.Expr:
        return sp.powsimp(sp.powdenest(sp.expand_power_exp(sp.simplify(e)), force=True), force=True)

    foreign = set().union(*(e.free_symbols for e in candidate.values())) - {alpha}
    if foreign:
        return Evidence(False, Verdict.PROVED, f"exponents and factors contain {foreign}")
    return every(
        (("loss", identity(flat(loss / power("loss", -1)), 1)), ("Σs", identity(flat(norm / power("norm", 1)), 1))),
        "factor and exponent of both, for symbolic α",
    )


def _threshold() -> Evidence:
    """At t = τ·½ln(1/ε), X = σ/s − 1 is `(σ − ε) ε^{στ−1}`: learned for στ > 1, not begun for στ < 1."""
    at = (invariant() * sp.exp(-2 * sigma * t)).subs(s, path()).subs(t, tau * sp.log(1 / epsilon) / 2)
    stated = (sigma - epsilon) * epsilon ** (sigma * tau - 1)
    above, below = (e.subs(tau, at_x / sigma).simplify() for e, at_x in ((stated, 1 + x), (1 / stated, 1 - x)))
    return every(
        (
            ("X", identity(sp.simplify(sp.expand_log(at / stated, force=True)), 1)),
            ("above", identity(sp.limit(above / epsilon**x, epsilon, 0, "+"), sigma)),
            ("below", identity(sp.limit(below / epsilon**x, epsilon, 0, "+"), 1 / sigma)),
            ("at 1/τ", identity((sigma / (1 + stated)).subs(tau, 1 / sigma).subs(epsilon, 0), sigma / (1 + sigma))),
        ),
        "στ > 1 learned, στ < 1 not begun; s → σ/(1+σ) at στ = 1",
    )


def _dominated() -> Evidence:
    """`0 < s < σ` and `s <= ε e^{2σt}` with `e^{2σt} = 1 + y`, ε < σ: so beyond M features `Σs <= ε^{1−σ_Mτ} Σb`."""
    time = sp.log(1 + y) / (2 * sigma)
    early = path().subs(t, time)
    below, left = (e.subs(sigma, epsilon + x) for e in (early, sigma - early))
    grown = sp.exp(2 * sigma * t).subs(t, tau * sp.log(1 / epsilon) / 2) * epsilon
    checked = every(
        (
            ("e^{2σt} = 1 + y", identity(sp.exp(2 * sigma * time), 1 + y)),
            ("s > 0", positive(sp.simplify(below))),
            ("s < σ", positive(sp.simplify(left), zero_at={x: 0})),
            ("s < ε e^{2σt}", positive(sp.simplify(epsilon * (1 + y) - below), zero_at={y: 0})),
            ("at τ", identity(sp.log(grown).expand(force=True), ((1 - sigma * tau) * sp.log(epsilon)).expand())),
        ),
        "loss beyond M features at most ½Σσ², Σs at most ε^{1−σ_Mτ} Σb",
    )
    return argued("these bounds are uniform in ε, so the limits may be taken feature by feature", checked)


def _at_one_and_above() -> Evidence:
    """α = 1: `ln(n+1) <= Σ1/i <= 1 + ln n`, n = τ. α = 1 + x: `Σ = ζ(α)` less the tail, with n = τ^{1/α}."""
    logarithm = sp.integrate(1 / z, (z, 1, n))
    far = lambda e: sp.limit(e / sp.log(n), n, sp.oo)
    i = sp.Symbol("i", integer=True, positive=True)
    whole = sp.summation(i ** -(1 + x), (i, 1, sp.oo))
    tail = sp.integrate(z ** -(1 + x), (z, n, sp.oo)).subs(n, tau ** (1 / (1 + x)))
    stated = tau ** (1 / alpha - 1) / (alpha - 1)
    return every(
        (
            ("ln n", identity(logarithm, sp.log(n))),
            ("between", identity((far(sp.log(n + 1)), far(1 + sp.log(n))), (1, 1))),
            ("ζ(α)", identity(whole, sp.zeta(1 + x))),
            ("tail", identity(sp.simplify(sp.log(tail / stated.subs(alpha, 1 + x)).expand(force=True)), 0)),
        ),
        "ln τ at α = 1, ζ(α) less τ^{1/α−1}/(α−1) above",
    )


def _sums_to_integrals() -> Evidence:
    """i^{−a} falls, so a sum lies between integrals one term apart; both have the same leading power, whatever α."""
    falling = -sp.diff(z**-x, z)

    def ratio(sign: int) -> sp.Expr:
        return sp.limit(sp.exp(-y * sp.log(1 + sign / n)), n, sp.oo)

    return every(
        (
            ("the terms fall", positive(falling)),
            ("one term more or less", identity((ratio(1), ratio(-1)), (1, 1))),
            ("the bound below", identity(sp.limit(n ** (-x), n, sp.oo), 0)),  # α < 1: Σs grows, the first term does not
        ),
        "((n ± 1)/n)^y → 1",
    )


def _remainder() -> Evidence:
    """Relative error times n = τ^{1/α}, on sums of up to 10⁶ terms from the far end, stays bounded."""
    f = formula()
    worst = 0.0
    for a in (0.6, 0.75, 0.9, 1.5):
        values = np.arange(1, 2_000_001, dtype=float) ** -a
        for count in (10, 100, 1000, 10_000):
            length = (count + 0.5) ** a
            at = {name: float(e.subs(alpha, sp.Float(a))) for name, e in f.items()}
            beyond = 2e6 ** (1 - 2 * a) / (2 * (2 * a - 1))  # the integral from 2·10⁶ on
            loss = (values[count:] ** 2).sum() / 2 + beyond
            worst = max(worst, abs(loss / (at["loss_factor"] * length ** -at["loss_exponent"]) - 1) * count)
            norm = values[:count].sum()
            before = values[: count // 10].sum()
            grown = at["norm_factor"] * length ** at["norm_exponent"]
            grown -= at["norm_factor"] * (count // 10 + 0.5) ** (1 - a)
            worst = max(worst, abs((norm - before) / grown - 1) * count)
    return tested(worst, 1.0, "relative error · τ^{1/α}:")


def _in_proportion() -> Evidence:
    """From `ε = ρσ` each mode is σ u(σt): with `σ = y/t`, `½∫σ²(1 − u)² di` has t only in front, for every ρ."""
    rho = sp.Symbol("rho", positive=True)
    share = sp.simplify(path().subs(epsilon, rho * sigma).subs(t, y / sigma) / sigma)
    density = -sp.diff(sigma ** (-1 / alpha), sigma)  # modes per dσ
    of_mode = sp.Function("g", positive=True)(y)  # ½(1 − u)², a function of y alone
    integrand = (sigma**2 * of_mode * density).subs(sigma, y / t) * sp.diff(y / t, y)
    power = sp.simplify(t * sp.diff(sp.log(integrand), t))
    same = identity(sp.diff(share, sigma), 0)
    return every((("one u for all", same), ("power", identity(power, 1 / alpha - 2))), "no correction 1/(1 − 1/ℓ)")


def _engine(expression: dict[str, sp.Expr], function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Exact rationals of random α; conditioning of 2 − 1/α at ½ and of 1/α − 1 at 1."""
    from fractions import Fraction

    a = 0.5 + 10.0 ** generator.uniform(-9, 3, 400)
    a[::4] = 1 + 10.0 ** generator.uniform(-9, -1, 100) * generator.choice([-1, 1], 100)
    computed = function(a)
    worst = 0.0
    judge = {name: sp.lambdify(alpha, sp.together(e)) for name, e in expression.items()}
    for i, value in enumerate(map(float, a)):
        for name, exact in judge.items():
            truth = exact(Fraction(value))
            worst = max(worst, float(abs(Fraction(float(getattr(computed, name)[i])) - truth) / abs(truth)))
    return worst


def _diverges() -> Evidence:
    """α = 0.45: Σσ² keeps growing with the number of features; there is no loss to fall."""
    few, many = ((np.arange(1, count + 1) ** -0.9).sum() for count in (10_000, 1_000_000))
    return Evidence(bool(many > 1.5 * few), Verdict.TESTED, f"Σσ² is {few:.1f} for 10⁴ features, {many:.1f} for 10⁶")


def _finite_start(start: float, exponent: float) -> tuple[np.ndarray, np.ndarray]:
    """Lengths, and the local exponent of the loss from a finite start, of 20,000 features."""
    v = np.arange(1, 20_001) ** -exponent
    lengths = np.geomspace(10, 300, 12) * np.log(1 / start) / 2
    loss = ((v - logistic_path(v, start, lengths[:, None])) ** 2).sum(1) / 2
    loss += 20_000.5 ** (1 - 2 * exponent) / (2 * (2 * exponent - 1))
    return lengths, -np.gradient(np.log(loss), np.log(lengths))


def _large_start() -> Evidence:
    """From a start that is not small the exponent is larger."""
    middle = float(_finite_start(1e-8, 1.0)[1][5])
    return Evidence(
        middle > 1.05, Verdict.TESTED, f"from 1e-8 the loss falls with exponent {middle:.3f}, not 1 (see B8)"
    )


def _start_curves() -> Curves:
    """The local exponent from two starts."""
    lengths = _finite_start(1e-8, 1.0)[0] / np.log(1e8) * 2
    both = {f"ε = {e}": _finite_start(e, 1.0)[1][1:-1] for e in (1e-8, 1e-30)}
    return Curves(np.log10(lengths[1:-1]), both, "log₁₀ τ", "local exponent of the loss, α = 1")


def _norm_of(count: int, start: float, tau: float) -> float:
    """Σs of so many features σ = 1/i, all from the same start."""
    return float(logistic_path(1 / np.arange(1, count + 1), start, tau * np.log(1 / start) / 2).sum())


def _from_above() -> Evidence:
    """α = 1, every feature from the same ε: those with σ < ε start above the teacher, and there are ever more."""
    v = 1 / np.arange(1, 1_000_001)
    beyond = float(((v - logistic_path(v, 1e-2, np.log(1e2))) ** 2)[10_000:].sum() / 2)  # τ = 2
    bound = float((v[10_000:] ** 2).sum() / 2)
    few = _norm_of(10**5, 1e-6, 20.0)
    many = _norm_of(10**6, 1e-6, 20.0)
    limit = float((1 / np.arange(1, 21)).sum())
    holds = beyond > 1e5 * bound and many > few + 0.8
    detail = f"loss beyond 10⁴ features {beyond:.1f} against ½Σσ² = {bound:.1e}; from 1e-6 at τ = 20 Σs is {few:.2f} "
    return Evidence(holds, Verdict.TESTED, detail + f"of 10⁵ features, {many:.2f} of 10⁶, in the limit {limit:.2f}")


def _above_curves() -> Curves:
    """Σs against the number of features, all started at one ε."""
    counts = np.geomspace(30, 1e6, 19)
    sums = np.array([_norm_of(int(n), 1e-6, 20.0) for n in counts])
    limit = np.full(19, (1 / np.arange(1, 21)).sum())
    return Curves(np.log10(counts), {"ε = 1e-6": sums, "limit": limit}, "log₁₀ of the features", "Σs at τ = 20")


def _colored() -> Evidence:
    """α = ¾ and input variances 1/i: features come in the order of ξσ, and both exponents change, not their sum."""
    i = np.arange(1, 3_000_001, dtype=float)
    tau = np.array([1e2, 1e4])
    learned = (tau ** (1 / 1.75)).astype(int)  # ξσ = i^−1.75 > 1/τ
    loss = np.array([(i[n:] ** -2.5).sum() / 2 for n in learned])
    norm = np.array([(i[:n] ** -0.75).sum() for n in learned])
    beta = float(-np.log(loss[1] / loss[0]) / np.log(100))
    grown = float(norm[1] / norm[0])
    holds = abs(beta - 1.5 / 1.75) < 0.03 and grown < 100 ** (1 / 3) / 1.5
    return Evidence(holds, Verdict.TESTED, f"β = {beta:.2f}, not ⅔; Σs grows {grown:.2f}-fold, not 4.64")


DENSE = Assumption(
    "dense spectrum",
    "A power law with infinitely many features and α > ½.",
    Counterexample("For α <= ½ the loss is infinite.", _diverges),
)
BELOW = Assumption(
    "start below the teacher",
    "ε_i < σ_i for every feature, and Σε_{i} → 0 as ε_i = ε b_i with Σb_{i} finite, or finitely many features while "
    "ε → 0.",
    Counterexample("From one ε for infinitely many features loss and Σs are infinite.", _from_above, _above_curves),
)
SMALL = Assumption(
    "small ε",
    "The start goes to 0 at fixed τ.",
    Counterexample("From a finite start exponents are larger, by 1/(1 − 1/ℓ).", _large_start, _start_curves),
)
WHITE = Assumption(
    "whitened inputs",
    "Σx = I, or the features come in the order of ξσ.",
    Counterexample("Variances 1/i change both exponents.", _colored),
)
PATH = tuple(a for a in a3.DERIVATION.assumptions if a.name in ("aligned start", "balanced start", "gradient flow"))


DERIVATION = Derivation(
    claim="B7",
    title="Rates for power-law spectra",
    statement=r"L\to\frac{\tau^{-(2-1/\alpha)}}{2(2\alpha-1)},\quad\sum_is_i\to\frac{\tau^{1/\alpha-1}}{1-\alpha}"
    r"\ (\alpha<1),\quad\ln\tau\ (\alpha=1),\quad\zeta(\alpha)-\frac{\tau^{1/\alpha-1}}{\alpha-1}\ (\alpha>1),"
    r"\qquad\tau=\frac{2t}{\ln(1/\epsilon)}",
    plain="For a teacher with singular values i^{−α} and a small start below it, the loss falls as a power of the "
    "pretraining length, and the norm of the weights, and with it sensitivity, grows as another power, or saturates "
    "if α > 1.",
    symbols={
        r"\alpha": "exponent of the teacher's spectrum, above ½",
        r"\tau": "pretraining length in units of ½ ln(1/ε)",
        "n": "number of features learned, those with σ > 1/τ",
        r"\epsilon": "student's singular values at the start",
        "X": "σ/s − 1",
    },
    assumptions=(DENSE, BELOW, SMALL, WHITE, *PATH),
    steps=(
        Step(
            r"X=(\sigma-\epsilon)\,\epsilon^{\sigma\tau-1}",
            "So as ε → 0 exactly the features with σ > 1/τ are learned: n = τ^{1/α} of them.",
            _threshold,
        ),
        Step(
            r"0<s_i<\sigma_i,\quad s_i\le\epsilon_ie^{2\sigma_it}",
            "For a start below the teacher the loss beyond M features is at most ½Σ_{i>M}σ², and Σs beyond an M with "
            "σ_M τ < 1 at most ε^{1−σ_Mτ} Σb_{i} → 0: so both limits may be taken feature by feature.",
            _dominated,
        ),
        Step(
            r"\int_{n+1}^\infty\le\sum_{i>n}\le\int_n^\infty,\quad\left(\tfrac{n\pm1}{n}\right)^y\to1",
            "Sums of a falling function lie between integrals; one term more or less leaves the leading power.",
            _sums_to_integrals,
        ),
        Step(
            r"\sum_{i\le n}\tfrac1i\sim\ln n,\qquad"
            r"\sum_{i\le n}i^{-\alpha}=\zeta(\alpha)-\sum_{i>n}i^{-\alpha}\ (\alpha>1)",
            "At α = 1 the integral is a logarithm; above, all features together are ζ(α), and the tail is missing.",
            _at_one_and_above,
        ),
        Step(
            r"\epsilon_i=\rho\,\sigma_i\ \Rightarrow\ \tfrac12\int(\sigma-s)^2di\propto t^{-(2-1/\alpha)}\ (\rho<1)",
            "A start in proportion to the teacher has the exponent without any limit; it needs none, since every mode "
            "runs through the same curve in its own time.",
            _in_proportion,
        ),
        Step(
            r"\text{relative error}=O(\tau^{-1/\alpha})",
            "The order of the rest, on two million features; for Σs, up to a constant, of its growth since n/10.",
            _remainder,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("loss exponent 2 − α", lambda f: f | {"loss_exponent": 2 - alpha}),
        Variant("loss exponent 2 − 2/α", lambda f: f | {"loss_exponent": 2 - 2 / alpha}),
        Variant("norm exponent α − 1", lambda f: f | {"norm_exponent": alpha - 1}),
        Variant("loss exponent (2α − 1)", lambda f: f | {"loss_exponent": 2 * alpha - 1}),
        Variant("½ missing in the loss", lambda f: f | {"loss_factor": 1 / (2 * alpha - 1)}),
        Variant("sign of the norm's exponent", lambda f: f | {"norm_exponent": 1 - 1 / alpha}),
        Variant("norm factor 1/(2α − 1)", lambda f: f | {"norm_factor": 1 / (2 * alpha - 1)}),
        Variant(
            "the length hidden in the factor",
            lambda f: f | {"norm_exponent": sp.Integer(0), "norm_factor": tau ** f["norm_exponent"] * f["norm_factor"]},
        ),
        Variant("loss factor 1/(2α)", lambda f: f | {"loss_factor": 1 / (2 * alpha)}),
    ),
    special_case=SpecialCase(
        "exponents at α = 1", lambda f: {k: e.subs(alpha, 1) for k, e in f.items() if "exponent" in k}
    ),
    floor=Verdict.ARGUED,
    uses=("A3",),
    link=Link(
        "overtraining.theory.sensitivity.rates.power_law_rates", "α − ½ 1e-9 … 1000, also within 1e-9 of 1", _engine
    ),
    source="ours; sums of powers are standard",
)
