"""A2: from an aligned start gradient flow stays aligned, and each mode learns independently of the others."""

from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.frames import diagonal, insert, one_mode, orthonormal
from overtraining.theory.derivations.calculus.matrix_expressions import as_words, entrywise_gradient, sympy_gradient
from overtraining.theory.derivations.calculus.matrix_words import ZERO, Rules, normal_form
from overtraining.theory.derivations.calculus.shapes import SHAPES
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
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
from overtraining.theory.derivations.checker.evidence import examples, identity, worst_relative_error
from overtraining.theory.derivations.claims.a1_invariants import SYMMETRIC, P, R, V, W, loss_terms, mu
from overtraining.theory.derivations.claims.shared.uniqueness import unique
from overtraining.theory.learning.flow import loss_gradient, mode_flow

w1, w2 = sp.symbols("w_1 w_2", real=True)
sigma, xi = sp.symbols("sigma xi", nonnegative=True)

# orthonormal columns: singular vectors of the teacher and the hidden frame, r of them, r at most every width
FRAME = {name: Letter(name, size, "r") for name, size in (("U", "d_out"), ("F", "h"), ("V", "d_in"))}
MODES = {name: diagonal(name) for name in ("D1", "D2", "S", "Xi")}
BEYOND = Letter("B", "d_out", "d_in")
COVARIANCE = Letter("Sigma_x", "d_in", "d_in", symmetric=True)

RULES: Rules = (
    *orthonormal(FRAME.values()),
    ((BEYOND, FRAME["V"]), ZERO),
    ((FRAME["V"].T, BEYOND.T), ZERO),
    ((FRAME["U"].T, BEYOND), ZERO),
    ((BEYOND.T, FRAME["U"]), ZERO),
    ((COVARIANCE, FRAME["V"]), MatrixSum(((sp.Integer(1), (FRAME["V"], MODES["Xi"])),))),
    ((FRAME["V"].T, COVARIANCE), MatrixSum(((sp.Integer(1), (MODES["Xi"], FRAME["V"].T)),))),
)
"""Orthonormal frames; `B`, the teacher's modes without a hidden unit, is orthogonal to all others; Σx shares V."""


def formula() -> tuple[sp.Expr, sp.Expr]:
    """The velocities of one mode's two weights."""
    return xi * w2 * (sigma - w1 * w2) - mu * w1, xi * w1 * (sigma - w1 * w2) - mu * w2


def aligned() -> dict[str, MatrixSum]:
    """`W1 = F D1 Vᵀ`, `W2 = U D2 Fᵀ`, `A = U S Vᵀ + B`."""
    u, f, v, d1, d2, s = (MatrixSum.of((FRAME | MODES)[name]) for name in ("U", "F", "V", "D1", "D2", "S"))
    return {"W": f @ d1 @ v.T, "V": u @ d2 @ f.T, "A": u @ s @ v.T + MatrixSum.of(BEYOND)}


@cache
def aligned_gradients() -> tuple[dict, dict]:
    """The gradients of two layers at an aligned point, rewritten with the frames' rules."""
    two_layers = {P: sp.Identity(P.shape[0]), R: sp.Identity(R.shape[0])}
    layers = [sympy_gradient(loss_terms(), x).subs(two_layers).doit() for x in (W, V)]
    by_w1, by_w2 = (normal_form(insert(as_words(g, SYMMETRIC), aligned()), RULES) for g in layers)
    return by_w1, by_w2


def velocities() -> tuple[sp.Expr, sp.Expr]:
    """Entry i of `D1` and `D2` under gradient flow: diagonal matrices multiply like numbers."""
    value = {"D1": w1, "D2": w2, "S": sigma, "Xi": xi}
    v1, v2 = (-one_mode(words, value) for words in aligned_gradients())
    return v1, v2


def conclusion(candidate: tuple[sp.Expr, sp.Expr]) -> Evidence:
    """Whether the candidate is the formula that the steps derive."""
    return identity(velocities(), candidate)


def _tangent() -> Evidence:
    """Every word of the gradients is `F … Vᵀ` or `U … Fᵀ` around diagonal matrices."""
    ends = (FRAME["F"], FRAME["V"].T), (FRAME["U"], FRAME["F"].T)
    both = aligned_gradients()
    around = all((w[0], w[-1]) == end for words, end in zip(both, ends, strict=True) for w in words)
    inside = all(x.name in MODES for words in both for w in words for x in w[1:-1])
    return Evidence(around and inside, Verdict.PROVED, f"{sum(map(len, both))} words, for symbolic dimensions")


def _on_shapes() -> Evidence:
    """The loss at general rectangular D1, D2, differentiated by ALL entries, at a diagonal point."""
    return examples((f"(d_in, h, d_out) = {shape}", _one_shape(*shape)) for shape in SHAPES)


def _one_shape(i: int, h: int, o: int) -> Evidence:
    one, two, top, spread = ([sp.Integer(p**n) for n in (1, 2, 3)] for p in (2, 3, 5, 7))
    decay = sp.Rational(3, 7)

    def loss(exact, X, Y):  # type: ignore[no-untyped-def]
        error = Y @ X - exact(_diagonal(o, i, top))
        norm = (X**2).sum() + (Y**2).sum()
        return (np.trace(error @ exact(_diagonal(i, i, spread)) @ error.T) + exact(decay) * norm) / 2

    modes = []
    for n in range(h):  # without an input there is no variance, without an output no second weight
        present = {w1: one[n], w2: two[n] * (n < o), sigma: top[n], xi: spread[n] * (n < i)}
        modes.append(tuple(velocity.subs(present | {mu: decay}) for velocity in velocities()))
    slopes = entrywise_gradient(loss, {"X": _diagonal(h, i, one), "Y": _diagonal(o, h, two)})
    expected = [*_diagonal(h, i, [-m[0] for m in modes]), *_diagonal(o, h, [-m[1] for m in modes])]
    return identity(slopes, tuple(expected))


def _diagonal(rows: int, cols: int, entries: list) -> sp.Matrix:
    return sp.Matrix(rows, cols, lambda a, b: entries[a] if a == b else 0)


def _engine(pair: tuple[sp.Expr, sp.Expr], function, generator: np.random.Generator) -> float:  # type: ignore[no-untyped-def]
    """Weights of either sign and 0, σ, ξ, μ of 0 and 1e-6 … 1e6; conditioned by the sum of the terms' sizes."""

    def draw(*signs: int) -> np.ndarray:
        return 10.0 ** generator.uniform(-6, 6, 200) * generator.choice([0, *signs], 200)

    points = [draw(-1, 1, 1), draw(-1, 1, 1), draw(1, 1), draw(1, 1), draw(1, 1)]
    worst = 0.0
    for part, expression in enumerate(pair):
        terms = sp.Add.make_args(sp.expand(expression))
        size = sp.lambdify((w1, w2, sigma, xi, mu), sum(map(sp.Abs, terms)), "numpy")
        value = sp.lambdify((w1, w2, sigma, xi, mu), expression, "numpy")

        def condition(*x: np.ndarray, size: Any = size, value: Any = value) -> np.ndarray:
            return size(*x) / np.maximum(np.abs(value(*x)), 1e-300)

        def call(*x: np.ndarray, part: int = part) -> np.ndarray:
            return function(*x)[part]

        worst = max(worst, worst_relative_error(expression, (w1, w2, sigma, xi, mu), call, points, condition))
    return worst


def _gap(layers: tuple, modes: tuple, covariance: np.ndarray | None = None) -> np.ndarray:
    """Largest distance of the student's singular values from the claim's, along both flows (the same small steps)."""
    path = []
    weights = np.array(modes, float)
    for step in range(800):
        if step % 20 == 0:
            claimed = np.sort(weights[0] * weights[1])[::-1]
            path.append(np.abs(np.linalg.svd(layers[1] @ layers[0], compute_uv=False) - claimed).max())
        slopes = loss_gradient(layers, _TEACHER, covariance)
        layers = (layers[0] - 0.01 * slopes[0], layers[1] - 0.01 * slopes[1])
        drift = mode_flow(weights[0], weights[1], np.diag(_TEACHER))
        weights = weights + 0.01 * np.stack(drift)
    return np.array(path)


_TEACHER = np.diag([1.0, 0.5])
_ROTATION = np.array([[0.6, -0.8], [0.8, 0.6]])
_EVEN, _FIRST, _SECOND = (0.1, 0.1), (0.2, 0.1), (0.1, 0.3)
_CASES = {
    "aligned": lambda: _gap((np.diag(_FIRST), np.diag(_SECOND)), (_FIRST, _SECOND)),
    "rotated start": lambda: _gap((0.1 * _ROTATION, 0.1 * np.eye(2)), (_EVEN, _EVEN)),
    "hidden frames differ": lambda: _gap((np.diag(_FIRST), np.diag(_SECOND) @ _ROTATION.T), (_FIRST, _SECOND)),
    "Σx does not share V": lambda: _gap((0.1 * np.eye(2),) * 2, (_EVEN, _EVEN), np.array([[1.0, 0.6], [0.6, 1.0]])),
}


@cache
def _error(case: str) -> np.ndarray:
    return _CASES[case]()


def _mixes(case: str) -> Evidence:
    """The claim's modes start from the layers' own singular values."""
    control = _error("aligned").max()
    gap = _error(case).max()
    holds = control < 1e-12 and gap > 0.05
    return Evidence(holds, Verdict.TESTED, f"singular values off by {gap:.3f}, aligned by {control:.1g}")


def _curves() -> Curves:
    return Curves(
        0.2 * np.arange(40), {case: _error(case) for case in _CASES}, "time", "largest error of a singular value"
    )


DERIVATION = Derivation(
    claim="A2",
    title="Aligned modes learn independently",
    statement=r"\dot w_1=\xi w_2(\sigma-w_1w_2)-\mu w_1,\qquad\dot w_2=\xi w_1(\sigma-w_1w_2)-\mu w_2",
    plain="If the weights and the input covariance share the teacher's singular vectors, and both layers share one "
    "hidden frame, gradient flow preserves this, and the two weights of each mode obey two equations of their own; "
    "modes without a hidden unit stay unlearned and do not affect the others.",
    symbols={
        "w_1,w_2": "the mode's singular values in W1 and W2, with sign",
        r"\sigma": "the teacher's singular value",
        r"\xi": "variance of the input along this mode; 1 for whitened inputs",
        r"\mu": "weight decay",
    },
    assumptions=(
        Assumption(
            "aligned start",
            "W1 = F D₁ Vᵀ and W2 = U D₂ Fᵀ with the teacher's U, V, one hidden frame F, and diagonal D₁, D₂.",
            Counterexample(
                "From a start rotated by 53° the modes do not learn independently.",
                lambda: _mixes("rotated start"),
                _curves,
            ),
        ),
        Assumption(
            "shared hidden frame",
            "The F of W1 is the F of W2; each layer being aligned with the teacher is not enough.",
            Counterexample("Two hidden frames mix the modes.", lambda: _mixes("hidden frames differ"), _curves),
        ),
        Assumption(
            "whitened inputs",
            "Or at least Σx V = V Ξ with Ξ diagonal: the inputs' covariance has the teacher's right singular vectors.",
            Counterexample("Correlated inputs mix the modes.", lambda: _mixes("Σx does not share V"), _curves),
        ),
    ),
    steps=(
        Step(
            r"\nabla_{W_1}=F\,D_2(D_2D_1-S)\Xi\,V^\top+\mu FD_1V^\top,\quad "
            r"\nabla_{W_2}=U(D_2D_1-S)\Xi D_1F^\top+\mu UD_2F^\top",
            "Insert the aligned weights into the gradients of A1 and cancel the orthonormal frames: the result is "
            "aligned too, so the curve composed of the modes solves the flow.",
            _tangent,
        ),
        Step(
            r"\|\nabla L(\theta')-\nabla L(\theta)\|\le K\|\theta'-\theta\|",
            "In the difference of two gradients every word holds a difference of weights, so K is finite on bounded "
            "sets, and e^{−2Kt}‖θ' − θ‖², 0 at the start, cannot grow: the modes' curve is the only solution.",
            unique,
        ),
        Step(
            r"\partial L/\partial (D_l)_{ij}=0\quad(i\ne j)",
            "The same for every shape in {1,2,3}³ in exact arithmetic: the loss differentiated by every entry of both "
            "layers at a diagonal point, hidden units without a partner included.",
            _on_shapes,
            cross_check=True,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("w₁ and w₂ swapped", lambda f: (f[1], f[0])),
        Variant("w₁ drives itself", lambda f: (xi * w1 * (sigma - w1 * w2) - mu * w1, f[1])),
        Variant("w₁² for w₁w₂", lambda f: (xi * w2 * (sigma - w1**2) - mu * w1, f[1])),
        Variant("ξ missing", lambda f: tuple(x.subs(xi, 1) for x in f)),
        Variant("ξ multiplies σ only", lambda f: (w2 * (xi * sigma - w1 * w2) - mu * w1, f[1])),
        Variant("decay missing", lambda f: tuple(x.subs(mu, 0) for x in f)),
        Variant("factor 2", lambda f: tuple(2 * x for x in f)),
        Variant("sign", lambda f: tuple(-x for x in f)),
    ),
    special_case=SpecialCase(
        "balanced, whitened, no decay", lambda f: tuple(x.subs({w2: w1, xi: 1, mu: 0}) for x in f)
    ),
    floor=Verdict.PROVED,
    link=Link(
        "overtraining.theory.learning.flow.mode_flow", "weights of either sign, all numbers 0 or 1e-6 … 1e6", _engine
    ),
    uses=("A1",),
    source="Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 5; Σx, decay and bottlenecks added",
)
