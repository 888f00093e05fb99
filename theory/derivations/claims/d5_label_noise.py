"""D5: label noise under SGD is a perturbation of the weights, γ² = ην²/2B, and what fresh inputs add to it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import normal_form, scaled
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
    """γ²; a direction's variance without and with fresh inputs; the excess of equal modes."""
    return {
        "scale": eta * nu**2 / (2 * b),
        "population": eta * K * nu**2 / (b * (2 - eta * K)),
        "online": eta * K * (nu**2 + R) / (b * (2 - eta * K * (1 + 1 / b))),
        "equal modes": eta * nu**2 * s * d_in * d_out / (2 * b) / (1 - eta * s * (1 + (d_in + 1) / b)),
    }


def _batch() -> tuple[MatrixSum, MatrixSum, MatrixSum, MatrixSum]:
    """u, v, D and the gradient by f of a batch's loss less its mean, `D(XXᵀ/b − 1) − EXᵀ/b`; E: label noise."""
    u, v = MatrixSum.of(Letter("u", "one", "d_out")), MatrixSum.of(Letter("v", "d_in", "one"))
    d = MatrixSum.of(Letter("D", "d_out", "d_in"))
    x, e = MatrixSum.of(Letter("X", "d_in", "b")), MatrixSum.of(Letter("E", "d_out", "b"))
    return u, v, d, scaled(1 / b, d @ x @ x.T) - d - scaled(1 / b, e @ x.T)


def _variance() -> TraceSum:
    """Of one entry `u G v` of that gradient, over Gaussian inputs and labels, by contraction."""
    u, v, _, gradient = _batch()
    entry = (u @ gradient @ v).trace()
    return noise_expectation(entry * entry, {"X": sp.Integer(1), "E": nu**2})


def recursion(online: bool) -> sp.Expr:
    """What a step leaves of a direction's variance P; R is the variance of its whole row.

    `P → (1 − ηK)²P + η²K²(Var)`, with the variance that `_gradient` proves (u and v unit vectors).
    """
    return (1 - eta * K) ** 2 * P + eta**2 * K**2 * (nu**2 + (P + R if online else 0)) / b


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """Each is the stationary point of the recursion; rows add up."""
    stays = lambda online, value: sp.simplify((recursion(online) - P).subs(P, value))
    first = candidate["population"].series(eta, 0, 2).removeO() / K
    row = d_in * candidate["online"].subs(K, 2 * s)  # all directions of a row alike
    total = sp.solve(sp.Eq(R, row), R)[0] * d_out / 2
    return every(
        (
            ("population", identity(stays(False, candidate["population"]), 0)),
            ("online", identity(stays(True, candidate["online"]), 0)),
            ("first order", identity(sp.expand(first - candidate["scale"]), 0)),
            ("equal modes", identity(sp.simplify(total - candidate["equal modes"]), 0)),
        ),
        "stationary variances and their sums",
    )


def _gradient() -> Evidence:
    """`Var(uGv) = [ν²‖u‖²‖v‖² + ‖uD‖²‖v‖² + (uDv)²]/b` for symbolic widths and batch."""
    u, v, d, _ = _batch()
    norm = lambda m: (m @ m.T).trace()
    entry = (u @ d @ v).trace()
    claimed = (nu**2 / b) * (norm(u) * norm(v)) + (1 / b) * (norm(u @ d) * norm(v) + entry * entry)
    rest = _variance() - claimed
    differ = TraceSum.collect((k, tuple(p for w in words for p in _cut(w))) for words, k in rest.terms.items())
    return Evidence(differ.is_zero(), Verdict.PROVED, f"{len(differ.terms)} traces differ, for symbolic widths and b")


def _cut(word: Word) -> list[Word]:
    """The factors of a trace at its places of width one: each is a number."""
    starts = [i for i, x in enumerate(word) if x.rows == "one"]
    turned = word[starts[0] :] + word[: starts[0]]
    ends = [i - starts[0] for i in starts[1:]] + [len(word)]
    return [turned[i:j] for i, j in zip([0, *ends], ends, strict=False)]


def _step() -> Evidence:
    """`f' − f + η(W2W2ᵀG + GW1ᵀW1) = η²GW1ᵀW2ᵀG`: of second order in the gradient."""
    w1, w2 = MatrixSum.of(Letter("W1", "h", "d_in")), MatrixSum.of(Letter("W2", "d_out", "h"))
    g = MatrixSum.of(Letter("G", "d_out", "d_in"))
    moved = (w2 - scaled(eta, g @ w1.T)) @ (w1 - scaled(eta, w2.T @ g)) - w2 @ w1
    rest = moved + scaled(eta, w2 @ w2.T @ g + g @ w1.T @ w1) - scaled(eta**2, g @ w1.T @ w2.T @ g)
    return Evidence(not normal_form(rest), Verdict.PROVED, "for symbolic widths")


def _trace() -> Evidence:
    """Balanced and aligned, `W2W2ᵀ` and `W1ᵀW1` have s on their diagonals: ΣK_ij = (d_in + d_out)Σs is B3's trace."""
    values = sp.symbols("s_1:4", positive=True)
    cases = []
    for i, o in ((3, 4), (4, 3), (3, 3)):
        rows, columns = (list(values) + [0] * (n - 3) for n in (o, i))
        total = sum(x + y for x in rows for y in columns)
        trace = b3.formula()["trace"].subs({b3.q1: sum(values), b3.q2: sum(values), b3.tau: i, b3.d_out: o})
        cases.append((f"{o} × {i}", identity(sp.expand(total - trace), 0)))
    return every(cases)


def _engine(expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """Spectra on all widths to 4 × 4 with and without fresh inputs; γ."""
    worst = 0.0
    for _ in range(60):
        i, o = generator.integers(1, 5, 2).tolist()
        values = generator.uniform(0, 1, min(i, o))
        batch, noise = int(generator.integers(1, 40)), 10.0 ** generator.uniform(-3, 3)
        rate = 10.0 ** generator.uniform(-6, -1.5)
        rows, columns = (np.pad(values, (0, n - values.size)) for n in (o, i))
        at = {eta: sp.Float(rate, 60), nu: sp.Float(noise, 60), b: batch}
        for online in (False, True):
            exact = sp.Integer(0)
            for x in rows:
                each = [expression["online" if online else "population"].subs(at | {K: sp.Float(x + y, 60)})
                        for y in columns]  # fmt: skip
                total = sp.Add(*each)
                slope = total.diff(R) if online else sp.Integer(0)
                exact += total.subs(R, 0) / (1 - slope) / 2  # R = total(R), which is linear
            got = float(function(values, rate, noise, batch, d_in=i, d_out=o, online=online))
            worst = max(worst, abs(got / float(exact) - 1))
    given = [10.0 ** generator.uniform(-3, 3, 100), 10.0 ** generator.uniform(-3, 3, 100)]
    many = generator.integers(1, 999, 100).astype(float)
    return max(
        worst, worst_relative_error(sp.sqrt(expression["scale"]), (eta, nu, b), label_noise_scale, [*given, many])
    )


def chains(rate: float, noise: float, gaussian: bool, steps: int = 240, count: int = 4000) -> float:
    """Mean excess of SGD on one weight per layer, target 1, batch 1: many chains, the last quarter of their steps."""
    generator = np.random.default_rng(0)
    w1, w2, total = np.ones(count), np.ones(count), 0.0
    for k in range(steps):
        x = generator.normal(size=count) if gaussian else generator.choice([-1.0, 1.0], count)
        pull = (w1 * w2 - 1) * x * x - noise * generator.normal(size=count) * x
        w1, w2 = w1 - rate * pull * w2, w2 - rate * pull * w1
        total += float(np.mean((w1 * w2 - 1) ** 2)) / 2 * (k >= 3 * steps // 4)
    return total / (steps - 3 * steps // 4)


def _claimed(rate: float, noise: float, online: bool = True) -> float:
    return float(label_noise_excess([1.0], rate, noise, 1, d_in=1, d_out=1, online=online))


def other_inputs() -> Evidence:
    """x = ±1 has x² = 1 always: the factor of Gaussian inputs is not there."""
    claimed = _claimed(0.1, 0.1)
    found = {kind: chains(0.1, 0.1, kind == "Gaussian") for kind in ("Gaussian", "±1")}
    holds = abs(found["Gaussian"] / claimed - 1) < 0.08 and found["±1"] < 0.9 * claimed
    return Evidence(holds, Verdict.TESTED, f"{found}, the formula {claimed:.5f}")


def strong_noise() -> Evidence:
    """Inputs ±1, one each, so that Z = 0; γ² = 0.2 beside σ = 1: the second order is not small."""
    claimed, found = _claimed(0.1, 2.0, False), chains(0.1, 2.0, False)
    return Evidence(abs(found / claimed - 1) > 0.05, Verdict.TESTED, f"found {found:.4f}, the formula {claimed:.4f}")


def early() -> Evidence:
    """Two steps of 0.02: `1 − (1 − ηK)⁴` of the stationary excess, K = 2."""
    claimed, found = _claimed(0.02, 0.1, False), chains(0.02, 0.1, False, steps=2)
    return Evidence(found < 0.3 * claimed, Verdict.TESTED, f"found {found:.2e}, the formula {claimed:.2e}")


def noise_curves() -> Curves:
    """The excess over ν² against ν: the linear regime is where it is flat."""
    noise = np.array([0.1, 1.0, 1.5, 2.0])
    found = np.array([chains(0.1, x, False) / x**2 for x in noise])
    claimed = np.array([_claimed(0.1, x, False) / x**2 for x in noise])
    return Curves(noise, {"SGD": found, "formula": claimed}, "label noise ν, η = 0.1", "excess loss / ν²")


DERIVATION = Derivation(
    claim="D5",
    title="SGD on noisy labels is noise on the weights",
    statement=r"\gamma^2=\frac{\eta\nu^2}{2B},\ L-L^*\to\tfrac12\gamma^2\,\mathrm{tr}H;\quad\text{fresh inputs: }"
    r"\tfrac12\nu^2\sum_i\frac{G_i}{1-G_i},\ G_i=\sum_j\frac{\eta K_{ij}}{B(2-\eta K_{ij}(1+1/B))},\ K_{ij}=s_i+s_j",
    plain="Where a task is fitted, SGD with label noise keeps the weights as if independent noise of variance ην²/2B "
    "had been added, whatever the pretraining was; fresh Gaussian inputs enlarge this by a factor that diverges at a "
    "finite learning rate.",
    symbols={
        r"\eta": "learning rate",
        r"\nu": "standard deviation of the noise on every label",
        "B,b": "examples per batch",
        "K": "s_i + s_j, the kernel of direction (i, j) of f; its trace is tr H",
        "s": "singular values of the fitted task",
        "P,R": "stationary variance of f's error in a direction, and of the whole row",
    },
    assumptions=(
        Assumption(
            "Gaussian inputs",
            "Fresh inputs are Gaussian, for the factor; labels' noise has any law.",
            Counterexample("Inputs ±1 have no factor.", other_inputs),
        ),
        Assumption(
            "small noise",
            "f's error is small beside s: a step is linear in the gradient. Over times of 1/γ² weights drift (E2).",
            Counterexample("At γ² = 0.2 the excess is another one.", strong_noise, noise_curves),
        ),
        Assumption(
            "settled noise",
            "The noise has its stationary size, which takes a time of 1/2K.",
            Counterexample("After two steps the excess is a fraction of it.", early),
        ),
        Assumption("balanced start", "For K_ij = s_i + s_j; with layers that differ w2_i² + w1_j²."),
        Assumption("whitened inputs", "Σx = I."),
    ),
    steps=(
        Step(
            r"\mathrm{Var}(uGv)=\tfrac1B\left(\nu^2\|u\|^2\|v\|^2+\|uD\|^2\|v\|^2+(uDv)^2\right)",
            "The batch's gradient by f, with error D = f − B, contracted over inputs and labels; with the whole "
            "population only the first term is left.",
            _gradient,
        ),
        Step(
            r"f'=f-\eta\left(W_2W_2^\top G+GW_1^\top W_1\right)+\eta^2GW_1^\top W_2^\top G",
            "One step of both layers; in the frames of f the linear part multiplies direction (i, j) by K_ij.",
            _step,
        ),
        Step(
            r"\sum_{ij}K_{ij}=(d_{in}+d_{out})\sum s=\mathrm{tr}H",
            "So the excess ½ΣP_ij is ½γ² tr H to first order. On the balanced path it is (d_in + d_out)‖B‖_* at the "
            "end, whatever the pretraining length: no downstream inflection there.",
            _trace,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("ην²/B", lambda f: f | {"scale": 2 * f["scale"]}),
        Variant("ν for ν²", lambda f: {k: e.subs(nu, sp.sqrt(nu)) for k, e in f.items()}),
        Variant("no finite step", lambda f: f | {"population": eta * K * nu**2 / (2 * b)}),
        Variant("population's stability online", lambda f: f | {"online": eta * K * (nu**2 + R) / (b * (2 - eta * K))}),
        Variant("row forgotten", lambda f: f | {"online": f["online"].subs(R, 0)}),
        Variant("d_out + 1 for d_in + 1", lambda f: f | {
            "equal modes": f["equal modes"].subs({d_in: d_out, d_out: d_in}, simultaneous=True)}),
        Variant("d_in for d_in + 1", lambda f: f | {
            "equal modes": eta * nu**2 * s * d_in * d_out / (2 * b) / (1 - eta * s * (1 + d_in / b))}),
    ),
    special_case=SpecialCase(
        "square, an infinite batch", lambda f: {k: sp.limit(e.subs(d_out, d_in) * b, b, sp.oo) for k, e in f.items()}
    ),
    floor=Verdict.PROVED,
    uses=("B3",),
    link=Link(
        "overtraining.theory.fine_tuning.label_noise.label_noise_excess",
        "widths 1 … 4, η 1e-6 … 0.03, ν 1e-3 … 1e3, B 1 … 39",
        _engine,
    ),
    source="ours; label noise as a regularizer: Blanc, Gupta, Valiant, Valiant 2020 (arXiv 1904.09080)",
)  # fmt: skip
