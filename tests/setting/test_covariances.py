"""Covariances as they come from data: rounding is forgiven, and what is no covariance is refused."""

import numpy as np
import pytest

from overtraining.setting.covariances import common_frames, off_diagonal, positive_covariance, symmetric_covariance
from overtraining.setting.errors import DomainError, Refusal, ShapeError
from overtraining.setting.random_frames import random_frame


def test_a_covariance_in_float32_with_rounding_errors_is_accepted() -> None:
    x = np.random.default_rng(0).normal(size=(20, 60)).astype(np.float32)
    computed = (x.T @ x / 20).astype(np.float32)  # rank 20 of 60
    assert np.linalg.eigvalsh(computed.astype(float))[0] < -1e-10
    accepted = positive_covariance("Σx", computed)
    assert np.linalg.eigvalsh(accepted)[0] > -1e-14
    np.testing.assert_allclose(accepted, computed, atol=1e-5)
    exact = np.diag([1.0, 0.5])
    assert positive_covariance("Σx", exact) is not exact
    assert (positive_covariance("Σx", exact) == exact).all()


def test_made_symmetric_twice_is_made_symmetric_once() -> None:
    skewed = np.array([[1.0, 0.3], [0.3 + 1e-8, 1.0]])
    once = symmetric_covariance("Σx", skewed)
    assert (once == once.T).all()
    assert (symmetric_covariance("Σx", once) == once).all()


@pytest.mark.parametrize(
    ("matrix", "kind", "said"),
    [
        (np.diag([1.0, -1e-5]), DomainError, "eigenvalues go from -1e-05 to 1"),
        (np.array([[1.0, 0.2], [0.1, 1.0]]), DomainError, r"entry \[0, 1\] is 0.2, and \[1, 0\] is 0.1"),
        (np.ones((2, 3)), ShapeError, r"shape \(2, 3\): a covariance is a square"),
        (np.zeros((0, 0)), ShapeError, "square"),
        (np.array([[np.nan]]), DomainError, "finite"),
        (-np.eye(2), DomainError, "positive semidefinite"),
    ],
)
def test_what_is_no_covariance_is_refused(matrix: np.ndarray, kind: type[Refusal], said: str) -> None:
    with pytest.raises(kind, match=said):
        symmetric_covariance("Σx", matrix)


def test_frames_turn_to_common_axes_only_where_the_teacher_leaves_them_open() -> None:
    generator = np.random.default_rng(1)
    u, v, sigma = random_frame(4, generator), random_frame(5, generator), np.array([2.0, 1.0, 1.0, 0.0])
    axes = v.copy()
    axes[:, 1:3] = v[:, 1:3] @ random_frame(2, generator)
    axes[:, 3:] = v[:, 3:] @ random_frame(2, generator)
    covariance = (axes * [3.0, 2.0, 0.5, 4.0, 1.0]) @ axes.T
    assert off_diagonal(v, covariance) > 1e-3
    left, right = common_frames(u, v, sigma, covariance)
    assert off_diagonal(right, covariance) < 1e-14
    np.testing.assert_allclose((left * sigma) @ right[:, :4].T, (u * sigma) @ v[:, :4].T, atol=1e-14)
    for frame in (left, right):
        np.testing.assert_allclose(frame.T @ frame, np.eye(len(frame)), atol=1e-14)
    assert off_diagonal(common_frames(u, v, np.array([4.0, 3.0, 2.0, 1.0]), covariance)[1], covariance) > 1e-3
