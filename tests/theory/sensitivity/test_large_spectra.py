"""B7, B8 at finite ε: sums over 10³ … 10⁶ and infinitely many modes against fsum and mpmath, and their exponents."""

import inspect
import itertools
import math

import mpmath
import numpy as np
import pytest
from scipy.special import zeta

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.inflection.noisy_path import minima
from overtraining.theory.inflection.scaling import dense_inflection_time
from overtraining.theory.learning import deep_mode
from overtraining.theory.sensitivity.large_spectra import power_law_path, spectrum_path
from overtraining.theory.sensitivity.rates import power_law_rates
from overtraining.theory.sensitivity.sum_rule import local_factor

FIELDS = ("loss", "norm_gained", "loss_rate", "norm_rate")


def added_up(t, sigma, epsilon, depth):
    """The four sums, mode by mode, and the norm at the start."""
    q = 2 - 2 / depth
    s, left = deep_mode.learned_and_unlearned(t, sigma, epsilon, depth)
    if depth == 2:
        gained = s * (1 - epsilon / sigma) * -np.expm1(-2 * sigma * t)
        every = (left**2 / 2, gained, 2 * s * left**2, 2 * s * left)
    else:
        every = (left**2 / 2, s**q - epsilon**q, depth * s**q * left**2, q * depth * s ** (2 * q - 1) * left)
    before = np.broadcast_to(epsilon, s.shape) ** q
    return [math.fsum(x.tolist()) for x in every], math.fsum(before.tolist())


@pytest.mark.parametrize(
    ("modes", "alpha", "start", "relative", "depth"),
    [
        *itertools.product((1, 40, 1000), (0.3, 0.55, 1.0, 2.0), (1e-295, 1e-12, 0.1), (False, True), (2,)),
        *itertools.product((100_000,), (0.6, 1.2), (1e-300, 1e-6), (False, True), (2,)),
        *itertools.product((1000,), (0.6, 1.2), (1e-6, 0.1), (False, True), (3, 5)),
        (1_000_000, 0.75, 1e-20, False, 2),
    ],
)
def test_against_sums_over_the_modes(modes, alpha, start, relative, depth):
    """Also with modes that start above the teacher; the estimated error bounds the true one but for the terms' own."""
    sigma = np.arange(1.0, modes + 1) ** -alpha
    epsilon = start * sigma if relative else np.full(modes, start)
    delay = np.log(1 / start) / 2 if depth == 2 else start ** (2 / depth - 1) / (depth - 2)
    t = np.array([1e-3, 0.9, 4.0, 60.0]) * delay
    found = power_law_path(t, alpha, start, modes, relative=relative, depth=depth)
    # an exponent of 2σt is the best known to as many roundings, and so are the modes under way
    own = 4 * np.finfo(float).eps * (10 + abs(np.log(start)))
    for k, time in enumerate(t):
        exact, before = added_up(time, sigma, epsilon, depth)
        for j, (name, value) in enumerate(zip(FIELDS, exact, strict=True)):
            got = float(getattr(found, name)[k])
            rounding = own * (abs(value) + (before if depth > 2 and name == "norm_gained" else 0)) + 1e-300
            assert abs(got - value) <= found.relative_error[j, k] * abs(value) + rounding, (name, time)
            if depth == 2 and value > 1e-280:
                assert found.relative_error[j, k] < 3e-12


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units(scale):
    t = np.array([1.0, 30.0, 1e3])
    one = power_law_path(t, 0.8, 1e-9, 5000)
    other = power_law_path(t / scale, 0.8, 1e-9 * scale, 5000, scale=scale)
    assert np.allclose(other.loss, one.loss * scale**2, rtol=1e-12)
    assert np.allclose(other.norm_gained, one.norm_gained * scale, rtol=1e-12)
    assert np.allclose(other.loss_exponent, one.loss_exponent, rtol=1e-12)
    assert np.allclose(other.stationary_noise_cost, one.stationary_noise_cost * scale, rtol=1e-12)
    endless = power_law_path(t, 0.8, 1e-3, None, relative=True)
    other = power_law_path(t / scale, 0.8, 1e-3, None, relative=True, scale=scale)
    for name, power in zip(FIELDS, (2, 1, 3, 2), strict=True):
        assert np.allclose(getattr(other, name), getattr(endless, name) * scale**power, rtol=1e-12)


@pytest.mark.parametrize("alpha", [0.6, 1.0, 2.5])
@pytest.mark.parametrize("rho", [1e-8, 1e-3, 0.9])
def test_infinitely_many(alpha, rho):
    """The first 2,000 modes by fsum, the rest by the integral and two corrections in 30 digits."""
    first = 2000
    for t in (0.0, 0.2, 40.0):
        found = power_law_path(t, alpha, rho, None, relative=True)
        head, _ = added_up(t, (sigma := np.arange(1.0, first) ** -alpha), rho * sigma, 2)
        with mpmath.workdps(30):
            rest = beyond(first, *map(mpmath.mpf, (t, alpha, rho)))
        for name, begun, more in zip(FIELDS, head, rest, strict=True):
            assert float(getattr(found, name)) == pytest.approx(begun + float(more), rel=2e-12, abs=1e-300), (name, t)


def beyond(first, t, alpha, rho):
    """The four sums from a mode on."""

    def one(i):
        v = i**-alpha
        u = 1 / (1 + (1 / rho - 1) * mpmath.exp(-2 * v * t))
        gained = u * v * (1 - rho) * -mpmath.expm1(-2 * v * t)
        return v**2 * (1 - u) ** 2 / 2, gained, 2 * v**3 * u * (1 - u) ** 2, 2 * v**2 * u * (1 - u)

    ends = mpmath.linspace(mpmath.log(first), mpmath.log(first) + 60 / (2 * alpha - 1), 12)
    start = mpmath.mpf(first)
    for k in range(4):
        integral = mpmath.quad(lambda z, k=k: one(mpmath.exp(z))[k] * mpmath.exp(z), ends)
        yield integral + one(start)[k] / 2 - mpmath.diff(lambda i, k=k: one(i)[k], start) / 12


@pytest.mark.parametrize("depth", [3, 6])
def test_infinitely_many_deep(depth):
    """The same as 2⁵⁰ modes and the integral beyond, where nothing has begun."""
    last, alpha, rho, t, q = 2**50, 0.9, 0.01, np.array([0.0, 5.0, 100.0]), 2 - 2 / depth
    found, many = (power_law_path(t, alpha, rho, n, relative=True, depth=depth) for n in (None, last))
    beyond = zeta(2 * alpha, last + 1)
    assert np.allclose(found.loss, many.loss + (1 - rho) ** 2 / 2 * beyond, rtol=1e-13)
    first = depth * rho**q * (1 - rho)
    assert np.allclose(
        found.loss_rate, many.loss_rate + first * (1 - rho) * zeta(alpha * (2 + q), last + 1), rtol=1e-12
    )
    rate = q * depth * rho ** (2 * q - 1) * (1 - rho) * zeta(2 * alpha * q, last + 1)
    assert np.allclose(found.norm_rate, many.norm_rate + rate, rtol=1e-10)
    assert np.allclose(found.norm_gained, many.norm_gained + rate * t, rtol=1e-9, atol=1e-12)


def test_a_general_spectrum():
    """Exponential, with starts of its own; and where σ(i) jumps, mode by mode."""
    modes = 3000
    i, t = np.arange(1.0, modes + 1), np.array([0.0, 5.0, 50.0])
    smooth = lambda i: np.exp(-i / 500)
    jumps = lambda i: np.where(i < 777, 1.0, 0.25)
    start = lambda i: 1e-4 / i
    for law in (smooth, jumps):
        found = spectrum_path(t, law, start, modes)
        for k in range(3):
            exact, _ = added_up(t[k], law(i), start(i), 2)
            got = [float(getattr(found, name)[k]) for name in FIELDS]
            assert got == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.6, 0.75, 1.0, 1.5])
def test_a_finite_start_raises_the_exponent_by_its_factor(alpha):
    """At equal starts: 1/(1 − 1/ℓ) and then 1/ℓ², for every α. Far behind the top of the spectrum, 10⁵ learned."""
    rest = []
    for start in (1e-30, 1e-100, 1e-300):
        front = 1e5**-alpha
        length = np.log(front / start)
        modes = 2**50 if alpha < 1 or start < 1e-30 else int((5 * start) ** (-1 / alpha))
        found = power_law_path(length / (2 * front), alpha, start, min(modes, 2**50))
        beyond = zeta(2 * alpha, min(modes, 2**50) + 1) / 2  # not begun
        local = found.loss_exponent * found.loss / (found.loss + beyond)
        raised = local / power_law_rates(alpha).loss_exponent
        rest.append((raised - local_factor(front, start)) * length**2)
    assert np.allclose(rest, 1, atol=0.12)
    assert abs(rest[2] - 1) < abs(rest[1] - 1) < abs(rest[0] - 1)


def test_a_start_in_proportion_does_not():
    """Infinitely many modes from ε = ρσ: β = 2 − 1/α to eight digits, from ρ = 1e-3 as from 0.3; Σs by 1/α − 1."""
    for alpha, rho in itertools.product((0.6, 0.75, 1.5), (1e-3, 0.3)):
        found, rates = power_law_path(np.array([1e6, 1e8]), alpha, rho, None, relative=True), power_law_rates(alpha)
        assert np.allclose(found.loss_exponent, rates.loss_exponent, rtol=1e-6)
        local = np.log(found.norm_rate[1] / found.norm_rate[0]) / np.log(100)
        assert local == pytest.approx(float(rates.norm_exponent) - 1, rel=1e-6)


@pytest.mark.parametrize("depth", [3, 4])
def test_depth_changes_the_norm_s_exponent_to_two_over_L(depth):
    """β + s = 2/L for the outer layers' norm, in derivative form, from a start in proportion."""
    alpha = 0.6
    found = power_law_path(np.array([1e5, 1e7]), alpha, 1e-2, None, relative=True, depth=depth)
    local = lambda x: float(np.log(x[1] / x[0]) / np.log(100))
    # from ε = ρσ a feature is learned at a time ∝ σ^−q, not 1/σ: in that clock the exponents are those over q/1
    q = 2 - 2 / depth
    assert local(found.loss) == pytest.approx(-(2 - 1 / alpha) / q, rel=1e-3)
    assert local(found.norm_rate) + 1 == pytest.approx((1 / alpha - q) / q, abs=2e-3)


def test_the_sum_rule_of_deep_networks():
    """From equal starts times are ∝ 1/σ: β + s → 2/L between whole stages, L = 3, 10⁴ features learned."""
    alpha, start, depth = 0.6, 1e-9, 3
    front = np.array([1e4, 2e4]) ** -alpha
    t = start ** (2 / depth - 1) / ((depth - 2) * front)
    found = power_law_path(t, alpha, start, 10**7, depth=depth)
    loss = found.loss + zeta(2 * alpha, 10**7 + 1) / 2
    beta = -np.log(loss[1] / loss[0]) / np.log(t[1] / t[0])
    rate = np.log(found.norm_rate[1] / found.norm_rate[0]) / np.log(t[1] / t[0])
    assert beta == pytest.approx(2 - 1 / alpha, rel=0.01)
    assert beta + rate + 1 == pytest.approx(2 / depth, abs=0.01)


@pytest.mark.parametrize("alpha", [0.7, 1.0])
def test_the_stationary_cost_is_where_every_minimum_is(alpha):
    """The noise cost for which a length is stationary: at the minima of 1,500 features, and by C5's expansion."""
    sigma, epsilon, c = np.arange(1, 1501) ** -alpha, 1e-12, 0.02
    times = minima(sigma, epsilon, c).times
    assert np.allclose(power_law_path(times, alpha, epsilon, 1500).stationary_noise_cost, c, rtol=1e-9)
    t = float(dense_inflection_time(alpha, epsilon, c))
    noise_cost = float(power_law_path(t, alpha, epsilon, 1500).stationary_noise_cost)
    assert abs(noise_cost / c - 1) * np.log(2 * c / epsilon) ** 2 < 8


def test_shapes():
    found = power_law_path(np.ones((2, 3)), 0.8, 1e-3, 100)
    assert found.loss.shape == found.stationary_noise_cost.shape == (2, 3)
    assert found.relative_error.shape == (4, 2, 3)
    assert isinstance(power_law_path(1.0, 0.8, 1e-3, 100).loss, float)


@pytest.mark.parametrize(
    ("call", "refusal", "word"),
    [
        (lambda: power_law_path(-1.0, 0.8, 1e-3, 10), DomainError, "lengths "),
        (lambda: power_law_path(1.0, 0.0, 1e-3, 10), DomainError, "alpha"),
        (lambda: power_law_path(1.0, 0.8, 0.0, 10), DomainError, "epsilon"),
        (lambda: power_law_path(1.0, 0.8, 1e-3, 0), DomainError, "modes"),
        (lambda: power_law_path(1.0, 0.8, 1e-3, 10, depth=1), DomainError, "depth"),
        (lambda: power_law_path(1.0, 40.0, 1e-3, 1000), DomainError, "weakest"),
        (lambda: power_law_path(1.0, 0.8, 1e-3, None), DomainError, "relative"),
        (lambda: power_law_path(1.0, 0.5, 1e-3, None, relative=True), DomainError, "½"),
        (lambda: power_law_path(1.0, 0.8, 1.5, None, relative=True), DomainError, "above"),
        (lambda: power_law_path(1e40, 0.8, 0.5, None, relative=True), DomainError, "rescale"),
        (lambda: inspect.unwrap(spectrum_path)(1.0, 2.0, 0.1, 10), DomainError, "sigma = 2.0.*function of the index"),
        (lambda: spectrum_path(1.0, lambda i: -i, 0.1, 10), DomainError, "sigma"),
        (lambda: spectrum_path(1.0, lambda i: 1 / i, lambda i: 0 * i, 10), DomainError, "epsilon"),
        (lambda: spectrum_path(1.0, lambda i: np.ones(3), 0.1, 10), ShapeError, "arrays"),
    ],
)
def test_refuses_by_name(call, refusal, word):
    with pytest.raises(refusal, match=word):
        call()
