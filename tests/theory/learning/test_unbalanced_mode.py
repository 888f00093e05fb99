"""A4 against its solution in angles, `tan((φ* − φ)/2) = e^{−rt} tan((φ* − φ₀)/2)` with `tan φ = 2p/|λ|`, in mpmath."""

from itertools import product as grid

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.learning import balanced_mode
from overtraining.theory.learning.unbalanced_mode import learned_and_unlearned, product, unlearned, weights
from tests.judge import assert_right


def truth(t, sigma, p0, lam):
    if lam == 0:
        grown = mpmath.exp(-2 * sigma * t)
        if p0 > 0:
            return p0 / (grown + 2 * p0 * t if sigma == 0 else grown + (1 - grown) * p0 / sigma)
        q = -p0
        return -q / (1 + 2 * q * t) if sigma == 0 else -q * sigma * grown / (sigma + q * (1 - grown))
    size = abs(lam)
    end, angle = mpmath.atan(2 * sigma / size), mpmath.atan(2 * p0 / size)
    turn = mpmath.exp(-mpmath.sqrt(lam**2 + 4 * sigma**2) * t) * mpmath.tan((end - angle) / 2)
    return size / 2 * mpmath.tan(end - 2 * mpmath.atan(turn))


def rest(t, sigma, p0, lam):
    return sigma - truth(t, sigma, p0, lam)


STARTS = (1e-300, 1e-12, 0.3, 1.0, 10.0, 0.0, -1e-300, -1e-12, -0.3, -10.0)
CLOCK = (0.0, 1e-8, 0.4, 3.0, 30.0, 345.0, 1e4)
IMBALANCE = (0.0, 1e-200, 1e-12, -1e-6, 0.01, -1.0, 1e6)

DIGITS = (900, 1000)  # 1e-300 squared beside 1, and as much again


def points(sigma, lam):
    """Times in units of 1/r, and up to 1e6."""
    rate = max(2 * sigma, abs(lam), 1e-3)
    return [(min(c / rate, 1e6), sigma, start * max(sigma, 1e-6), lam) for start, c in grid(STARTS, CLOCK)]


@pytest.mark.parametrize("lam", IMBALANCE)
@pytest.mark.parametrize("sigma", [1e-6, 1.0, 1e6])
def test_product(sigma, lam):
    assert_right(product, truth, points(sigma, lam), precisions=DIGITS)


@pytest.mark.parametrize("lam", IMBALANCE)
def test_product_without_teacher(lam):
    assert_right(product, truth, points(0.0, lam)[::2], precisions=DIGITS)


@pytest.mark.parametrize("lam", [x for x in IMBALANCE if abs(x) != 1e-200])
@pytest.mark.parametrize("sigma", [1e-6, 1.0, 1e6])
def test_unlearned(sigma, lam):
    assert_right(unlearned, rest, points(sigma, lam), precisions=DIGITS)


def near(seed, spread=3):
    """Start, imbalance and teacher within a few orders of magnitude of one another, anywhere on the way."""
    generator = np.random.default_rng(seed)
    scale = lambda n: 10.0 ** generator.uniform(-spread, spread, n)
    sigma, p0, lam = scale(60), -scale(60), scale(60) * generator.choice([-1, 1], 60)
    p0[::3] = -np.abs(lam[::3]) * 10.0 ** generator.uniform(-0.1, 1.2, 20)
    t = 10.0 ** generator.uniform(-3, 1.5, 60) / np.hypot(lam, 2 * sigma)
    return np.stack([t, sigma, p0, lam], axis=-1)


def test_where_start_and_imbalance_are_of_one_size():
    assert_right(product, truth, near(0), precisions=(100, 200))
    assert_right(unlearned, rest, near(1), precisions=(100, 200))


def test_what_is_left_where_the_weight_overflows():
    """`(σ − p₀)/(1 + B)` with B, or a factor of it, beyond 1.8e308 and a result far from 0."""
    points = [
        (3.725e-68, 1e70, 5e69, 1e60),
        (7.360593725669869e-17, 1.0486810969301843e17, -5.223284839053499e20, 9.053831065590147e18),
        (0.0, 2.9e6, 3.4e5, 0.0),
    ]
    assert_right(unlearned, rest, points, precisions=DIGITS)
    assert (unlearned(*np.array(points).T) > 1e-275).all()


def test_no_cancellation_as_the_imbalance_vanishes():
    """A peer's form errs by 0.2 at λ = 1e-8 and is NaN at rt = 400."""
    t = np.array([0.5, 3.0, 8.0, 200.0, 400.0, 1e5])
    for lam in (1e-8, -1e-8, 1e-12):
        np.testing.assert_allclose(product(t, 1.0, 1e-3, lam), balanced_mode.singular_value(t, 1.0, 1e-3), rtol=1e-9)


def test_only_an_imbalance_leads_past_the_saddle():
    assert product(1e4, 1.0, -0.5, 0.0) == 0
    assert product(1e4, 1.0, 0.0, 0.0) == 0
    assert product(1e4, 1.0, -0.5, 1e-3) == 1
    assert product(1e4, 1.0, 0.0, -1e-3) == 1
    np.testing.assert_array_less(product(np.linspace(0, 50, 99), 1.0, -0.5, 0.0), 1e-300)


@pytest.mark.parametrize(
    ("start", "lam"), [(0.2, 0.7), (0.2, -0.7), (-0.4, 3.0), (-0.4, -3.0), (2.0, 0.0), (-2.0, 0.0)]
)
def test_weights_have_the_product_and_the_imbalance(start, lam):
    w1, w2 = weights([0.0, 0.3, 2.0], 1.0, start, lam)
    np.testing.assert_allclose(w1 * w2, product([0.0, 0.3, 2.0], 1.0, start, lam), rtol=1e-14)
    np.testing.assert_allclose(w2**2 - w1**2, lam, atol=1e-13)
    assert (np.maximum(w1, w2) > 0).all()


def test_both_at_once_are_each():
    arguments = np.linspace(0, 9, 7)[:, None], np.array([0.0, 0.5, 2.0]), -0.3, 0.2
    for one, function in zip(learned_and_unlearned(*arguments), (product, unlearned), strict=True):
        np.testing.assert_array_equal(one, function(*arguments))


def test_weights_outlive_their_product():
    """Without imbalance a product below 0 dies: at 1e-496 it is no number in float64, while its root is."""
    points = [(t, 1.0, start, 0.0) for t in (300.0, 360.0, 600.0) for start in (-1e-150, -0.3, -10.0)]
    points += [(0.0421, 8404.2, -1.5590616694250085e-189, 0.0), (686351.4, 0.000492, -7.4e-210, 0.0)]
    for which, sign in ((0, -1), (1, 1)):
        assert_right(
            lambda *p, which=which: weights(*p)[which],
            lambda *p, sign=sign: sign * mpmath.sqrt(-truth(*p)),
            points,
            precisions=DIGITS,
        )


def test_weights_in_the_saddle_are_zero():
    assert weights(5.0, 1.0, 0.0, 0.0) == (0.0, 0.0)


def test_everything_broadcasts():
    arguments = np.zeros((4, 1, 1)), np.ones((3, 1)), np.full(2, 0.1), 0.5
    assert product(*arguments).shape == unlearned(*arguments).shape == weights(*arguments)[0].shape == (4, 3, 2)
    assert isinstance(product(1.0, 1.0, 0.1, 0.5), float)


@pytest.mark.parametrize("function", [product, unlearned, weights])
@pytest.mark.parametrize(
    ("arguments", "error", "names"),
    [
        ((-1.0, 1.0, 1.0, 0.0), DomainError, "time = -1"),
        ((1.0, -1.0, 1.0, 0.0), DomainError, "sigma = -1"),
        ((1.0, 1.0, np.nan, 0.0), DomainError, "initial_product = nan"),
        ((1.0, 1.0, 1.0, np.inf), DomainError, "imbalance = inf"),
        ((0.0, 0.0, 1.0, -1e-320), DomainError, "imbalance: it is not 0 but"),
        ((np.ones(2), np.ones(3), 1.0, 0.0), ShapeError, "broadcast"),
    ],
)
def test_refusals_name_what_and_why(function, arguments, error, names):
    with pytest.raises(error, match=names):
        function(*arguments)
