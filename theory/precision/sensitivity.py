"""The formulas of B1, B2, B4, B5, B6 and C2 for the cost of noise in mpmath, at any 2 × 2 weights and on the path.

Weights, teacher and the covariance of the inputs `Σx = [[a, b], [b, c]]` are 2 × 2 and passed entry by entry.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import mpmath
import numpy as np

from overtraining.theory.inflection import noisy_flow
from overtraining.theory.precision.form import Form, each
from overtraining.theory.sensitivity import conventions, deep_noise, growth, noise, noise_variance

SMALL_NOISE = (700, 1400)  # for differences that noise of 1e-150 makes


def square(*entries: Any) -> Any:
    """A 2 × 2 matrix of mpmath from its four entries."""
    return mpmath.matrix([entries[:2], entries[2:]])


def symmetric(a: Any, b: Any, c: Any) -> Any:
    """The symmetric 2 × 2 matrix [[a, b], [b, c]]."""
    return square(a, b, b, c)


def trace(matrix: Any) -> Any:
    """Sum of the diagonal."""
    return mpmath.fsum(matrix[i, i] for i in range(matrix.rows))


def norm(matrix: Any) -> Any:
    """Squared Frobenius norm."""
    return mpmath.fsum(x * x for x in matrix)


def increase(q1: Any, q2: Any, g1: Any, g2: Any, tau: Any = 3) -> Any:
    """`½(γ₂² d_out q₁ + γ₁² τ q₂ + γ₁² γ₂² d_out h τ)` at h = 2, d_out = 4 (B1)."""
    return (4 * g2**2 * q1 + tau * g1**2 * q2 + 8 * tau * g1**2 * g2**2) / 2


def increase_at(*point: Any) -> Any:
    """The same cost from weights and Σx: (w1, w2, a, b, c, γ₁, γ₂), d = 2 (B1)."""
    w1, w2 = square(*point[:4]), square(*point[4:8])
    input_covariance = symmetric(*point[8:11])
    g1, g2 = point[11:]
    return g2**2 * trace(w1 * input_covariance * w1.T) + trace(input_covariance) * (
        g1**2 * norm(w2) / 2 + 2 * g1**2 * g2**2
    )


def recursion(layers: Sequence[Any], gammas: Sequence[Any]) -> Any:
    """`½(tr C₀ − ‖f‖²)`, `C_{l−1} = W_lᵀ C_l W_l + γ_l² tr(C_l) I` (B2)."""
    c = f = mpmath.eye(layers[-1].rows)
    for w, gamma in zip(reversed(layers), reversed(gammas), strict=True):
        c = w.T * c * w + gamma**2 * trace(c) * mpmath.eye(w.cols)
        f = f * w
    return (trace(c) - norm(f)) / 2


def deep_on_path(*point: Any) -> Any:
    """The cost on the path from two modes and L scales: (s₁, s₂, γ₁, …, γ_L), all layers 2 × 2 (B2)."""
    depth = len(point) - 2
    root = mpmath.diag([mpmath.root(s, depth) if s else s for s in point[:2]])
    return recursion([root] * depth, point[2:])


def deep_at(*point: Any) -> Any:
    """The cost from three 2 × 2 layers and their scales, fifteen numbers (B2)."""
    return recursion([square(*point[i : i + 4]) for i in (0, 4, 8)], point[12:])


def variance(*point: Any) -> Any:
    """The variance of the loss under Gaussian noise: (w1, w2, teacher, a, b, c, γ₁, γ₂), d = 2 (B5)."""
    w1, w2, teacher = (square(*point[i : i + 4]) for i in (0, 4, 8))
    sx = symmetric(*point[12:15])
    k, l = (gamma**2 for gamma in point[15:])
    f = w2 * w1
    deviation = f - teacher
    tau, tau2 = trace(sx), norm(sx)
    overlap, overlap2 = (trace(deviation * m * f.T) for m in (sx, sx * sx))
    p1, p2 = (trace(w1 * m * w1.T) for m in (sx, sx * sx))
    spread = 5 * tau2 + tau**2
    terms = (
        k * norm(w2.T * deviation * sx),
        l * norm(deviation * sx * w1.T),
        k * l * (2 * norm(deviation * sx) + p2 * norm(w2) + 6 * overlap2 + 2 * tau * overlap),
        k**2 * tau2 * norm(w2.T * w2) / 2,
        l**2 * norm(w1 * sx * w1.T),
        k**2 * l * norm(w2) * spread,
        2 * k * l**2 * (5 * p2 + tau * p1),
        2 * k**2 * l**2 * spread,
    )
    return mpmath.fsum(terms)


def growth_at(*point: Any) -> Any:
    """The rate at which the cost of noise grows: (w1, w2, teacher, a, b, c, γ₁, γ₂), d = 2 (B4)."""
    w1, w2, teacher = (square(*point[i : i + 4]) for i in (0, 4, 8))
    sx = symmetric(*point[12:15])
    f = w2 * w1
    first, second = (trace((teacher - f) * m * f.T) for m in (sx, sx * sx))
    return 2 * point[16] ** 2 * second + point[15] ** 2 * trace(sx) * first


def slope_after_noise(*point: Any) -> Any:
    """The slope of the loss after noise along the flow: (w1, w2, teacher, a, b, c, γ₁, γ₂), d = 2 (C2)."""
    w1, w2, teacher = (square(*point[i : i + 4]) for i in (0, 4, 8))
    pull = (teacher - w2 * w1) * symmetric(*point[12:15])
    return growth_at(*point) - norm(w2.T * pull) - norm(pull * w1.T)


def relative(*point: Any) -> Any:
    """The cost of noise in units of each layer's root mean square entry: (w1, w2, ρ₁, ρ₂), d = 2 (B6)."""
    w1, w2 = square(*point[:4]), square(*point[4:8])
    r1, r2 = (r**2 for r in point[8:])
    return norm(w1) * norm(w2) * (r1 + r2 + r1 * r2) / 4


def multiplicative(*point: Any) -> Any:
    """The cost of noise in proportion to every weight: (w1, w2, ρ₁, ρ₂), d = 2 (B6)."""
    w1, w2 = square(*point[:4]), square(*point[4:8])
    r1, r2 = (r**2 for r in point[8:])
    units = [(w2[0, k] ** 2 + w2[1, k] ** 2) * (w1[k, 0] ** 2 + w1[k, 1] ** 2) for k in (0, 1)]
    return mpmath.fsum(units) * (r1 + r2 + r1 * r2) / 2


def rounded(*point: Any) -> Any:
    """The change of the loss when weights are rounded, ties toward 0: (w1, w2, teacher, δ₁, δ₂), d = 2 (B6)."""
    w1, w2, teacher = (square(*point[i : i + 4]) for i in (0, 4, 8))
    q1, q2 = (w.apply(partial(_nearest, step)) for w, step in ((w1, point[12]), (w2, point[13])))
    return (norm(q2 * q1 - teacher) - norm(w2 * w1 - teacher)) / 2


def _nearest(step: Any, x: Any) -> Any:
    """The nearest multiple of a step, ties toward 0."""
    return mpmath.sign(x) * mpmath.ceil(abs(x) / step - mpmath.mpf(1) / 2) * step if step else x


def overlap(s1: Any, s2: Any, angle: Any) -> Any:
    """`Σ_k (Σ_i R_ki² s_i)²` for a hidden frame R rotated by an angle (B6)."""
    x, y = mpmath.cos(angle), mpmath.sin(angle)
    return (x**2 * s1 + y**2 * s2) ** 2 + (y**2 * s1 + x**2 * s2) ** 2


def _matrices(row: Sequence[float], number: int) -> Any:
    return [np.array(row[4 * i : 4 * i + 4], float).reshape(2, 2) for i in range(number)]


def _covariance(a: float, b: float, c: float) -> np.ndarray:
    return np.array([[a, b], [b, c]])


def _at(function: Callable[..., Any], *row: float) -> Any:
    return function(*_matrices(row, 3), row[15], row[16], _covariance(*row[12:15]))


def _increase(*row: float) -> Any:
    w1, w2 = _matrices(row, 2)
    return noise.expected_increase_at(w1, w2, row[11], row[12], _covariance(*row[8:11]))


def _variance(*row: float) -> Any:
    w1, w2, teacher = _matrices(row, 3)
    point = noise_variance.invariants_at(w1, w2, teacher, _covariance(*row[12:15]))
    return noise_variance.loss_variance(point, row[15], row[16], h=2, d_out=2)


def _on_path(*columns: np.ndarray) -> Any:
    depth = len(columns) - 2
    norms = deep_noise.segment_norms_on_path(np.stack(columns[:2], axis=-1), [2] * (depth + 1))
    return deep_noise.deep_increase(norms, np.stack(columns[2:], axis=-1))


def _overlap(s1: float, s2: float, angle: float) -> Any:
    x, y = np.cos(angle), np.sin(angle)
    return conventions.unit_overlap_on_path(np.array([s1, s2]), np.array([[x, -y], [y, x]]))


FORMS = (
    Form("B1", "noise.expected_increase", partial(noise.expected_increase, d_in=3, h=2, d_out=4), increase),
    Form("B1", "noise.expected_increase_at", each(_increase), increase_at),
    Form("B1", "noise.mode_cost", partial(noise.mode_cost, d_in=4, d_out=8), lambda a, b: 4 * b**2 + 2 * a**2),
    *(
        Form("B2", f"deep_noise.deep_increase, L = {depth}", _on_path, deep_on_path, SMALL_NOISE)
        for depth in (1, 2, 3, 5, 8)
    ),
    Form(
        "B2",
        "deep_noise.deep_increase_at, L = 3",
        each(lambda *row: deep_noise.deep_increase_at(_matrices(row, 3), np.array(row[12:]))),
        deep_at,
        SMALL_NOISE,
    ),
    Form("B4", "growth.growth_at", each(partial(_at, growth.growth_at)), growth_at),
    Form("B5", "noise_variance.loss_variance", each(_variance), variance),
    Form(
        "B6",
        "conventions.increase_in_convention, relative",
        each(lambda *row: conventions.increase_in_convention("relative", *_matrices(row, 2), *row[8:])),
        relative,
    ),
    Form(
        "B6",
        "conventions.increase_in_convention, multiplicative",
        each(lambda *row: conventions.increase_in_convention("multiplicative", *_matrices(row, 2), *row[8:])),
        multiplicative,
    ),
    Form(
        "B6",
        "conventions.rounding_increase_at",
        each(lambda *row: conventions.rounding_increase_at(*_matrices(row, 3), *row[12:])),
        rounded,
        SMALL_NOISE,
    ),
    Form("B6", "conventions.unit_overlap_on_path", each(_overlap), overlap),
    Form(
        "B6",
        "conventions.multiplicative_increase",
        conventions.multiplicative_increase,
        lambda own, unit, r1, r2: (r2**2 * unit + r1**2 * (1 + r2**2) * own) / 2,
    ),
    Form(
        "B6",
        "conventions.mean_unit_overlap",
        partial(conventions.mean_unit_overlap, h=3),
        lambda q1, q2, both: (q1 * q2 + 2 * both) / 5,
    ),
    Form("C2", "noisy_flow.slope_after_noise", each(partial(_at, noisy_flow.slope_after_noise)), slope_after_noise),
)
