"""D7: the least forgetting and the low-rank floor, against random networks and searches."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.fine_tuning.mixed_target import interpolated
from overtraining.theory.learning.matrix_solution import balanced_weights
from overtraining.theory.remedies.tradeoff import least_forgetting, low_rank_floor, low_rank_update
from tests.judge import assert_right

A, B = np.random.default_rng(0).normal(size=(2, 4, 3))


def losses(f: np.ndarray) -> tuple[float, float]:
    return float(((f - A) ** 2).sum() / 2), float(((f - B) ** 2).sum() / 2)


def test_precision() -> None:
    generator = np.random.default_rng(2)
    d = 10 ** generator.uniform(-6, 6, 200)
    points = np.column_stack([d, d**2 * generator.uniform(0, 0.6, 200)])
    assert_right(least_forgetting, lambda d, loss: max(d - mpmath.sqrt(2 * loss), 0) ** 2 / 2, points)


def test_nothing_is_below_the_frontier() -> None:
    generator = np.random.default_rng(3)
    distance = float(np.linalg.norm(A - B))
    near = [
        interpolated(A, B, generator.random()) + 10 ** generator.uniform(-6, 0) * generator.normal(size=(4, 3))
        for _ in range(300)
    ]
    pairs = np.array([losses(f) for f in near])
    assert (pairs[:, 0] >= least_forgetting(distance, pairs[:, 1]) - 1e-12).all()


@pytest.mark.parametrize("rank", [0, 1])
def test_low_rank_updates_reach_the_floor_and_no_less(rank: int) -> None:
    """A search over updates of this rank of both layers, from random weights and updates."""
    generator = np.random.default_rng(4)
    w1, w2 = generator.normal(size=(3, 3)), generator.normal(size=(4, 3))
    sizes = [(3, rank), (rank, 3), (4, rank), (rank, 3)]

    def loss(flat: np.ndarray) -> float:
        parts = np.split(flat, np.cumsum([r * c for r, c in sizes])[:-1])
        p, q, r, s = (x.reshape(size) for x, size in zip(parts, sizes, strict=True))
        return losses((w2 + r @ s) @ (w1 + p @ q))[1]

    floor = float(low_rank_floor(B - w2 @ w1, rank))
    count = sum(r * c for r, c in sizes)
    found = min(
        float(minimize(loss, generator.normal(size=count)).fun) if rank else loss(np.zeros(0)) for _ in range(4)
    )
    assert found == pytest.approx(floor, rel=1e-6)


@pytest.mark.parametrize(
    ("function", "arguments", "refusal"),
    [
        (interpolated, (1.0, 2.0, 1.5), DomainError),
        (interpolated, (1.0, 2.0, -0.5), DomainError),
        (interpolated, (np.ones(2), np.ones(3), 0.5), ShapeError),
        (least_forgetting, (-1.0, 1.0), DomainError),
        (low_rank_floor, (np.ones(3), 1), ShapeError),
        (low_rank_floor, (np.ones((3, 3)), -1), DomainError),
    ],
)
def test_refuses(function, arguments, refusal, untyped) -> None:
    with pytest.raises(refusal):
        untyped(function)(*arguments)


@pytest.mark.parametrize("shape", [(4, 5, 3), (3, 3, 3), (3, 6, 4)])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_update_reaches_the_floor_with_the_rank_it_may_have(shape: tuple[int, int, int], rank: int) -> None:
    generator = np.random.default_rng(6)
    d_out, h, d_in = shape
    w1, w2, task = (
        generator.normal(size=(h, d_in)),
        generator.normal(size=(d_out, h)),
        generator.normal(size=(d_out, d_in)),
    )
    v1, v2 = low_rank_update(w1, w2, task, rank)
    floor = float(low_rank_floor(task - w2 @ w1, rank))
    assert ((task - (w2 + v2) @ (w1 + v1)) ** 2).sum() / 2 == pytest.approx(floor, abs=1e-12)
    for v in (v1, v2):
        assert (np.linalg.svd(v, compute_uv=False)[rank:] < 1e-10).all()
    pre = ((v2 @ (w1 + v1) + w2 @ v1) ** 2).sum() / 2  # from A = f: what it forgets
    assert pre + floor == pytest.approx(((task - w2 @ w1) ** 2).sum() / 2)


@pytest.mark.parametrize(("angle", "reached"), [(0.7e-8, True), (1.4e-8, False)])
def test_directions_within_1e8_of_the_learned_ones_are_reached(angle: float, reached: bool) -> None:
    """The columns of the task's change are spanned by e2 and by a vector at this angle to W2's columns, e1 and 0."""
    w1, w2 = np.eye(2), np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    task = w2 @ w1 + np.array([[np.cos(angle), 0.0], [0.0, 1.0], [np.sin(angle), 0.0]])
    if not reached:
        with pytest.raises(DomainError, match="do not reach the task's directions"):
            low_rank_update(w1, w2, task, rank=1)
        return
    v1, v2 = low_rank_update(w1, w2, task, rank=1)
    assert np.abs((w2 + v2) @ (w1 + v1) - task).max() < 1e-8


def test_what_is_not_learned_is_out_of_reach_of_the_update() -> None:
    w1, w2 = np.diag([1.0, 0.0, 0.0, 0.0]), np.diag([1.0, 0.0, 0.0, 0.0])
    with pytest.raises(DomainError, match="have learned more"):  # 2 of 4 directions through W2, which has learned 1
        low_rank_update(w1, w2, np.diag([5.0, 3.0, 2.0, 1.0]), rank=2)
    with pytest.raises(DomainError):
        low_rank_update(np.zeros((2, 2)), np.zeros((2, 2)), np.eye(2), rank=1)


@pytest.mark.parametrize("shape", [(2, 1), (1, 2), (3, 2), (2, 3), (4, 3), (3, 4), (5, 3), (3, 5), (6, 3), (3, 6)])
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("spare", [0, 2])
def test_converged_weights_that_are_not_square_reach_the_floor_where_it_can_be(
    shape: tuple[int, int], rank: int, spare: int
) -> None:
    """Issue 17, point 3: 48 of 48 were refused. With r below the difference of the widths, the floor is out of reach.

    A search of 4 starts by L-BFGS ended above the floor in all of the refused cases, and at it in none.
    """
    generator = np.random.default_rng(7)
    least, most = min(shape), max(shape)
    w1, w2 = balanced_weights(generator.normal(size=shape), least + spare)
    task = generator.normal(size=shape)
    if rank < most - least:  # k columns, of which W2 reaches k − (most − least)
        with pytest.raises(DomainError, match="have learned more, or a larger rank"):
            low_rank_update(w1, w2, task, rank)
        return
    v1, v2 = low_rank_update(w1, w2, task, rank)
    floor = float(low_rank_floor(task - w2 @ w1, rank))
    assert ((task - (w2 + v2) @ (w1 + v1)) ** 2).sum() / 2 == pytest.approx(floor, abs=1e-12)
    for v in (v1, v2):
        assert (np.linalg.svd(v, compute_uv=False)[rank:] < 1e-10).all()


@pytest.mark.parametrize(
    ("w1", "w2", "task"),
    [
        ([[1.0]], [[1.0], [0.0]], [[0.0], [1.0]]),  # V1 = 0 and V2 = B − f
        ([[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]),  # f = 0, and rank 2 is reached
        ([[0.0]], [[1.0], [0.0]], [[0.0], [1.0]]),  # through a hidden unit that sees no input yet
        ([[1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]], [[3.0, 0.0], [0.0, 2.0]]),  # by mixing both directions
        ([[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[2.0, 0.0], [0.0, 0.0]]),
    ],
)
def test_updates_through_what_is_not_learned_yet(w1: object, w2: object, task: object) -> None:
    first, second, goal = (np.array(x) for x in (w1, w2, task))
    for a, b, c in ((first, second, goal), (second.T, first.T, goal.T)):
        v1, v2 = low_rank_update(a, b, c, rank=1)
        np.testing.assert_allclose((b + v2) @ (a + v1), c, atol=1e-12)
        assert max(map(np.linalg.matrix_rank, (v1, v2))) <= 1
