"""B3: every eigenvalue against automatic differentiation and against mpmath, over all orders of the widths."""

from functools import partial
from itertools import pairwise, product

import jax
import mpmath
import numpy as np
import pytest

from benchmarks.measure import peak_memory
from overtraining.setting import limits
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.learning.balanced_mode import singular_value, unlearned
from overtraining.theory.sensitivity import curvature
from overtraining.theory.sensitivity.curvature import hessian_spectrum, hessian_trace

SHAPES = [*product((1, 3), repeat=3), (2, 3, 4), (4, 3, 2), (6, 3, 5), (5, 6, 3)]


@partial(jax.jit, static_argnums=0)
def hessian(shapes, theta, teacher, covariance):
    sizes = np.cumsum([rows * cols for rows, cols in shapes])[:-1]

    def loss(theta):
        f = np.eye(teacher.shape[1])
        for part, shape in zip(jax.numpy.split(theta, sizes), shapes, strict=True):
            f = part.reshape(shape) @ f
        return jax.numpy.trace((f - teacher) @ covariance @ (f - teacher).T) / 2

    return jax.hessian(loss)(theta)


def autodiff(weights, teacher, covariance=None):
    """The Hessian of `½ tr((f − A) Σx (f − A)ᵀ)` in all weights."""
    theta = np.concatenate([w.ravel() for w in weights])
    covariance = np.eye(teacher.shape[1]) if covariance is None else covariance
    return np.asarray(hessian(tuple(w.shape for w in weights), theta, teacher, covariance))


def aligned(s, sigma, d_in, h, d_out, generator):
    """Balanced weights and a teacher in shared random frames."""
    frames = [np.linalg.qr(generator.normal(size=(d, d)))[0] for d in (d_in, h, d_out)]
    diagonal = lambda rows, cols, x: np.eye(rows, cols) * np.resize(np.pad(x, (0, cols)), cols)
    v, e, u = frames
    w1, w2 = e @ diagonal(h, d_in, np.sqrt(s)) @ v.T, u @ diagonal(d_out, h, np.sqrt(s)) @ e.T
    return [w1, w2], u @ diagonal(d_out, d_in, sigma) @ v.T


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("regime", ["below", "above", "unlearned", "learned", "repeated"])
def test_spectrum_and_trace_against_autodiff(shape, regime):
    d_in, h, d_out = shape
    generator = np.random.default_rng(sum(shape))
    m = min(d_in, d_out)
    sigma = np.sort(generator.uniform(0.3, 2, m))[::-1] if regime != "repeated" else np.ones(m)
    factor = {"below": 0.4, "above": 1.7, "unlearned": 0.0, "learned": 1.0, "repeated": 0.6}[regime]
    s = sigma * factor
    s[min(h, m) :] = 0
    weights, teacher = aligned(s, sigma, d_in, h, d_out, generator)
    exact = autodiff(weights, teacher)
    found = hessian_spectrum(s, sigma - s, d_in=d_in, h=h, d_out=d_out)
    assert found.all.shape == (h * (d_in + d_out),) == (found.multiplicity.sum(),)
    np.testing.assert_allclose(found.all, np.linalg.eigvalsh(exact), atol=1e-10)
    np.testing.assert_allclose(found.largest, found.all[-1], rtol=0)
    np.testing.assert_allclose(hessian_trace(weights), np.trace(exact), rtol=1e-12)
    np.testing.assert_allclose((found.values * found.multiplicity).sum(), (d_in + d_out) * s.sum(), atol=1e-12)


@pytest.mark.parametrize("widths", [(3, 2), (2, 3, 4), (4, 2, 3, 2), (2, 1, 3, 2, 3, 2)], ids=str)
@pytest.mark.parametrize("white", [True, False])
def test_trace_at_every_depth_against_autodiff(widths, white):
    generator = np.random.default_rng(len(widths))
    weights = [generator.normal(size=(b, a)) for a, b in pairwise(widths)]
    root = generator.normal(size=(widths[0], widths[0]))
    covariance = None if white else root @ root.T
    exact = np.trace(autodiff(weights, generator.normal(size=(widths[-1], widths[0])), covariance))
    np.testing.assert_allclose(hessian_trace(weights, covariance), exact, rtol=1e-12)


def exact_roots(s, left, digits):
    """The 4×4 block of a pair, written out and diagonalized with many digits: the judge uses no closed form."""
    with mpmath.workdps(digits):
        (si, sj), (ri, rj) = map(mpmath.mpf, s), map(mpmath.mpf, left)
        g = mpmath.sqrt(si * sj)
        rows = [[si, g, 0, -rj], [g, sj, -ri, 0], [0, -ri, sj, g], [-rj, 0, g, si]]
        return sorted(mpmath.eigsy(mpmath.matrix(rows), eigvals_only=True))


@pytest.mark.parametrize(
    ("s", "left"),
    [
        ((1.0, 0.5), (1e-30, 1e-20)),  # converged: the small roots are made of left alone
        ((1e-300, 1e-300), (1.0, 0.5)),  # at the start
        ((1.0, 1e-200), (1e-15, 0.25)),  # a stage between two features
        ((1e6, 1e-6), (1e-3, 1e6)),
        ((1e-6, 1e-6), (3e-6, 2e-6)),
        ((1e-300, 2e-300), (1e-300, 1e-300)),  # products underflow
        ((0.0, 2.0), (0.0, 0.5)),  # a mode that the teacher does not have
    ],
)
def test_pairs_against_mpmath_at_two_precisions(s, left):
    low, exact = (exact_roots(s, left, digits) for digits in (700, 1400))
    found = np.sort(hessian_spectrum(s, left, d_in=2, h=2, d_out=2).values[4:8])
    for a, b, x in zip(low, exact, found, strict=True):
        assert abs(a - b) <= abs(b) * mpmath.mpf("1e-30") + mpmath.mpf("1e-600")
        assert abs(x - b) <= 1e-12 * abs(b) + mpmath.mpf("1e-600")


def test_along_pretraining_the_sharpness_falls_then_rises_to_twice_the_first_singular_value():
    sigma, t = np.array([1.0, 0.5]), np.linspace(0, 60, 241)[:, None]
    s, left = singular_value(t, sigma, 1e-6), unlearned(t, sigma, 1e-6)
    found = hessian_spectrum(s, left, d_in=3, h=5, d_out=4)
    assert found.values.shape == (241, 6 + 12 + 9 + 1)  # own, pairs, s and ±left, zero; the third mode is 0
    largest = found.largest
    assert np.isclose(largest[0], 1.0, atol=1e-5)
    assert largest.min() < 0.9
    np.testing.assert_allclose(largest[-1], 2.0, rtol=1e-12)


def test_missing_modes_are_zero_and_more_times_broadcast():
    few = hessian_spectrum([1.0], [0.5], d_in=3, h=2, d_out=4)
    full = hessian_spectrum([1.0, 0.0, 0.0], [0.5, 0.0, 0.0], d_in=3, h=2, d_out=4)
    np.testing.assert_array_equal(few.all, full.all)
    grid = hessian_spectrum(np.ones((5, 1, 2)), np.zeros((7, 2)), d_in=2, h=2, d_out=2)
    assert grid.all.shape == (5, 7, 8)
    assert grid.largest.shape == (5, 7)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: hessian_spectrum([-1.0], [0.0], d_in=1, h=1, d_out=1), DomainError, r"s\[0\] = -1.0"),
        (lambda: hessian_spectrum([1.0], [np.nan], d_in=1, h=1, d_out=1), DomainError, "unlearned"),
        (lambda: hessian_spectrum([1.0, 1.0], [0.0, 0.0], d_in=1, h=2, d_out=2), ShapeError, "room for 1"),
        (lambda: hessian_spectrum([1.0, 1.0], [0.0, 0.0], d_in=2, h=1, d_out=2), DomainError, "learned ones first"),
        (lambda: hessian_spectrum([1.0, 1.0], [0.0, 0.0, 0.0], d_in=3, h=1, d_out=3), ShapeError, "broadcast"),
        (lambda: hessian_spectrum([1.0], [0.0], d_in=0, h=1, d_out=1), DomainError, "d_in"),
        (lambda: hessian_trace([]), ShapeError, "no layers"),
        (lambda: hessian_trace([np.ones((2, 2)), np.ones((2, 3))]), ShapeError, "not defined"),
        (lambda: hessian_trace([np.full((1, 1), np.inf)]), DomainError, r"w1\[0, 0\]"),
        (lambda: hessian_trace([np.ones((0, 2)), np.ones((1, 0))]), ShapeError, "non-empty"),
        (lambda: hessian_trace([np.full((1, 1), 1e200)] * 2), DomainError, "tr H: it overflows"),
        (lambda: hessian_spectrum([1e308], [1e308], d_in=1, h=1, d_out=1), DomainError, "spectrum: it overflows"),
        (lambda: hessian_spectrum([1e308] * 2, [-1e308] * 2, d_in=2, h=2, d_out=2), DomainError, "overflows"),
        (lambda: hessian_trace([np.ones((1, 2))], -np.eye(2)), DomainError, "semidefinite"),
    ],
)
def test_refusals_name_what_was_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: hessian_spectrum(np.ones(200), np.zeros(200), d_in=200, h=200, d_out=200),
        lambda: hessian_spectrum(np.ones((500, 20)), np.zeros(20), d_in=20, h=20, d_out=20),
        lambda: hessian_spectrum([1.0], [0.0], d_in=10**9, h=1, d_out=10**9),
        lambda: hessian_spectrum([1.0], [0.0], d_in=10**5, h=10**5, d_out=1).all,
    ],
    ids=["modes", "times", "missing modes", "multiplicities"],
)
def test_a_spectrum_that_does_not_fit_is_refused(ask, monkeypatch):
    monkeypatch.setattr(limits, "MEMORY", 2**20)
    with pytest.raises(DomainError, match=r"spectra of .* eigenvalues: it needs about"):
        ask()


def test_the_memory_of_a_spectrum_is_stated(monkeypatch):
    """The bound is above the peak, by less than a half, with few pairs and with many."""
    for d, times in ((5, 20_000), (200, 20)):
        stated = []
        monkeypatch.setattr(curvature, "check_memory", lambda what, needed, instead, to=stated: to.append(needed))
        s = np.ones((times, d))
        peak = peak_memory(lambda s=s, d=d: hessian_spectrum(s, 0 * s, d_in=d, h=d, d_out=d)) * 2**20
        assert 0.5 * stated[0] < peak < stated[0]


def test_the_trace_is_never_negative():
    """W1 in the null space of Σx but for rounding, W2 = 0: the truth is 0."""
    for seed in range(40):
        generator = np.random.default_rng(seed)
        kernel, seen = np.linalg.qr(generator.normal(size=(3, 3)))[0][:2]
        sx = np.outer(seen, seen)
        assert 0 <= hessian_trace([kernel[None], np.zeros((2, 1))], (sx + sx.T) / 2) < 1e-14


def test_one_mode_falls_first_and_two_equal_ones_do_not():
    """λ_max of one mode is least halfway; of two equal modes, learned together, it rises from σ to 2σ all the way."""
    s = np.linspace(1e-3, 1, 101)[:, None]
    one = hessian_spectrum(s, 1 - s, d_in=1, h=1, d_out=1).largest
    assert one.min() < 0.51
    assert np.diff(one)[:49].max() < 0
    for widths in ((2, 2, 2), (4, 7, 5)):
        two = hessian_spectrum(
            np.repeat(s, 2, -1), np.repeat(1 - s, 2, -1), **dict(zip(("d_in", "h", "d_out"), widths, strict=True))
        )
        np.testing.assert_allclose(two.largest, 1 + s[:, 0], rtol=1e-14)


def test_two_close_modes_do_not_fall_first_and_two_distant_ones_do():
    """From ε = 1e-3, at wide and narrow shapes: σ₂ = .99 rises all the way, σ₂ = .9 first falls by 0.2 %."""
    t = np.linspace(0, 60, 2401)[:, None]
    for second, falls in ((1.0, False), (0.99, False), (0.97, False), (0.9, True), (0.5, True)):
        sigma = np.array([1.0, second])
        s, left = singular_value(t, sigma, 1e-3), unlearned(t, sigma, 1e-3)
        largest = hessian_spectrum(s, left, d_in=5, h=7, d_out=4).largest
        assert (np.diff(largest).min() < -1e-6) == falls
        assert (largest.min() < largest[0] - 1e-4) == falls


def test_tiny_roots_of_either_sign():
    """Where the mean of a pair is negative its larger root is the small one: copysign in the quotient decides."""
    with mpmath.workdps(700):
        exact = exact_roots((1e-200, 1e-100), (1.0, 3.0), 700)
    found = np.sort(hessian_spectrum((1e-200, 1e-100), (1.0, 3.0), d_in=2, h=2, d_out=2).values[4:8])
    for x, b in zip(found, exact, strict=True):
        assert abs(x - b) <= 1e-12 * abs(b)
    # [[−1 + s, g], [g, −1]] with g² = −det: roots near −1 and near 0, the latter lost by mean + radius
    low = np.sort(hessian_spectrum((1e-9, 1e-9), (1.0, 1e-30), d_in=2, h=2, d_out=2).values[4:8])
    for x, b in zip(low, exact_roots((1e-9, 1e-9), (1.0, 1e-30), 700), strict=True):
        assert abs(x - b) <= 1e-12 * abs(b)
