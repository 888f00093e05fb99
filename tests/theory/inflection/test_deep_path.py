"""The loss after noise at any depth: against B2 from weights, depth 2, and every minimum against a scan."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, NotSolved, ShapeError
from overtraining.theory.inflection import deep_path
from overtraining.theory.inflection.deep_path import DeepPath, deep_minima, loss_after_noise
from overtraining.theory.inflection.noisy_path import minima
from overtraining.theory.learning import deep_mode
from overtraining.theory.sensitivity.deep_noise import deep_increase_at
from overtraining.theory.sensitivity.noise import mode_cost


@pytest.mark.parametrize("depth", [1, 2, 3, 6])
def test_is_b2_of_the_weights_on_the_path(depth):
    """Layers diag(s^{1/L}) of unequal widths, unequal noise."""
    draw = np.random.default_rng(depth)
    sigma, epsilon, t = np.array([1.3, 0.6, 0.2]), np.array([1e-2, 3e-2, 0.5]), 4.0
    widths, gammas = draw.integers(3, 7, depth + 1).tolist(), 10.0 ** draw.uniform(-2, 0, depth)
    s = deep_mode.singular_value(t, sigma, epsilon, depth)
    layers = []
    for l in range(depth):
        layers.append(np.zeros((widths[l + 1], widths[l])))
        layers[-1][np.arange(3), np.arange(3)] = s ** (1 / depth)
    exact = ((sigma - s) ** 2).sum() / 2 + deep_increase_at(layers, gammas)
    assert loss_after_noise(t, sigma, epsilon, gammas, widths) == pytest.approx(float(exact), rel=1e-13)


def test_broadcasts_over_lengths():
    t = np.linspace(0, 9, 6).reshape(2, 3)
    whole = loss_after_noise(t, [1.0, 0.5], 1e-2, [0.1, 0.2, 0.3], [4, 5, 6, 7])
    assert whole.shape == (2, 3)
    assert whole[1, 2] == loss_after_noise(9.0, [1.0, 0.5], 1e-2, [0.1, 0.2, 0.3], [4, 5, 6, 7])


@pytest.mark.parametrize("seed", range(8))
def test_depth_two_has_the_minima_of_c4(seed):
    draw = np.random.default_rng(seed)
    sigma = draw.uniform(0.15, 1.5, draw.integers(1, 6))
    epsilon, gammas = sigma * 10 ** draw.uniform(-7, -0.5, sigma.size), draw.uniform(0.1, 0.4, 2)
    widths = draw.integers(6, 9, 3).tolist()
    c = float(mode_cost(gammas[0], gammas[1], d_in=widths[0], d_out=widths[2]))
    deep, known = deep_minima(sigma, epsilon, gammas, widths), minima(sigma, epsilon, c)
    assert np.allclose(deep.times, known.times, rtol=1e-9)
    assert np.allclose(deep.increase, known.increase, atol=1e-12)


def scan(path, points=30_001):
    """Local minima of P on a grid, by its definition, and the grid's step."""
    t = np.linspace(0, 1.02 * path.end(), points)
    padded = np.concatenate([[np.inf], np.asarray(path.loss(*path.modes(t))), [np.inf]])
    return t[(padded[1:-1] < padded[:-2]) & (padded[1:-1] < padded[2:])], t[1]


@pytest.mark.parametrize("seed", range(10))
def test_every_minimum_is_found(seed):
    """Depth 2 … 5, up to four modes, noise on some layers or all, also so strong that training hurts from the start."""
    draw = np.random.default_rng(100 + seed)
    depth, n = int(draw.integers(2, 6)), int(draw.integers(1, 5))
    sigma = draw.uniform(0.2, 1.5, n)
    epsilon = sigma * 10 ** draw.uniform(-2.5, -0.3, n)
    gammas = 10 ** draw.uniform(-2, 0, depth) * (draw.random(depth) < 0.7)
    gammas[0] = 10 ** draw.uniform(-1.5, -0.5)
    widths = draw.integers(n, 8, depth + 1).tolist()
    found = deep_minima(sigma, epsilon, gammas, widths)
    times, step = scan(DeepPath.checked(sigma, epsilon, gammas, widths))
    assert found.times.size == times.size
    assert np.allclose(found.times, times, atol=2 * step)
    end = loss_after_noise(1e6, sigma, epsilon, gammas, widths)
    assert np.allclose(found.increase, end - loss_after_noise(found.times, sigma, epsilon, gammas, widths), atol=1e-12)


def test_the_slope_is_the_loss_s():
    """`cost` and `gain` against a difference quotient of P, mode by mode, at depth 4."""
    path = DeepPath.checked([1.0, 0.4], [0.05, 0.1], [0.3, 0.2, 0.4, 0.1], [3, 4, 5, 6, 2])
    s = np.array([0.3, 0.25])
    for i in range(2):
        step = 1e-6 * np.eye(2)[i]
        slope = (path.loss(s + step, path.sigma - s - step) - path.loss(s - step, path.sigma - s + step)) / 2e-6
        speed = path.depth * s[i] ** (2 - 2 / path.depth)  # ṡ/u
        mine = (path.cost(s) - path.gain(s, path.sigma - s))[i] * s[i] / speed
        assert slope == pytest.approx(mine, rel=1e-7)


class OfThisSlope(DeepPath):
    """A path whose slope is `(t − 1)(t − 2)²(t − 3)`, or its negative: it crosses zero twice and touches it once."""

    sign = 1.0

    def end(self) -> float:
        return 4.0

    def slope(self, length: np.ndarray) -> np.ndarray:
        return self.sign * (length - 1) * (length - 2) ** 2 * (length - 3)

    def decided(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return ~np.any([(low <= zero) & (zero <= high) for zero in (1, 2, 3)], axis=0)


class Reversed(OfThisSlope):
    sign = -1.0


@pytest.mark.parametrize(("kind", "turns"), [(OfThisSlope, [3.0]), (Reversed, [1.0])])
def test_a_slope_turns_where_it_begins_to_rise_and_not_where_it_touches_zero(kind, turns):
    path = kind(np.ones(1), np.full(1, 0.1), np.ones(3), (1, 1, 1, 1))
    assert path.turns() == pytest.approx(turns, abs=1e-12)


def test_weak_features_turn_too():
    """σ = 1, 0.1 and noise of which the second is not worth it: no minimum of its own at depth 2, one at depth 3."""
    for depth, count in ((2, 1), (3, 2)):
        gammas = np.zeros(depth)
        gammas[0] = 0.2
        assert deep_minima([1.0, 0.1], 1e-8, gammas, [6] * (depth + 1)).times.size == count


def test_inner_noise_hurts_at_first():
    """A third layer between two others: the start itself is a minimum, and the best one comes later."""
    found = deep_minima([1.0], 1e-8, [0.1, 0.1, 0.1], [6] * 4)
    assert found.at("first") == 0
    assert found.at("best") == found.at("last") > 400


def test_without_noise_or_depth_nothing_turns():
    assert deep_minima([1.0, 0.5], 1e-3, [0.0] * 3, [2] * 4).times.size == 0
    assert deep_minima([1.0, 0.5], 1e-3, [0.3], [2] * 2).at("last") == np.inf


@pytest.mark.parametrize(
    ("arguments", "refusal", "word"),
    [
        (([1.0], 1.0, [0.1] * 3, [2] * 4), DomainError, "from above"),
        (([1.0], 1e-40, [0.1] * 3, [2] * 4), DomainError, "float64"),
        (([0.0], 1e-3, [0.1] * 3, [2] * 4), DomainError, "sigma"),
        (([1.0], 1e-3, [-0.1] * 3, [2] * 4), DomainError, "gammas"),
        (([1.0, 0.5, 0.2], 1e-3, [0.1] * 3, [2] * 4), ShapeError, "narrower"),
        (([1.0], [1e-3, 1e-3], [0.1] * 3, [2] * 4), ShapeError, "axis"),
        (([1.0], 1e-3, [0.1] * 2, [2] * 4), ShapeError, "layers"),
        ((1.0, 1e-3, [0.1] * 3, [2] * 4), ShapeError, "axis"),
    ],
)
def test_refuses_by_name(arguments, refusal, word):
    with pytest.raises(refusal, match=word):
        deep_minima(*arguments)


def test_refuses_what_it_cannot_finish(monkeypatch):
    monkeypatch.setattr(deep_path, "MOST", 10)
    with pytest.raises(NotSolved, match="vanishes"):
        deep_minima([1.0, 0.5, 0.25], 1e-6, [0.1] * 3, [4] * 4)
