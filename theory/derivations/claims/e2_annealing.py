"""E2: SGD on noisy labels shrinks modes at once and slowly changes the ratio of their layers; annealing undoes both."""

from collections.abc import Callable
from functools import cache, partial
from itertools import product
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.frames import insert
from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, Rules, normal_form, scaled
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum, noise_expectation
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
from overtraining.theory.derivations.checker.evidence import (
    DegreeBound,
    argued,
    every,
    identity,
    on_shapes,
    positive,
    worst_relative_error,
)
from overtraining.theory.remedies.annealing import layer_ratio, noisy_spectrum

sigma, u, w1, w2, p, x, s = sp.symbols("sigma u w_1 w_2 p x s", positive=True)
noise, eta, nu, b = sp.symbols("gamma eta nu b", positive=True)  # noise: γ² = ην²/2b
d_in, d_out = sp.symbols("d_in d_out", positive=True, integer=True)
MEAN = (d_in + d_out) / 2
GEOMETRIC = sp.sqrt(d_in * d_out)


def formula() -> dict[str, sp.Expr]:
    """A learned mode: its first value, its value at u = w2²/w1², its last value; the drift of w2² − w1²; its clock.

    "clock": the accumulated noise Γ at which the ratio has reached u.
    """
    return {
        "first": sigma - noise * MEAN,
        "drift": 2 * noise * (d_out * w1**2 - d_in * w2**2),
        "clock": (sp.log(u) / d_out - (1 / d_out + 1 / d_in) * sp.log((d_out - d_in * u) / (d_out - d_in))) / 4,
        "value": sigma - noise * 2 * MEAN * sp.sqrt(u) / (1 + u),
        "last": sigma - noise * GEOMETRIC,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The drift and the mean value are the derived ones; the clock follows the drift; the value agrees at both ends."""
    drift = candidate["drift"]
    # at a product p, w1² = p/√u and w2² = p√u; du/dΓ is d(w2² − w1²)/dΓ over its derivative with respect to u
    weights = {w1: sp.sqrt(p) / u ** sp.Rational(1, 4), w2: sp.sqrt(p) * u ** sp.Rational(1, 4)}
    speed = drift.subs(weights, simultaneous=True) / noise / sp.diff(p * (sp.sqrt(u) - 1 / sp.sqrt(u)), u)
    cases = [
        ("drift", identity(sp.expand(drift - mode_drift()), 0)),
        ("clock", identity(candidate["clock"].diff(u) * speed, 1)),
        ("from balance", identity(candidate["clock"].subs(u, 1), 0)),
        ("first", identity(candidate["value"].subs(u, 1), candidate["first"])),
        ("last", identity(candidate["value"].subs(u, d_out / d_in), candidate["last"])),
    ]
    cases.append(("value", identity(candidate["value"], mean_value())))
    return every(cases, "drift, clock and values, for symbolic widths")


@cache
def _mean_change() -> TraceSum:
    """The mean change of `tr M(W2ᵀW2 − W1W1ᵀ)` in one step over the labels' noise E, over η²; the task is fitted.

    `G = −EXᵀ/b`; the inputs are whitened, each with unit variance.
    """
    m1, m2, test = matrix("W1", "h", "d_in"), matrix("W2", "d_out", "h"), matrix("M", "h", "h")
    gradient = scaled(-1 / b, matrix("E", "d_out", "b") @ matrix("X", "d_in", "b").T)
    change = (test @ (m1 @ gradient.T @ gradient @ m1.T - m2.T @ gradient @ gradient.T @ m2)).trace()
    return noise_expectation(change, {"E": nu**2, "X": sp.Integer(1)})


def matrix(name: str, rows: str, columns: str) -> MatrixSum:
    """A matrix of this name and shape."""
    return MatrixSum.of(Letter(name, rows, columns))


def mode_drift() -> sp.Expr:
    """The mean change of w2² − w1² of one mode per unit of gradient-flow time, with `ην² = 2bγ²`."""
    total = sp.Integer(0)
    for (word,), coefficient in _mean_change().terms.items():
        layer = w1 if any(x.name == "W1" for x in word) else w2
        total += coefficient * layer**2 * 2 * b * noise / nu**2
    return sp.simplify(total.subs(sp.Symbol("b", positive=True, integer=True), b))


def _drift() -> Evidence:
    """`W2ᵀW2 − W1W1ᵀ` after one step, exactly: the terms of first order cancel, as in A1."""
    m1, m2, g = matrix("W1", "h", "d_in"), matrix("W2", "d_out", "h"), matrix("G", "d_out", "d_in")
    next1 = m1 - scaled(eta, m2.T @ g)
    next2 = m2 - scaled(eta, g @ m1.T)
    change = next2.T @ next2 - next1 @ next1.T - m2.T @ m2 + m1 @ m1.T
    remaining = normal_form(change - scaled(eta**2, m1 @ g.T @ g @ m1.T - m2.T @ g @ g.T @ m2))
    words = {tuple(x.name for x in word) for (word,) in _mean_change().terms}
    each_of_one_layer = all(set(names) in ({"M", "W1"}, {"M", "W2"}) for names in words) and len(words) == 2
    detail = f"{len(remaining)} words differ; the mean is in {sorted(words)}"
    return Evidence(not remaining and each_of_one_layer, Verdict.PROVED, detail)


def _moving() -> dict[str, MatrixSum]:
    """The changes of W1, W2, f, `C = W2W2ᵀ` and `G = W1ᵀW1` if the weights move by `Σ_ij N_ij ∂f_ij`."""
    m1, m2, n = matrix("W1", "h", "d_in"), matrix("W2", "d_out", "h"), matrix("N", "d_out", "d_in")
    first, second = m2.T @ n, n @ m1.T
    return {
        "W1": first,
        "W2": second,
        "f": second @ m1 + m2 @ first,
        "C": second @ m2.T + m2 @ second.T,
        "G": first.T @ m1 + m1.T @ first,
    }


def _fluctuation() -> Evidence:
    """Along `N = a bᵀ` with `Ca = c a`, `Gb = g b` the step has squared length `K = c + g` and moves f by K a bᵀ."""
    c, g = sp.symbols("c g", positive=True)
    a, b_ = Letter("a", "d_out", "one"), Letter("b", "d_in", "one")
    first, second = Letter("W1", "h", "d_in"), Letter("W2", "d_out", "h")
    rules: Rules = (
        ((second, second.T, a), scaled(c, MatrixSum.of(a))),
        ((b_.T, first.T, first), scaled(g, MatrixSum.of(b_.T))),
        ((a.T, a), IDENTITY),
        ((b_.T, b_), IDENTITY),
    )
    dyad = MatrixSum.of(a) @ MatrixSum.of(b_.T)
    along = {name: insert(change, {"N": dyad}) for name, change in _moving().items()}
    length = MatrixSum.of(b_.T) @ along["W1"].T @ along["W1"] @ MatrixSum.of(b_)
    length = length.joined(IDENTITY) + MatrixSum.of(a.T) @ along["W2"] @ along["W2"].T @ MatrixSum.of(a)
    words = {"f": along["f"] - scaled(c + g, dyad), "length": length - scaled(c + g, IDENTITY)}
    remaining = {name: normal_form(word, rules) for name, word in words.items()}
    holds = not any(remaining.values())
    differ = f"{sum(map(len, remaining.values()))} words differ, for symbolic widths"
    inference = "to first order K E[D] = 2γ²f − E[δC D + D δG] where the mean change in a step vanishes"
    return argued(inference, Evidence(holds, Verdict.PROVED, differ))


@cache
def mean_value() -> sp.Expr:
    """The stationary mean of a mode's own entry of f at the ratio u, for symbolic widths.

    With the error D of f, the mean change in a step vanishes: `E[CD + DG] = ηE[N fᵀ N] = 2γ²f`. To first order
    `K E[D] = 2γ²f − E[δC D + D δG]`. By D5 the weights fluctuate along the unit vector of each direction of
    `_fluctuation` with variance γ²: N has the variance γ²/K, D has γ²K, and their covariance is γ² in each direction.
    """
    f, n, test = (
        matrix("W2", "d_out", "h") @ matrix("W1", "h", "d_in"),
        matrix("N", "d_out", "d_in"),
        matrix("M", "d_in", "d_out"),
    )
    moving = _moving()
    of_noise, of_drift = (
        noise_expectation((test @ word).trace(), {"N": sp.Integer(1)})
        for word in (n @ f.T @ n, moving["C"] @ n + n @ moving["G"])
    )
    (own,) = (test @ f).trace().terms
    if any(set(mean.terms) != {own} for mean in (of_noise, of_drift)):
        raise ValueError("the mean change is not a multiple of f")
    shift = noise * (2 * of_noise.terms[own] - of_drift.terms[own])
    return sigma + sp.simplify((shift * w1 * w2 / (w1**2 + w2**2)).subs(w2, w1 * sp.sqrt(u)))


def _entry_by_entry() -> Evidence:
    """The mean value again, from the gradients of all entries of f, for students of one and of two modes."""
    bound = DegreeBound({d_in: 1, d_out: 1}, "a sum over the entries of f of terms with numbers of one row and column")
    widths = {m: tuple(product(range(m, m + 3), repeat=2)) for m in (1, 2)}
    return every(
        (f"{m} modes", on_shapes(partial(_from_entries, m), formula()["value"], (d_in, d_out), widths[m], bound))
        for m in (1, 2)
    )


def _from_entries(m: int, i: int, o: int) -> sp.Expr:
    """`mean_value` of the first of m modes, entry by entry, on explicit widths."""
    root = [sp.sqrt(s), *sp.symbols(f"r_2:{m + 1}", positive=True)]
    first = sp.Matrix(m, i, lambda k, l: root[k] / u ** sp.Rational(1, 4) if k == l else 0)
    second = sp.Matrix(o, m, lambda k, l: root[l] * u ** sp.Rational(1, 4) if k == l else 0)
    total = sp.Integer(0)
    for row in range(o):
        for column in range(i):
            step1 = sp.Matrix(m, i, lambda k, l, r=row, c=column: second[r, k] if l == c else 0)  # ∂f_rc/∂W1
            step2 = sp.Matrix(o, m, lambda k, l, r=row, c=column: first[l, c] if k == r else 0)  # ∂f_rc/∂W2
            kernel = sum(x**2 for x in (*step1, *step2))
            if kernel == 0:
                continue
            error = step2 * first + second * step1
            if any(error[k, l] != 0 for k in range(o) for l in range(i) if (k, l) != (row, column)):
                raise ValueError("the gradients of two entries of f are not orthogonal")
            change_of_c = step2 * second.T + second * step2.T
            change_of_g = step1.T * first + first.T * step1
            total += (change_of_c * error + error * change_of_g)[0, 0] / kernel
    own = second[0, 0] ** 2 + first[0, 0] ** 2
    return sigma + sp.simplify(noise * (2 * first[0, 0] * second[0, 0] - total) / own)


def _clock() -> Evidence:
    """At a fixed ratio the product is stationary at once; the ratio moves from 1 to d_out/d_in, which is that of E1."""
    clock = formula()["clock"]
    speed = sp.simplify(1 / clock.diff(u))
    last = speed.diff(u).subs(u, d_out / d_in)
    wider_output = speed.subs(d_out, d_in + x)
    between = 1 + x / d_in - x / (d_in * (1 + p))
    checked = every(
        (
            ("all ratios", identity((between.subs(p, 0), sp.limit(between, p, sp.oo)), (1, 1 + x / d_in))),
            ("forward", positive(sp.factor(wider_output.subs(u, between)))),
            ("ends", identity(sp.simplify(speed.subs(u, d_out / d_in)), 0)),
            ("last rate", identity(sp.simplify(last + 4 * d_in * d_out / (d_in + d_out)), 0)),
        )
    )
    return argued(
        "the product is stationary at each ratio, since its rate does not fall with γ² as the ratio's", checked
    )


def _means() -> Evidence:
    """`½(d_in + d_out)·2√u/(1 + u)` falls from the arithmetic mean at u = 1 to the geometric one at d_out/d_in."""
    part = 2 * sp.sqrt(u) / (1 + u)
    return every(
        (
            ("arithmetic", identity(part.subs(u, 1), 1)),
            ("geometric", identity(sp.simplify(MEAN * part.subs(u, d_out / d_in) - GEOMETRIC), 0)),
            ("falls", positive(sp.factor(-part.diff(u).subs(u, 1 + x)), zero_at={x: 0})),
        )
    )


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """The computed ratio put into the clock must give Γ back, over the condition; then the value at that ratio."""
    ratio_symbol = sp.Symbol("U", positive=True)
    worst = 0.0
    for _ in range(40):
        i, o = generator.choice(np.arange(1, 60), 2, replace=False).tolist()
        widths = {d_in: i, d_out: o}
        gamma = 10.0 ** generator.uniform(-6, 0.5, 5) / min(i, o)
        ratios = np.asarray(layer_ratio(gamma, d_in=i, d_out=o))
        clock = sp.lambdify(u, expression["clock"].subs(widths), "mpmath")
        slope = sp.lambdify(u, expression["clock"].diff(u).subs(widths), "mpmath")
        with mpmath.workdps(60):
            for g, ratio in zip(gamma, ratios, strict=True):
                y = mpmath.mpf(float(ratio))
                error = abs((clock(y) - mpmath.mpf(float(g))) / slope(y)) / y  # of u, by Newton's step
                worst = max(worst, float(error))

        def value(a: np.ndarray, n: np.ndarray, _: np.ndarray, i: int = i, o: int = o, g: Any = gamma) -> Any:
            return function(a, n, g, d_in=i, d_out=o)

        form = expression["value"].subs(widths).subs(u, ratio_symbol)
        points = [np.full(5, 1e3), np.full(5, 0.1), ratios]
        worst = max(worst, worst_relative_error(form, (sigma, noise, ratio_symbol), value, points))
    return worst


def sgd(learning_rate: float, label_noise: float, steps: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """One mode, σ = 1, d inputs, one output: the means over 300 runs of f along the mode and of ln u, at every step."""
    generator = np.random.default_rng(1)
    runs = 300
    first = np.zeros((runs, d))
    first[:, 0] = 1
    second = np.ones(runs)
    values, log_ratios = np.zeros(steps), np.zeros(steps)
    for k in range(steps):
        error = second[:, None] * first
        error[:, 0] -= 1
        gradient = error - label_noise * generator.normal(size=(runs, d))
        along_first = (gradient * first).sum(axis=1)
        first, second = first - learning_rate * second[:, None] * gradient, second - learning_rate * along_first
        values[k] = (second * first[:, 0]).mean()
        log_ratios[k] = np.log(second**2 / (first**2).sum(axis=1)).mean()
    return values, log_ratios


def _strong() -> Evidence:
    """γ² = 0.4 at d_in = 4, where the noise cost is σ and the formula leaves little of the mode."""
    value = float(sgd(0.05, 4.0, 100, 4)[0][60:].mean())
    claimed = float(noisy_spectrum(1.0, 0.4, 0.4 * 0.05 * 80, d_in=4, d_out=1))
    return Evidence(abs(value - claimed) > 0.1, Verdict.TESTED, f"f = {value:.3f}, the formula {claimed:.3f}")


def _ratio_curves() -> Curves:
    measured = sgd(0.05, 0.5, 3000, 6)[1]
    time = 0.05 * np.arange(1, 3001)
    claimed = np.log(layer_ratio(0.05 * 0.25 / 2 * time, d_in=6, d_out=1))
    curves = {"SGD": measured[::60], "formula": claimed[::60]}
    return Curves(time[::60], curves, "gradient-flow time", "ln w2²/w1²")


def _unlearned() -> Evidence:
    """A mode with σ = 0 that starts at 0 grows by the noise in its other layer: `d‖w1‖²/dt = 2γ²d_in w2²` > 0."""
    generator = np.random.default_rng(0)
    first, second = np.zeros((500, 3)), np.full(500, 0.1)
    for _ in range(200):
        gradient = second[:, None] * first - 0.5 * generator.normal(size=(500, 3))
        along_first = (gradient * first).sum(axis=1)
        first, second = first - 0.05 * second[:, None] * gradient, second - 0.05 * along_first
    size = float(np.abs(second[:, None] * first).mean())
    return Evidence(size > 1e-3, Verdict.TESTED, f"mean |f| = {size:.4f} where the formula says 0")


def _equal_for_near_widths(claim: dict[str, sp.Expr]) -> dict[str, sp.Expr]:
    """A wrong value that explicit shapes with widths so close to each other do not refute."""
    k = d_in - d_out
    wrong = noise * k * (k + 1) * (k - 1) * (u - 1) * (d_in * u - d_out) / (1 + u) ** 2
    return claim | {"value": claim["value"] + wrong}


def _fresh() -> Evidence:
    """40 inputs, 1 output, σ = 2, η = 0.01, one example a step (ηs(d_in + 1)/B = 0.8), γ² = 1e-5; pairs of runs."""
    generator = np.random.default_rng(0)
    runs, eta_now, nu_now = 500, 0.01, 0.05
    first, second = np.zeros((2, runs, 40)), np.full((2, runs), np.sqrt(2.0))
    first[..., 0] = np.sqrt(2.0)
    total = 0.0
    for k in range(300):
        inputs, label = generator.normal(size=(runs, 40)), nu_now * generator.normal(size=runs)
        error = second * (first * inputs).sum(axis=2) - 2 * inputs[:, 0] - np.stack([label, -label])
        gradient = error[..., None] * inputs
        along_first = (gradient * first).sum(axis=2)
        first, second = first - eta_now * second[..., None] * gradient, second - eta_now * along_first
        total += float(2 - (second * first[..., 0]).mean()) * (k >= 150)
    size = eta_now * nu_now**2 / 2
    measured, claimed = total / 150 / size, float(2 - noisy_spectrum(2.0, size, 0.0, d_in=40, d_out=1)) / size
    detail = f"shrinkage {measured:.1f} γ², the formula {claimed:.1f} γ²"
    return Evidence(measured > 1.4 * claimed, Verdict.TESTED, detail)


DERIVATION = Derivation(
    claim="E2",
    title="Noise at a finite learning rate shrinks what is learned, and annealing restores it",
    statement=r"s=\sigma-\gamma^2(d_{in}+d_{out})\frac{\sqrt u}{1+u},\ \gamma^2=\frac{\eta\nu^2}{2B};\quad "
    r"\frac{du}{d\Gamma}=\frac{4u(d_{out}-d_{in}u)}{1+u},\ \Gamma=\int\gamma^2dt,\ u:1\to\frac{d_{out}}{d_{in}}",
    plain="Under SGD on noisy labels every learned mode is at once smaller by the arithmetic mean of the layers' noise "
    "costs. Later, as the accumulated noise changes the ratio of the layers, this shrinkage falls to their geometric "
    "mean. It is proportional to the learning rate, so annealing raises all learned modes together.",
    symbols={
        r"\gamma,\gamma^2": "γ² = ην²/2B, the variance of the noise on the weights (D5)",
        "u": "w2²/w1² of learned modes, 1 if balanced",
        r"\Gamma": "accumulated noise",
        r"\sigma,s": "singular values of the teacher and of the mean student",
        r"d_{in},d_{out}": "widths of input and output",
    },
    assumptions=(
        Assumption(
            "small noise",
            "First order in γ², which is small compared with σ.",
            Counterexample("At γ² = 0.4 a mode shrinks by a different amount.", _strong, _ratio_curves),
        ),
        Assumption(
            "learned mode",
            "The mode is well above γ²√(d_in d_out); noise keeps weaker modes at a floor, which is only measured.",
            Counterexample("Noise drives the weights of a mode that the teacher lacks.", _unlearned),
        ),
        Assumption("balanced start", "u = 1 when the noise begins; otherwise the clock starts at another value."),
        Assumption("aligned start", "The singular vectors are the teacher's."),
        Assumption("whitened inputs", "Σx = I."),
        Assumption(
            "large batches",
            "First order in η: the whole population of inputs in every step, or fresh inputs with ηs(d_in + 1)/B ≪ 1; "
            "E2f has the factors of any η and B.",
            Counterexample("With one fresh example a step a third is missing, however small the noise is.", _fresh),
        ),
    ),
    steps=(
        Step(
            r"\Delta(W_2^\top W_2-W_1W_1^\top)=\eta^2\left(W_1G^\top GW_1^\top-W_2^\top GG^\top W_2\right),\quad "
            r"\mathbb E=\frac{\eta^2\nu^2}B\left(d_{out}W_1W_1^\top-d_{in}W_2^\top W_2\right)",
            "The flow conserves this difference, a step does not: its exact change, and the mean change where the task "
            "is fitted, for symbolic widths and batch size.",
            _drift,
        ),
        Step(
            r"\tfrac12(d_{in}+d_{out})\frac{2\sqrt u}{1+u}:\ \tfrac12(d_{in}+d_{out})\to\sqrt{d_{in}d_{out}}",
            "As the ratio grows, the shrinkage falls from the arithmetic to the geometric mean of the costs.",
            _means,
        ),
        Step(
            r"u\to\frac{d_{out}}{d_{in}},\ \text{in the end at the rate }\frac{4\gamma^2d_{in}d_{out}}{d_{in}+d_{out}}",
            "The clock runs forward and ends at the ratio of claim E1, where the mode is at E1's optimum for this "
            "noise. The last rate is twice the harmonic mean of the costs, not their sum.",
            _clock,
        ),
        Step(
            r"\delta f=(c+g)\,ab^\top\ \text{along}\ \sum_{ij}a_ib_j\partial_\theta f_{ij},\ "
            r"\|\partial_\theta(a^\top fb)\|^2=c+g;\quad W_2W_2^\top a=ca,\ W_1^\top W_1b=gb",
            "The directions in which the labels' noise moves the weights, each by the variance of D5. The conclusion "
            "contracts this noise in the mean change of f, for symbolic widths.",
            _fluctuation,
        ),
        Step(
            r"s=\sigma-\gamma^2(d_{in}+d_{out})\frac{\sqrt u}{1+u}",
            "From the gradients of all entries of f, written out for students of one and of two modes.",
            _entry_by_entry,
            cross_check=True,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("geometric mean at first", lambda f: f | {"first": f["last"]}),
        Variant("arithmetic mean at last", lambda f: f | {"last": f["first"]}),
        Variant(
            "d_in and d_out swapped",
            lambda f: {k: e.subs({d_in: d_out, d_out: d_in}, simultaneous=True) for k, e in f.items()},
        ),
        Variant("drift halved", lambda f: f | {"drift": f["drift"] / 2}),
        Variant("clock doubled", lambda f: f | {"clock": 2 * f["clock"]}),
        Variant(
            "clock of an exponential decay",
            lambda f: f | {"clock": -sp.log((d_out - d_in * u) / (d_out - d_in)) / (2 * (d_in + d_out))},
        ),
        Variant("shrinkage doubled", lambda f: f | {key: 2 * f[key] - sigma for key in ("value", "first", "last")}),
        Variant("the same at equal widths and where d_in − d_out is ±1", _equal_for_near_widths),
        Variant("u for √u", lambda f: f | {"value": f["value"].subs(u, u**2)}),
    ),
    special_case=SpecialCase(
        "square, balanced",
        lambda f: {
            k: e.subs(d_out, d_in).subs(u, 1).subs(w2, w1) if k != "clock" else sp.Integer(0) for k, e in f.items()
        },
    ),
    floor=Verdict.ARGUED,
    uses=("D5", "E1"),
    link=Link(
        "overtraining.theory.remedies.annealing.noisy_spectrum",
        "widths 1 … 59, Γ 1e-6 … 3 over the smaller width",
        _engine_error,
    ),
    source="ours; implicit regularization by label noise: Blanc et al. 2020; Li, Wang, Arora 2022 (arXiv 2110.06914)",
)
