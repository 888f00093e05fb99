"""E2f: SGD on noisy labels at steps that are not small, and on fresh inputs in small batches: E2's factors exactly."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, ZERO, Rules, normal_form, scaled
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum, noise_expectation
from overtraining.theory.derivations.checker.core import (
    Assumption,
    Counterexample,
    Derivation,
    Evidence,
    Link,
    SpecialCase,
    Step,
    Variant,
    Verdict,
)
from overtraining.theory.derivations.checker.evidence import every, identity
from overtraining.theory.derivations.claims import d5_label_noise as d5

K, R, nu, eta = d5.K, d5.R, d5.nu, d5.eta
b = d5.b
noise = eta * nu**2 / (2 * b)  # γ²
row = (nu**2 + R) / nu**2  # F = 1/(1 − G)
_s = sp.Symbol("s", positive=True)
_U, _V, _F = Letter("u", "d_out", "one"), Letter("v", "d_in", "one"), Letter("f", "d_out", "d_in")
_SINGULAR: Rules = (
    ((_F, _V), scaled(_s, MatrixSum.of(_U))),
    ((_U.T, _F), scaled(_s, MatrixSum.of(_V.T))),
    ((_V.T, _F.T), scaled(_s, MatrixSum.of(_U.T))),
)
"""`f v = s u` and `uᵀf = s vᵀ`."""


def formula() -> dict[str, sp.Expr]:
    """Of one direction, over s_i: its part of `K_ii E D_ii` if it is (i, i), and if it shares only row or column i.

    "gradient": the second moment of its entry of a batch's gradient in f, from which the layers drift.
    "step": a. "row": the variance of a row of D, over ν², in terms of `G = Σ ηK a/2B`.
    """
    g = sp.Symbol("G", positive=True)
    step = 1 / (1 - eta * K * (1 + 1 / b) / 2)
    return {
        "own": -2 * noise * step * row,
        "side": -noise * step * row,
        "gradient": nu**2 / b * step * row,
        "step": step,
        "row": g / (1 - g),
    }


def conclusion(candidate: dict[str, sp.Expr]) -> Evidence:
    """With D5's variances P the mean change in a step, `K E D + E[δC D + D δG] − ηE[G fᵀ G]`, is 0."""
    variance = sp.solve(sp.Eq(d5.recursion(online=True), d5.P), d5.P)[0]
    squared = variance + (nu**2 + R + variance) / b  # E G², D and the noise of a batch
    of_both, of_one = (sp.expand(direction_weights()[name] / _s) for name in ("own", "row"))
    g = sp.Symbol("G", positive=True)
    # a row adds up to R = Σ P = G (ν² + R), since P = ηK a (ν² + R)/2b
    per_row = sp.simplify(variance / (nu**2 + R) - eta * K * candidate["step"] / (2 * b))
    return every(
        (
            ("own", identity(candidate["own"], eta * squared - of_both * variance / K)),
            ("side", identity(candidate["side"], -of_one * variance / K)),
            ("gradient", identity(candidate["gradient"], squared)),
            ("step", identity(per_row, 0)),
            ("row", identity(candidate["row"], sp.solve(sp.Eq(R, g * (1 + R)), R)[0])),
        ),
        "own direction, the others, drift, step and row",
    )


def _mean_change(a: Letter, c: Letter) -> MatrixSum:
    """`uᵀ(δC N + N δG)v` for `N = abᵀ`, and `δC = Nfᵀ + fNᵀ`, `δG = fᵀN + Nᵀf`; the argument c is b.

    The weights move along `∂f` in the direction N, which by E2 moves f by K N.
    """
    n, f = MatrixSum.of(a) @ MatrixSum.of(c.T), MatrixSum.of(_F)
    change = (n @ f.T + f @ n.T) @ n + n @ (f.T @ n + n.T @ f)
    return MatrixSum.of(_U.T) @ change @ MatrixSum.of(_V)


@cache
def direction_weights() -> dict[str, sp.Expr]:
    """`uᵀ(δC N + N δG)v` where N is the mode's own direction, another of its row or column, or one of neither."""
    p, q = Letter("p", "d_out", "one"), Letter("q", "d_in", "one")
    orthonormal: Rules = (
        ((_U.T, p), ZERO),
        ((p.T, _U), ZERO),
        ((_V.T, q), ZERO),
        ((q.T, _V), ZERO),
        *(((x.T, x), IDENTITY) for x in (_U, _V, p, q)),
    )
    along = {"own": (_U, _V), "row": (_U, q), "column": (p, _V), "neither": (p, q)}
    words = {name: normal_form(_mean_change(*pair), (*orthonormal, *_SINGULAR)) for name, pair in along.items()}
    return {name: left.pop((), sp.Integer(0)) if set(left) <= {()} else sp.nan for name, left in words.items()}


def _directions() -> Evidence:
    """`uᵀ(δC N + N δG)v = 2(uᵀa)(bᵀfᵀa)(bᵀv) + s(bᵀv)² + s(uᵀa)²` for `N = abᵀ`, `fv = su`, `uᵀf = svᵀ`."""
    a, c = Letter("a", "d_out", "one"), Letter("b", "d_in", "one")
    rules: Rules = (*_SINGULAR, ((a.T, a), IDENTITY), ((c.T, c), IDENTITY))
    n = MatrixSum.of(a) @ MatrixSum.of(c.T)
    on_inputs, on_outputs = MatrixSum.of(_V.T) @ MatrixSum.of(c), MatrixSum.of(_U.T) @ MatrixSum.of(a)
    claimed = scaled(2, MatrixSum.of(_U.T) @ n @ MatrixSum.of(_F).T @ n @ MatrixSum.of(_V))
    claimed = claimed + scaled(_s, on_inputs @ on_inputs.T + on_outputs @ on_outputs.T)
    remaining = normal_form(_mean_change(a, c) - claimed, rules)
    weights = tuple(direction_weights()[name] for name in ("own", "row", "column", "neither"))
    return every(
        (
            ("general", Evidence(not remaining, Verdict.PROVED, f"{len(remaining)} words differ")),
            ("4s, s, s and 0", identity(weights, (4 * _s, _s, _s, sp.Integer(0)))),
        ),
        "as a quadratic form, and along each kind of direction, for symbolic widths",
    )


def _covariance() -> Evidence:
    """`Cov(uGv, xGy) = [ν²(ux)(vy) + (uDDᵀx)(vy) + (uDy)(xDv)]/b`: without ν² between different directions."""
    u, x = (MatrixSum.of(Letter(name, "one", "d_out")) for name in "ux")
    v, y = (MatrixSum.of(Letter(name, "d_in", "one")) for name in "vy")
    d = MatrixSum.of(Letter("D", "d_out", "d_in"))
    inputs, labels = MatrixSum.of(Letter("X", "d_in", "b")), MatrixSum.of(Letter("E", "d_out", "b"))
    gradient = scaled(1 / b, d @ inputs @ inputs.T) - d - scaled(1 / b, labels @ inputs.T)
    entries = (u @ gradient @ v).trace() * (x @ gradient @ y).trace()
    found = noise_expectation(entries, {"X": sp.Integer(1), "E": nu**2})
    of_labels = nu**2 * ((u @ x.T).trace() * (v.T @ y).trace())
    of_inputs = (u @ d @ d.T @ x.T).trace() * (v.T @ y).trace() + (u @ d @ y).trace() * (x @ d @ v).trace()
    difference = TraceSum.collect(
        (coefficient, tuple(number for word in words for number in d5.scalars(word)))
        for words, coefficient in (found - (1 / b) * (of_labels + of_inputs)).terms.items()
    )
    return Evidence(difference.is_zero(), Verdict.PROVED, f"{len(difference.terms)} traces differ, for symbolic widths")


def _small() -> Evidence:
    """At small steps and large batches every direction has γ²: the widths are counted, as E2 says."""
    parts = {name: part.subs(R, 0) / noise for name, part in formula().items() if name in ("own", "side")}
    limits = [sp.limit(part, eta, 0) for part in parts.values()]
    return identity(tuple(limits), (-2, -1))


def _engine_error(
    expression: dict[str, sp.Expr], function: Callable[..., Any], generator: np.random.Generator
) -> float:
    """Spectra on all widths up to 4 × 4, with and without fresh inputs, at ratios of the layers from 0.1 to 10."""
    worst = 0.0
    for _ in range(40):
        i, o = generator.integers(1, 5, 2).tolist()
        values = generator.uniform(0.5, 1, min(i, o))
        batch = int(generator.integers(1, 40))
        learning_rate = 10.0 ** generator.uniform(-6, -1.6)
        ratio = 10.0 ** generator.uniform(-1, 1)
        label_noise = np.sqrt(0.1 * batch / learning_rate / (i + o))  # so that a good part of a mode is lost
        for online in (False, True):
            found = function(values, learning_rate, label_noise, batch, d_in=i, d_out=o, online=online, ratio=ratio)
            exact = _exact(expression, values, learning_rate, label_noise, batch, (i, o), online, ratio)
            worst = max(worst, float(np.abs(np.asarray(found) / exact - 1).max()))
    return worst


def _exact(
    expression: dict[str, sp.Expr],
    values: np.ndarray,
    learning_rate: float,
    label_noise: float,
    batch: int,
    widths: tuple[int, int],
    online: bool,
    ratio: float,
) -> np.ndarray:
    """The singular values, direction by direction; without fresh inputs R = 0 and 1 + 1/b is 1."""
    given = {eta: learning_rate, nu: label_noise, b: batch}
    tilt = np.sqrt(ratio)
    rows, columns = (np.pad(values, (0, n - values.size)) for n in (widths[1], widths[0]))
    kernel = rows[:, None] * tilt + columns[None, :] / tilt
    kernel_at = kernel if online else kernel * (batch / (batch + 1))  # so that 1 + 1/b is 1
    step = sp.lambdify((eta, b, K), expression["step"])(learning_rate, batch, kernel_at)
    g = (learning_rate * kernel * step).sum(axis=1) / (2 * batch) * online
    spread = label_noise**2 * sp.lambdify(sp.Symbol("G", positive=True), expression["row"])(g)
    own, side = (
        sp.lambdify((K, R), expression[name].subs(given))(kernel_at, spread[:, None]) for name in ("own", "side")
    )
    found = []
    for k, value in enumerate(values):
        parts = own[k, k] + side[k].sum() - side[k, k] + side[:, k].sum() - side[k, k]
        found.append(value + value / kernel[k, k] * parts)
    return np.array(found)


DERIVATION = Derivation(
    claim="E2f",
    title="Noisy labels at steps that are not small, and on fresh inputs",
    statement=r"s_i=\sigma_i-\gamma^2\frac{\sqrt u}{1+u}\left(\sum_ra_{ri}F_r+F_i\sum_ca_{ic}\right),\quad "
    r"a=\frac1{1-\frac12\eta K(1+\frac1B)},\ F_i=\frac1{1-G_i},\ G_i=\frac\eta{2B}\sum_jK_{ij}a_{ij}",
    plain="The shrinkage under noisy labels, and the drift of the layers, are those of small steps with other widths: "
    "instead of one, each direction of f counts as its variance in units of that at small steps. With the whole "
    "population of inputs this is a matter of ηs; with fresh inputs in batches of B it grows with ηs(d_in + 1)/B, "
    "until the variance has no bound.",
    symbols={
        r"\gamma^2": "ην²/2B",
        "K": "K_ij = w2_i² + w1_j², with the ratio u on modes",
        "a": "what a finite step makes of the variance in a direction; for the whole population without 1/B",
        "F,G": "what fresh inputs make of the variance in a row; F = 1 for the whole population",
        "P,R": "stationary variance of the error of f in a direction, and in the whole row (D5)",
    },
    assumptions=(
        Assumption(
            "Gaussian inputs",
            "Fresh inputs are Gaussian; the labels' noise may have any law.",
            Counterexample("For inputs ±1 the factor is absent.", d5.other_inputs),
        ),
        Assumption(
            "small noise",
            "First order in ν², at any η and B.",
            Counterexample("At γ² = 0.2 the excess differs from the formula.", d5.strong_noise),
        ),
        Assumption(
            "settled noise",
            "The noise has reached its stationary size; over times of 1/γ² the ratio u changes (E2).",
            Counterexample("After two steps the excess is only a fraction of the stationary one.", d5.early),
        ),
        Assumption("aligned start", "The singular vectors are the teacher's; modes are well above the shrinkage."),
        Assumption("whitened inputs", "Σx = I."),
    ),
    steps=(
        Step(
            r"u^\top(\delta C\,N+N\,\delta G)v=2(u^\top a)(b^\top f^\top a)(b^\top v)+s(b^\top v)^2+s(u^\top a)^2",
            "How a fluctuation of the weights along one direction changes the mean step of mode i: 4s for the mode's "
            "own direction, s for the others of its row and of its column, 0 elsewhere.",
            _directions,
        ),
        Step(
            r"\mathrm{Cov}(uGv,xGy)=\tfrac1B\left(\nu^2(ux)(vy)+(uDD^\top x)(vy)+(uDy)(xDv)\right)",
            "Between different directions the labels add no covariance, so that none settles.",
            _covariance,
        ),
        Step(
            r"\eta s\to0,\ \eta s\,d_{in}/B\to0:\quad\gamma^2(d_{in}+d_{out})\tfrac{\sqrt u}{1+u}",
            "Every direction then has the same variance, and E2 counts them.",
            _small,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("no factor of fresh inputs", lambda f: f | {k: f[k].subs(R, 0) for k in ("own", "side", "gradient")}),
        Variant(
            "no factor of finite steps", lambda f: f | {k: f[k].subs(f["step"], 1) for k in ("own", "side", "gradient")}
        ),
        Variant("the own direction counted once", lambda f: f | {"own": f["side"]}),
        Variant("other directions counted twice", lambda f: f | {"side": f["own"]}),
        Variant("a step twice as large", lambda f: {k: e.subs(eta, 2 * eta) for k, e in f.items()}),
        Variant("stability of the population", lambda f: f | {"step": 1 / (1 - eta * K / 2)}),
        Variant("first order of the row's factor", lambda f: f | {"row": f["row"].series(n=2).removeO()}),
    ),
    special_case=SpecialCase(
        "small steps, the whole population",
        lambda f: {
            k: sp.limit((e.subs(R, 0) / noise if k in ("own", "side") else e.subs(R, 0)), eta, 0)
            for k, e in f.items()
            if k != "row"
        },
    ),
    floor=Verdict.ARGUED,
    uses=("D5", "E2"),
    link=Link(
        "overtraining.theory.remedies.annealing.stepped_spectrum",
        "widths 1 … 4, η 1e-6 … 0.025, B 1 … 39, u 0.1 … 10",
        _engine_error,
    ),
    source="ours",
)
