"""B4: the rate at which the sensitivity to noise and the curvature grow during pretraining."""

from typing import Any

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, whole
from overtraining.theory.checks import check_input_covariance, check_teacher, check_weights
from overtraining.theory.learning.balanced_mode import learned_and_unlearned
from overtraining.theory.products import product, refuse_overflow


def growth_at(
    w1: Float[np.ndarray, "h d_in"],
    w2: Float[np.ndarray, "d_out h"],
    teacher: Float[np.ndarray, "d_out d_in"],
    gamma_1: Numbers,
    gamma_2: Numbers,
    input_covariance: Float[np.ndarray, "d_in d_in"] | None = None,
) -> Values:
    """Growth of the cost of noise, `dΔ/dt = γ₂² d_out x₂ + γ₁² τ x₁` (claim B4), under gradient flow from ANY weights.

    `x_k = tr((A − f) Σx^k fᵀ)`, `f = W2 W1`, `τ = tr Σx`, and Δ is B1's; whitened inputs have x₁ = x₂ = ⟨f, A − f⟩ and
    τ = d_in. Per unit of gradient-flow time, in the unit of the loss; negative where sensitivity shrinks.

    gamma_1, gamma_2: noise standard deviations >= 0 of W1 and W2, which broadcast.
    Raises ShapeError where the matrices do not fit, DomainError where Σx is not symmetric positive semidefinite or the
    result overflows.

    >>> float(growth_at(np.ones((1, 2)), np.ones((2, 1)), 3 * np.ones((2, 2)), 0.5, 0.5))
    8.0
    """
    first, second, trace, d_out = _overlaps(w1, w2, teacher, input_covariance)
    gamma_1, gamma_2 = check_broadcast(gamma_1=nonnegative("gamma_1", gamma_1), gamma_2=nonnegative("gamma_2", gamma_2))

    def rate() -> Values:
        return product(gamma_2, gamma_2, d_out, second) + product(gamma_1, gamma_1, trace, first)  # B4

    return refuse_overflow("the rate of growth", rate)


def curvature_growth_at(
    w1: Float[np.ndarray, "h d_in"],
    w2: Float[np.ndarray, "d_out h"],
    teacher: Float[np.ndarray, "d_out d_in"],
    input_covariance: Float[np.ndarray, "d_in d_in"] | None = None,
) -> float:
    """Growth of the Hessian's trace, `d/dt tr H = 2 d_out x₂ + 2 τ x₁` (claim B4).

    For whitened inputs it is `2(d_in + d_out)⟨f, A − f⟩`.

    Arguments and errors as in `growth_at`, of which it is twice the value at γ₁ = γ₂ = 1.

    >>> curvature_growth_at(np.ones((1, 2)), np.ones((2, 1)), 3 * np.ones((2, 2)))
    64.0
    """
    return 2 * float(growth_at(w1, w2, teacher, 1.0, 1.0, input_covariance))  # B4


def curvature_growth(length: Numbers, sigma: Numbers, epsilon: Numbers, *, d_in: int, d_out: int) -> Values:
    """Contribution of one balanced aligned mode to `d/dt tr H`, `2(d_in + d_out) s(σ − s)` (claims A3, B4).

    It is positive while 0 < s < σ and negative from a start above σ; the sum over modes is that of the network.
    length: pretraining length. Domain, units and errors as in `balanced_mode.singular_value`; whitened inputs.

    >>> curvature_growth([0.0, 5.0], sigma=1.0, epsilon=0.01, d_in=3, d_out=2).round(6).tolist()
    [0.099, 0.044545]
    """
    widths = whole("d_in", d_in) + whole("d_out", d_out)
    s, unlearned = learned_and_unlearned(length, sigma, epsilon)
    return refuse_overflow("the rate of growth", lambda: product(2 * widths, s, unlearned))  # B4


def norm_gained(sigma: Numbers, imbalance: Numbers, initial_product: Numbers = 0.0) -> Values:
    """Growth of `w1² + w2²` while the product of a mode goes from p₀ to σ, `√(λ² + 4σ²) − √(λ² + 4p₀²)` (claim B4).

    λ = w2² − w1² is the imbalance, of either sign: 2(σ − p₀) at λ = 0 (rich), `2(σ² − p₀²)/|λ|` for large |λ| (lazy).
    `tr H` grows by `(d_in + d_out)/2` times as much. Computed as a quotient, which does not cancel.

    sigma: teacher singular value >= 0.  initial_product: p₀ >= 0; with λ = 0, p₀ = 0 is the limit of a vanishing start,
    not the saddle itself, which no training leaves. Raises DomainError for a negative sigma or p₀ and for a result that
    overflows, ShapeError where the arrays do not broadcast.

    >>> norm_gained(1.0, imbalance=[0.0, 10.0, -1e9]).round(12).tolist()
    [2.0, 0.198039027186, 2e-09]
    """
    sigma, imbalance, p0 = check_broadcast(
        sigma=nonnegative("sigma", sigma),
        imbalance=finite("imbalance", imbalance),
        initial_product=nonnegative("initial_product", initial_product, "flip the sign of one singular vector"),
    )

    def gained() -> Values:
        half = np.hypot(imbalance / 2, sigma) + np.hypot(imbalance / 2, p0)
        ratio = (sigma + p0) / np.where(half > 0, half, 1.0)  # at most 1, and 0 where nothing moves
        return 2 * (sigma - p0) * ratio  # B4

    return refuse_overflow("the norm gained", gained)


def _overlaps(w1: Any, w2: Any, teacher: Any, input_covariance: Any) -> tuple[float, float, float, int]:
    """x₁, x₂, τ and d_out of checked matrices."""
    layers = check_weights((w1, w2))
    f = refuse_overflow("W2 W1", lambda: layers[1] @ layers[0])
    unlearned = refuse_overflow("A − W2 W1", lambda: check_teacher(teacher, layers) - f)
    sx = check_input_covariance(input_covariance, layers[0].shape[1])

    def overlaps() -> list[np.float64]:
        weighted = unlearned @ sx
        return [(weighted * f).sum(), (weighted * (f @ sx)).sum()]

    first, second = refuse_overflow("⟨f, A − f⟩", overlaps)
    return float(first), float(second), float(np.trace(sx)), len(f)
