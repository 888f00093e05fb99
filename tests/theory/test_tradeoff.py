"""D7, E3: the interpolated target, the frontier and the floor, against random networks and searches."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize

from tests.judge import assert_right
from theory import DomainError, ShapeError
from theory.tradeoff import interpolated, least_forgetting, low_rank_floor

DRAW = np.random.default_rng(0)
A, B = DRAW.normal(size=(2, 4, 3))


def losses(f: np.ndarray) -> tuple[float, float]:
    return float(((f - A) ** 2).sum() / 2), float(((f - B) ** 2).sum() / 2)


def test_precision() -> None:
    d = 10 ** DRAW.uniform(-6, 6, 200)
    points = np.column_stack([d, d**2 * DRAW.uniform(0, 0.6, 200)])
    assert_right(least_forgetting, lambda d, loss: max(d - mpmath.sqrt(2 * loss), 0) ** 2 / 2, points)


def test_mixing_is_training_on_the_target() -> None:
    """The gradient of the mixed loss by f is that of the interpolated target's, at any f and share."""
    f, share = DRAW.normal(size=(4, 3)), 0.3
    mixed = (1 - share) * (f - B) + share * (f - A)
    np.testing.assert_allclose(mixed, f - interpolated(A, B, share), atol=1e-14)
    at = [interpolated(A, B, r) for r in (0.0, 0.4, 1.0)]
    np.testing.assert_array_equal(at[0], B)
    np.testing.assert_array_equal(at[2], A)
    pre, ft = losses(at[1])
    assert pre == pytest.approx(float(least_forgetting(float(np.linalg.norm(A - B)), ft)), rel=1e-12)


def test_nothing_is_below_the_frontier() -> None:
    distance = float(np.linalg.norm(A - B))
    near = [
        interpolated(A, B, DRAW.random()) + 10 ** DRAW.uniform(-6, 0) * DRAW.normal(size=(4, 3)) for _ in range(300)
    ]
    pairs = np.array([losses(f) for f in near])
    assert (pairs[:, 0] >= least_forgetting(distance, pairs[:, 1]) - 1e-12).all()


@pytest.mark.parametrize("rank", [0, 1])
def test_low_rank_updates_reach_the_floor_and_no_less(rank: int) -> None:
    """A search over updates of this rank of both layers, from random weights and updates."""
    w1, w2 = DRAW.normal(size=(3, 3)), DRAW.normal(size=(4, 3))
    sizes = [(3, rank), (rank, 3), (4, rank), (rank, 3)]

    def loss(flat: np.ndarray) -> float:
        parts = np.split(flat, np.cumsum([r * c for r, c in sizes])[:-1])
        p, q, r, s = (x.reshape(size) for x, size in zip(parts, sizes, strict=True))
        return losses((w2 + r @ s) @ (w1 + p @ q))[1]

    floor = float(low_rank_floor(B - w2 @ w1, rank))
    count = sum(r * c for r, c in sizes)
    found = min(float(minimize(loss, DRAW.normal(size=count)).fun) if rank else loss(np.zeros(0)) for _ in range(4))
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
