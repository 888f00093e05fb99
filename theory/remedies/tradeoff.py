"""D7: the best trade between the losses on two tasks, and what updates of low rank can reach."""

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, whole
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_teacher, check_weights
from overtraining.theory.products import refuse_overflow


def least_forgetting(distance: Numbers, downstream_loss: Numbers) -> Values:
    """The least pretraining loss that a network of this downstream loss can have, `½(‖A − B‖ − √(2L_ft))₊²` (claim D7).

    By the triangle inequality, whatever the training: every remedy is on or above this curve, and on it exactly if f is
    on the segment from B to A, where fine-tuning with replay ends. Fine-tuning of converged weights by the best update
    of rank k ends on `L_pre + L_ft = ½‖A − B‖²` instead.

    distance: ‖A − B‖_F >= 0.  downstream_loss: L_ft >= 0. Both broadcast. Unit of the loss.
    Raises DomainError outside the domain, ShapeError where arrays do not broadcast.

    >>> least_forgetting(2.0, [0.0, 0.5, 9.0]).round(12).tolist()
    [2.0, 0.5, 0.0]
    """
    distance, downstream_loss = check_broadcast(
        distance=nonnegative("distance", distance), downstream_loss=nonnegative("downstream_loss", downstream_loss)
    )
    short = np.maximum(distance - np.sqrt(2.0) * np.sqrt(downstream_loss), 0)
    return refuse_overflow("the loss", lambda: short * short / 2)[()]  # D7


def low_rank_floor(difference: Float[np.ndarray, "... _ _"], rank: int) -> Values:
    """The least downstream loss under a low-rank update of every layer, `½Σ_{i>2r} σ_i(B − f)²` (claim D7).

    `W_l + ΔW_l` with updates of rank r in two layers changes f by a matrix of rank 2r at most.
    `low_rank_update` reaches it where the weights have learned enough.

    difference: B − f at the pretrained weights, `d_out × d_in`, with any leading axes.  rank: r. Unit of the
    loss. Raises ShapeError where there is no matrix, DomainError for numbers that are not finite.
    Source: Eckart and Young 1936.

    >>> float(low_rank_floor(np.diag([3.0, 2.0, 1.0]), rank=1))
    0.5
    """
    matrix, rank = finite("difference", difference), whole("rank", rank, least=0)
    if matrix.ndim < 2 or matrix.size == 0:
        raise ShapeError(f"difference {matrix.shape}", "it is not a matrix", "pass B − f, d_out × d_in")
    rest = np.linalg.svd(matrix, compute_uv=False)[..., 2 * rank :]
    return refuse_overflow("the loss", lambda: (rest * rest).sum(axis=-1) / 2)[()]  # D7


def low_rank_update(
    w1: Float[np.ndarray, "h d_in"], w2: Float[np.ndarray, "d_out h"], task: Float[np.ndarray, "d_out d_in"], rank: int
) -> tuple[Float[np.ndarray, "h d_in"], Float[np.ndarray, "d_out h"]]:
    """Updates of both layers, of rank r each, that reach `low_rank_floor` (claim D7).

    `V1 = W2⁺M_a`, `V2 = M_b(W1 + V1)⁺`, where `M_a + M_b` are the 2r strongest directions of B − f, r in each half:
    `(W2 + V2)(W1 + V1) = f + M_a + M_b`. From converged weights this ends at `L_pre + L_ft = ½‖A − B‖²`, above
    what replay reaches (`least_forgetting`), and the updates are as large as M over the weights' smallest singular
    values.

    w1: h × d_in.  w2: d_out × h.  task: B, d_out × d_in.  rank: r >= 0. Whitened inputs.
    Raises ShapeError where the matrices do not fit, DomainError for numbers that are not finite, and where the weights
    do not reach the directions, because they are not yet learned: with f of rank n nothing of rank above n + r can be
    reached.
    Source: ours.

    >>> w1, w2 = np.eye(2), np.diag([1.0, 2.0])
    >>> v1, v2 = low_rank_update(w1, w2, np.diag([2.0, 5.0]), rank=1)
    >>> ((w2 + v2) @ (w1 + v1)).round(9).tolist(), v1.round(9).tolist(), v2.round(9).tolist()
    ([[2.0, 0.0], [0.0, 5.0]], [[0.0, 0.0], [0.0, 1.5]], [[1.0, 0.0], [0.0, 0.0]])
    """
    layers = check_weights((w1, w2))
    w1, w2 = layers
    task = check_teacher(task, layers, "task")
    rank = whole("rank", rank, least=0)
    f = refuse_overflow("the network", lambda: w2 @ w1)
    u, s, v = np.linalg.svd(task - f)
    u, v = u[:, : s.size], v[: s.size]
    first, last = ((u[:, i : i + rank] * s[i : i + rank]) @ v[i : i + rank] for i in (0, rank))
    v1 = np.linalg.pinv(w2) @ first  # D7
    v2 = last @ np.linalg.pinv(w1 + v1)  # D7
    missed = np.abs((w2 + v2) @ (w1 + v1) - f - first - last).max(initial=0.0)
    if missed > 1e-8 * (np.abs(f).max(initial=0.0) + s.max(initial=0.0)):
        raise DomainError("w1, w2", "they do not reach the task's directions", "pass weights that have learned more")
    return v1, v2
