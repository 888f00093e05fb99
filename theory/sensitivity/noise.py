"""B1: the expected rise of the loss under independent noise on the weights, exact at every point of weight space."""

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative, one_nonnegative, whole
from overtraining.theory.checks import check_input_covariance, check_weights
from overtraining.theory.products import product, refuse_overflow


def expected_increase(
    w1_norm: Numbers,
    w2_norm: Numbers,
    gamma_1: Numbers,
    gamma_2: Numbers,
    *,
    d_in: int,
    h: int,
    d_out: int,
    input_trace: float | None = None,
) -> Values:
    """Cost of weight noise, `½(γ₂² d_out q₁ + γ₁² τ q₂ + γ₁² γ₂² d_out h τ)` (claim B1), from the norms of the weights.

    This is `E[L(θ + noise)] − L(θ)` for independent zero-mean noise of ANY law with standard deviations γ₁, γ₂ on the
    entries of `W1: h × d_in` and `W2: d_out × h`; no expansion in γ. The teacher does not enter.

    w1_norm: `q₁ = tr(W1 Σx W1ᵀ)`, which is ‖W1‖²_F for whitened inputs.  w2_norm: `q₂ = ‖W2‖²_F`.
    gamma_1, gamma_2: γ₁, γ₂.  d_in, h, d_out: widths.
    input_trace: `τ = tr Σx`; by default d_in, that is whitened inputs.
    All arrays broadcast; result in the unit of the loss. Raises DomainError for negative numbers and for a result that
    overflows, ShapeError where arrays do not broadcast.

    >>> float(expected_increase(1.0, 1.0, 0.1, 0.1, d_in=3, h=2, d_out=4))
    0.0362
    """
    d_in, h, d_out = whole("d_in", d_in), whole("h", h), whole("d_out", d_out)
    trace = one_nonnegative("input_trace", d_in if input_trace is None else input_trace)
    q1, q2, gamma_1, gamma_2 = check_broadcast(
        w1_norm=nonnegative("w1_norm", w1_norm, "pass the squared norm"),
        w2_norm=nonnegative("w2_norm", w2_norm, "pass the squared norm"),
        gamma_1=nonnegative("gamma_1", gamma_1, "pass the standard deviation of the noise"),
        gamma_2=nonnegative("gamma_2", gamma_2, "pass the standard deviation of the noise"),
    )
    on_w1 = (trace, gamma_1, gamma_1)
    on_w2 = (d_out, gamma_2, gamma_2)

    def rise() -> Values:
        return (product(*on_w2, q1) + product(*on_w1, q2) + product(*on_w1, *on_w2, h)) / 2  # B1

    return refuse_overflow("the rise of the loss", rise)


def expected_increase_at(
    w1: Float[np.ndarray, "h d_in"],
    w2: Float[np.ndarray, "d_out h"],
    gamma_1: Numbers,
    gamma_2: Numbers,
    input_covariance: Float[np.ndarray, "d_in d_in"] | None = None,
) -> Values:
    """`expected_increase` (claim B1) from the weight matrices themselves.

    w1, w2: W1 and W2.  gamma_1, gamma_2: standard deviations of the noise on their entries, which broadcast.
    input_covariance: Σx, by default I.
    Raises ShapeError where the matrices do not chain, DomainError where Σx is not symmetric positive semidefinite.

    >>> float(expected_increase_at(np.ones((1, 2)), np.ones((2, 1)), 0.0, 1.0))
    2.0
    """
    w1, w2 = check_weights((w1, w2))
    (h, d_in), d_out = w1.shape, w2.shape[0]
    sx = check_input_covariance(input_covariance, d_in)

    def seen_norm() -> np.float64:
        if input_covariance is None:
            return np.sum(w1**2)
        return np.maximum((w1 @ sx * w1).sum(), 0.0)  # negative only by rounding, where Σx is singular

    q1 = refuse_overflow("the norm of w1", seen_norm)
    q2 = refuse_overflow("the norm of w2", lambda: np.sum(w2**2))
    return expected_increase(q1, q2, gamma_1, gamma_2, d_in=d_in, h=h, d_out=d_out, input_trace=float(np.trace(sx)))


def mode_cost(gamma_1: Numbers, gamma_2: Numbers, *, d_in: int, d_out: int) -> Values:
    """Cost of one unit of balanced singular value under noise, `c = ½(γ₂² d_out + γ₁² d_in)` (claims B1, C1).

    The cost of noise is `Δ = c Σ s_i + const` on the balanced path. Other functions take c as `noise_cost`.
    gamma_1, gamma_2: noise standard deviations >= 0 of W1 and W2, which broadcast. Raises DomainError for negative ones
    and where the result overflows, ShapeError where they do not broadcast.

    >>> float(mode_cost(0.5, 0.25, d_in=4, d_out=8))
    0.75
    """
    gamma_1, gamma_2 = check_broadcast(gamma_1=nonnegative("gamma_1", gamma_1), gamma_2=nonnegative("gamma_2", gamma_2))
    d_in, d_out = whole("d_in", d_in), whole("d_out", d_out)

    def cost() -> Values:
        return (product(d_out, gamma_2, gamma_2) + product(d_in, gamma_1, gamma_1)) / 2

    return refuse_overflow("the cost of a singular value", cost)
