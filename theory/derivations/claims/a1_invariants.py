"""A1: the gradient by each layer, and the imbalance of neighbouring layers, which gradient flow conserves."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_expressions import (
    as_words,
    entrywise_gradient,
    evaluate,
    exactly,
    sympy_gradient,
)
from overtraining.theory.derivations.calculus.matrix_words import normal_form
from overtraining.theory.derivations.calculus.shapes import SHAPES, integers
from overtraining.theory.derivations.calculus.trace_words import MatrixSum
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
from overtraining.theory.derivations.checker.evidence import examples, identity

d_in, k, h, m, d_out = sp.symbols("d_in k h m d_out", positive=True, integer=True)
mu = sp.Symbol("mu", nonnegative=True)

# f = P V W R: two neighbours V = W_{l+1} and W = W_l, the product P of all layers above and R of all below them
P, V = sp.MatrixSymbol("P", d_out, m), sp.MatrixSymbol("V", m, h)
W, R = sp.MatrixSymbol("W", h, k), sp.MatrixSymbol("R", k, d_in)
A, Sx = sp.MatrixSymbol("A", d_out, d_in), sp.MatrixSymbol("Sigma_x", d_in, d_in)
SYMMETRIC = frozenset({"Sigma_x"})

LayerGradients = dict[str, sp.MatrixExpr]


def formula() -> LayerGradients:
    """The gradients by both neighbours, and the velocity of their imbalance under gradient flow."""
    error = P * V * W * R - A
    return {
        "lower": (P * V).T * error * Sx * R.T + mu * W,
        "upper": P.T * error * Sx * (W * R).T + mu * V,
        "imbalance": -2 * mu * (V.T * V - W * W.T),
    }


def loss_terms() -> list[tuple[sp.Expr, sp.Trace]]:
    """`½ tr((f − A) Σx (f − A)ᵀ) + ½μ(‖V‖² + ‖W‖²)`, as coefficients and traces."""
    error = P * V * W * R - A
    half = sp.Rational(1, 2)
    decay = half * mu
    return [(half, sp.Trace(error * Sx * error.T)), (decay, sp.Trace(V * V.T)), (decay, sp.Trace(W * W.T))]


@cache
def gradients() -> tuple[MatrixSum, MatrixSum]:
    """By W and by V, differentiated by SymPy and expanded into words."""
    by_w, by_v = (as_words(sympy_gradient(loss_terms(), x), SYMMETRIC) for x in (W, V))
    return by_w, by_v


def velocity_of_imbalance() -> MatrixSum:
    """`d/dt (VᵀV − WWᵀ)` along `Ẇ = −∇W`, `V̇ = −∇V`, by the product rule."""
    by_w, by_v = gradients()
    w, v = as_words(W), as_words(V)
    return by_w @ w.T + w @ by_w.T - (by_v.T @ v + v.T @ by_v)


def conclusion(candidate: LayerGradients) -> Evidence:
    """Whether the candidate is the formula that the steps derive."""
    by_w, by_v = gradients()
    truth = {"lower": by_w, "upper": by_v, "imbalance": velocity_of_imbalance()}
    rest = {name: normal_form(truth[name] - as_words(candidate[name], SYMMETRIC)) for name in truth}
    wrong = [f"{name} differs in {len(words)} words" for name, words in rest.items() if words]
    return Evidence(not wrong, Verdict.PROVED, "; ".join(wrong) or "equal word by word, for symbolic dimensions")


def _conserved() -> Evidence:
    """`d/dt [e^{2μt}(VᵀV − WWᵀ)] = 0`; the terms without μ cancel among themselves."""
    imbalance = as_words(V.T * V - W * W.T)
    grown = MatrixSum(tuple((2 * mu * c, w) for c, w in imbalance.terms)) + velocity_of_imbalance()
    return Evidence(not normal_form(grown), Verdict.PROVED, f"{len(velocity_of_imbalance().terms)} words cancel")


def _same_product() -> Evidence:
    """`Vᵀ∇V = ∇W Wᵀ` without decay."""
    by_w, by_v = (MatrixSum(tuple((c.subs(mu, 0), w) for c, w in g.terms)) for g in gradients())
    rest = normal_form(as_words(V).T @ by_v - by_w @ as_words(W).T)
    return Evidence(not rest, Verdict.PROVED, "equal word by word, for symbolic dimensions")


def _on_shapes() -> Evidence:
    generator = np.random.default_rng(0)
    return examples((f"(d_in, h, d_out) = {shape}", _one_shape(shape, generator)) for shape in SHAPES)


def _one_shape(shape: tuple[int, int, int], generator: np.random.Generator) -> Evidence:
    """Two layers: the loss as a polynomial in the entries, differentiated entry by entry, in exact arithmetic."""
    i, n, o = shape
    root = integers(generator, i, i)
    decay = sp.Rational(3, 7)
    at = {"P": sp.eye(o), "V": integers(generator, o, n), "W": integers(generator, n, i), "R": sp.eye(i)}
    at |= {"A": integers(generator, o, i), "Sigma_x": root * root.T}

    def loss(exact, W, V):  # type: ignore[no-untyped-def]
        error = V @ W - exact(at["A"])
        return (np.trace(error @ exact(at["Sigma_x"]) @ error.T) + exact(decay) * ((W**2).sum() + (V**2).sum())) / 2

    value = {name: evaluate(e, at, lambda c: c.subs(mu, decay)) for name, e in formula().items()}
    slopes = entrywise_gradient(loss, {"W": at["W"], "V": at["V"]})
    return identity(slopes, (*value["lower"], *value["upper"]))


def _engine(expressions: LayerGradients, function: Callable, generator: np.random.Generator) -> float:
    """Depths 2 … 5, widths 1 … 6, entries of 1e-6 … 1e6; the scale of an entry's error is that of its terms."""
    worst = 0.0
    for _ in range(30):
        sizes = generator.integers(1, 7, generator.integers(3, 7)).tolist()

        def spread(*s: int) -> np.ndarray:
            return generator.normal(size=s) * 10.0 ** generator.uniform(-6, 6, s)

        layers = [spread(above, below) for below, above in pairwise(sizes)]
        teacher = spread(sizes[-1], sizes[0])
        root = generator.normal(size=(sizes[0], sizes[0]))
        covariance = (root @ root.T + (root @ root.T).T) / 2
        decay = float(10 ** generator.uniform(-6, 6))
        slopes = function(layers, teacher, covariance, decay)
        for l in range(len(layers) - 1):
            above = [np.eye(sizes[l + 2]), *layers[l + 2 :]]
            below = [np.eye(sizes[0]), *layers[:l]]
            at = {"P": above, "V": [layers[l + 1]], "W": [layers[l]], "R": below, "A": [teacher]}
            for name, result in (("lower", slopes[l]), ("upper", slopes[l + 1])):
                exact, scale = (
                    exactly(expressions[name], at | {"Sigma_x": [covariance]}, {mu: decay}, part)
                    for part in (lambda x: x, abs)
                )
                worst = max(worst, float(np.max(np.abs(result - exact) / np.where(scale == 0, 1, scale))))
    return worst


_Slope = Callable[[float, float], tuple[float, float]]


def _descend(step: float, slope: _Slope, count: int) -> np.ndarray:
    """The imbalance along gradient descent."""
    w1, w2 = 1.5, 0.2
    path = []
    for _ in range(count):
        path.append(w2**2 - w1**2)
        g1, g2 = slope(w1, w2)
        w1, w2 = w1 - step * g1, w2 - step * g2
    return np.array(path)


def _linear(decay_1: float, decay_2: float) -> _Slope:
    return lambda w1, w2: (w2 * (w1 * w2 - 1) + decay_1 * w1, w1 * (w1 * w2 - 1) + decay_2 * w2)


def _tanh(w1: float, w2: float) -> tuple[float, float]:
    f = np.tanh(w1)
    return w2 * (1 - f**2) * (w2 * f - 1), f * (w2 * f - 1)


def _paths() -> dict[str, np.ndarray]:
    """The imbalance in each run, all over the gradient-flow time 0 … 10."""

    def flow(slope: _Slope) -> np.ndarray:
        return _descend(0.001, slope, 10_000)[::500]

    return {
        "gradient flow, linear": flow(_linear(0.0, 0.0)),
        "gradient flow, both decay": flow(_linear(0.1, 0.1)),
        "gradient descent, linear, step 0.5": _descend(0.5, _linear(0.0, 0.0), 20),
        "gradient flow, tanh": flow(_tanh),
        "gradient flow, only W₁ decays": flow(_linear(0.1, 0.0)),
    }


def _drifts(name: str) -> Evidence:
    """The named run leaves e^{−2μt} for either value of μ; the claim's own two cases are the control."""
    runs = _paths()
    time = 0.5 * np.arange(20)

    def off(path: np.ndarray, decay: float) -> float:
        return float(np.abs(path / path[0] - np.exp(-2 * decay * time)).max())

    control = max(off(runs["gradient flow, linear"], 0.0), off(runs["gradient flow, both decay"], 0.1))
    gap = min(off(runs[name], decay) for decay in (0.0, 0.1))
    detail = f"off by {gap:.0%} of the imbalance, control {control:.1g}"
    return Evidence(control < 0.002 and gap > 0.05, Verdict.TESTED, detail)


def _curves() -> Curves:
    """The imbalance along time, on the flow and off it."""
    return Curves(0.5 * np.arange(20), _paths(), "time", "imbalance w₂² − w₁²")


DERIVATION = Derivation(
    claim="A1",
    title="The gradient, and what gradient flow conserves",
    statement=r"\nabla_{W_l}=(PW_{l+1})^\top(f-A)\Sigma_xR^\top+\mu W_l,\quad "
    r"\nabla_{W_{l+1}}=P^\top(f-A)\Sigma_x(W_lR)^\top+\mu W_{l+1},\quad "
    r"\tfrac{d}{dt}\left(W_{l+1}^\top W_{l+1}-W_lW_l^\top\right)=-2\mu\left(W_{l+1}^\top W_{l+1}-W_lW_l^\top\right)",
    plain="At every depth, for every covariance of the inputs and every shape, gradient flow conserves the imbalance "
    "between neighbouring layers; weight decay μ makes it shrink as e^{−2μt}.",
    symbols={
        "W_l,W_{l+1}": "two neighbouring layers",
        "P,R": "the product of all layers above, and of all layers below them; 1 for a network of two layers",
        "f": "the student, P W_{l+1} W_l R",
        "A": "the teacher",
        r"\Sigma_x": "covariance of the inputs",
        r"\mu": "weight decay",
    },
    assumptions=(
        Assumption(
            "gradient flow",
            "The weights follow the gradient in continuous time.",
            Counterexample(
                "Steps of finite size shrink the imbalance, at second order in the step.",
                lambda: _drifts("gradient descent, linear, step 0.5"),
                _curves,
            ),
        ),
        Assumption(
            "linear network",
            "No nonlinearity stands between the neighbours.",
            Counterexample(
                "With tanh between them the imbalance drifts even in continuous time.",
                lambda: _drifts("gradient flow, tanh"),
                _curves,
            ),
        ),
        Assumption(
            "equal weight decay",
            "Both neighbours have the same μ.",
            Counterexample(
                "Decay of one layer alone changes the imbalance at another rate, and destroys balance.",
                lambda: _drifts("gradient flow, only W₁ decays"),
                _curves,
            ),
        ),
    ),
    steps=(
        Step(
            r"\nabla L=\partial_{W}\,\tfrac12\mathrm{tr}\left((f-A)\Sigma_x(f-A)^\top\right)+\mu W",
            "SymPy differentiates the loss with respect to the matrices; for two layers of every shape in {1,2,3}³ the "
            "same loss, as a polynomial in its entries, is differentiated entry by entry in exact arithmetic.",
            _on_shapes,
            cross_check=True,
        ),
        Step(
            r"W_{l+1}^\top\nabla_{W_{l+1}}=\nabla_{W_l}W_l^\top\quad(\mu=0)",
            "Both are the same word, whatever the loss does with the product: it sees only W_{l+1}W_l, which does not "
            "change when W_l is multiplied by a matrix and W_{l+1} by its inverse.",
            _same_product,
        ),
        Step(
            r"\tfrac{d}{dt}\left[e^{2\mu t}\left(W_{l+1}^\top W_{l+1}-W_lW_l^\top\right)\right]=0",
            "By the product rule along the flow; this integrates the last equation of the claim.",
            _conserved,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("Σx missing by W_l", lambda f: f | {"lower": (P * V).T * (P * V * W * R - A) * R.T + mu * W}),
        Variant("Σx missing by W_{l+1}", lambda f: f | {"upper": P.T * (P * V * W * R - A) * (W * R).T + mu * V}),
        Variant("decay missing by W_l", lambda f: f | {"lower": f["lower"] - mu * W}),
        Variant("imbalance decays with μ, not 2μ", lambda f: f | {"imbalance": f["imbalance"] / 2}),
        Variant("the sum is conserved", lambda f: f | {"imbalance": -2 * mu * (V.T * V + W * W.T)}),
        Variant("imbalance grows", lambda f: f | {"imbalance": -f["imbalance"]}),
        Variant("factor 2 by W_{l+1}", lambda f: f | {"upper": 2 * f["upper"]}),
        Variant("f + A for f − A", lambda f: f | {"lower": (P * V).T * (P * V * W * R + A) * Sx * R.T + mu * W}),
    ),
    special_case=SpecialCase(
        "whitened, no decay",
        lambda f: {name: normal_form(as_words(e.subs({Sx: sp.Identity(d_in), mu: 0}).doit())) for name, e in f.items()},
    ),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.learning.flow.loss_gradient",
        "depths 2 … 5, widths 1 … 6, entries 1e-6 … 1e6, any Σx and μ",
        _engine,
    ),
    source="Fukumizu 1998; Du, Hu, Lee 2018 (arXiv 1806.00900); with decay and Σx by the same derivation",
)
