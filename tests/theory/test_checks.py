"""The checks of arguments: the range within which no formula of A3–A7 is NaN, and matrices that fit each other.

They are called directly, since the run-time checks of shapes would refuse first elsewhere in the tests.
"""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, Refusal, ShapeError
from overtraining.theory.checks import (
    check_alpha,
    check_imbalance,
    check_input_covariance,
    check_loss_curve,
    check_mode,
    check_orthonormal,
    check_rescaled_mode,
    check_teacher,
    check_unbalanced_mode,
    check_weights,
)
from overtraining.theory.learning import balanced_mode, deep_mode, incremental, unbalanced_mode

FUNCTIONS = [
    balanced_mode.singular_value,
    balanced_mode.unlearned,
    lambda t, sigma, epsilon: deep_mode.singular_value(t, sigma, epsilon, 3),
    lambda t, sigma, epsilon: deep_mode.unlearned(t, sigma, epsilon, 5),
    lambda t, sigma, epsilon: unbalanced_mode.product(t, sigma, -epsilon, 0.0),
    lambda t, sigma, epsilon: unbalanced_mode.unlearned(t, sigma, -epsilon, epsilon),
    lambda t, sigma, epsilon: unbalanced_mode.weights(t, sigma, epsilon, -t)[0],
    incremental.feature,
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("arguments", [(1e80, 1.0, 0.1), (1.0, 1e80, 0.1), (1.0, 1e-80, 0.1)])
def test_beyond_the_range_every_function_refuses(function, arguments):
    with pytest.raises(DomainError, match="units"):
        function(*arguments)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_within_the_range_every_function_is_finite(function):
    generator = np.random.default_rng(0)
    for point in 10.0 ** generator.uniform(-307, 80, (300, 3)) * generator.choice([0, 1, 1, 1], (300, 3)):
        try:
            value = function(*point)
        except Refusal:
            continue
        assert np.isfinite(value), point


LAYERS = np.ones((2, 3)), np.ones((4, 2))


def test_matrices_that_fit_are_returned() -> None:
    layers = check_weights(LAYERS)
    assert check_teacher(np.ones((4, 3)), layers).shape == (4, 3)
    assert (check_input_covariance(None, 3) == np.eye(3)).all()
    assert (check_input_covariance(2 * np.eye(3), 3) == 2 * np.eye(3)).all()


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: check_weights([]), ShapeError, "no layers"),
        (lambda: check_weights([LAYERS[0], LAYERS[0]]), ShapeError, "w2 @ w1 is not defined"),
        (lambda: check_weights([np.ones(3)]), ShapeError, "non-empty matrix"),
        (lambda: check_weights([np.ones((2, 0))]), ShapeError, "non-empty matrix"),
        (lambda: check_weights([LAYERS[0], LAYERS[1] * np.nan]), DomainError, "w2"),
        (lambda: check_teacher(np.ones((3, 4)), LAYERS), ShapeError, "teacher of shape"),
        (lambda: check_teacher(np.full((4, 3), np.inf), LAYERS), DomainError, "teacher"),
        (lambda: check_input_covariance(np.eye(2), 3), ShapeError, "3 inputs"),
        (lambda: check_input_covariance(-np.eye(3), 3), DomainError, "positive semidefinite"),
        (lambda: check_input_covariance(np.array([[1.0, 2, 0], [2, 1, 0], [0, 0, 1]]), 3), DomainError, "semidefinite"),
        (lambda: check_input_covariance(np.eye(3) + 1e-5 * np.eye(3, k=1), 3), DomainError, "not symmetric"),
        (lambda: check_input_covariance(np.ones((3, 3)) - 1e-5 * np.eye(3), 3), DomainError, "semidefinite"),
        (lambda: check_input_covariance(np.triu(np.ones((3, 3))), 3), DomainError, "not symmetric"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(call, error: type[Exception], says: str) -> None:  # type: ignore[no-untyped-def]
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
        assert check_input_covariance(sx, 3) is not None
        sx[0, 1] = np.nextafter(sx[0, 1], np.inf)
        assert check_input_covariance(sx, 3) is not None
    assert min(smallest) < 0


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: check_mode(-1.0, 1.0, 0.1), DomainError, "time = -1.0: it must not be negative"),
        (lambda: check_mode(1.0, 1.0, 0.0), DomainError, "0 is a saddle"),
        (lambda: check_unbalanced_mode(1.0, 1.0, 0.1, 1e-309), DomainError, "imbalance: it is not 0"),
        (lambda: check_rescaled_mode(1.0, 2.0, 1.0), DomainError, "larger unit"),
        (lambda: check_alpha(0.5), DomainError, "α <= ½"),
        (lambda: check_loss_curve([1.0, 1.0], np.ones(2)), DomainError, "do not rise"),
        (lambda: check_loss_curve([1.0, 2.0], np.ones(3)), ShapeError, "last axes"),
        (lambda: check_imbalance(0.1, 3, 2, 5), ShapeError, "h <= d_out"),
        (lambda: check_imbalance(-0.1, 3, 5, 2), ShapeError, "h <= d_in"),
        (lambda: check_orthonormal("u", 2 * np.eye(2), 1e-8), DomainError, "u: its columns"),
        (lambda: check_orthonormal("u", np.full((2, 2), 1e200), 1e-8), DomainError, "not orthonormal"),
    ],
)
def test_arguments_outside_are_refused_with_a_remedy(call, error: type[Exception], says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=says):
        call()


def test_arguments_inside_are_returned_as_arrays() -> None:
    time, sigma, epsilon, weight_decay = check_mode([0.0, 1.0], 1, 0.1)
    assert time.tolist() == [0, 1]
    assert (sigma, epsilon, weight_decay) == (1, 0.1, 0)
    assert check_alpha(0.51) == 0.51
    check_imbalance(0.0, 9, 2, 2)
    check_imbalance(0.1, 2, 2, 1)
    check_orthonormal("u", np.eye(3, 2), 0.0)


def test_a_covariance_with_rounding_errors_of_float32_is_accepted() -> None:
    accepted = check_input_covariance(np.ones((2, 2)) - np.diag([0.0, 8e-9]), 2)  # the eigenvalue -4e-9
    assert np.linalg.eigvalsh(accepted)[0] > -1e-15
    np.testing.assert_allclose(accepted, np.ones((2, 2)), atol=8e-9)
