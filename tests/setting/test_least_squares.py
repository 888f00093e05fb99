"""The least-squares map of data, its noise, and data that do not fit together."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, Refusal, ShapeError
from overtraining.setting.least_squares import least_squares

GENERATOR = np.random.default_rng(3)
X = GENERATOR.normal(size=(4000, 5)) @ (np.eye(5) + 0.1 * GENERATOR.normal(size=(5, 5)))
A = GENERATOR.normal(size=(3, 5))
Y = X @ A.T + 0.3 * GENERATOR.normal(size=(4000, 3))


def test_it_is_the_map_of_the_normal_equations_with_the_noise_of_its_labels() -> None:
    found = least_squares(X, Y)
    np.testing.assert_allclose(found.teacher, Y.T @ X @ np.linalg.inv(X.T @ X), rtol=1e-9)
    np.testing.assert_allclose(found.input_covariance, X.T @ X / len(X), rtol=1e-12)
    assert found.rank == 5
    assert found.label_noise == pytest.approx(0.3, rel=0.05)
    in_float32 = least_squares(X.astype(np.float32), Y.astype(np.float32))
    np.testing.assert_allclose(in_float32.teacher, found.teacher, atol=1e-5)


def test_the_loss_of_the_population_is_the_mean_loss_of_the_examples_but_for_a_constant() -> None:
    found = least_squares(X, Y)

    def difference(f: np.ndarray) -> float:
        error = f - found.teacher
        over_examples = ((X @ f.T - Y) ** 2).sum(axis=1).mean() / 2
        return float(over_examples - np.trace(error @ found.input_covariance @ error.T) / 2)

    assert difference(np.zeros((3, 5))) == pytest.approx(difference(A + 1))


def test_too_few_examples_give_the_map_of_smallest_norm() -> None:
    found = least_squares(X[:3], Y[:3])
    np.testing.assert_allclose(found.teacher, Y[:3].T @ np.linalg.pinv(X[:3]).T, rtol=1e-9)
    assert (found.rank, found.label_noise) == (3, 0.0)
    repeated = np.hstack([X, X[:, :1]]).astype(np.float32)
    assert least_squares(repeated, Y).rank == 5


@pytest.mark.parametrize(
    ("x", "y", "kind", "said"),
    [
        (X.T, Y.T, ShapeError, "examples stand in columns. Instead: pass X.T and Y.T"),
        (X, Y[:7], ShapeError, "different numbers of examples"),
        (X, Y[:, 0], ShapeError, r"pass Y\[:, None\]"),
        (X[:0], Y[:0], ShapeError, "2-d"),
        (0 * X, Y, DomainError, "all of it is 0"),
        (1e80 * X, Y, DomainError, "rescale"),
        (np.full_like(X, np.nan), Y, DomainError, "finite"),
        ("data", Y, DomainError, "real numbers"),
    ],
)
def test_data_that_do_not_fit_are_refused(x: object, y: object, kind: type[Refusal], said: str) -> None:
    with pytest.raises(kind, match=said):
        least_squares(x, y)
