"""C4: the remaining increase against mpmath, every minimum against a scan, bounds on random spectra."""

import inspect
import itertools
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.inflection.noisy_mode import inflection_time
from overtraining.theory.inflection.noisy_path import Minima, minima, overtraining_bounds, remaining_increase
from overtraining.theory.inflection.stages import overtraining_in_stages

SIGMA, RATIO = (1e-6, 0.3, 1.0, 1e6), (1e-290, 1e-6, 0.5, 0.999, 1.0, 10.0)
COST, STAGE = (0.0, 1e-12, 1e-3, 0.4, 1e6), (0.0, 0.3, 0.99, 1.0, 1.01, 2.5)


def judge(t, sigma, epsilon, c):
    short = sigma - sigma / (1 + (sigma / epsilon - 1) * mpmath.exp(-2 * sigma * t))
    return short * (c - short / 2), short


@pytest.mark.parametrize(("sigma", "ratio"), [*itertools.product(SIGMA, RATIO)])
def test_still_to_lose_one_mode(sigma, ratio):
    epsilon = max(sigma * ratio, 1e-300)
    for c, stage in itertools.product(COST, STAGE):
        t = stage * max(np.log(sigma / epsilon), 1) / (2 * sigma)
        values = []
        for digits in (640, 700):
            with mpmath.workdps(digits):
                values.append(judge(*map(mpmath.mpf, (t, sigma, epsilon, c))))
        truth, short = values[1]
        assert abs(values[0][0] - truth) <= abs(truth) * mpmath.mpf(10) ** -40
        got = float(remaining_increase([[t]], [sigma], epsilon, c)[0])
        size = abs(float(short)) * (
            c + abs(float(short)) / 2
        )  # with no cancellation between the cost and the unlearned part
        condition = 2 + 2 * sigma * t + (sigma + epsilon) / max(abs(sigma - epsilon), 1e-300)
        assert abs(got - float(truth)) <= 20 * condition * np.finfo(float).eps * size + 1e-300


def test_adds_over_modes_and_broadcasts():
    sigma, t, c = np.array([1.0, 0.4, 0.1]), np.linspace(0, 9, 5), np.array([0.1, 0.2])
    whole = remaining_increase(t[:, None, None], sigma, 1e-3, c[:, None])
    assert whole.shape == (5, 2)
    one = sum(remaining_increase(t[:, None, None], [v], 1e-3, c[:, None]) for v in sigma)
    assert np.allclose(whole, one, rtol=1e-14)


@pytest.mark.parametrize(
    ("sigma", "epsilon", "c"), [(1.0, 1e-6, 0.3), (20.0, 1e-300, 1e-9), (1e-6, 1e-9, 5e-7), (1.0, 0.5, 0.499)]
)
def test_one_mode_turns_where_c1_says(sigma, epsilon, c):
    (found,) = minima([sigma], epsilon, c).times
    assert np.isclose(found, inflection_time(sigma, epsilon, c), rtol=1e-11, atol=0)


def scan(sigma, epsilon, c, points=200_001):
    """Local minima of P on a fine grid of lengths, by its definition."""
    t = np.linspace(0, 1.1 * inflection_time(sigma, epsilon, c).max() + 1e-9, points)[:, None]
    s = sigma / (1 + (sigma / epsilon - 1) * np.exp(-2 * sigma * t))
    loss = ((sigma - s) ** 2 / 2 + c * s).sum(axis=1)
    padded = np.concatenate([[np.inf], loss, [np.inf]])
    return t[(padded[1:-1] < padded[:-2]) & (padded[1:-1] < padded[2:]), 0], loss


@pytest.mark.parametrize("seed", range(12))
def test_every_minimum_is_found(seed):
    draw = np.random.default_rng(seed)
    sigma = draw.uniform(0.15, 1.5, draw.integers(1, 6))
    epsilon, c = sigma * 10 ** draw.uniform(-7, -0.5, sigma.size), draw.uniform(0.05, 0.6)
    found, (scanned, loss) = minima(sigma, epsilon, c), scan(sigma, epsilon, c)
    assert found.times.size == scanned.size
    assert np.allclose(found.times, scanned, atol=3e-3 * scanned.max() + 1e-9)
    s = sigma / (1 + (sigma / epsilon - 1) * np.exp(-2 * sigma * found.times[:, None]))
    values = ((sigma - s) ** 2 / 2 + c * s).sum(axis=1)
    assert np.allclose(found.increase, c * sigma.sum() - values, atol=1e-13)
    assert np.isclose(values.min(), loss.min(), atol=1e-7)
    best = found.times[values.argmin()]
    assert (found.at("first"), found.at("last"), found.at("best")) == (found.times[0], found.times[-1], best)


@pytest.mark.parametrize("epsilon", [1e-2, 1e-4, 1e-8])
def test_through_the_folds(epsilon):
    """Where a minimum and a maximum merge and vanish: none is lost and none made up."""
    for second, c in itertools.product(np.linspace(0.3, 0.95, 8), np.linspace(0.02, 0.6, 15)):
        sigma = np.array([1.0, second])
        end = inflection_time(sigma, epsilon, c).max()
        t = np.linspace(0, end * 1.01 + 1e-3, 4001)[:, None]
        s = sigma / (1 + (sigma / epsilon - 1) * np.exp(-2 * sigma * t))
        slope = (s * (sigma - s) * (c - sigma + s)).sum(axis=1)
        count = int(np.sum((slope[:-1] < 0) & (slope[1:] >= 0))) + int(slope[0] >= 0)
        assert minima(sigma, epsilon, c).times.size == count


def test_three_minima_of_the_example():
    found = minima([1.0, 0.5, 0.25], 1e-6, 0.1)
    assert found.times.size == 3
    assert found.at("best") == found.at("last")


def test_is_zero_to_the_last_digits():
    """At each minimum the slope, in 60 digits, changes sign within a few units in the last place of the time."""
    sigma, epsilon, c = [1.0, 0.7, 0.31, 0.05], 1e-40, 0.04

    def slope(t):
        s = [v / (1 + (v / mpmath.mpf(epsilon) - 1) * mpmath.exp(-2 * v * t)) for v in map(mpmath.mpf, sigma)]
        return mpmath.fsum(
            a * (v - a) * (mpmath.mpf(c) - v + a) for a, v in zip(s, map(mpmath.mpf, sigma), strict=True)
        )

    for t in minima(sigma, epsilon, c).times:
        with mpmath.workdps(60):
            near = mpmath.mpf(float(t)) * mpmath.mpf(10) ** -13
            assert slope(mpmath.mpf(float(t)) - near) < 0 < slope(mpmath.mpf(float(t)) + near)


def test_hurts_from_the_start_or_never():
    assert minima([0.2, 0.1], 1e-3, 0.5).times.tolist() == [0.0]
    none = minima([1.0, 0.5], 1e-3, 0.0)
    assert none.times.size == 0
    assert none.at("last") == none.at("best") == np.inf


def test_scales_together():
    """Units: σ, ε, c times 1e6 and time divided by it."""
    one, other = minima([1.0, 0.5, 0.2], 1e-8, 0.05), minima([1e6, 5e5, 2e5], 1e-2, 5e4)
    assert np.allclose(other.times * 1e6, one.times, rtol=1e-12)


@pytest.mark.parametrize("seed", range(60))
def test_over_twelve_decades_of_everything(seed):
    """Plateaus where su(c − u) of every mode vanishes in float64: found by a solver that never ended there."""
    draw = np.random.default_rng(seed)
    sigma = 10 ** draw.uniform(-6, 6, draw.integers(1, 40))
    epsilon = np.clip(
        sigma * 10 ** -draw.uniform(1e-6, draw.choice([0.1, 50, 280]), sigma.size), 1e-300, 0.9999 * sigma
    )
    c = float(sigma.max() * 10 ** draw.uniform(-draw.choice([1, 5, 280]), 0.3))
    found, known = minima(sigma, epsilon, c), overtraining_bounds(sigma, epsilon, c)
    assert found.times.size >= 1
    assert known.lower * (1 - 1e-10) <= found.increase.max() <= known.upper * (1 + 1e-10)


@pytest.mark.parametrize("seed", range(30))
def test_bounds_hold_at_every_start(seed):
    draw = np.random.default_rng(seed)
    sigma = 10 ** draw.uniform(-3, 0, draw.integers(1, 9))
    epsilon, c = sigma * 10 ** draw.uniform(-8, -1e-3, sigma.size), 10 ** draw.uniform(-3, 0.5)
    known, lost = overtraining_bounds(sigma, epsilon, c), minima(sigma, epsilon, c).increase.max()
    assert known.lower * (1 - 1e-12) <= lost <= known.upper * (1 + 1e-12)


def test_bound_by_the_weakest_feature_is_false():
    """`½ min(c, σ_r)²` is no lower bound unless the start is small: σ = 1 from 0.99 with c = 1 loses 0.00995."""
    lost = minima([1.0], 0.99, 1.0).increase.max()
    assert lost < 0.01 < 0.5 * min(1.0, 1.0) ** 2
    assert np.isclose(lost, overtraining_bounds([1.0], 0.99, 1.0).lower, rtol=1e-13)


def test_a_null_mode_ends_by_falling():
    """Rank-deficient teacher: a started mode with σ = 0 makes P fall for ever; the minimum solver refuses it."""
    late = remaining_increase(np.array([[50.0], [5e3], [5e5]]), [1.0, 0.0], 0.05, 0.1)
    assert (late < 0).all()
    assert (np.diff(late) > 0).all()
    with pytest.raises(DomainError, match="sigma"):
        minima([1.0, 0.0], 0.05, 0.1)


def test_a_thousand_modes():
    sigma = np.arange(1, 1001) ** -1.0
    found = minima(sigma, 1e-12, 0.01)
    assert found.times.size >= 1
    limit = overtraining_in_stages(sigma, 0.01)
    assert abs(found.increase.max() / limit - 1) < 0.05


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: minima([1.0], 1.0, 0.1), DomainError, "from above"),
        (lambda: minima([1.0], 0.1, -0.1), DomainError, "noise_cost"),
        (lambda: minima([1.0], 0.1, 1e-300), DomainError, "range"),
        (lambda: minima([1e10], 1e-300, 0.1), DomainError, "range"),
        (lambda: minima([[1.0]], 0.1, 0.1), ShapeError, "axis"),
        (lambda: minima([], 0.1, 0.1), ShapeError, "axis"),
        (lambda: minima([1.0], [0.1, 0.2, 0.3], 0.1), ShapeError, "modes"),
        (lambda: minima([1.0, np.nan], 0.1, 0.1), DomainError, "sigma"),
        (lambda: overtraining_bounds([1.0, 2.0], [0.1, 0.2, 0.3], 0.1), ShapeError, "broadcast"),
        (lambda: overtraining_bounds(1.0, 0.1, 0.1), ShapeError, "modes"),
        (lambda: overtraining_bounds([1.0], 2.0, 0.1), DomainError, "from above"),
        (lambda: remaining_increase(-1.0, [1.0], 0.1, 0.1), DomainError, "length"),
        (lambda: remaining_increase([1.0, 2.0, 3.0], [1.0, 2.0], 0.1, 0.1), ShapeError, "broadcast"),
        (lambda: remaining_increase(1.0, 1.0, 0.1, 0.1), ShapeError, "modes"),
        (lambda: remaining_increase([1.0, 2.0, 3.0], [1.0], 0.1, 0.1), ShapeError, "modes"),
        (lambda: inspect.unwrap(Minima.at)(minima([1.0], 0.1, 0.1), "worst"), DomainError, "which"),
    ],
)
def test_refuses_by_name(call, refusal, word):
    with pytest.raises(refusal, match=word):
        call()


@pytest.mark.parametrize("seed", range(20))
def test_bounds_of_several_modes_in_exact_arithmetic(seed):
    """ψ(max m) and Σψ(m), whichever mode is the largest, and neither more nor less."""
    draw = np.random.default_rng(seed)
    sigma = draw.uniform(0.1, 2, 4)
    epsilon, c = sigma * draw.uniform(0.01, 0.99, 4), float(draw.uniform(0.05, 1.5))
    short = [min(Fraction(c), Fraction(v) - Fraction(e)) for v, e in zip(sigma, epsilon, strict=True)]
    psi = lambda u: u * (Fraction(c) - u / 2)
    known = overtraining_bounds(sigma, epsilon, c)
    assert float(known.lower) == pytest.approx(float(psi(max(short))), rel=1e-14)
    assert float(known.upper) == pytest.approx(float(sum(map(psi, short))), rel=1e-14)


def test_bounds_are_met():
    """The upper by equal modes, which turn together; the lower by modes apart, of which only the last has a turn."""
    same = minima([1.0, 1.0, 1.0], 1e-6, 0.2).increase.max()
    assert same == pytest.approx(float(overtraining_bounds([1.0, 1.0, 1.0], 1e-6, 0.2).upper), rel=1e-12)
    apart = minima([2.0, 1.0, 0.5], 1e-200, 0.2).increase.max()
    assert apart == pytest.approx(float(overtraining_bounds([2.0, 1.0, 0.5], 1e-200, 0.2).lower), rel=1e-12)


def test_a_grid_of_prices_is_each_price_alone():
    """Any shape, unsorted, with repeats, free ones and ones that only hurt: no minimum lost, none made up."""
    draw = np.random.default_rng(5)
    for _ in range(6):
        sigma = draw.uniform(0.15, 1.5, draw.integers(1, 6))
        epsilon = sigma * 10 ** draw.uniform(-9, -0.5, sigma.size)
        c = np.append(draw.uniform(0.01, 1.7, 9), [0.0, 0.3, 0.3]).reshape(3, 4)
        found = minima(sigma, epsilon, c)
        assert found.times.shape == found.increase.shape == (3, 4, found.times.shape[-1])
        for index, cost in np.ndenumerate(c):
            alone = minima(sigma, epsilon, float(cost))
            there = np.isfinite(found.times[index])
            assert np.allclose(found.times[index][there], alone.times, rtol=1e-12)
            assert np.allclose(
                found.increase[index], np.append(alone.increase, np.zeros((~there).sum())), rtol=1e-9, atol=1e-15
            )
            for which in ("first", "last", "best"):
                assert np.isclose(found.at(which)[index], alone.at(which), rtol=1e-12)


def test_a_grid_over_a_dense_spectrum():
    """400 features, 60 costs over three decades: every minimum is a rising zero of the slope, and none is missing."""
    sigma, epsilon, c = np.arange(1, 401) ** -0.7, 1e-20, np.geomspace(2e-3, 2.0, 60)
    found = minima(sigma, epsilon, c)
    for k in (0, 17, 25, 40, 59):
        assert np.isfinite(found.times[k]).sum() == minima(sigma, epsilon, float(c[k])).times.size
    for k, which in np.argwhere(np.isfinite(found.times) & (found.times > 0)):
        t = found.times[k, which]
        x = t * (1 + np.array([-1e-7, 1e-7]))[:, None]
        s = sigma / (1 + (sigma / epsilon - 1) * np.exp(-2 * sigma * x))
        before, after = (s * (sigma - s) * (c[k] - sigma + s)).sum(axis=1)
        assert before < 0 < after
    # noise that exceeds every feature only hurts; what is lost falls as the noise does
    assert (found.at("best")[c >= 1] == 0).all()
    assert (np.diff(found.increase.max(axis=-1)) > 0).all()
    assert (np.diff(found.at("best")) <= 0).all()


def test_no_price_turns():
    none = minima([1.0, 0.5], 1e-3, [0.0, 0.0])
    assert none.times.shape == (2, 0)
    assert none.at("best").tolist() == none.at("last").tolist() == [np.inf, np.inf]
    assert minima([1.0], 1e-3, np.zeros((0,))).at("best").shape == (0,)


def test_at_a_fold():
    """Where a minimum is born with a double zero of the slope, known to the last digit of c: the search ends."""
    count = lambda c: minima([1.0, 0.6], 1e-4, c).times.size
    low, high = 0.3, 0.36
    assert count(low) == 2
    assert count(high) == 1
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if count(middle) == 2 else (low, middle)
    assert (count(low), count(high)) == (2, 1)


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: overtraining_bounds([], 0.1, 0.1), ShapeError, "no mode"),
        (lambda: minima([1.0], 0.1, [0.1, 1e80]), DomainError, "1e75"),
        (lambda: minima([1e200, 1e190], 1e100, 1e185), DomainError, "1e75"),
        (lambda: minima([1.0], 0.1, 1e-295), DomainError, "range"),
        (lambda: overtraining_bounds([1e80], 1.0, 0.1), DomainError, "1e75"),
        (lambda: remaining_increase(1.0, [1.0], 0.1, 1e80), DomainError, "1e75"),
    ],
)
def test_refuses_what_float64_cannot_hold(call, refusal, word):
    with pytest.raises(refusal, match=word):
        call()
