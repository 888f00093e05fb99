"""D7: the best trade between the losses on two tasks, and what updates of low rank can reach."""

from itertools import product

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, whole
from overtraining.setting.errors import DomainError, NotSolved, ShapeError
from overtraining.theory.checks import check_teacher, check_weights
from overtraining.theory.products import refuse_overflow

EPS = np.finfo(float).eps
REACHED = 1e-8  # relative: what is smaller is 0


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

    `V1 = W2⁺M_a`, `V2 = M_b(W1 + V1)⁺`, where `M_a + M_b` are the 2r strongest directions of B − f, at most r in each,
    and W2 reaches the columns of M_a: `(W2 + V2)(W1 + V1) = f + M_a + M_b`. Or the same of the transposed network. From
    converged weights this ends at `L_pre + L_ft = ½‖A − B‖²`, above what replay reaches (`least_forgetting`), and the
    updates are as large as M over the weights' smallest singular values.

    w1: h × d_in.  w2: d_out × h.  task: B, d_out × d_in.  rank: r >= 0. Whitened inputs.
    Raises ShapeError where the matrices do not fit, DomainError for numbers that are not finite, and where no update
    reaches the floor: of the columns (rows) of these directions, more than r lie outside those of W2 (W1), because they
    are not yet learned, or because h or the smaller of d_in and d_out is too small; NotSolved where these updates do
    not reach it.
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
    u, s, v = np.linalg.svd(task - f, full_matrices=False)
    size = np.abs(f).max(initial=0.0) + s.max(initial=0.0)
    k = min(2 * rank, int((s > max(task.shape) * EPS * size).sum()))
    u, s, v = u[:, :k], s[:k], v[:k]
    learned = (u * s) @ v
    if k - min(_reached(w2, u).shape[1], _reached(w1.T, v.T).shape[1]) > rank:
        raise DomainError(
            "w1, w2", "they do not reach the task's directions", "pass weights that have learned more, or a larger rank"
        )
    missed = np.inf
    for transposed, mixed in product((False, True), (0.0, 1.0)):
        if transposed:
            v2, v1 = (x.T for x in _in_this_order(w2.T, w1.T, v.T, s, u.T, rank, mixed))
        else:
            v1, v2 = _in_this_order(w1, w2, u, s, v, rank, mixed)
        missed = np.abs((w2 + v2) @ (w1 + v1) - f - learned).max(initial=0.0)
        if missed <= REACHED * size:
            return v1, v2
    raise NotSolved("low_rank_update", f"its updates miss the floor by {missed:.2g}", "pass weights that learned more")


def _reached(w2: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The combinations x, in orthonormal columns, for which `u x` is in the columns of w2."""
    outside = u - w2 @ (np.linalg.pinv(w2) @ u)
    _, sizes, x = np.linalg.svd(outside, full_matrices=False)
    return np.asarray(x[sizes <= REACHED].T)


def _in_this_order(
    w1: np.ndarray, w2: np.ndarray, u: np.ndarray, s: np.ndarray, v: np.ndarray, rank: int, mixed: float
) -> tuple[np.ndarray, np.ndarray]:
    """V1 through W2 as it was, then V2 through W1 + V1, for `M = u diag(s) v`; the strongest that W2 reaches first.

    V2 needs inputs that the hidden units see. Where W1 + V1 sees too few, V1 may show them more: with the rank that is
    left to it, or, if `mixed` is not 0, by taking parts of the other directions along, in hidden units that W2 ignores.
    """
    x = _reached(w2, u)
    _, _, strongest = np.linalg.svd(s[:, None] * x, full_matrices=False)
    x = x @ strongest[:rank].T
    others = np.linalg.svd(x)[0][:, x.shape[1] :]
    inputs = (x.T + mixed * np.eye(x.shape[1], others.shape[1]) @ others.T) * s @ v  # M_a = u x inputs
    ignored = np.linalg.svd(w2)[2][np.linalg.matrix_rank(w2) :][: x.shape[1]].T
    v1 = np.linalg.pinv(w2) @ u @ x @ inputs + mixed * ignored @ inputs[: ignored.shape[1]]  # D7
    hidden = np.linalg.svd(w1 + v1)[0][:, np.linalg.matrix_rank(w1 + v1, tol=REACHED * s.max(initial=0.0)) :]
    last = (u * s) @ v - u @ x @ inputs
    _, sizes, rows = np.linalg.svd(last, full_matrices=False)
    rows = rows[sizes > REACHED * s.max(initial=0.0)]
    unseen, sizes, _ = np.linalg.svd(rows - rows @ np.linalg.pinv(w1 + v1) @ (w1 + v1), full_matrices=False)
    spare = min(rank - x.shape[1], hidden.shape[1], int((sizes > REACHED).sum()))
    v1 = v1 + hidden[:, :spare] @ (unseen[:, :spare].T @ rows)
    last = (u * s) @ v - w2 @ v1
    return v1, last @ np.linalg.pinv(w1 + v1)  # D7
