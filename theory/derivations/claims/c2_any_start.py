"""C2: the slope of the loss after noise along gradient flow, at any weights and for any covariance of the inputs."""

import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from overtraining.theory.derivations.calculus.shapes import SHAPES
from overtraining.theory.derivations.calculus.trace_calculus import agree, along, descent, gradient, squared_norm
from overtraining.theory.derivations.calculus.trace_words import MatrixSum, TraceSum
from overtraining.theory.derivations.calculus.two_layers import W1, W2, A, Sx, d_in, d_out, h, loss as two_layer_loss
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
from overtraining.theory.derivations.checker.evidence import every, examples, identity
from overtraining.theory.derivations.claims import b1_noise
from overtraining.theory.derivations.claims.b1_noise import g1, g2, tau
from overtraining.theory.derivations.claims.shared import balanced_path

gain, k1, k2 = sp.symbols("G k_1 k_2", real=True)


def formula() -> sp.Expr:
    """`dP/dt` in `G = ‖∇L‖²`, `k₁ = tr((A−f)Σx²fᵀ)`, `k₂ = tr((A−f)Σx fᵀ)`."""
    return -gain + g2**2 * d_out * k1 + g1**2 * tau * k2


w1, w2, a, sx = map(MatrixSum.of, (W1, W2, A, Sx))


@functools.cache
def traces() -> dict[sp.Symbol, TraceSum]:
    """The traces that the formula's symbols stand for; the gradient of the loss is derived by machine."""
    loss = two_layer_loss(w1, w2, sx)
    f = w2 @ w1
    error = a - f
    return {
        gain: squared_norm(gradient(loss, "W1")) + squared_norm(gradient(loss, "W2")),
        k1: (error @ sx @ sx @ f.T).trace(),
        k2: (error @ sx @ f.T).trace(),
        tau: sx.trace(),
    }


@functools.cache
def slope() -> TraceSum:
    """`d/dt` of the expected loss after noise, along the gradient flow of the loss."""
    loss = two_layer_loss(w1, w2, sx)
    return along(loss + b1_noise.expected_rise(), descent(loss, "W1", "W2"))


def conclusion(candidate: sp.Expr) -> Evidence:
    """The candidate against the derived slope."""
    return agree(slope(), candidate, traces())


def _gradients() -> Evidence:
    """The gradients, and the decrease of the loss along its flow, as traces with symbolic dimensions."""
    loss = two_layer_loss(w1, w2, sx)
    error = w2 @ w1 - a
    stated = {"W1": w2.T @ error @ sx, "W2": error @ sx @ w1.T}
    differences = [squared_norm(gradient(loss, name) - g) for name, g in stated.items()]
    differences.append(along(loss, descent(loss, "W1", "W2")) + traces()[gain])
    holds = all(x.is_zero() for x in differences)
    return Evidence(holds, Verdict.PROVED, "‖difference‖² vanishes, dimensions symbolic")


def _on_shapes() -> Evidence:
    """The formula on every shape with a random covariance, by exact differences instead of traces."""
    generator = np.random.default_rng(0)
    return examples((f"(d_in, h, d_out) = {shape}", _one_shape(shape, generator)) for shape in SHAPES)


def _one_shape(shape: tuple[int, int, int], generator: np.random.Generator) -> Evidence:
    """By exact differences: the loss is quadratic in each entry, and of fourth order in a step along the gradient."""
    i, k, o = shape

    def integers(*size: int) -> np.ndarray:
        entries = np.array(generator.integers(-5, 6, size=size).tolist(), dtype=object)
        return entries.reshape(size) * Fraction(1)

    at1, at2, teacher, root = integers(k, i), integers(o, k), integers(o, i), integers(i, i)
    covariance = root @ root.T
    sizes = {d_in: i, h: k, d_out: o, g1: sp.Rational(2, 3), g2: sp.Rational(1, 2), tau: np.trace(covariance)}
    rise = b1_noise.formula().subs(sizes)

    def loss(m: np.ndarray, n: np.ndarray) -> Any:
        return np.trace((n @ m - teacher) @ covariance @ (n @ m - teacher).T) / 2

    def after_noise(m: np.ndarray, n: np.ndarray) -> sp.Expr:
        norms = {b1_noise.q1: np.trace(m @ covariance @ m.T), b1_noise.q2: (n * n).sum()}
        return sp.Rational(loss(m, n)) + rise.subs(norms)

    grad1 = _gradient_by_entries(at1, lambda m: loss(m, at2))
    grad2 = _gradient_by_entries(at2, lambda n: loss(at1, n))
    after = {step: after_noise(at1 - step * grad1, at2 - step * grad2) for step in (-2, -1, 1, 2)}
    change = (8 * (after[1] - after[-1]) - after[2] + after[-2]) / 12
    f = at2 @ at1
    values = {
        gain: (grad1 * grad1).sum() + (grad2 * grad2).sum(),
        k1: np.trace((teacher - f) @ covariance @ covariance @ f.T),
        k2: np.trace((teacher - f) @ covariance @ f.T),
    }
    return identity(change, formula().subs(sizes).subs(values))


def _gradient_by_entries(weights: np.ndarray, loss: Callable[[np.ndarray], Any]) -> np.ndarray:
    """The gradient of a loss that is quadratic in every entry, by central differences with steps of 1."""
    units: np.ndarray = np.eye(weights.size, dtype=int).reshape(-1, *weights.shape)
    return np.array([(loss(weights + e) - loss(weights - e)) / 2 for e in units]).reshape(weights.shape)


def _one_mode() -> Evidence:
    """On the balanced aligned path `‖∇L‖² = 2s(σ−s)²` and `⟨f, A−f⟩ = s(σ−s)`, and the formula is C1's slope."""
    s, sigma = balanced_path.s, balanced_path.sigma
    values = {gain: 2 * s * (sigma - s) ** 2, k1: s * (sigma - s), k2: s * (sigma - s), tau: d_in}
    return identity(formula().subs(values), balanced_path.slope())


def _colored() -> Evidence:
    """Σx = diag(3, 1/10), W1 = W2 = diag(3/10, 1), A − f = diag(1/5, −1/10), γ = 1: P rises although ⟨f, A−f⟩ < 0."""
    w = Fraction(3, 10), Fraction(1)
    unlearned = Fraction(1, 5), Fraction(-1, 10)
    variance = Fraction(3), Fraction(1, 10)
    inner = [sum(e * x**n * v * v for e, x, v in zip(unlearned, variance, w, strict=True)) for n in range(3)]
    squared = sum(2 * (e * x * v) ** 2 for e, x, v in zip(unlearned, variance, w, strict=True))
    values = {gain: squared, k2: inner[1], k1: inner[2], tau: sum(variance), g1: 1, g2: 1, d_out: 2}
    # if Σx = I, then k₁ = k₂ = ⟨f, A − f⟩, with the coefficient 2c
    white = formula().subs({k2: k1, tau: d_in})
    return every(
        (
            ("⟨f, A − f⟩", identity(sp.sympify(inner[0]), sp.Rational("-0.082"))),
            ("dP/dt", identity(formula().subs(values), sp.Rational("0.3934"))),
            ("white", identity(white, 2 * balanced_path.derived_noise_cost() * k1 - gain)),
        ),
        "⟨f, A − f⟩ = −0.082, dP/dt = 0.3934",
    )


def _engine_error(expression: sp.Expr, function: Callable[..., Any], generator: np.random.Generator) -> float:
    """Against 60-digit matrices; errors in units of the formula with every term taken positive, its conditioning."""
    exact_slope = sp.lambdify((gain, k1, k2, g1, g2, tau, d_out), expression, modules="mpmath")
    worst = 0.0
    for i, k, o in generator.integers(1, 6, size=(60, 3)).tolist():
        x1, x2, teacher = (
            10.0 ** generator.uniform(-6, 6) * generator.normal(size=n) for n in ((k, i), (o, k), (o, i))
        )
        root = generator.normal(size=(i, i))
        covariance = (root @ root.T + (root @ root.T).T) / 2
        gammas = 10.0 ** generator.uniform(-6, 6, 2) * (generator.random(2) > 0.1)
        matrices = (x1, x2, teacher, covariance)
        with mpmath.workdps(60):
            exact = exact_slope(*_values(matrices, gammas))
            size = exact_slope(*_values(tuple(map(np.abs, matrices)), gammas, sign=-1))
        computed = mpmath.mpf(float(function(x1, x2, teacher, *gammas, covariance)))
        worst = max(worst, float(abs(computed - exact) / size))
    return worst


def _values(matrices: tuple[np.ndarray, ...], gammas: np.ndarray, sign: int = 1) -> tuple[Any, ...]:
    """What the formula's symbols are at these weights; with sign −1 every term of the formula is added up."""
    x1, x2, teacher, inputs = (mpmath.matrix(m.tolist()) for m in matrices)
    f = x2 * x1
    error = (teacher - sign * f) * inputs
    squared_gradient = _inner_product(x2.T * error, x2.T * error) + _inner_product(error * x1.T, error * x1.T)
    traces_at = (_inner_product(error * inputs, f), _inner_product(error, f))
    trace = mpmath.fsum(inputs[j, j] for j in range(inputs.rows))
    return (sign * squared_gradient, *traces_at, *map(mpmath.mpf, gammas), trace, x2.rows)


def _inner_product(m: Any, n: Any) -> Any:
    return mpmath.fsum(x * y for x, y in zip(m, n, strict=True))


def _loss_after(p: float, decay: float, step: float) -> tuple[float, float]:
    """`(P, dP/dt by the formula)` of one balanced pair of weights, σ = 1, c = 0.1, after one step from `s = p`."""
    w = np.sqrt(p) + step * (np.sqrt(p) * (1 - p) - decay * np.sqrt(p))
    return float((1 - w**2) ** 2 / 2 + 0.1 * w**2), float(-2 * p * (1 - p) ** 2 + 0.2 * p * (1 - p))


def _with_decay() -> Evidence:
    """At a fitted teacher decay shrinks the weights, which lowers the loss after noise."""
    change = (_loss_after(1.0, 0.05, 1e-4)[0] - _loss_after(1.0, 0.05, 0.0)[0]) / 1e-4
    claimed = _loss_after(1.0, 0.0, 0.0)[1]
    return Evidence(change < claimed - 5e-3, Verdict.TESTED, f"slope {change:.4f} with decay 0.05, formula {claimed}")


def _with_big_steps() -> Evidence:
    """One step of 3 from s = ½ overshoots."""
    after, claimed = _loss_after(0.5, 0.0, 3.0)
    before = _loss_after(0.5, 0.0, 0.0)[0]
    return Evidence(claimed < -0.1 and after > before + 0.5, Verdict.TESTED, f"slope {claimed}, {before} → {after:.2f}")


def _step_curves() -> Curves:
    steps = np.linspace(0, 3, 31)
    now, slope_now = _loss_after(0.5, 0.0, 0.0)
    by_step = np.array([_loss_after(0.5, 0.0, x)[0] for x in steps])
    curves = {"one step": by_step, "slope of the flow": now + slope_now * steps}
    return Curves(steps, curves, "size of the step", "loss after noise")


DERIVATION = Derivation(
    claim="C2",
    title="Learning against growth: the slope of the loss after noise at any weights",
    statement=r"\frac{dP}{dt}=-\|\nabla L\|^2+\gamma_2^2d_{out}\,\mathrm{tr}\left((A-f)\Sigma_x^2f^\top\right)"
    r"+\gamma_1^2\,\mathrm{tr}\Sigma_x\,\mathrm{tr}\left((A-f)\Sigma_xf^\top\right)",
    plain="At any weights, pretraining lowers the loss after noise by the squared gradient and raises it by the cost "
    "of the growing weights, which is 2c⟨f, A−f⟩ for whitened inputs. An inflection is where the slope changes from "
    "negative to positive, so for whitened inputs there is none as long as ⟨f, A−f⟩ is not positive; for other inputs "
    "there can be one.",
    symbols={
        "P": "expected loss after noise",
        "G": "‖∇L‖², over both layers",
        "k_1,k_2": "tr((A−f)Σx²fᵀ) and tr((A−f)Σx fᵀ), both ⟨f, A−f⟩ for whitened inputs",
        r"\gamma_1,\gamma_2": "standard deviation of the noise on each entry of W1, W2",
        r"\tau": "tr Σx, which is d_in for whitened inputs",
        r"d_{in},h,d_{out}": "widths of input, hidden layer and output",
    },
    assumptions=(
        Assumption(
            "gradient flow",
            "Training follows the gradient flow of the loss, as small steps do.",
            Counterexample("One large step raises what the flow would lower.", _with_big_steps, _step_curves),
        ),
        Assumption(
            "no weight decay",
            "The weights move only by the gradient of the loss.",
            Counterexample("At a fitted teacher weight decay lowers the loss after noise.", _with_decay),
        ),
        *balanced_path.NOISE,
    ),
    steps=(
        Step(
            r"\nabla_{W_1}L=W_2^\top(f-A)\Sigma_x,\quad\nabla_{W_2}L=(f-A)\Sigma_xW_1^\top,\quad\dot L=-\|\nabla L\|^2",
            "The loss as a sum of traces, differentiated by machine for symbolic dimensions.",
            _gradients,
        ),
        Step(
            r"\frac{d}{dt}\left(L+\Delta\right)\ \text{entry by entry}",
            "For every shape in {1,2,3}³ and a random covariance, the loss is differentiated with respect to every "
            "entry, the weights move along the gradient, and L + Δ is differentiated with respect to time: the result "
            "is the formula, in exact arithmetic.",
            _on_shapes,
            cross_check=True,
        ),
        Step(
            r"-2s(\sigma-s)^2+2c\,s(\sigma-s)=\left.\tfrac{dP}{dt}\right|_{C1}",
            "On the balanced aligned path the formula gives claim C1's slope.",
            _one_mode,
        ),
        Step(
            r"\Sigma_x=I:\ \tfrac{dP}{dt}=-\|\nabla L\|^2+2c\langle f,A-f\rangle",
            "So for whitened inputs the sign of ⟨f, A−f⟩ alone can exclude an inflection. For other inputs it cannot: "
            "if Σx = diag(3, 0.1), W1 = W2 = diag(0.3, 1), A − f = diag(0.2, −0.1) and γ = 1, then ⟨f, A−f⟩ = −0.082 "
            "and dP/dt = 0.393.",
            _colored,
        ),
    ),
    formula=formula,
    conclusion=conclusion,
    variants=(
        Variant("γ₁ and γ₂ swapped", lambda f: f.subs({g1: g2, g2: g1}, simultaneous=True)),
        Variant("d_out and tr Σx swapped", lambda f: f.subs({d_out: tau, tau: d_out}, simultaneous=True)),
        Variant("k₁ and k₂ swapped", lambda f: f.subs({k1: k2, k2: k1}, simultaneous=True)),
        Variant("tr Σx replaced by d_in", lambda f: f.subs(tau, d_in)),
        Variant("squared gradient halved", lambda f: f.subs(gain, gain / 2)),
        Variant("cost halved", lambda f: f + (g2**2 * d_out * k1 + g1**2 * tau * k2) / -2),
        Variant("sign of the cost", lambda f: f.subs({k1: -k1, k2: -k2})),
        Variant("gradient dropped", lambda f: f.subs(gain, 0)),
    ),
    special_case=SpecialCase(
        "square, whitened, equal noise",
        lambda f: f.subs({k2: k1, tau: d_in, g2: g1}, simultaneous=True).subs(d_out, d_in),
    ),
    floor=Verdict.PROVED,
    uses=("B1",),
    link=Link(
        "overtraining.theory.inflection.noisy_flow.slope_after_noise",
        "shapes {1..5}³, entries and scales 1e-6 … 1e6, any Σx",
        _engine_error,
    ),
    source="ours",
)
