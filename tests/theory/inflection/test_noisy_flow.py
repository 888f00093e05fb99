"""C2's formula against the slope of the exact loss after noise, by finite differences at high precision."""

import inspect
import itertools

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.inflection.noisy_flow import slope_after_noise

SHAPES = tuple(itertools.product((1, 2, 4), repeat=3))


def loss_after(w1, w2, teacher, g1, g2, sx):
    """Expected loss after noise from its definition, `½ tr E[(f' − A)Σx(f' − A)ᵀ]`, multiplied out by moments."""
    d_out, h = w2.rows, w1.rows
    trace = lambda m: mpmath.fsum(m[i, i] for i in range(m.rows))
    rest = w2 * w1 - teacher
    on_w1 = g1**2 * trace(sx) * trace(w2.T * w2)
    on_w2 = g2**2 * d_out * trace(w1 * sx * w1.T)
    return (trace(rest * sx * rest.T) + on_w1 + on_w2 + g1**2 * g2**2 * d_out * h * trace(sx)) / 2


def slope(*given, digits):
    """The derivative along the flow by a central difference; the gradient by central differences, too."""
    with mpmath.workdps(digits):
        *matrices, g1, g2 = given
        w1, w2, teacher, sx = (mpmath.matrix(np.asarray(m).tolist()) for m in matrices)
        bump = mpmath.mpf(10) ** (-digits // 3)
        gradient = []
        for w in (w1, w2):
            g = w * 0
            for i, j in itertools.product(range(w.rows), range(w.cols)):
                keep, ends = w[i, j], []
                for sign in (1, -1):
                    w[i, j] = keep + sign * bump
                    ends.append(loss_after(w1, w2, teacher, 0, 0, sx))
                w[i, j] = keep
                g[i, j] = (ends[0] - ends[1]) / (2 * bump)
            gradient.append(g)
        ends = [
            loss_after(w1 - x * gradient[0], w2 - x * gradient[1], teacher, mpmath.mpf(g1), mpmath.mpf(g2), sx)
            for x in (bump, -bump)
        ]
        return (ends[0] - ends[1]) / (2 * bump)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_against_the_loss(shape, scale):
    i, k, o = shape
    draw = np.random.default_rng([i, k, o]).normal
    w1, w2, teacher, root = scale * draw(size=(k, i)), draw(size=(o, k)), draw(size=(o, i)), draw(size=(i, i))
    covariance, g1, g2 = root @ root.T, 0.3, 1.7
    covariance = (covariance + covariance.T) / 2
    low, high = (slope(w1, w2, teacher, covariance, g1, g2, digits=d) for d in (90, 120))
    assert abs(low - high) <= abs(high) * mpmath.mpf(10) ** -20
    got = float(slope_after_noise(w1, w2, teacher, g1, g2, covariance))
    size = abs(slope_after_noise(w1, w2, teacher, 0.0, 0.0, covariance)) + abs(float(high))
    assert abs(got - float(high)) <= 1e-12 * float(size)


def test_whitened_by_default_and_grids_of_noise():
    draw = np.random.default_rng(1).normal
    given = draw(size=(3, 2)), draw(size=(4, 3)), draw(size=(4, 2))
    grid = slope_after_noise(*given, np.zeros((5, 1)), np.linspace(0, 1, 7))
    assert grid.shape == (5, 7)
    assert np.allclose(grid, slope_after_noise(*given, np.zeros((5, 1)), np.linspace(0, 1, 7), np.eye(2)), rtol=1e-14)


ONE = np.ones((1, 1))


@pytest.mark.parametrize(
    ("change", "refusal", "word"),
    [
        ({"w1": np.ones((2, 1))}, ShapeError, "not defined"),
        ({"teacher": np.ones((1, 2))}, ShapeError, "the network is"),
        ({"w2": np.full((1, 1), np.nan)}, DomainError, "w2"),
        ({"gamma_1": -1.0}, DomainError, "gamma_1"),
        ({"gamma_1": [1.0, 2.0], "gamma_2": [1.0, 2.0, 3.0]}, ShapeError, "broadcast"),
        ({"input_covariance": -ONE}, DomainError, "semidefinite"),
        ({"input_covariance": np.eye(2)}, ShapeError, "input_covariance"),
        ({"w1": 1e200 * ONE}, DomainError, "overflows"),
    ],
)
def test_refuses_by_name(change, refusal, word):
    given = {"w1": ONE, "w2": ONE, "teacher": ONE, "gamma_1": 0.1, "gamma_2": 0.1}
    with pytest.raises(refusal, match=word):  # unwrapped: a user's call is not met by the tests' type checker first
        inspect.unwrap(slope_after_noise)(**(given | change))


def test_shapes_are_the_networks_not_only_their_sizes():
    """A teacher with the right number of entries in another shape."""
    with pytest.raises(ShapeError, match="the network is"):
        inspect.unwrap(slope_after_noise)(np.ones((2, 3)), np.ones((2, 2)), np.ones((3, 2)), 0.1, 0.1)
