"""The door of the formulas that take matrices, called directly: the shape checks of the tests come first elsewhere."""

import numpy as np
import pytest

from theory import DomainError, ShapeError
from theory.weights import chained, covariance, fitting

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
        (lambda: covariance(np.triu(np.ones((3, 3))), LAYERS), DomainError, "not symmetric"),
    ],
)
def test_refusals(call, error: type[Exception], says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=says):
        call()
