"""E2: SGD on noisy labels shrinks modes at once and tilts their layers slowly; annealing gives the first part back."""

from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import normal_form, scaled
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
from overtraining.theory.derivations.checker.evidence import every, identity, positive, worst_relative_error
from overtraining.theory.remedies.annealing import layer_ratio, noisy_spectrum

sigma, u, w1, w2, p, x, s = sp.symbols("sigma u w_1 w_2 p x s", positive=True)
noise, eta, nu, b = sp.symbols("gamma eta nu b", positive=True)  # noise: γ² = ην²/2b
d_in, d_out = sp.symbols("d_in d_out", positive=True, integer=True)
MEAN, GEOMETRIC = (d_in + d_out) / 2, sp.sqrt(d_in * d_out)


def formula() -> dict[str, sp.Expr]:
    """The first value of a learned mode, the drift of w2² − w1², the clock of u = w2²/w1², the value at u, the last."""
    return {
        "first": sigma - noise * MEAN,
        "drift": 2 * noise * (d_out * w1**2 - d_in * w2**2),
        "clock": (sp.log(u) / d_out - (1 / d_out + 1 / d_in) * sp.log((d_out - d_in * u) / (d_out - d_in))) / 4,
        "value": sigma - noise * 2 * MEAN * sp.sqrt(u) / (1 + u),
        "last": sigma - noise * GEOMETRIC,
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """The drift and the mean error that the steps derive; the clock along the drift; and the two ends of the value."""
    drift = candidate["drift"]
    # at a product p, w1² = p/√u and w2² = p√u; d(w2² − w1²)/dΓ over its derivative by u
    there = {w1: sp.sqrt(p) / u ** sp.Rational(1, 4), w2: sp.sqrt(p) * u ** sp.Rational(1, 4)}
    pace = drift.subs(there, simultaneous=True) / noise / sp.diff(p * (sp.sqrt(u) - 1 / sp.sqrt(u)), u)
    found = [
        ("drift", identity(sp.expand(drift - mode_drift()), 0)),
        ("clock", identity(sp.simplify(candidate["clock"].diff(u) * pace), 1)),
        ("from balance", identity(sp.simplify(candidate["clock"].subs(u, 1)), 0)),
        ("first", identity(sp.simplify(candidate["value"].subs(u, 1) - candidate["first"]), 0)),
        ("last", identity(sp.simplify(candidate["value"].subs(u, d_out / d_in) - candidate["last"]), 0)),
    ]
    for shape in SHAPES_:
        given = {d_in: shape[0], d_out: shape[1]}
        found.append((f"value, {shape}", identity(sp.simplify(mean_value(shape) - candidate["value"].subs(given)), 0)))
    return every(found, "drift, clock, values")


SHAPES_ = ((1, 1), (1, 2), (3, 2))


@cache
def _mean_change() -> TraceSum:
    """The mean, over the labels' noise E, of what a step adds to `tr M(W2ᵀW2 − W1W1ᵀ)`, over η²; the task is fitted.

    `G = −EXᵀ/b`; inputs are whitened, each with unit variance.
    """
    m1, m2, test = of("W1", "h", "d_in"), of("W2", "d_out", "h"), of("M", "h", "h")
    made = scaled(-1 / b, of("E", "d_out", "b") @ of("X", "d_in", "b").T)
    moved = (test @ (m1 @ made.T @ made @ m1.T - m2.T @ made @ made.T @ m2)).trace()
    return noise_expectation(moved, {"E": nu**2, "X": sp.Integer(1)})


def of(name: str, rows: str, columns: str) -> MatrixSum:
    """A matrix of this name and shape."""
    return MatrixSum.of(Letter(name, rows, columns))


def mode_drift() -> sp.Expr:
    """The same for one mode, per unit of gradient-flow time: over η, and `ην² = 2bγ²`."""
    total = sp.Integer(0)
    for (word,), coefficient in _mean_change().terms.items():
        layer = w1 if any(x.name == "W1" for x in word) else w2
        total += coefficient * layer**2 * 2 * b * noise / nu**2
    return sp.simplify(total.subs(sp.Symbol("b", positive=True, integer=True), b))


def _drift() -> Evidence:
    """`W2ᵀW2 − W1W1ᵀ` after a step, exactly: A1's terms of first order cancel."""
    m1, m2, g = of("W1", "h", "d_in"), of("W2", "d_out", "h"), of("G", "d_out", "d_in")
    new1, new2 = m1 - scaled(eta, m2.T @ g), m2 - scaled(eta, g @ m1.T)
    change = new2.T @ new2 - new1 @ new1.T - m2.T @ m2 + m1 @ m1.T
    rest = normal_form(change - scaled(eta**2, m1 @ g.T @ g @ m1.T - m2.T @ g @ g.T @ m2))
    words = {tuple(x.name for x in word) for (word,) in _mean_change().terms}
    only = all(set(names) in ({"M", "W1"}, {"M", "W2"}) for names in words) and len(words) == 2
    return Evidence(not rest and only, Verdict.PROVED, f"{len(rest)} words differ; the mean is in {words}")


@cache
def mean_value(shape: tuple[int, int]) -> sp.Expr:
    """The mean of a mode's own entry of f where its mean does not move, at tilt u, a student of min(shape) modes.

    With `C = W2W2ᵀ`, `G = W1ᵀW1` and f's error D, the mean of a step's change vanishes: `E[CD + DG] = ηE[N fᵀ N]`,
    which is 2γ²f at equal indices. To first order `K E[D] = 2γ²f − E[δC D + D δG]`; the weights fluctuate along the
    gradient of each entry of f, which are orthogonal, with variance γ² (D5's, over K each). Here for the first mode.
    """
    i, o = shape
    m = min(i, o)
    root = [sp.sqrt(s), *sp.symbols(f"r_2:{m + 1}", positive=True)]
    first = sp.Matrix(m, i, lambda k, l: root[k] / u ** sp.Rational(1, 4) if k == l else 0)
    second = sp.Matrix(o, m, lambda k, l: root[l] * u ** sp.Rational(1, 4) if k == l else 0)
    total = sp.Integer(0)
    for row in range(o):
        for column in range(i):
            move1 = sp.Matrix(m, i, lambda k, l, r=row, c=column: second[r, k] if l == c else 0)  # ∂f_rc/∂W1
            move2 = sp.Matrix(o, m, lambda k, l, r=row, c=column: first[l, c] if k == r else 0)
            kernel = sum(x**2 for x in (*move1, *move2))
            if kernel == 0:
                continue
            error = move2 * first + second * move1
            if any(error[k, l] != 0 for k in range(o) for l in range(i) if (k, l) != (row, column)):
                raise ValueError("the gradients of two entries of f are not orthogonal")
            on_out, on_in = move2 * second.T + second * move2.T, move1.T * first + first.T * move1
            total += (on_out * error + error * on_in)[0, 0] / kernel
    own = second[0, 0] ** 2 + first[0, 0] ** 2
    return sigma + sp.simplify(noise * (2 * first[0, 0] * second[0, 0] - total) / own)


def _rest_is_slow() -> Evidence:
    """At a fixed tilt the product settles at once; the clock runs from 1 to d_out/d_in and its end is E1's."""
    clock = formula()["clock"]
    up = {d_out: d_in + x}
    speed = sp.simplify(1 / clock.diff(u))
    last = speed.diff(u).subs(u, d_out / d_in)
    grown = positive(sp.factor(speed.subs(up).subs(u, 1 + x / d_in - x / (d_in * (1 + p)))))
    return every(
        (
            ("forward", grown),
            ("ends", identity(sp.simplify(speed.subs(u, d_out / d_in)), 0)),
            ("last rate", identity(sp.simplify(last + 4 * d_in * d_out / (d_in + d_out)), 0)),
        )
    )


def _means() -> Evidence:
    """`½(d_in + d_out)·2√u/(1 + u)`: the arithmetic mean at u = 1, geometric at d_out/d_in, falling between them."""
    part = 2 * sp.sqrt(u) / (1 + u)
    return every(
        (
            ("arithmetic", identity(part.subs(u, 1), 1)),
            ("geometric", identity(sp.simplify(MEAN * part.subs(u, d_out / d_in) - GEOMETRIC), 0)),
            ("falls", positive(sp.factor(-part.diff(u).subs(u, 1 + x)))),
        )
    )


def _engine(expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """The engine's tilt put into the clock gives Γ back, per condition; then the value at that tilt."""
    worst = 0.0
    for _ in range(40):
        i, o = (float(n) for n in generator.choice(np.arange(1, 60), 2, replace=False))
        gamma = 10.0 ** generator.uniform(-6, 0.5, 5) / min(i, o)
        found = np.asarray(layer_ratio(gamma, d_in=int(i), d_out=int(o)))
        judge = sp.lambdify(u, expression["clock"].subs({d_in: int(i), d_out: int(o)}), "mpmath")
        slope = sp.lambdify(u, expression["clock"].diff(u).subs({d_in: int(i), d_out: int(o)}), "mpmath")
        with mpmath.workdps(60):
            for g, value in zip(gamma, found, strict=True):
                y = mpmath.mpf(float(value))
                error = abs((judge(y) - mpmath.mpf(float(g))) / slope(y)) / y  # of u, by Newton's step
                worst = max(worst, float(error))
        form = expression["value"].subs({d_in: int(i), d_out: int(o)}).subs(u, sp.Symbol("U", positive=True))
        points = [np.full(5, 1e3), np.full(5, 0.1), found]
        call = lambda a, n, _, i=i, o=o, g=gamma: function(a, n, g, d_in=int(i), d_out=int(o))
        worst = max(worst, worst_relative_error(form, (sigma, noise, sp.Symbol("U", positive=True)), call, points))
    return worst


def sgd(rate: float, noise_: float, steps: int, d: int, sign: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """One mode, σ = 1, d inputs, one output: means over 300 chains of f along the mode and of ln u, at every step."""
    draw, count = np.random.default_rng(1), 300
    first, second = np.zeros((count, d)), np.ones(count)
    first[:, 0] = 1
    seen = np.zeros((2, steps))
    for k in range(steps):
        rest = second[:, None] * first
        rest[:, 0] -= 1
        g = rest - noise_ * (draw.choice([-1.0, 1.0], (count, d)) if sign else draw.normal(size=(count, d)))
        move = (g * first).sum(axis=1)
        first, second = first - rate * second[:, None] * g, second - rate * move
        seen[:, k] = (second * first[:, 0]).mean(), np.log(second**2 / (first**2).sum(axis=1)).mean()
    return seen[0], seen[1]


def _strong() -> Evidence:
    """γ² = 0.4 at d_in = 4, c = σ: the formula says little is left."""
    found = float(sgd(0.05, 4.0, 100, 4)[0][60:].mean())
    claimed = float(noisy_spectrum(1.0, 0.4, 0.4 * 0.05 * 80, d_in=4, d_out=1))
    return Evidence(abs(found - claimed) > 0.1, Verdict.TESTED, f"f = {found:.3f}, the formula {claimed:.3f}")


def _curves() -> Curves:
    found = sgd(0.05, 0.5, 3000, 6)[1]
    time = 0.05 * np.arange(1, 3001)
    claimed = np.log(layer_ratio(0.05 * 0.25 / 2 * time, d_in=6, d_out=1))
    return Curves(time[::60], {"SGD": found[::60], "formula": claimed[::60]}, "gradient-flow time", "ln w2²/w1²")


def _unlearned() -> Evidence:
    """A mode that starts at 0 with σ = 0 is pushed up by noise in its other layer: `d‖w1‖²/dt = 2γ²d_in w2²` > 0."""
    first, second, draw = np.zeros((500, 3)), np.full(500, 0.1), np.random.default_rng(0)
    for _ in range(200):
        g = second[:, None] * first - 0.5 * draw.normal(size=(500, 3))
        move = (g * first).sum(axis=1)
        first, second = first - 0.05 * second[:, None] * g, second - 0.05 * move
    grown = float(np.abs(second[:, None] * first).mean())
    return Evidence(grown > 1e-3, Verdict.TESTED, f"mean |f| = {grown:.4f} where the formula says 0")


DERIVATION = Derivation(
    claim="E2",
    title="A learning rate shrinks what is learned, and annealing gives it back",
    statement=r"s=\sigma-\gamma^2(d_{in}+d_{out})\frac{\sqrt u}{1+u},\ \gamma^2=\frac{\eta\nu^2}{2B};\quad "
    r"\frac{du}{d\Gamma}=\frac{4u(d_{out}-d_{in}u)}{1+u},\ \Gamma=\int\gamma^2dt,\ u:1\to\frac{d_{out}}{d_{in}}",
    plain="Under SGD on noisy labels every learned mode is smaller by the mean price of the noise, at once, and later, "
    "as the layers tilt on the clock of the accumulated noise, by their geometric mean; the first part follows the "
    "learning rate, so that annealing raises all learned modes together.",
    symbols={
        r"\gamma,\gamma^2": "γ² = ην²/2B, the noise on the weights (D5)",
        "u": "w2²/w1² of learned modes, 1 at balance",
        r"\Gamma": "accumulated noise",
        r"\sigma,s": "singular values of the teacher and, in the mean, of the student",
        r"d_{in},d_{out}": "widths of input and output",
    },
    assumptions=(
        Assumption(
            "small noise",
            "First order in γ², beside σ.",
            Counterexample("At γ² = 0.4 a mode shrinks by another amount.", _strong, _curves),
        ),
        Assumption(
            "learned mode",
            "The mode is well above γ²√(d_in d_out); noise keeps others alive, at a floor that is measured only.",
            Counterexample("Noise drives weights of a mode that the teacher lacks.", _unlearned),
        ),
        Assumption("balanced start", "u = 1 when the noise begins; otherwise the clock starts elsewhere."),
        Assumption("aligned start", "Singular vectors are the teacher's."),
        Assumption("whitened inputs", "Σx = I, the whole population of inputs, or batches that are not small (D5)."),
    ),
    steps=(
        Step(
            r"\Delta(W_2^\top W_2-W_1W_1^\top)=\eta^2\left(W_1G^\top GW_1^\top-W_2^\top GG^\top W_2\right),\quad "
            r"\mathbb E=\frac{\eta^2\nu^2}B\left(d_{out}W_1W_1^\top-d_{in}W_2^\top W_2\right)",
            "What the flow conserves, a step does not: the exact change, and its mean where the task is fitted, at "
            "symbolic widths and batch.",
            _drift,
        ),
        Step(
            r"\tfrac12(d_{in}+d_{out})\frac{2\sqrt u}{1+u}:\ \tfrac12(d_{in}+d_{out})\to\sqrt{d_{in}d_{out}}",
            "The shrinkage falls with the tilt, from one mean of the prices to the other.",
            _means,
        ),
        Step(
            r"u\to\frac{d_{out}}{d_{in}},\ \text{in the end at the rate }\frac{4\gamma^2d_{in}d_{out}}{d_{in}+d_{out}}",
            "The clock runs forward and ends at claim E1's tilt, where the mode is at E1's optimum of this noise; the "
            "last rate is twice the harmonic mean of the prices, not their sum.",
            _rest_is_slow,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("geometric mean first", lambda f: f | {"first": f["last"]}),
        Variant("arithmetic mean last", lambda f: f | {"last": f["first"]}),
        Variant("d_in and d_out swapped", lambda f: {k: e.subs({d_in: d_out, d_out: d_in}, simultaneous=True)
                                                     for k, e in f.items()}),
        Variant("drift halved", lambda f: f | {"drift": f["drift"] / 2}),
        Variant("clock doubled", lambda f: f | {"clock": 2 * f["clock"]}),
        Variant("clock of an exponential", lambda f: f | {
            "clock": -sp.log((d_out - d_in * u) / (d_out - d_in)) / (2 * (d_in + d_out))}),
        Variant("shrinkage doubled", lambda f: f | {"value": 2 * f["value"] - sigma, "first": 2 * f["first"] - sigma,
                                                    "last": 2 * f["last"] - sigma}),
        Variant("√u for u", lambda f: f | {"value": f["value"].subs(u, u**2)}),
    ),
    special_case=SpecialCase("square, balanced", lambda f: {
        k: e.subs(d_out, d_in).subs(u, 1).subs(w2, w1) if k != "clock" else sp.Integer(0) for k, e in f.items()}),
    floor=Verdict.PROVED,
    uses=("D5", "E1"),
    link=Link(
        "overtraining.theory.remedies.annealing.noisy_spectrum",
        "widths 1 … 59, Γ 1e-6 … 3 over the smaller width",
        _engine,
    ),
    source="ours; implicit regularization by label noise: Blanc et al. 2020; Li, Wang, Arora 2022 (arXiv 2110.06914)",
)  # fmt: skip
