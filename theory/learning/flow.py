"""A1, A2: the gradient of the pretraining loss, what gradient flow conserves, and the two equations of one mode."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, listed, nonnegative, one_nonnegative
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_input_covariance

Layer = Float[np.ndarray, "_rows _cols"]


def loss_gradient(
    weights: Sequence[Layer],
    teacher: Float[np.ndarray, "d_out d_in"],
    input_covariance: Float[np.ndarray, "d_in d_in"] | None = None,
    decay: float = 0.0,
) -> tuple[Layer, ...]:
    """Gradient of the loss by every layer, `∇W_l = (W_L…W_{l+1})ᵀ (f − A) Σx (W_{l−1}…W_1)ᵀ + μ W_l` (claim A1).

    The loss is `½ tr((f − A) Σx (f − A)ᵀ) + ½μ Σ‖W_l‖²` with `f = W_L … W_1`; gradient flow is `dW_l/dt = −∇W_l`.

    weights: `(W_1, …, W_L)`, from the input on, any depth; `W_1` has d_in columns, `W_L` d_out rows.
    teacher: A.  input_covariance: Σx; by default I, that is whitened inputs.  decay: μ >= 0.
    Raises ShapeError where the matrices do not chain, DomainError for bad numbers, for a Σx that is not symmetric
    positive semidefinite, and where the result overflows.
    Source: for two whitened layers Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 3.

    >>> loss_gradient((np.array([[2.0]]), np.array([[3.0]])), teacher=np.array([[5.0]]))
    (array([[3.]]), array([[2.]]))
    """
    layers, teacher = _chain(weights), finite("teacher", teacher)
    shape = (layers[-1].shape[0], layers[0].shape[1])
    if teacher.shape != shape:
        raise ShapeError(f"teacher {teacher.shape}", f"the student maps to {shape}", "pass d_out × d_in")
    mu = one_nonnegative("decay", decay)
    with np.errstate(over="ignore", invalid="ignore"):  # refused below, by name
        below = [np.eye(shape[1])]
        for layer in layers:
            below.append(layer @ below[-1])
        error = below.pop() - teacher
        if input_covariance is not None:
            error = error @ check_input_covariance(input_covariance, shape[1])
        gradients: list[Layer] = []
        for layer, before in zip(reversed(layers), reversed(below), strict=True):
            gradients.insert(0, error @ before.T + mu * layer)  # A1
            error = layer.T @ error
    _refuse_overflow(gradients)
    return tuple(gradients)


def imbalance(weights: Sequence[Layer]) -> tuple[Layer, ...]:
    """What gradient flow conserves between neighbours, `W_{l+1}ᵀ W_{l+1} − W_l W_lᵀ` for l = 1 … L−1 (claim A1).

    Conserved for any teacher, any Σx and any shape; with weight decay μ each entry decays as `e^{−2μt}`. All zero:
    the network is *balanced*. Two layers give one matrix, h × h.

    weights: as in `loss_gradient`, at least two. Raises ShapeError where they do not chain, DomainError for bad
    numbers.
    Source: Fukumizu 1998; Du, Hu, Lee 2018 (arXiv 1806.00900), theorem 2.1.

    >>> imbalance((np.array([[1.0, 2.0]]), np.array([[3.0]])))
    (array([[4.]]),)
    """
    layers = _chain(weights)
    if len(layers) < 2:
        raise ShapeError("weights has one layer", "an imbalance is between two neighbours", "pass (W_1, W_2)")
    with np.errstate(over="ignore", invalid="ignore"):
        differences = [above.T @ above - below @ below.T for below, above in pairwise(layers)]  # A1
    _refuse_overflow(differences)
    return tuple(differences)


def mode_flow(
    w1: Numbers, w2: Numbers, sigma: Numbers, input_variance: Numbers = 1.0, decay: Numbers = 0.0
) -> tuple[Values, Values]:
    """Velocities of one aligned mode, `ẇ1 = ξ w2 (σ − w1w2) − μw1`, `ẇ2 = ξ w1 (σ − w1w2) − μw2` (claim A2).

    From an aligned start with a shared hidden frame, and Σx diagonal in the teacher's input frame with entry ξ here,
    gradient flow splits into these pairs of equations, one pair per singular value of the teacher.

    w1, w2: the mode's weights, of either sign.  sigma: teacher singular value >= 0.  input_variance: ξ >= 0.
    decay: μ >= 0. All broadcast. Raises DomainError outside (and where the result overflows), ShapeError where arrays
    do not broadcast.
    Source: Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 5.

    >>> tuple(map(float, mode_flow(0.5, 1.0, sigma=2.0)))
    (1.5, 0.75)
    """
    w1, w2, sigma, xi, mu = check_broadcast(
        w1=finite("w1", w1),
        w2=finite("w2", w2),
        sigma=nonnegative("sigma", sigma, "a singular value is not negative; put the sign into the singular vectors"),
        input_variance=nonnegative("input_variance", input_variance),
        decay=nonnegative("decay", decay),
    )
    with np.errstate(over="ignore", invalid="ignore"):
        pull = xi * (sigma - w1 * w2)
        velocities = pull * w2 - mu * w1, pull * w1 - mu * w2  # A2
    _refuse_overflow(velocities)
    return velocities


def _chain(weights: Sequence[Numbers]) -> list[Layer]:
    layers = [finite(f"weights[{l}]", w) for l, w in enumerate(listed("weights", weights))]
    shapes = [w.shape for w in layers]
    if not layers or any(len(s) != 2 for s in shapes):
        raise ShapeError(f"weights {shapes}", "they are not matrices", "pass (W_1, …, W_L), each 2-dimensional")
    if any(above[1] != below[0] for below, above in pairwise(shapes)):
        raise ShapeError(f"weights {shapes}", "W_{l+1} @ W_l is not defined", "pass (W_1, …, W_L), from the input on")
    return layers


def _refuse_overflow(results: Sequence[Values]) -> None:
    if not all(np.isfinite(x).all() for x in results):
        raise DomainError("these weights", "the result overflows in float64", "rescale the teacher and the weights")
