"""E2 against mpmath, against an integration of its equation, and against SGD itself under a schedule."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.remedies.annealing import accumulated_noise, layer_ratio, noisy_spectrum
from overtraining.theory.remedies.robust import layer_costs, robust_optimum
from tests.judge import assert_right


@pytest.mark.parametrize(("d_in", "d_out"), [(1, 4), (4, 1), (2, 3), (60, 59), (1, 1000)])
def test_the_tilt_solves_its_equation(d_in: int, d_out: int) -> None:
    times = np.geomspace(1e-3, 3, 12) / min(d_in, d_out)
    flow = lambda _, u: 4 * u * (d_out - d_in * u) / (1 + u)
    path = solve_ivp(flow, (0, times[-1]), [1.0], method="LSODA", t_eval=times, rtol=1e-11, atol=1e-13).y[0]
    np.testing.assert_allclose(layer_ratio(times, d_in=d_in, d_out=d_out), path, rtol=1e-8)


@pytest.mark.parametrize(("d_in", "d_out"), [(1, 4), (5, 2)])
def test_precision(d_in: int, d_out: int) -> None:
    def truth(gamma):
        """By bisection of the clock between balance and the end."""
        low, high = mpmath.mpf(1), mpmath.mpf(d_out) / d_in
        for _ in range(int(4 * mpmath.mp.dps)):
            u = (low + high) / 2
            rest = (d_out - d_in * u) / mpmath.mpf(d_out - d_in)
            clock = (mpmath.log(u) / d_out - (mpmath.mpf(1) / d_out + mpmath.mpf(1) / d_in) * mpmath.log(rest)) / 4
            low, high = (u, high) if clock < gamma else (low, u)
        return low

    points = np.geomspace(1e-12, 1.5, 60)[:, None]
    assert_right(lambda g: layer_ratio(g, d_in=d_in, d_out=d_out), truth, points)


def test_square_networks_do_not_tilt() -> None:
    assert layer_ratio([0.0, 0.3, 1e6], d_in=3, d_out=3).tolist() == [1, 1, 1]


def test_the_ends_are_the_means_of_the_prices() -> None:
    """First ½(a + b), and in the end the noise-robust optimum of this very noise (claim E1)."""
    gamma, widths = 0.1, {"d_in": 2, "d_out": 7}
    a, b = layer_costs(gamma, gamma, **widths)
    sigma = np.array([1.0, 0.5, 0.01])
    np.testing.assert_allclose(noisy_spectrum(sigma, gamma**2, 0.0, **widths), np.maximum(sigma - (a + b) / 2, 0))
    np.testing.assert_allclose(
        noisy_spectrum(sigma, gamma**2, 1e6, **widths), robust_optimum(sigma, a, b).s, rtol=1e-14
    )


def shrinkage(rate: float) -> tuple[np.ndarray, np.ndarray, float]:
    """SGD on one mode, 6 inputs, 1 output, γ² = 0.0045 up to time 240 and annealed until 280, over its formula.

    Returns the shrinkage of f in both stages and the logarithm of the tilt at three times, measured over claimed, and
    the share of the shrinkage that annealing leaves. Every draw is used with both signs, so that what is of first order
    in the noise cancels.
    """
    draw, count, d, noise = np.random.default_rng(5), 300, 6, 0.095 / np.sqrt(rate)
    steady, down = int(240 / rate), int(40 / rate)
    rates = np.concatenate([np.full(steady, rate), np.linspace(rate, 0, down)])
    gamma = accumulated_noise(rates, noise, 1.0)
    w1, w2, f, u = np.zeros((2, count, d)), np.ones((2, count)), np.zeros(rates.size), np.zeros(rates.size)
    w1[..., 0] = 1
    for k, step in enumerate(rates):
        n = noise * draw.normal(size=(count, d))
        g = w2[..., None] * w1 - np.eye(d)[0] - np.stack([n, -n])
        w1, w2 = w1 - step * w2[..., None] * g, w2 - step * (g * w1).sum(axis=-1)
        f[k], u[k] = (w2 * w1[..., 0]).mean(), np.log(w2**2 / (w1**2).sum(axis=-1)).mean()
    claimed = noisy_spectrum(1.0, rates * noise**2 / 2, gamma, d_in=d, d_out=1)
    stages = [slice(int(x / rate), int(y / rate)) for x, y in ((6, 50), (180, 240))]
    at = [int(x / rate) for x in (40, 100, 239)]
    ratio = np.array([(1 - f[part].mean()) / (1 - claimed[part].mean()) for part in stages])
    return ratio, u[at] / np.log(layer_ratio(gamma[at], d_in=d, d_out=1)), (1 - f[-1]) / (1 - claimed[steady - 1])


def test_against_sgd_with_annealing() -> None:
    """Finite steps are off in proportion to their size; without what is, both stages and the tilt are the formula's."""
    (coarse, quick, _), (fine, tilted, end) = shrinkage(0.2), shrinkage(0.1)
    assert (np.abs(fine - 1) < np.abs(coarse - 1)).all()
    np.testing.assert_allclose(2 * fine - coarse, 1, atol=0.03)  # the stages themselves differ by 20%
    np.testing.assert_allclose(2 * tilted - quick, 1, atol=0.03)
    assert end < 0.25  # annealing in a finite time gives most of it back


def test_the_clock_of_a_schedule() -> None:
    """At equal gradient-flow time half the rate has half the accumulated noise."""
    fast, slow = accumulated_noise(np.full(10, 0.2), 1.0, 4.0), accumulated_noise(np.full(20, 0.1), 1.0, 4.0)
    assert fast[-1] == pytest.approx(0.2**2 * 10 / 8)
    assert slow[-1] == pytest.approx(fast[-1] / 2)


@pytest.mark.parametrize(
    ("call", "refusal"),
    [
        (lambda t, n, a: t(-1.0, d_in=1, d_out=2), DomainError),
        (lambda t, n, a: t(1.0, d_in=0, d_out=2), DomainError),
        (lambda t, n, a: n(-1.0, 0.1, 0.1, d_in=1, d_out=2), DomainError),
        (lambda t, n, a: n(np.ones(2), np.ones(3), 0.1, d_in=1, d_out=2), ShapeError),
        (lambda t, n, a: a(0.1, 1.0, 1.0), ShapeError),
        (lambda t, n, a: a([0.1, -0.1], 1.0, 1.0), DomainError),
        (lambda t, n, a: a([0.1], 1.0, 0.0), DomainError),
    ],
)
def test_refuses(call, refusal, untyped) -> None:
    with pytest.raises(refusal):
        call(*map(untyped, (layer_ratio, noisy_spectrum, accumulated_noise)))
