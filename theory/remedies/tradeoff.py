"""D7: the best trade between the losses on two tasks, and what updates of low rank can reach."""

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import finite, nonnegative, together, whole
from overtraining.setting.errors import ShapeError
from overtraining.theory.products import fits


def least_forgetting(distance: Numbers, loss: Numbers) -> Values:
    """The least pretraining loss that a network of this downstream loss can have, `½(‖A − B‖ − √(2L_ft))₊²` (claim D7).

    The triangle inequality, whatever the training: every remedy is on or above this curve, and on it exactly if f is on
    the segment from B to A, where replay ends. Fine-tuning of converged weights by an update of rank k, at its best,
    pays `L_pre + L_ft = ½‖A − B‖²` instead.

    distance: ‖A − B‖_F >= 0.  loss: L_ft >= 0. Raises DomainError and ShapeError.

    >>> least_forgetting(2.0, [0.0, 0.5, 9.0]).round(12).tolist()
    [2.0, 0.5, 0.0]
    """
    distance, loss = together(distance=nonnegative("distance", distance), loss=nonnegative("loss", loss))
    short = np.maximum(distance - np.sqrt(2.0) * np.sqrt(loss), 0)
    return fits("the loss", lambda: short * short / 2)[()]  # D7


def low_rank_floor(difference: Float[np.ndarray, "... _ _"], rank: int) -> Values:
    """The least downstream loss under a low-rank update of every layer, `½Σ_{i>2r} σ_i(B − f)²` (claim D7).

    `W_l + ΔW_l` with updates of rank r in two layers changes f by a matrix of rank 2r at most.
    Reached, by `low_rank.low_rank_update`, where the weights have learned enough.

    difference: B − f at the pretrained weights, `d_out × d_in`, leading axes free.  rank: r. Raises ShapeError where
    there is no matrix, DomainError for bad numbers.
    Source: Eckart and Young 1936.

    >>> float(low_rank_floor(np.diag([3.0, 2.0, 1.0]), rank=1))
    0.5
    """
    matrix, rank = finite("difference", difference), whole("rank", rank, least=0)
    if matrix.ndim < 2 or matrix.size == 0:
        raise ShapeError(f"difference {matrix.shape}", "it is no matrix", "pass B − f, d_out × d_in")
    left = np.linalg.svd(matrix, compute_uv=False)[..., 2 * rank :]
    return fits("the loss", lambda: (left * left).sum(axis=-1) / 2)[()]  # D7
