"""C2: whether further pretraining lowers or raises the loss after noise, at any weights."""

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative
from overtraining.setting.errors import DomainError
from overtraining.theory.checks import check_input_covariance, check_teacher, check_weights


def slope_after_noise(
    w1: Float[np.ndarray, "h d_in"],
    w2: Float[np.ndarray, "d_out h"],
    teacher: Float[np.ndarray, "d_out d_in"],
    gamma_1: Numbers,
    gamma_2: Numbers,
    input_covariance: Float[np.ndarray, "d_in d_in"] | None = None,
) -> Values:
    """Slope of the expected loss after noise along gradient flow, at ANY weights (claim C2).

    `dP/dt = −‖∇L‖² + γ₂² d_out tr((A−f) Σx² fᵀ) + γ₁² tr(Σx) tr((A−f) Σx fᵀ)`, for whitened inputs
    `−‖∇L‖² + 2c⟨f, A−f⟩`: the decrease by training, and the increase because the weights grow. Where the slope is
    negative, further pretraining helps.

    w1: h × d_in.  w2: d_out × h.  teacher: A, d_out × d_in.  gamma_1, gamma_2: standard deviations of the noise on
    the entries of w1, w2; they broadcast.  input_covariance: Σx, by default I. Loss per unit of gradient-flow time.
    Raises ShapeError where the matrices do not fit, DomainError for numbers that are not finite, a Σx that is not a
    covariance, and a result too large for float64.
    Source: ours.

    >>> one = np.ones((1, 1))
    >>> float(slope_after_noise(one, one, 2 * one, gamma_1=0.5, gamma_2=1.0))
    -0.75
    """
    layers = check_weights((w1, w2))
    w1, w2 = layers
    teacher = check_teacher(teacher, layers)
    inputs = check_input_covariance(input_covariance, w1.shape[1])
    gamma_1, gamma_2 = check_broadcast(gamma_1=nonnegative("gamma_1", gamma_1), gamma_2=nonnegative("gamma_2", gamma_2))
    with np.errstate(over="ignore", invalid="ignore"):  # refused below, by name
        f = w2 @ w1
        pull = (teacher - f) @ inputs
        gain = ((w2.T @ pull) ** 2).sum() + ((pull @ w1.T) ** 2).sum()
        on_w1, on_w2 = (pull @ inputs * f).sum(), (pull * f).sum()
        slope = -gain + gamma_2**2 * w2.shape[0] * on_w1 + gamma_1**2 * np.trace(inputs) * on_w2  # C2
    if not np.isfinite(slope).all():
        raise DomainError("the slope", "it overflows in float64 at these weights and scales", "rescale the problem")
    return slope
