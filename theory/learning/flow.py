"""A1, A2: the gradient of the loss, the imbalance that gradient flow conserves, and the flow of one mode."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, one_nonnegative
from overtraining.setting.errors import ShapeError
from overtraining.theory.checks import (
    WeightMatrix,
    check_input_covariance,
    check_singular_value,
    check_teacher,
    check_weights,
)
from overtraining.theory.products import refuse_overflow


def loss_gradient(
    weights: Sequence[WeightMatrix],
    teacher: Float[np.ndarray, "d_out d_in"],
    input_covariance: Float[np.ndarray, "d_in d_in"] | None = None,
    weight_decay: float = 0.0,
) -> tuple[WeightMatrix, ...]:
    """Gradient of the loss for every layer, `∇W_l = (W_L…W_{l+1})ᵀ (f − A) Σx (W_{l−1}…W_1)ᵀ + μ W_l` (claim A1).

    The loss is `½ tr((f − A) Σx (f − A)ᵀ) + ½μ Σ‖W_l‖²` with `f = W_L … W_1`; gradient flow is `dW_l/dt = −∇W_l`.

    weights: `(W_1, …, W_L)`, from the input to the output, any depth; `W_1` has d_in columns, `W_L` d_out rows.
    teacher: A.  input_covariance: Σx; by default I, that is whitened inputs.  weight_decay: μ >= 0.
    Raises ShapeError where the matrices do not chain, DomainError for bad numbers, for a Σx that is not symmetric
    positive semidefinite, and where the result overflows.
    Source: for two whitened layers Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 3.

    >>> loss_gradient((np.array([[2.0]]), np.array([[3.0]])), teacher=np.array([[5.0]]))
    (array([[3.]]), array([[2.]]))
    """
    layers = check_weights(weights)
    teacher = check_teacher(teacher, layers)
    mu = one_nonnegative("weight_decay", weight_decay)
    d_in = layers[0].shape[1]

    def gradients() -> list[WeightMatrix]:
        products = [np.eye(d_in)]  # W_{l−1} … W_1 for every l, and f
        for layer in layers:
            products.append(layer @ products[-1])
        error = products.pop() - teacher
        if input_covariance is not None:
            error = error @ check_input_covariance(input_covariance, d_in)
        found: list[WeightMatrix] = []
        for layer, before in zip(reversed(layers), reversed(products), strict=True):
            found.insert(0, error @ before.T + mu * layer)  # A1
            error = layer.T @ error
        return found

    return tuple(refuse_overflow("the gradient", gradients))


def imbalance(weights: Sequence[WeightMatrix]) -> tuple[WeightMatrix, ...]:
    """The imbalance of neighbouring layers, `W_{l+1}ᵀ W_{l+1} − W_l W_lᵀ` for l = 1 … L−1 (claim A1).

    Gradient flow conserves it for any teacher, any Σx and any shape; with weight decay μ each entry decays as
    `e^{−2μt}`. If all are zero the network is *balanced*. Two layers give one matrix, h × h.

    weights: as in `loss_gradient`, at least two. Raises ShapeError where they do not chain, DomainError for bad
    numbers.
    Source: Fukumizu 1998; Du, Hu, Lee 2018 (arXiv 1806.00900), theorem 2.1.

    >>> imbalance((np.array([[1.0, 2.0]]), np.array([[3.0]])))
    (array([[4.]]),)
    """
    layers = check_weights(weights)
    if len(layers) < 2:
        raise ShapeError("weights has one layer", "an imbalance is between two neighbours", "pass (W_1, W_2)")
    differences = refuse_overflow(  # A1
        "the imbalance", lambda: [after.T @ after - before @ before.T for before, after in pairwise(layers)]
    )
    return tuple(differences)


def mode_flow(
    w1: Numbers, w2: Numbers, sigma: Numbers, input_variance: Numbers = 1.0, weight_decay: Numbers = 0.0
) -> tuple[Values, Values]:
    """Velocities of one aligned mode, `ẇ1 = ξ w2 (σ − w1w2) − μw1`, `ẇ2 = ξ w1 (σ − w1w2) − μw2` (claim A2).

    From an aligned start with a shared hidden frame, and Σx diagonal in the teacher's input frame with entry ξ here,
    gradient flow splits into these pairs of equations, one pair per singular value of the teacher.

    w1, w2: the mode's weights, of either sign.  sigma: teacher singular value >= 0.  input_variance: ξ >= 0.
    weight_decay: μ >= 0. All broadcast. Raises DomainError outside (and where the result overflows), ShapeError where
    arrays do not broadcast.
    Source: Saxe, McClelland, Ganguli 2014 (arXiv 1312.6120), eq. 5.

    >>> tuple(map(float, mode_flow(0.5, 1.0, sigma=2.0)))
    (1.5, 0.75)
    """
    w1, w2, sigma, xi, mu = check_broadcast(
        w1=finite("w1", w1),
        w2=finite("w2", w2),
        sigma=check_singular_value("sigma", sigma),
        input_variance=nonnegative("input_variance", input_variance),
        weight_decay=nonnegative("weight_decay", weight_decay),
    )

    def velocities() -> tuple[Values, Values]:
        pull = xi * (sigma - w1 * w2)
        return pull * w2 - mu * w1, pull * w1 - mu * w2  # A2

    return refuse_overflow("the velocities", velocities)
