"""The door of the formulas that take matrices, called directly: the shape checks of the tests come first elsewhere."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.weights import chained, covariance, fitting

LAYERS = np.ones((2, 3)), np.ones((4, 2))


def test_what_fits_passes() -> None:
    layers = chained(*LAYERS)
    assert fitting(np.ones((4, 3)), layers).shape == (4, 3)
    assert (covariance(None, layers) == np.eye(3)).all()
    assert (covariance(2 * np.eye(3), layers) == 2 * np.eye(3)).all()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (chained, ShapeError, "no layers"),
        (lambda: chained(LAYERS[0], LAYERS[0]), ShapeError, "w2 @ w1 is not defined"),
        (lambda: chained(np.ones(3)), ShapeError, "non-empty matrix"),
        (lambda: chained(np.ones((2, 0))), ShapeError, "non-empty matrix"),
        (lambda: chained(LAYERS[0], LAYERS[1] * np.nan), DomainError, "w2"),
        (lambda: fitting(np.ones((3, 4)), LAYERS), ShapeError, "teacher of shape"),
        (lambda: fitting(np.full((4, 3), np.inf), LAYERS), DomainError, "teacher"),
        (lambda: covariance(np.eye(2), LAYERS), ShapeError, "3 inputs"),
        (lambda: covariance(-np.eye(3), LAYERS), DomainError, "positive semidefinite"),
        (lambda: covariance(np.array([[1.0, 2, 0], [2, 1, 0], [0, 0, 1]]), LAYERS), DomainError, "semidefinite"),
        (lambda: covariance(np.eye(3) + 1e-12 * np.eye(3, k=1), LAYERS), DomainError, "not symmetric"),
        (lambda: covariance(np.ones((3, 3)) - 1e-12 * np.eye(3), LAYERS), DomainError, "semidefinite"),
        (lambda: covariance(np.triu(np.ones((3, 3))), LAYERS), DomainError, "not symmetric"),
    ],
)
def test_refusals(call, error: type[Exception], says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=says):
        call()


def test_rounding_makes_no_covariance_indefinite() -> None:
    """Products of rank one and two, of smallest eigenvalue 0 but for rounding, at any scale; and one ulp aside."""
    smallest = []
    for seed in range(50):
        generator = np.random.default_rng(seed)
        root = generator.normal(size=(3, 1 + seed % 2)) * 10.0 ** generator.uniform(-100, 50)
        sx = root @ root.T
        smallest.append(np.linalg.eigvalsh(sx)[0] / abs(sx).max())
        assert covariance(sx, LAYERS) is not None
        sx[0, 1] = np.nextafter(sx[0, 1], np.inf)
        assert covariance(sx, LAYERS) is not None
    assert min(smallest) < 0
