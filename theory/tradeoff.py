"""D7, E3: two tasks at once: the interpolated target, the best trade between their losses, what a low rank allows."""

import numpy as np
from jaxtyping import Float

from theory.arrays import Numbers, Values
from theory.domain import finite, nonnegative, together, whole
from theory.errors import DomainError, ShapeError
from theory.products import fits


def interpolated(pretraining: Numbers, downstream: Numbers, share: Numbers) -> Values:
    """The one target of two mixed losses, `(1 − ρ)B + ρA` (claims D7, E3).

    `(1 − ρ)½‖f − B‖² + ρ½‖f − A‖² = ½‖f − A_ρ‖² + ½ρ(1 − ρ)‖A − B‖²` for every f: replay of share ρ in fine-tuning, or
    downstream data of share 1 − ρ in pretraining, is training on A_ρ, on the same clock. For `L_ft + λL_pre`, which
    weighs 1 + λ, ρ = λ/(1 + λ) and the clock runs 1 + λ times as fast.

    pretraining, downstream: A and B, matrices or singular values of shared singular vectors.  share: ρ of pretraining,
    0 <= ρ <= 1. All broadcast. Raises DomainError outside, ShapeError where arrays do not broadcast.

    >>> interpolated(1.0, 3.0, share=[0.0, 0.25, 1.0]).tolist()
    [3.0, 2.5, 1.0]
    """
    a, b, rho = together(
        pretraining=finite("pretraining", pretraining),
        downstream=finite("downstream", downstream),
        share=nonnegative("share", share),
    )
    if (rho > 1).any():
        raise DomainError("share", "it is more than all", "pass 0 to 1")
    return fits("the target", lambda: (1 - rho) * b + rho * a)[()]  # D7, E3


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
