"""D5: label noise under SGD acts as noise of variance γ² = ην²/2B on the weights; the factor of fresh inputs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import Rules, normal_form, scaled
from overtraining.theory.derivations.calculus.trace_calculus import agree
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum, Word, noise_expectation
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
from overtraining.theory.derivations.checker.evidence import every, identity, worst_relative_error
from overtraining.theory.derivations.claims import b3_curvature as b3
from overtraining.theory.fine_tuning.label_noise import label_noise_excess, label_noise_scale

eta, nu, K, s, R, P = sp.symbols("eta nu K s R P", positive=True)
b, d_in, d_out = sp.symbols("b d_in d_out", positive=True, integer=True)


def formula() -> dict[str, sp.Expr]:
    """γ²; the variance in a direction without and with fresh inputs; the excess loss of equal modes."""
    return {
        "scale": eta * nu**2 / (2 * b),
        "population": eta * K * nu**2 / (b * (2 - eta * K)),
        "online": eta * K * (nu**2 + R) / (b * (2 - eta * K * (1 + 1 / b))),
        "equal modes": eta * nu**2 * s * d_in * d_out / (2 * b) / (1 - eta * s * (1 + (d_in + 1) / b)),
    }


def _batch() -> tuple[MatrixSum, MatrixSum, MatrixSum, MatrixSum]:
    """u, v, D, and the noise G of a batch's gradient in f, `D(XXᵀ/b − 1) − EXᵀ/b`, with the labels' noise E."""
    u = MatrixSum.of(Letter("u", "one", "d_out"))
    v = MatrixSum.of(Letter("v", "d_in", "one"))
    d = MatrixSum.of(Letter("D", "d_out", "d_in"))
    x = MatrixSum.of(Letter("X", "d_in", "b"))
    e = MatrixSum.of(Letter("E", "d_out", "b"))
    return u, v, d, scaled(1 / b, d @ x @ x.T) - d - scaled(1 / b, e @ x.T)


def _variance() -> TraceSum:
    """The variance of one entry `u G v` over Gaussian inputs and labels, by contraction."""
    u, v, _, gradient = _batch()
    entry = (u @ gradient @ v).trace()
    return noise_expectation(entry * entry, {"X": sp.Integer(1), "E": nu**2})


def recursion(online: bool) -> sp.Expr:
    """The variance P of a direction after one step; R is the variance of its whole row.

    `P → (1 − ηK)²P + η²K² Var(uGv)`, with the variance that `_gradient` proves, for unit vectors u and v.
    """
    return (1 - eta * K) ** 2 * P + eta**2 * K**2 * (nu**2 + (P + R if online else 0)) / b


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """Each variance is the fixed point of the recursion; the rows add up to the excess loss of equal modes."""

    def change(online: bool, value: sp.Expr) -> sp.Expr:
        return (recursion(online) - P).subs(P, value)

    first = candidate["population"].series(eta, 0, 2).removeO() / K
    row = d_in * candidate["online"].subs(K, 2 * s)  # all directions of a row are equal
    total = sp.solve(sp.Eq(R, row), R)[0] * d_out / 2
    return every(
        (
            ("population", identity(change(False, candidate["population"]), 0)),
            ("online", identity(change(True, candidate["online"]), 0)),
            ("first order", identity(first, candidate["scale"])),
            ("equal modes", identity(total, candidate["equal modes"])),
        ),
        "stationary variances and their sums",
    )


def _gradient() -> Evidence:
    """`Var(uGv) = [ν²‖u‖²‖v‖² + ‖uD‖²‖v‖² + (uDv)²]/b`, for symbolic widths and batch size."""
    u, v, d, _ = _batch()

    def norm(m: MatrixSum) -> TraceSum:
        return (m @ m.T).trace()

    entry = (u @ d @ v).trace()
    claimed = (nu**2 / b) * (norm(u) * norm(v)) + (1 / b) * (norm(u @ d) * norm(v) + entry * entry)
    difference = TraceSum.collect(
        (coefficient, tuple(number for word in words for number in scalars(word)))
        for words, coefficient in (_variance() - claimed).terms.items()
    )
    detail = f"{len(difference.terms)} traces differ, for symbolic widths and b"
    return Evidence(difference.is_zero(), Verdict.PROVED, detail)


def scalars(word: Word) -> list[Word]:
    """A trace cut where its width is one: each factor is a number."""
    starts = [i for i, x in enumerate(word) if x.rows == "one"]
    rotated = word[starts[0] :] + word[: starts[0]]
    ends = [i - starts[0] for i in starts[1:]] + [len(word)]
    return [rotated[i:j] for i, j in zip([0, *ends], ends, strict=False)]


def _step() -> Evidence:
    """`f' − f + η(W2W2ᵀG + GW1ᵀW1) = η²GW1ᵀW2ᵀG`, of second order in the gradient; K in the frames; the mean square.

    With `uW2W2ᵀ = c u`, `W1ᵀW1v = e v` and K = c + e the entry uDv becomes `(1 − ηK)uDv − ηK uGv` for the noise G.
    """
    letters = Letter("W1", "h", "d_in"), Letter("W2", "d_out", "h")
    w1, w2 = map(MatrixSum.of, letters)
    g = MatrixSum.of(Letter("G", "d_out", "d_in"))
    change = (w2 - scaled(eta, g @ w1.T)) @ (w1 - scaled(eta, w2.T @ g)) - w2 @ w1
    linear = w2 @ w2.T @ g + g @ w1.T @ w1
    difference = change + scaled(eta, linear) - scaled(eta**2, g @ w1.T @ w2.T @ g)
    row, column = sp.symbols("c e", positive=True)
    u, v, d, noise = _batch()
    frames: Rules = (
        ((Letter("u", "one", "d_out"), letters[1], letters[1].T), scaled(row, u)),
        ((letters[0].T, letters[0], Letter("v", "d_in", "one")), scaled(column, v)),
    )
    in_frames = normal_form(u @ linear @ v - scaled(row + column, u @ g @ v), frames)
    entry, of_noise = (u @ d @ v).trace(), (u @ noise @ v).trace()
    after = (1 - eta * K) * entry - (eta * K) * of_noise
    mean = noise_expectation(after * after, {"X": sp.Integer(1), "E": nu**2})
    rest = mean - (1 - eta * K) ** 2 * (entry * entry) - (eta * K) ** 2 * _variance()
    return every(
        (
            ("step", Evidence(not normal_form(difference), Verdict.PROVED, "for symbolic widths")),
            ("K", Evidence(not in_frames, Verdict.PROVED, "K = c + e")),
            ("mean square", Evidence(rest.is_zero(), Verdict.PROVED, "(1 − ηK)²(uDv)² + η²K² Var(uGv)")),
        ),
        "for symbolic widths and batch size",
    )


def _trace() -> Evidence:
    """ΣK_ij, the trace of the map `N → W2W2ᵀN + NW1ᵀW1`, by contraction with unit noise N: the trace of B3."""
    w1, w2, n = (MatrixSum.of(Letter(*x)) for x in (("W1", "h", "d_in"), ("W2", "d_out", "h"), ("N", "d_out", "d_in")))
    total = noise_expectation((n.T @ (w2 @ w2.T @ n + n @ w1.T @ w1)).trace(), {"N": sp.Integer(1)})
    norms = {b3.q1: (w1 @ w1.T).trace(), b3.q2: (w2 @ w2.T).trace()}
    return agree(total, b3.formula()["trace"].subs({b3.tau: d_in, b3.d_out: d_out}), norms)


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """The excess loss of spectra on all widths up to 4 × 4, with and without fresh inputs; and γ."""
    worst = 0.0
    for _ in range(60):
        i, o = generator.integers(1, 5, 2).tolist()
        values = generator.uniform(0, 1, min(i, o))
        batch = int(generator.integers(1, 40))
        noise = 10.0 ** generator.uniform(-3, 3)
        learning_rate = 10.0 ** generator.uniform(-6, -1.5)
        rows, columns = (np.pad(values, (0, n - values.size)) for n in (o, i))
        point = {eta: sp.Float(learning_rate, 60), nu: sp.Float(noise, 60), b: batch}
        for online in (False, True):
            variance = expression["online" if online else "population"].subs(point)
            exact = sp.Integer(0)
            for x in rows:
                total = sp.Add(*(variance.subs(K, sp.Float(x + y, 60)) for y in columns))
                slope = total.diff(R) if online else sp.Integer(0)
                exact += total.subs(R, 0) / (1 - slope) / 2  # R = total(R), which is linear
            excess = float(function(values, learning_rate, noise, batch, d_in=i, d_out=o, online=online))
            worst = max(worst, abs(excess / float(exact) - 1))
    rates, noises = (10.0 ** generator.uniform(-3, 3, 100) for _ in range(2))
    batches = generator.integers(1, 999, 100).astype(float)
    points = [rates, noises, batches]
    return max(worst, worst_relative_error(sp.sqrt(expression["scale"]), (eta, nu, b), label_noise_scale, points))


def sgd_excess(learning_rate: float, noise: float, gaussian: bool, steps: int = 240, count: int = 4000) -> float:
    """Mean excess loss of SGD over the last quarter of its steps: one weight per layer, teacher 1, batches of one."""
    generator = np.random.default_rng(0)
    w1, w2 = np.ones(count), np.ones(count)
    total = 0.0
    for k in range(steps):
        x = generator.normal(size=count) if gaussian else generator.choice([-1.0, 1.0], count)
        gradient = (w1 * w2 - 1) * x * x - noise * generator.normal(size=count) * x
        w1, w2 = w1 - learning_rate * gradient * w2, w2 - learning_rate * gradient * w1
        total += float(np.mean((w1 * w2 - 1) ** 2)) / 2 * (k >= 3 * steps // 4)
    return total / (steps - 3 * steps // 4)


def _claimed(learning_rate: float, noise: float, online: bool = True) -> float:
    return float(label_noise_excess([1.0], learning_rate, noise, 1, d_in=1, d_out=1, online=online))


def other_inputs() -> Evidence:
    """x = ±1 always has x² = 1, so the factor of Gaussian inputs is absent."""
    claimed = _claimed(0.1, 0.1)
    excess = {kind: sgd_excess(0.1, 0.1, kind == "Gaussian") for kind in ("Gaussian", "±1")}
    holds = abs(excess["Gaussian"] / claimed - 1) < 0.08 and excess["±1"] < 0.9 * claimed
    return Evidence(holds, Verdict.TESTED, f"{excess}, the formula {claimed:.5f}")


def strong_noise() -> Evidence:
    """Inputs ±1, one per batch, so that fresh inputs add nothing; at γ² = 0.2 against σ = 1 the second order counts."""
    claimed = _claimed(0.1, 2.0, False)
    excess = sgd_excess(0.1, 2.0, False)
    detail = f"excess {excess:.4f}, the formula {claimed:.4f}"
    return Evidence(abs(excess / claimed - 1) > 0.05, Verdict.TESTED, detail)


def early() -> Evidence:
    """After two steps of 0.02 the excess is `1 − (1 − ηK)⁴` of the stationary one, with K = 2."""
    claimed = _claimed(0.02, 0.1, False)
    excess = sgd_excess(0.02, 0.1, False, steps=2)
    return Evidence(excess < 0.3 * claimed, Verdict.TESTED, f"excess {excess:.2e}, the formula {claimed:.2e}")


def noise_curves() -> Curves:
    """The excess over ν² against ν: where the curve is flat the noise is small enough."""
    noise = np.array([0.1, 1.0, 1.5, 2.0])
    excess = np.array([sgd_excess(0.1, x, False) / x**2 for x in noise])
    claimed = np.array([_claimed(0.1, x, False) / x**2 for x in noise])
    return Curves(noise, {"SGD": excess, "formula": claimed}, "label noise ν, η = 0.1", "excess loss / ν²")


DERIVATION = Derivation(
    claim="D5",
    title="SGD on noisy labels is noise on the weights",
    statement=r"\gamma^2=\frac{\eta\nu^2}{2B},\ L-L^*\to\tfrac12\gamma^2\,\mathrm{tr}H;\quad\text{fresh inputs: }"
    r"\tfrac12\nu^2\sum_i\frac{G_i}{1-G_i},\ G_i=\sum_j\frac{\eta K_{ij}}{B(2-\eta K_{ij}(1+1/B))},\ K_{ij}=s_i+s_j",
    plain="Once a task is fitted, SGD with label noise has the same excess loss as independent noise of variance "
    "ην²/2B on the weights, whatever the pretraining was; fresh Gaussian inputs enlarge it by a factor that diverges "
    "at a finite learning rate.",
    symbols={
        r"\eta": "learning rate",
        r"\nu": "standard deviation of the noise on every label",
        "B,b": "examples per batch",
        "K": "s_i + s_j, the kernel of direction (i, j) of f; the kernels add up to tr H",
        "s": "singular values of the fitted task",
        "P,R": "stationary variance of the error of f in a direction, and in the whole row",
    },
    assumptions=(
        Assumption(
            "Gaussian inputs",
            "Fresh inputs are Gaussian, for the factor; the labels' noise may have any law.",
            Counterexample("For inputs ±1 the factor is absent.", other_inputs),
        ),
        Assumption(
            "small noise",
            "The error of f is small compared with s, so that a step is linear in the gradient. Over times of order "
            "1/γ² the weights drift (E2).",
            Counterexample("At γ² = 0.2 the excess differs from the formula.", strong_noise, noise_curves),
        ),
        Assumption(
            "settled noise",
            "The noise has reached its stationary size, which takes a time of 1/2K.",
            Counterexample("After two steps the excess is only a fraction of the stationary one.", early),
        ),
        Assumption("balanced start", "Gives K_ij = s_i + s_j; for unbalanced layers it is w2_i² + w1_j²."),
        Assumption("whitened inputs", "Σx = I."),
    ),
    steps=(
        Step(
            r"\mathrm{Var}(uGv)=\tfrac1B\left(\nu^2\|u\|^2\|v\|^2+\|uD\|^2\|v\|^2+(uDv)^2\right)",
            "The noise of a batch's gradient in f, with error D = f − B, contracted over inputs and labels; for the "
            "whole population only the first term remains.",
            _gradient,
        ),
        Step(
            r"f'=f-\eta\left(W_2W_2^\top G+GW_1^\top W_1\right)+\eta^2GW_1^\top W_2^\top G",
            "One step of both layers. In the frames of f its linear part multiplies direction (i, j) by K_ij, "
            "and the mean square of an entry of D after it is (1 − ηK)² times that before plus η²K² Var.",
            _step,
        ),
        Step(
            r"\sum_{ij}K_{ij}=(d_{in}+d_{out})\sum s=\mathrm{tr}H",
            "So to first order the excess ½ΣP_ij is ½γ² tr H. On the balanced path tr H is (d_in + d_out)‖B‖_* at the "
            "end, whatever the pretraining length, so the excess causes no downstream inflection.",
            _trace,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("ην²/B for ην²/2B", lambda f: f | {"scale": 2 * f["scale"]}),
        Variant("ν for ν²", lambda f: {k: e.subs(nu, sp.sqrt(nu)) for k, e in f.items()}),
        Variant("first order in the learning rate", lambda f: f | {"population": eta * K * nu**2 / (2 * b)}),
        Variant(
            "stability of the population for fresh inputs",
            lambda f: f | {"online": eta * K * (nu**2 + R) / (b * (2 - eta * K))},
        ),
        Variant("variance of the row dropped", lambda f: f | {"online": f["online"].subs(R, 0)}),
        Variant(
            "d_out + 1 for d_in + 1",
            lambda f: f | {"equal modes": f["equal modes"].subs({d_in: d_out, d_out: d_in}, simultaneous=True)},
        ),
        Variant(
            "d_in for d_in + 1",
            lambda f: f | {"equal modes": eta * nu**2 * s * d_in * d_out / (2 * b) / (1 - eta * s * (1 + d_in / b))},
        ),
    ),
    special_case=SpecialCase(
        "square, an infinite batch", lambda f: {k: sp.limit(e.subs(d_out, d_in) * b, b, sp.oo) for k, e in f.items()}
    ),
    floor=Verdict.PROVED,
    uses=("B3",),
    link=Link(
        "overtraining.theory.fine_tuning.label_noise.label_noise_excess",
        "widths 1 … 4, η 1e-6 … 0.03, ν 1e-3 … 1e3, B 1 … 39",
        _engine_error,
    ),
    source="ours; label noise as a regularizer: Blanc, Gupta, Valiant, Valiant 2020 (arXiv 1904.09080)",
)
