"""A1, A2: the gradient against finite sums of the loss itself, the conserved imbalance, the equations of one mode."""

from fractions import Fraction
from inspect import unwrap
from itertools import pairwise, product

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.learning.flow import imbalance, loss_gradient, mode_flow

SIZES = [*product((1, 2, 3), repeat=3), (2, 1, 3, 2), (3, 2, 2, 1, 4), (2, 3)]


def exact(x):
    """Rational numbers equal to the float64 ones."""
    return np.vectorize(Fraction, otypes=[object])(np.asarray(x, float))


def exact_loss(layers, teacher, covariance, decay):
    f = layers[0]
    for layer in layers[1:]:
        f = layer @ f
    error = f - teacher
    return np.trace(error @ covariance @ error.T) / 2 + decay * sum((w**2).sum() for w in layers) / 2


def problem(sizes, seed=0):
    generator = np.random.default_rng(seed)
    layers = [generator.normal(size=(above, below)) for below, above in pairwise(sizes)]
    root = generator.integers(-3, 4, size=(sizes[0], sizes[0])).astype(float)
    return layers, generator.normal(size=(sizes[-1], sizes[0])), root @ root.T, 0.375


def slope(layers, teacher, covariance, decay, l, entry):
    """The derivative of a polynomial of degree 2 in each entry, exact from three values."""

    def at(shift):
        moved = [layer.copy() for layer in layers]
        moved[l][entry] += shift
        return exact_loss(moved, teacher, covariance, decay)

    return (at(Fraction(1)) - at(Fraction(-1))) / 2


@pytest.mark.parametrize("sizes", SIZES)
def test_gradient_is_the_slope_of_the_loss(sizes):
    layers, teacher, covariance, decay = problem(sizes)
    rational = [exact(w) for w in layers], exact(teacher), exact(covariance), Fraction(decay)
    for l, g in enumerate(loss_gradient(layers, teacher, covariance, decay)):
        assert g.shape == layers[l].shape
        truth = np.array([[float(slope(*rational, l, (i, j))) for j in range(g.shape[1])] for i in range(g.shape[0])])
        np.testing.assert_allclose(g, truth, rtol=1e-12, atol=1e-12)


def test_gradient_defaults_to_whitened_inputs_without_decay():
    layers, teacher, _, _ = problem((2, 3, 4))
    for g, expected in zip(loss_gradient(layers, teacher), loss_gradient(layers, teacher, np.eye(2), 0.0), strict=True):
        np.testing.assert_array_equal(g, expected)


def test_gradient_of_a_zero_weight_is_not_zero():
    """A peer divides by the weight to skip a layer and returns 0 here; the other layers alone give −6."""
    (g, _) = loss_gradient((np.zeros((1, 1)), np.array([[2.0]])), np.array([[3.0]]))
    assert g == -6


@pytest.mark.parametrize("sizes", [s for s in SIZES if len(s) > 2])
@pytest.mark.parametrize("decay", [0.0, 0.375])
def test_flow_conserves_the_imbalance_up_to_decay(sizes, decay):
    """`d/dt (W_{l+1}ᵀW_{l+1} − W_lW_lᵀ) = −2μ(…)` with the engine's own gradients."""
    layers, teacher, covariance, _ = problem(sizes, seed=1)
    slopes = loss_gradient(layers, teacher, covariance, decay)
    for l, kept in enumerate(imbalance(layers)):
        w, v, gw, gv = layers[l], layers[l + 1], slopes[l], slopes[l + 1]
        velocity = -(gv.T @ v + v.T @ gv) + gw @ w.T + w @ gw.T
        scale = np.abs(gv.T @ v).max() + np.abs(gw @ w.T).max()
        np.testing.assert_allclose(velocity, -2 * decay * kept, rtol=0, atol=1e-13 * scale)


def test_imbalance_of_every_pair_of_neighbours():
    layers = [np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([[1.0, 1.0]])]
    first, second = imbalance(layers)
    np.testing.assert_array_equal(first, [[20.0]])
    np.testing.assert_array_equal(second, [[-8.0, -11.0], [-11.0, -15.0]])


@pytest.mark.parametrize(("i", "h", "o"), list(product((1, 2, 3), repeat=3)))
def test_aligned_matrices_move_mode_by_mode(i, h, o):
    """The matrix gradient at an aligned point, in random frames, is made of the mode's velocities and nothing else."""
    generator = np.random.default_rng(2)
    frame = lambda n: np.linalg.qr(generator.normal(size=(n, n)))[0]
    U, F, V, r = frame(o), frame(h), frame(i), min(i, h, o)
    w1, w2, sigma, xi = generator.normal(size=r), generator.normal(size=r), np.arange(r, 0, -1.0), np.arange(1.0, r + 1)
    wide = lambda values, rows, cols: np.pad(np.diag(values), ((0, rows - r), (0, cols - r)))
    spread = np.diag(np.concatenate([xi, np.full(i - r, 7.0)]))
    layers = F @ wide(w1, h, i) @ V.T, U @ wide(w2, o, h) @ F.T
    slopes = loss_gradient(layers, U @ wide(sigma, o, i) @ V.T, V @ (spread @ V.T), 0.25)
    d1, d2 = mode_flow(w1, w2, sigma, xi, 0.25)
    np.testing.assert_allclose(-slopes[0], F @ wide(d1, h, i) @ V.T, atol=1e-13)
    np.testing.assert_allclose(-slopes[1], U @ wide(d2, o, h) @ F.T, atol=1e-13)


@pytest.mark.parametrize(
    ("w1", "w2", "sigma", "xi", "mu", "expected"),
    [
        (2.0, 3.0, 10.0, 1.0, 0.0, (12.0, 8.0)),
        (2.0, 3.0, 10.0, 0.5, 1.0, (4.0, 1.0)),
        (-2.0, 3.0, 1.0, 1.0, 0.0, (21.0, -14.0)),
        (0.0, 3.0, 1.0, 1.0, 0.5, (3.0, -1.5)),
        (0.0, 0.0, 1.0, 1.0, 0.0, (0.0, 0.0)),
    ],
)
def test_mode_flow(w1, w2, sigma, xi, mu, expected):
    assert mode_flow(w1, w2, sigma, xi, mu) == expected


@pytest.mark.parametrize(
    ("call", "error", "names"),
    [
        (lambda: loss_gradient((np.ones((2, 2)), np.ones((2, 3))), np.eye(2)), ShapeError, "w2 @ w1"),
        (lambda: unwrap(loss_gradient)((np.ones(2),), np.eye(2)), ShapeError, "non-empty matrix"),
        (lambda: loss_gradient((), np.eye(2)), ShapeError, "no layers"),
        (lambda: loss_gradient((np.ones((3, 2)),), np.eye(2)), ShapeError, "teacher"),
        (lambda: unwrap(loss_gradient)((np.eye(2),), np.eye(2), np.eye(3)), ShapeError, "input_covariance"),
        (lambda: loss_gradient((np.eye(2),), np.eye(2), -np.eye(2)), DomainError, "semidefinite"),
        (lambda: loss_gradient((np.eye(2),), np.eye(2), weight_decay=-1.0), DomainError, "weight_decay"),
        (lambda: loss_gradient((np.full((1, 1), np.nan),), np.eye(1)), DomainError, "w1"),
        (lambda: loss_gradient((np.full((1, 1), 1e200),) * 2, np.eye(1)), DomainError, "overflow"),
        (lambda: imbalance((np.eye(2),)), ShapeError, "one layer"),
        (lambda: imbalance((np.full((1, 1), 1e200),) * 2), DomainError, "overflow"),
        (lambda: mode_flow(1.0, 1.0, -1.0), DomainError, "sigma"),
        (lambda: mode_flow(1.0, np.inf, 1.0), DomainError, "w2"),
        (lambda: mode_flow(1e200, 1e200, 1.0), DomainError, "overflow"),
        (lambda: mode_flow(np.ones(2), np.ones(3), 1.0), ShapeError, "broadcast"),
    ],
)
def test_refusals_name_what_and_why(call, error, names):
    """`unwrap` where the tests' run-time type check would speak first."""
    with pytest.raises(error, match=names):
        call()
