"""B5: the variance of the loss, against Gauss–Hermite quadrature (exact for these polynomials) and exact fractions."""

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.derivations.calculus.exact_matrices import fractions
from overtraining.theory.derivations.claims import b5_variance as b5
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from overtraining.theory.sensitivity.noise import expected_increase_at
from overtraining.theory.sensitivity.noise_variance import Invariants, invariants_at, invariants_on_path, loss_variance

SHAPES = [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 3), (3, 2, 1), (2, 2, 2)]


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(5)


def network(shape: tuple[int, int, int], generator: np.random.Generator) -> tuple[np.ndarray, ...]:
    d_in, h, d_out = shape
    root = generator.normal(size=(d_in, d_in))
    w1, w2, teacher = (generator.normal(size=s) for s in ((h, d_in), (d_out, h), (d_out, d_in)))
    covariance = root @ root.T
    return w1, w2, teacher, (covariance + covariance.T) / 2


def quadrature(w1: np.ndarray, w2: np.ndarray, teacher: np.ndarray, sx: np.ndarray, gammas: tuple) -> tuple:
    """Mean and variance of the loss: three Gauss–Hermite nodes per weight integrate degree 5, the square has 4."""
    nodes, weights = np.array([-np.sqrt(3), 0.0, np.sqrt(3)]), np.array([1, 4, 1]) / 6
    size = w1.size + w2.size
    at = np.array(list(itertools.product(range(3), repeat=size)))
    noise, chance = nodes[at], weights[at].prod(axis=1)
    n1 = gammas[0] * noise[:, : w1.size].reshape(-1, *w1.shape)
    n2 = gammas[1] * noise[:, w1.size :].reshape(-1, *w2.shape)
    error = (w2 + n2) @ (w1 + n1) - teacher
    loss = np.einsum("nij,jk,nik->n", error, sx, error) / 2
    mean = chance @ loss
    return mean, chance @ (loss - mean) ** 2


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("gammas", [(0.3, 0.7), (2.0, 0.1), (0.0, 1.5), (1.5, 0.0)])
def test_variance_is_that_of_quadrature(
    shape: tuple[int, int, int], gammas: tuple[float, float], generator: np.random.Generator
) -> None:
    w1, w2, teacher, sx = network(shape, generator)
    mean, want = quadrature(w1, w2, teacher, sx, gammas)
    got = loss_variance(invariants_at(w1, w2, teacher, sx), *gammas, h=shape[1], d_out=shape[2])
    assert got == pytest.approx(want, rel=1e-11)
    error = w2 @ w1 - teacher
    before = np.trace(error @ sx @ error.T) / 2
    assert before + expected_increase_at(w1, w2, *gammas, sx) == pytest.approx(mean, rel=1e-11)


def test_whitened_equal_noise_has_the_published_form(generator: np.random.Generator) -> None:
    d_in, h, d_out = shape = (3, 2, 4)
    w1, w2, teacher, _ = network(shape, generator)
    f, error, square = w2 @ w1, w2 @ w1 - teacher, lambda m: (m * m).sum()
    u, n1, n2, widths = 0.3**2, square(w1), square(w2), d_in + d_out + h + 1
    want = (
        u * (square(w2.T @ error) + square(error @ w1.T))
        + u**2 * (h * square(error) + n1 * n2 + 2 * (d_in + d_out + 1) * (error * f).sum())
        + u**2 * (d_in * square(w2.T @ w2) + d_out * square(w1 @ w1.T)) / 2
        + u**3 * widths * (d_out * n1 + d_in * n2)
        + u**4 * d_in * d_out * h * widths / 2
    )
    got = loss_variance(invariants_at(w1, w2, teacher), 0.3, 0.3, h=h, d_out=d_out)
    assert got == pytest.approx(want, rel=1e-13)


@pytest.mark.parametrize("epsilon", [1e-300, 1e-3, 3.0])
@pytest.mark.parametrize("hidden", [2, 3, 5])
def test_path_agrees_with_matrices(epsilon: float, hidden: int, generator: np.random.Generator) -> None:
    sigma, lengths = np.array([2.0, 1.0, 0.5]), np.array([0.0, 1.0, 3.0, 400.0])
    d_in = hidden + 1  # with two hidden units as many as there are modes
    frames = [np.linalg.qr(generator.normal(size=(n, n)))[0] for n in (d_in, hidden, 5)]
    learned = sigma[:hidden]
    s = singular_value(lengths[:, None], learned, epsilon)
    residual = np.hstack([unlearned(lengths[:, None], learned, epsilon), np.tile(sigma[hidden:], (4, 1))])
    path = invariants_on_path(s, residual, d_in=d_in)
    k = learned.size
    for i in range(len(lengths)):
        w1 = frames[1][:, :k] * np.sqrt(s[i]) @ frames[0][:, :k].T
        w2 = frames[2][:, :k] * np.sqrt(s[i]) @ frames[1][:, :k].T
        point = invariants_at(w1, w2, frames[2][:, :3] * sigma @ frames[0][:, :3].T)
        for field in dataclasses.fields(point):
            on_path = np.broadcast_to(getattr(path, field.name), lengths.shape)[i]
            assert on_path == pytest.approx(getattr(point, field.name), rel=1e-11, abs=1e-11), field.name
    assert loss_variance(path, np.full((7, 1), 0.2), 0.1, h=hidden, d_out=5).shape == (7, 4)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4, 5), (5, 1, 1), (3, 3, 3)])
def test_no_cancellation_even_where_the_overlap_is_most_negative(
    shape: tuple[int, int, int], scale: float, generator: np.random.Generator
) -> None:
    """f = A/2, and the teacher for which the gradient of the smoothed loss vanishes: full relative accuracy."""
    d_in, h, d_out = shape
    w1, w2, _, _ = network(shape, generator)
    w1, w2, gamma = scale * w1, scale * w2, 0.7 * scale
    pull = gamma**2 * d_out * np.linalg.pinv(w2.T) @ w1
    symbols = sorted(b5.formula().free_symbols, key=str)
    evaluate = sp.lambdify(symbols, b5.formula())
    for teacher in (2 * w2 @ w1, w2 @ w1 + pull):
        v1, v2, a, eye = fractions(w1, w2, teacher, np.eye(d_in))
        at = b5.values_at(v1, v2, v2 @ v1 - a, eye) | {
            b5.h: h,
            b5.d_out: d_out,
            b5.g1: Fraction(gamma),
            b5.g2: Fraction(gamma),
        }
        want = evaluate(*(at[s] for s in symbols))
        got = loss_variance(invariants_at(w1, w2, teacher), gamma, gamma, h=h, d_out=d_out)
        assert abs(Fraction(float(got)) - want) <= 1e-13 * want


def test_no_noise_no_scatter_and_no_negative_variance(generator: np.random.Generator) -> None:
    w1, w2, teacher, sx = network((2, 3, 2), generator)
    point = invariants_at(w1, w2, teacher, sx)
    assert loss_variance(point, 0.0, 0.0, h=3, d_out=2) == 0
    assert (loss_variance(point, np.logspace(-12, 12, 49)[:, None], np.logspace(-12, 12, 49), h=3, d_out=2) > 0).all()


def test_a_variance_is_not_negative() -> None:
    """Even for overlaps that no weights have, where the sum of the terms is."""
    point = Invariants(0.0, 0.0, 0.0, -1.0, -1.0, *[0.0] * 5, 1.0, 0.0)
    assert loss_variance(point, 1e-3, 1e-3, h=1, d_out=1) == 0


on_path = getattr(invariants_on_path, "__wrapped__", invariants_on_path)
POINT = invariants_at(np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: loss_variance(POINT, -1.0, 1.0, h=1, d_out=1), DomainError, "gamma_1"),
        (lambda: loss_variance(POINT, 1.0, np.nan, h=1, d_out=1), DomainError, "gamma_2"),
        (lambda: loss_variance(POINT, 1.0, 1.0, h=0, d_out=1), DomainError, "h = 0"),
        (lambda: loss_variance(POINT, np.ones(2), np.ones(3), h=1, d_out=1), ShapeError, "broadcast"),
        (lambda: invariants_at(np.ones((1, 1)), np.ones((1, 1)), np.full((1, 1), np.inf)), DomainError, "teacher"),
        (lambda: invariants_on_path(np.ones(3), np.ones(2), d_in=3), ShapeError, "3 learned"),
        (lambda: invariants_on_path(-np.ones(2), np.ones(2), d_in=3), DomainError, "s"),
        (lambda: on_path(1.0, np.ones(1), d_in=3), ShapeError, "lists the modes"),
        (lambda: on_path(np.ones((2, 1)), np.ones((3, 1)), d_in=3), ShapeError, "broadcast"),
        (
            lambda: loss_variance(dataclasses.replace(POINT, unlearned_norm=np.nan), 1.0, 1.0, h=1, d_out=1),
            DomainError,
            "unlearned",
        ),
        (lambda: loss_variance(dataclasses.replace(POINT, norm_1=-1.0), 1.0, 1.0, h=1, d_out=1), DomainError, "norm_1"),
        (
            lambda: loss_variance(
                dataclasses.replace(POINT, unlearned_norm=np.ones(2), trace=np.ones(3)), 1.0, 1.0, h=1, d_out=1
            ),
            ShapeError,
            "broadcast",
        ),
        (lambda: invariants_on_path(np.ones(3), np.ones(3), d_in=2), ShapeError, "inputs"),
    ],
)
def test_refusals(call, error: type[Exception], says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=says):
        call()
