"""C1 against mpmath, and against the minimum of the loss after noise found by search."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from overtraining.setting.errors import DomainError
from overtraining.theory.inflection.noisy_mode import inflection_time
from overtraining.theory.learning.balanced_mode import singular_value
from tests.judge import assert_right


def test_precision() -> None:
    draw = np.random.default_rng(3)
    sigma = 10 ** draw.uniform(-6, 6, 900)
    c = sigma * 10 ** draw.uniform(-12, 0, 900)
    epsilon = np.minimum(10 ** draw.uniform(-300, 6, 900), sigma)
    epsilon[::3] = ((sigma - c) * (1 - 10 ** draw.uniform(-14, 0, 900)))[::3]  # just before the inflection: t near 0
    inside = epsilon < sigma - c
    sigma, c, epsilon = sigma[inside], c[inside], epsilon[inside]
    time = lambda sigma, epsilon, c: mpmath.log((sigma / epsilon - 1) * (sigma - c) / c) / (2 * sigma)
    assert inside.sum() > 500
    assert_right(inflection_time, time, np.column_stack([sigma, epsilon, c]))


@pytest.mark.parametrize(("sigma", "epsilon", "c"), [(1.0, 1e-3, 0.2), (0.5, 1e-8, 0.01), (2.0, 0.1, 1.7)])
def test_is_where_the_loss_after_noise_turns(sigma: float, epsilon: float, c: float) -> None:
    def after(t: float) -> float:
        s = singular_value(t, sigma, epsilon)
        return float((sigma - s) ** 2 / 2 + c * s)

    t = float(inflection_time(sigma, epsilon, c))
    found = minimize_scalar(after, bounds=(0, 3 * t), method="bounded", options={"xatol": 1e-9}).x
    assert t == pytest.approx(found, rel=1e-6)
    assert singular_value(t, sigma, epsilon) == pytest.approx(sigma - c, rel=1e-12)


@pytest.mark.parametrize(
    ("sigma", "epsilon", "c", "time"),
    [
        (1.0, 1e-3, 1.0, 0.0),  # σ = c: only hurts
        (1.0, 1e-3, 5.0, 0.0),
        (1.0, 0.9, 0.2, 0.0),  # the start is already past σ − c
        (1.0, 1e-3, 0.0, np.inf),  # no noise: never hurts
        (1.0, 1.0, 0.2, np.inf),  # s stays, and so does the loss
        (1.0, 3.0, 0.2, np.inf),  # from above, s only comes down: the claim of C4 is false here
        (1.0, 3.0, 5.0, np.inf),
    ],
)
def test_outside_the_interior(sigma: float, epsilon: float, c: float, time: float) -> None:
    assert inflection_time(sigma, epsilon, c) == time
    t = np.linspace(0, 50, 2001)
    s = singular_value(t, sigma, epsilon)
    after = (sigma - s) ** 2 / 2 + c * s
    assert (np.diff(after) >= -1e-15).all() if time == 0 else (np.diff(after) <= 1e-15).all()


def test_ratio_beyond_float64() -> None:
    """σ/ε = 1e310 is no number in float64; its logarithm is."""
    time = inflection_time(1e10, 1e-300, 1e9)
    expected = (mpmath.log(mpmath.mpf("1e10") / mpmath.mpf("1e-300")) + mpmath.log(9)) / 2e10
    assert float(time) == pytest.approx(float(expected), rel=1e-14)


def test_refuses() -> None:
    for arguments in ((0.0, 1e-3, 0.1), (1.0, 0.0, 0.1), (1.0, 1e-3, -0.1)):
        with pytest.raises(DomainError):
            inflection_time(*arguments)


def test_refuses_what_overflows() -> None:
    """2σ overflows: 0 would be a wrong answer."""
    with pytest.raises(DomainError, match="1e75"):
        inflection_time(1e308, 1e-300, 1e307)
