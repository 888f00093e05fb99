"""B1 against exact enumeration of two-valued noise and against Gauss–Hermite quadrature, without its formula."""

from itertools import product

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.sensitivity.conventions import increase_in_convention
from overtraining.theory.sensitivity.deep_noise import deep_increase_at
from overtraining.theory.sensitivity.noise import expected_increase, expected_increase_at, mode_cost
from overtraining.theory.sensitivity.noise_variance import invariants_at

SHAPES = [(1, 1, 1), (2, 1, 2), (1, 2, 3), (3, 1, 2), (2, 2, 1), (2, 2, 2)]  # (d_in, h, d_out)


def problem(shape: tuple[int, int, int], whitened: bool) -> tuple[np.ndarray, ...]:
    d_in, h, d_out = shape
    draw = np.random.default_rng(shape)
    root = np.eye(d_in) if whitened else draw.normal(size=(d_in, d_in))
    return draw.normal(size=(h, d_in)), draw.normal(size=(d_out, h)), draw.normal(size=(d_out, d_in)), root @ root.T


def loss(w1: np.ndarray, w2: np.ndarray, teacher: np.ndarray, covariance: np.ndarray) -> float:
    error = w2 @ w1 - teacher
    return float(np.trace(error @ covariance @ error.T)) / 2


@pytest.mark.parametrize("whitened", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_mean_over_all_signs(shape: tuple[int, int, int], whitened: bool) -> None:
    """Noise ±γ on every weight: the mean over all of its 2ⁿ patterns is exact, at a scale far from perturbative."""
    w1, w2, teacher, covariance = problem(shape, whitened)
    gamma_1, gamma_2, n = 0.7, 1.3, w1.size + w2.size
    rises = []
    for signs in product((-1.0, 1.0), repeat=n):
        n1, n2 = (np.array(signs[: w1.size]).reshape(w1.shape), np.array(signs[w1.size :]).reshape(w2.shape))
        rises.append(loss(w1 + gamma_1 * n1, w2 + gamma_2 * n2, teacher, covariance))
    expected = np.mean(rises) - loss(w1, w2, teacher, covariance)
    given = None if whitened else covariance
    np.testing.assert_allclose(expected_increase_at(w1, w2, gamma_1, gamma_2, given), expected, rtol=1e-12)


def test_gaussian_of_one_weight_each() -> None:
    """Two weights under Gaussian noise, by a product quadrature rule that is exact for polynomials."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = weights / weights.sum()
    n1, n2 = np.meshgrid(nodes, nodes, indexing="ij")
    risen = ((0.4 + 0.9 * n2) * (-1.1 + 0.2 * n1) - 2.0) ** 2 / 2
    mean = weights @ risen @ weights - (0.4 * -1.1 - 2.0) ** 2 / 2
    got = expected_increase_at(np.array([[-1.1]]), np.array([[0.4]]), 0.2, 0.9)
    np.testing.assert_allclose(got, mean, rtol=1e-13)


def test_the_balanced_path_pays_c_per_singular_value() -> None:
    """Δ = c Σs + ½γ₁²γ₂² d_out h d_in for balanced norms, unequal scales included."""
    scales, sizes = {"gamma_1": 0.3, "gamma_2": 0.1}, {"d_in": 5, "d_out": 2}
    slope = expected_increase(3.0, 3.0, **scales, h=4, **sizes) - expected_increase(0.0, 0.0, **scales, h=4, **sizes)
    np.testing.assert_allclose(slope, 3.0 * mode_cost(**scales, **sizes), rtol=1e-14)


def test_a_grid_of_scales_in_one_call() -> None:
    gamma = np.array([0.0, 1e-150, 1.0])
    grid = expected_increase(np.ones((4, 1)), 2.0, gamma, gamma, d_in=2, h=3, d_out=5)
    assert grid.shape == (4, 3)
    assert (grid[:, 0] == 0).all()


def test_rounding_where_the_inputs_do_not_see_w1() -> None:
    """q₁ is 0 but for rounding of either sign, which is no reason to refuse or to promise a fall."""
    for seed in range(40):
        kernel, seen = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0][:2]
        sx = (np.outer(seen, seen) + np.outer(seen, seen).T) / 2
        layers = kernel[None], np.zeros((2, 1))
        assert 0 <= expected_increase_at(*layers, 0.0, 1.0, sx) < 1e-14
        for convention in ("absolute", "relative", "multiplicative"):
            assert 0 <= increase_in_convention(convention, *layers, 0.0, 1.0, input_covariance=sx) < 1e-14
        assert 0 <= deep_increase_at(layers, np.array([0.0, 1.0]), sx) < 1e-14
        assert 0 <= invariants_at(*layers, np.zeros((2, 3)), sx).norm_1 < 1e-14


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda f, g: f(-1.0, 1.0, 1.0, 1.0, d_in=1, h=1, d_out=1), DomainError, "w1_norm"),
        (lambda f, g: f(1.0, 1.0, -1.0, 1.0, d_in=1, h=1, d_out=1), DomainError, "gamma_1"),
        (lambda f, g: f(1.0, 1.0, 1.0, 1.0, d_in=1, h=1, d_out=1, input_trace=np.ones(2)), ShapeError, "input_trace"),
        (lambda f, g: f(1.0, 1.0, 1.0, 1.0, d_in=10**400, h=1, d_out=1), DomainError, "d_in"),
        (lambda f, g: g(np.full((1, 1), 1e200), np.ones((1, 1)), 1.0, 1.0), DomainError, "norm of w1: it overflows"),
        (lambda f, g: f(1.0, 1.0, 1.0, 1.0, d_in=0, h=1, d_out=1), DomainError, "d_in = 0"),
        (lambda f, g: f(1.0, 1.0, 1.0, 1.0, d_in=1, h=1.5, d_out=1), DomainError, "h = 1.5"),
        (lambda f, g: f(np.ones(2), np.ones(3), 1.0, 1.0, d_in=1, h=1, d_out=1), ShapeError, "broadcast"),
        (lambda f, g: g(np.ones((2, 2)), np.ones((2, 3)), 1.0, 1.0), ShapeError, "w2 @ w1"),
        (lambda f, g: g(np.ones((2, 2)), np.ones((1, 2)), 1.0, 1.0, -np.eye(2)), DomainError, "semidefinite"),
        (lambda f, g: g(np.ones((2, 2)), np.ones((1, 2)), 1.0, 1.0, np.eye(3)), ShapeError, "input_covariance"),
    ],
)
def test_refuses(call, kind: type[Exception], says: str, untyped) -> None:
    with pytest.raises(kind, match=says):
        call(untyped(expected_increase), untyped(expected_increase_at))
