"""C3, C5 at depth: which features lower the loss after noise, against B2, and when, against every minimum."""

import itertools

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.inflection.deep_path import deep_minima, loss_after_noise
from overtraining.theory.inflection.deep_stages import deep_inflection_time, stage_changes, threshold_singular_value
from overtraining.theory.inflection.stages import stage
from overtraining.theory.learning import deep_mode


def test_changes_are_differences_of_plateaus():
    """Depth 4: the loss after noise long after each feature, a tiny start, less that before any."""
    sigma, gammas, widths, start = np.array([1.0, 0.6, 0.3]), [0.1, 0.3, 0.2, 0.1], [4, 3, 5, 6, 4], 1e-18
    changes = stage_changes(sigma, gammas, widths)
    times = deep_mode.time_to_reach(0.5 * sigma, sigma, start, 4)
    between = np.append(0.0, np.append(np.sqrt(times[1:] * times[:-1]), 2 * times[-1]))
    plateaus = loss_after_noise(between, sigma, start, gammas, widths)
    assert np.allclose(plateaus - plateaus[0], changes, atol=1e-6)


def test_depth_two_is_c3():
    sigma = np.array([1.0, 0.3, 0.2, 0.05])
    c = (0.3**2 * 4 + 0.2**2 * 5) / 2
    assert np.allclose(np.diff(stage_changes(sigma, [0.3, 0.2], [4, 9, 5])), stage(sigma, c).change, rtol=1e-13)
    assert threshold_singular_value([0.3, 0.2], [4, 9, 5]) == pytest.approx(2 * c, rel=1e-14)


def threshold(gammas, widths):
    """The root of `Σ e_k y^{−k} = 1`, the sum over j layers from the input and m from the output written out."""
    depth = len(gammas)
    first = [mpmath.fprod(gammas[l - 1] ** 2 * widths[l - 1] for l in range(1, j + 1)) for j in range(depth)]
    last = [mpmath.fprod(gammas[l - 1] ** 2 * widths[l] for l in range(depth - m + 1, depth + 1)) for m in range(depth)]
    e = [mpmath.fsum(first[j] * last[k - j] for j in range(k + 1)) for k in range(1, depth)]
    low, high = mpmath.mpf(0), 4 * depth * max(g**2 * w for g in gammas for w in widths)
    for _ in range(400):
        y = (low + high) / 2
        low, high = (y, high) if mpmath.fsum(x / y**k for k, x in enumerate(e, 1)) > 1 else (low, y)
    return low ** (mpmath.mpf(depth) / 2)


@pytest.mark.parametrize(("depth", "seed"), [*itertools.product((2, 3, 4, 7, 30), range(4))])
def test_threshold_precision(depth, seed):
    """Widths 1 … 10⁴, noise 1e-6 … 10 and on some layers none."""
    draw = np.random.default_rng(seed)
    gammas = 10.0 ** draw.uniform(-6, 1, depth) * np.append(draw.random(depth - 1) < 0.7, 1)
    widths = (10 ** draw.uniform(0, 4, depth + 1)).astype(int).tolist()
    with mpmath.workdps(150):
        exact = threshold([mpmath.mpf(float(g)) for g in gammas], widths)
        got = threshold_singular_value(gammas, widths)
        assert abs(got - exact) <= 1e-14 * depth * exact  # the L-th power of the noise
    start = float(exact) * 1e-3
    if depth > 2 and start > 1e-290:
        time = start ** (2 / depth - 1) / ((depth - 2) * float(exact))
        assert deep_inflection_time(start, gammas, widths) == pytest.approx(time, rel=1e-14 * depth)


def test_equal_layers_and_outer_ones():
    """y = 2β, 3β, 3.28β, … → (2 + √2)β; the two outer layers alone, c + √(c² + ab) at any depth; a grid of scales."""
    for depth, y in ((2, 2), (3, 3), (4, 3.28427754), (60, 2 + np.sqrt(2))):
        got = threshold_singular_value([0.1] * depth, [50] * (depth + 1))
        assert got ** (2 / depth) == pytest.approx(0.5 * y, rel=1e-8)
    b, a = 0.2**2 * 7, 0.3**2 * 5
    for depth in (3, 6):
        gammas = [0.2, *[0.0] * (depth - 2), 0.3]
        got = threshold_singular_value(gammas, [7, *[9] * (depth - 1), 5])
        assert got ** (2 / depth) == pytest.approx((a + b) / 2 + np.sqrt((a + b) ** 2 / 4 + a * b), rel=1e-13)
    grid = threshold_singular_value(np.outer([0.0, 1.0, 2.0], [0.1, 0.2, 0.3]), [4, 5, 6, 7])
    assert grid[0] == 0
    assert grid[2] / grid[1] == pytest.approx(8)


@pytest.mark.parametrize(("depth", "sigma", "power"), [(2, 2.0, 2.0), (3, 5.196, 3.0), (4, 10.79, 3.285)])
def test_what_is_2_and_3_is_a_power_of_the_feature(depth, sigma, power):
    """At γ = 0.1 and d = 100, γ²d = 1: the ledger's 2γ²d, 3γ²d, … are `σ^{2/L}` (issue 17, point 6)."""
    found = threshold_singular_value([0.1] * depth, [100] * (depth + 1))
    assert found == pytest.approx(sigma, rel=1e-3)
    assert found ** (2 / depth) == pytest.approx(power, rel=1e-3)


def test_noise_on_one_inner_layer_alone_has_no_threshold():
    """It is a limit: the threshold vanishes with the noise on the other layers."""
    grid = threshold_singular_value([[0.0, 0.1, 0.0], [1e-9, 0.1, 1e-9], [0.0, 0.0, 0.0]], [4, 5, 6, 7])
    assert grid[[0, 2]].tolist() == [0, 0]
    assert 0 < grid[1] < 1e-12


@pytest.mark.parametrize("depth", [3, 4])
def test_counts_the_features_that_pay(depth):
    """In wide layers; in narrow ones fewer lower the loss, since they raise each other's cost."""
    sigma = np.arange(1, 21) ** -0.7
    for wide, least, most in ((50_000, 10, 10), (20, 3, 7)):
        gammas, widths = np.ones(depth), [wide] * (depth + 1)
        gammas *= (np.sqrt(sigma[9] * sigma[10]) / threshold_singular_value(gammas, widths)) ** (1 / depth)
        assert least <= np.argmin(stage_changes(sigma, gammas, widths)) <= most


@pytest.mark.parametrize(("depth", "start"), [(3, 1e-10), (4, 1e-8)])
def test_the_inflection_is_the_power_of_the_noise(depth, start):
    """σ_i = 0.8^i, every minimum: noise under which nine fewer features lower it moves the best by its power −L."""
    stronger = 1.25 ** (9 / depth)
    sigma, gammas, widths = 0.8 ** np.arange(14), np.ones(depth), [20_000] * (depth + 1)
    gammas *= (np.sqrt(sigma[11] * sigma[12]) / threshold_singular_value(gammas, widths)) ** (1 / depth)
    times = [float(deep_minima(sigma, start, g, widths).at("best")) for g in (gammas, gammas * stronger)]
    told = [float(deep_inflection_time(start, g, widths)) for g in (gammas, gammas * stronger)]
    assert np.allclose(np.log(times), np.log(told), atol=0.6 * np.log(1 / 0.8))
    assert np.log(times[0] / times[1]) / np.log(stronger) == pytest.approx(depth, abs=0.25)


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: stage_changes([0.5, 1.0], [0.1] * 3, [2] * 4), ShapeError, "falling"),
        (lambda: stage_changes([1.0, 0.5, 0.1], [0.1] * 3, [2] * 4), ShapeError, "fit"),
        (lambda: stage_changes([1.0], [0.1] * 2, [2] * 4), ShapeError, "scale"),
        (lambda: stage_changes([-1.0], [0.1] * 3, [2] * 4), DomainError, "sigma"),
        (lambda: threshold_singular_value([0.1], [2, 2]), ShapeError, "L >= 2"),
        (lambda: threshold_singular_value([0.1] * 3, [2] * 3), ShapeError, "widths"),
        (lambda: threshold_singular_value([-0.1] * 3, [2] * 4), DomainError, "gammas"),
        (lambda: threshold_singular_value([1e60] * 8, [2] * 9), DomainError, "overflows"),
        (lambda: deep_inflection_time(1e-9, [0.1] * 2, [2] * 3), DomainError, "dense_inflection_time"),
        (lambda: deep_inflection_time(0.5, [0.1] * 3, [2] * 4), DomainError, "start learned"),
        (lambda: deep_inflection_time(0.0, [0.1] * 3, [2] * 4), DomainError, "epsilon"),
    ],
)
def test_refuses_by_name(call, refusal, word):
    with pytest.raises(refusal, match=word):
        call()
