"""D7, E3: training on two tasks at once is training on the interpolated one."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.fine_tuning.mixed_target import interpolated
from overtraining.theory.remedies.tradeoff import least_forgetting


def test_training_on_a_mixture_is_training_on_the_interpolated_task() -> None:
    """The gradient of the mixed loss by f is that of the interpolated task's loss, at any f and share."""
    generator = np.random.default_rng(0)
    A, B, f = generator.normal(size=(3, 4, 3))
    share = 0.3
    mixed = (1 - share) * (f - B) + share * (f - A)
    np.testing.assert_allclose(mixed, f - interpolated(A, B, share), atol=1e-14)


def test_the_interpolated_task_is_on_the_segment_with_the_least_forgetting() -> None:
    A, B = np.random.default_rng(1).normal(size=(2, 4, 3))
    at = [interpolated(A, B, share) for share in (0.0, 0.4, 1.0)]
    np.testing.assert_array_equal(at[0], B)
    np.testing.assert_array_equal(at[2], A)
    pretraining, downstream = (float(((at[1] - task) ** 2).sum() / 2) for task in (A, B))
    least = float(least_forgetting(float(np.linalg.norm(A - B)), downstream))
    assert pretraining == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ((1.0, 2.0, -0.1), DomainError),
        ((1.0, 2.0, 1.1), DomainError),
        ((np.nan, 2.0, 0.5), DomainError),
        ((np.ones(2), np.ones(3), 0.5), ShapeError),
    ],
)
def test_refuses(arguments, refusal, untyped) -> None:
    with pytest.raises(refusal):
        untyped(interpolated)(*arguments)
