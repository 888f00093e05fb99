"""B2: noise at any depth, against the recursion in exact fractions, quadrature and B1; small noise keeps its digits."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.sensitivity.deep_noise import (
    deep_increase,
    deep_increase_at,
    segment_norms,
    segment_norms_of_modes,
    segment_norms_on_path,
)
from overtraining.theory.sensitivity.noise import expected_increase_at

WIDTHS = [(2, 3), (3, 2, 4), (1, 4, 1, 3), (3, 1, 2, 2), (2, 3, 1, 4, 2), (4, 2, 3, 3, 2, 1), (2, 2, 2, 2, 2, 2, 2, 3)]


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(2)


def network(widths: tuple[int, ...], generator: np.random.Generator) -> tuple[list[np.ndarray], np.ndarray]:
    layers = [generator.normal(size=(n, m)) for m, n in itertools.pairwise(widths)]
    root = generator.normal(size=(widths[0], widths[0]))
    return layers, (root @ root.T + (root @ root.T).T) / 2


def recursion(layers: list[np.ndarray], gammas: np.ndarray, sx: np.ndarray) -> Fraction:
    """½(tr(C₀Σx) − tr(fΣxfᵀ)) in exact arithmetic, where the difference costs nothing."""
    exact = np.vectorize(Fraction, otypes=[object])
    c = f = np.eye(len(layers[-1]), dtype=int) * Fraction(1)
    for layer, gamma in zip(reversed(layers), reversed(gammas.tolist()), strict=True):
        w = exact(layer)
        c = w.T @ c @ w + Fraction(gamma) ** 2 * c.trace() * np.eye(w.shape[1], dtype=int)
        f = f @ w
    return np.trace((c - f.T @ f) @ exact(sx)) / 2


@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("scale", [1e-150, 1e-9, 1.0, 1e6])
def test_is_the_recursion_also_for_tiny_noise(
    widths: tuple[int, ...], scale: float, generator: np.random.Generator
) -> None:
    layers, sx = network(widths, generator)
    gammas = scale * generator.uniform(0.5, 2, len(layers))
    want = recursion(layers, gammas, sx)
    assert abs(Fraction(float(deep_increase_at(layers, gammas, sx))) / want - 1) < 1e-12


def test_two_layers_are_b1(generator: np.random.Generator) -> None:
    (w1, w2), sx = network((3, 2, 4), generator)
    got = deep_increase_at([w1, w2], np.array([0.3, 0.7]), sx)
    assert got == pytest.approx(expected_increase_at(w1, w2, 0.3, 0.7, sx), rel=1e-14)


def test_is_the_mean_of_the_loss_over_coins_and_the_teacher_does_not_matter(generator: np.random.Generator) -> None:
    layers, sx = network((1, 2, 2, 1), generator)
    gammas, before = np.array([0.3, 0.7, 1.1]), layers[2] @ layers[1] @ layers[0]
    for teacher in (0.0, 5.0):
        mean = 0.0
        for signs in itertools.product((-1, 1), repeat=8):
            flips = np.split(np.array(signs), [2, 6])
            w1, w2, w3 = (w + g * n.reshape(w.shape) for w, g, n in zip(layers, gammas, flips, strict=True))
            mean += ((w3 @ w2 @ w1 - teacher).item() ** 2 - (before - teacher).item() ** 2) * sx.item() / 2 / 256
        assert deep_increase_at(layers, gammas, sx) == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 20])
def test_path_agrees_with_matrices(depth: int, generator: np.random.Generator) -> None:
    s = np.array([[2.0, 1e-3], [1e6, 0.0], [1e-300, 1e-6]])
    widths = [3, *[4] * (depth - 1), 2]
    frames = [np.linalg.qr(generator.normal(size=(n, n)))[0][:, :2] for n in widths]
    norms = segment_norms_on_path(s, widths)
    gammas = generator.uniform(0.1, 1, (5, 1, depth))
    on_path = deep_increase(norms, gammas)
    assert on_path.shape == (5, 3)
    for i in range(3):
        root = s[i] ** (1 / depth)
        layers = [b * root @ a.T for a, b in itertools.pairwise(frames)]
        np.testing.assert_allclose(segment_norms(layers), norms[i], rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(deep_increase_at(layers, gammas[:, 0]), on_path[:, i], rtol=1e-12)


@pytest.mark.parametrize("widths", [(3, 2), (4, 3, 2), (3, 3, 5, 2)])
def test_modes_of_any_balance_and_shared_inputs_agree_with_matrices(
    widths: tuple[int, ...], generator: np.random.Generator
) -> None:
    weights, spectrum = generator.normal(size=(len(widths) - 1, 4, 2)), generator.uniform(0.1, 3, widths[0])
    frames = [np.linalg.qr(generator.normal(size=(n, n)))[0] for n in widths]
    sx = (frames[0] * spectrum) @ frames[0].T
    norms = segment_norms_of_modes(list(weights**2), widths, spectrum)
    for i in range(4):
        layers = [
            b[:, :2] * w @ a[:, :2].T for w, (a, b) in zip(weights[:, i], itertools.pairwise(frames), strict=True)
        ]
        np.testing.assert_allclose(segment_norms(layers, (sx + sx.T) / 2), norms[i], rtol=1e-12, atol=1e-300)


def test_one_unlearned_network_pays_only_where_all_layers_are_noisy() -> None:
    norms = segment_norms_on_path(np.zeros(2), [3, 2, 4])
    assert deep_increase(norms, np.array([1.0, 0.0])) == 0
    assert deep_increase(norms, np.array([0.5, 2.0])) == 0.5**2 * 2.0**2 * 4 * 2 * 3 / 2
    assert deep_increase(norms, np.zeros((7, 2))).tolist() == [0.0] * 7


NORMS = segment_norms([np.ones((1, 2)), np.ones((2, 1))])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: segment_norms([np.ones((1, 2)), np.ones((1, 2))]), ShapeError, "not defined"),
        (lambda: segment_norms([]), ShapeError, "no layers"),
        (lambda: segment_norms([np.ones((1, 2))], -np.eye(2)), DomainError, "positive semidefinite"),
        (lambda: segment_norms_on_path(np.ones(3), [4, 2, 4]), ShapeError, "widths"),
        (lambda: segment_norms_on_path(np.ones(3), [4]), ShapeError, "widths"),
        (lambda: segment_norms_on_path(-np.ones(1), [1, 1]), DomainError, "s"),
        (lambda: segment_norms_on_path(np.ones(1), [1, 0]), DomainError, "width"),
        (lambda: segment_norms_of_modes([np.ones(2)], [3, 2, 2]), ShapeError, "one layer for each"),
        (lambda: segment_norms_of_modes([np.ones(2)] * 2, [3, 2, 2], np.ones(2)), ShapeError, "input_spectrum"),
        (lambda: segment_norms_of_modes([np.full(2, 1e200)] * 2, [3, 2, 2]), DomainError, "overflows"),
        (lambda: deep_increase(NORMS, np.ones(3)), ShapeError, "one scale per layer"),
        (lambda: deep_increase(np.ones((1, 1)), np.ones(1)), ShapeError, "one scale per layer"),
        (lambda: deep_increase(NORMS, -np.ones(2)), DomainError, "gammas"),
        (lambda: deep_increase(NORMS * np.nan, np.ones(2)), DomainError, "norms"),
    ],
)
def test_refusals(call, error: type[Exception], says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=says):
        call()
