"""B6q: rounding of the weights: when noise of variance step²/12 is the right model, and how it can fail."""

from functools import partial

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.trace_calculus import agree
from overtraining.theory.derivations.calculus.trace_words import TraceSum
from overtraining.theory.derivations.calculus.two_layers import d_in, d_out, h
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
from overtraining.theory.derivations.claims import b1_noise as b1
from overtraining.theory.derivations.claims.b1_noise import g1, g2, q1, q2, tau
from overtraining.theory.sensitivity.noise import expected_increase

step_1, step_2, step, z = sp.symbols("delta_1 delta_2 delta z", positive=True)


def formula() -> sp.Expr:
    """The mean rise in q₁, q₂, τ, the widths and the steps of the two layers."""
    on_w2, on_w1 = step_2**2 * d_out / 12, step_1**2 * tau / 12
    return (on_w2 * q1 + on_w1 * q2 + on_w1 * on_w2 * h) / 2


def moment(power: int) -> sp.Expr:
    """`E error^power` over the offset: z = (w − offset) mod δ is uniform on [0, δ), whatever the weight w."""
    error = sp.Piecewise((-z, z < step / 2), (step - z, True))
    return sp.simplify(sp.integrate(error**power, (z, 0, step)) / step)


def conclusion(candidate: sp.Expr) -> Evidence:
    """Whether the candidate is the formula that the steps derive."""
    variance = moment(2)
    scales = {g1: sp.sqrt(variance.subs(step, step_1)), g2: sp.sqrt(variance.subs(step, step_2))}
    terms = ((coefficient.subs(scales), words) for words, coefficient in b1.expected_rise().terms.items())
    return agree(TraceSum.collect(terms), candidate, b1.traces())


def _moments() -> Evidence:
    return every((("mean", identity(moment(1), 0)), ("variance", identity(moment(2), step**2 / 12))), "0 and δ²/12")


def _rise(
    w1: np.ndarray, w2: np.ndarray, teacher: np.ndarray, unit: float, dither: np.random.Generator | None = None
) -> float:
    """The loss of the weights rounded to multiples of the step, minus that of the weights; white inputs."""

    def loss(a: np.ndarray, b: np.ndarray) -> float:
        return float(((b @ a - teacher) ** 2).sum()) / 2

    def on_grid(w: np.ndarray) -> np.ndarray:
        offset = dither.uniform(0, unit, w.shape) if dither else 0.0
        return np.rint((w + offset) / unit) * unit - offset

    return loss(on_grid(w1), on_grid(w2)) - loss(w1, w2)


def _claimed(w1: np.ndarray, w2: np.ndarray, unit: float) -> float:
    values = {q1: (w1**2).sum(), q2: (w2**2).sum(), tau: w1.shape[1], h: w1.shape[0], d_out: w2.shape[0]}
    return float(formula().subs(values | {step_1: unit, step_2: unit}))


def _fixed_grid() -> Evidence:
    """Plain rounding of weights far above the step, at the optimum: the gradient is 0 and the offsets are as random."""
    generator = np.random.default_rng(0)
    w1, w2 = (generator.normal(size=(40, 40)) for _ in range(2))
    true = _rise(w1, w2, w2 @ w1, 0.1)
    claimed = _claimed(w1, w2, 0.1)
    return tested(abs(true / claimed - 1), 0.1, f"rise {true:.2f} against {claimed:.2f};")


def _away_from_the_optimum() -> Evidence:
    """The same weights, ten times larger, teacher 0: one rounding has a first-order term, whose mean alone is zero."""
    generator = np.random.default_rng(0)
    ratios = []
    for _ in range(20):
        w1, w2 = (10 * generator.normal(size=(40, 40)) for _ in range(2))
        ratios.append(_rise(w1, w2, np.zeros((40, 40)), 0.1) / _claimed(w1, w2, 0.1))
    off = float(np.std(ratios))
    return Evidence(off > 5, Verdict.TESTED, f"one rounding scatters by {off:.0f} times the mean")


def _absmax(root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """4 bits, that is steps of max|w|/7, W1 = W2 = diag(1, √s₂), A = diag(1, ½): the cost, and the formula."""
    layers = [np.diag([1.0, x]) for x in root]
    true = [_rise(w, w, np.diag([1.0, 0.5]), np.abs(w).max() / 7) for w in layers]
    return np.array(true), np.array([_claimed(w, w, np.abs(w).max() / 7) for w in layers])


def _not_progressive() -> Evidence:
    true, claimed = _absmax(np.array([0.005, 0.07, 0.075]))
    falls = bool(true[2] < 0 < true[0] < true[1])
    rises = ", ".join(f"{x:.1e}" for x in true)
    detail = f"√s₂ = .005, .07, .075: rise {rises}; formula {claimed[0]:.1e}"
    return Evidence(falls and bool(true[0] < claimed[0] / 100), Verdict.TESTED, detail)


def _curves() -> Curves:
    root = np.linspace(0, 0.12, 121)
    true, claimed = _absmax(root)
    return Curves(root, {"absmax, 4 bits": true, "step²/12 as noise": claimed}, "√s₂", "rise of the loss")


def _dithered() -> Evidence:
    """Offsets drawn, added before rounding and subtracted afterwards; weights below and above the step, two shapes."""
    generator, worst = np.random.default_rng(0), 0.0
    for inputs, hidden, outputs in ((4, 3, 2), (2, 5, 3)):
        w1, w2 = generator.normal(size=(hidden, inputs)), generator.normal(size=(outputs, hidden)) / 4
        rises = [_rise(w1, w2, w2 @ w1, 1.0, generator) for _ in range(20_000)]
        off = np.mean(rises) - _claimed(w1, w2, 1.0)
        worst = max(worst, abs(float(off)) / (float(np.std(rises)) / len(rises) ** 0.5))
    return tested(worst, 4.0, "in standard errors:")


def _not_subtracted() -> Evidence:
    """Stochastic rounding of a weight φ above the grid: up, an error of 1 − φ, with probability φ, else down, −φ."""
    phi = z / step
    variance = sp.simplify(phi * (step - z) ** 2 + (1 - phi) * z**2)
    mean = sp.integrate(variance, (z, 0, step)) / step
    of_grid = variance.subs(z, 0)
    refutes = bool(of_grid == 0 and sp.simplify(mean / moment(2)) == 2)
    return Evidence(refutes, Verdict.PROVED, f"variance {sp.factor(variance)}: 0 on the grid, δ²/6 on average")


def _one_offset() -> Evidence:
    """One offset for both layers, step 1, W1 = W2 = 0, A = 0: E ½ error⁴ = 1/160, the formula ½ (1/12)² = 1/288."""
    shared = moment(4).subs(step, 1) / 2
    claimed = formula().subs({step_1: 1, step_2: 1, q1: 0, q2: 0, tau: 1, h: 1, d_out: 1})
    return Evidence(bool(shared > sp.Rational(3, 2) * claimed), Verdict.PROVED, f"{shared} instead of {claimed}")


def _engine(expression: sp.Expr, function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """B1's engine at the scales that the function gives; norms and steps 1e-12 … 1e12, zeros included."""
    worst = 0.0
    for i, k, o in generator.integers(1, 1001, size=(20, 3)).tolist():
        points = [10.0 ** generator.uniform(-12, 12, 10) * (generator.random(10) > 0.1) for _ in range(4)]
        at = expression.subs({h: k, d_out: o, tau: i})

        rise = partial(_engine_rise, function, d_in=i, h=k, d_out=o)
        worst = max(worst, worst_relative_error(at, (q1, q2, step_1, step_2), rise, points))
    return worst


def _engine_rise(  # type: ignore[no-untyped-def]
    function, norm_1: np.ndarray, norm_2: np.ndarray, grid_1: np.ndarray, grid_2: np.ndarray, **widths: int
) -> np.ndarray:
    return np.asarray(expected_increase(norm_1, norm_2, function(grid_1), function(grid_2), **widths))


DERIVATION = Derivation(
    claim="B6q",
    title="Rounding is noise only with a random offset",
    statement=r"\mathbb{E}\Delta=\tfrac12\left(\tfrac{\delta_2^2}{12}d_{out}\,q_1+\tfrac{\delta_1^2}{12}\tau\,q_2"
    r"+\tfrac{\delta_1^2\delta_2^2}{144}d_{out}\,h\,\tau\right)",
    plain="Dithered rounding, to grids of random offset, acts exactly like noise of variance step²/12; on a fixed grid "
    "that is an approximation for weights above the step at the optimum, and the cost need not grow with training.",
    symbols={
        r"\delta_1,\delta_2": "step of the grid to which W1, W2 are rounded",
        "q_1,q_2": "tr(W1 Σx W1ᵀ) and ‖W2‖²",
        r"\tau": "tr Σx, which is d_in for whitened inputs",
        "h,d_{out}": "widths of hidden layer and output",
    },
    assumptions=(
        Assumption(
            "random offset",
            "Every weight's grid has its own uniform offset (dither).",
            Counterexample(
                "Absmax rounding at 4 bits: a weight below the step vanishes, for a hundredth of the "
                "claimed cost; one just above half of it is rounded up, which helps.",
                _not_progressive,
                _curves,
            ),
        ),
        Assumption(
            "subtracted",
            "The offset is subtracted after rounding.",
            Counterexample(
                "Left in, the errors have mean 0 and depend on the weight: the rounding is stochastic.", _not_subtracted
            ),
        ),
        Assumption(
            "at the optimum",
            "Needed only on a fixed grid: the gradient vanishes.",
            Counterexample(
                "Elsewhere one rounding has a first-order term of either sign that swamps the mean.",
                _away_from_the_optimum,
            ),
        ),
        Assumption(
            "independent noise",
            "The offsets are independent.",
            Counterexample("One offset for all weights costs 1.8 times as much at zero weights.", _one_offset),
        ),
    ),
    steps=(
        Step(
            r"\mathbb{E}\,e=0,\quad\mathbb{E}\,e^2=\delta^2/12",
            "With a random offset, the distance to the grid is "
            "uniform, whatever the weight; B1 holds for any law with these two moments.",
            _moments,
        ),
        Step(
            r"\mathbb{E}\Delta", "The loss of weights rounded with offsets that are drawn.", _dithered, cross_check=True
        ),
        Step(
            r"w\gg\delta,\ f=A:\quad\Delta\approx\mathbb{E}\Delta",
            "A fixed grid, where the weights themselves are "
            "random on its scale and the gradient vanishes: 2 × 1600 weights.",
            _fixed_grid,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("steps swapped", lambda f: f.subs({step_1: step_2, step_2: step_1}, simultaneous=True)),
        Variant("τ and d_out swapped", lambda f: f.subs({tau: d_out, d_out: tau}, simultaneous=True)),
        Variant("q₁ and q₂ swapped", lambda f: f.subs({q1: q2, q2: q1}, simultaneous=True)),
        Variant("δ²/4, the largest error", lambda f: f.subs({step_1: 3 ** sp.Rational(1, 2) * step_1})),
        Variant("δ²/3, rounding down", lambda f: f.subs({step_1: 2 * step_1, step_2: 2 * step_2}, simultaneous=True)),
        Variant("last term dropped", lambda f: f.subs(h, 0)),
    ),
    special_case=SpecialCase(
        "square, balanced, whitened, equal steps",
        lambda f: f.subs({q2: q1, step_2: step_1, d_out: d_in, h: d_in, tau: d_in}, simultaneous=True),
    ),
    floor=Verdict.TESTED,
    link=Link(
        "overtraining.theory.sensitivity.conventions.rounding_model_scale",
        "norms and steps 0, 1e-12 … 1e12, widths 1 … 1000",
        _engine,
    ),
    uses=("B1",),
    source="dither: Roberts 1962, Schuchman 1964; the rest ours",
)
