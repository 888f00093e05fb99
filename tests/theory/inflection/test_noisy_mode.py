"""C1, balanced and not, against mpmath, against the minimum of the loss after noise found by search, and its limits."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.inflection.noisy_mode import inflection_time, turning_product, unbalanced_inflection_time
from overtraining.theory.learning import unbalanced_mode
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.sensitivity.noise import expected_increase
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


def unbalanced_turn(sigma, lam, c):
    """Where `(σ − p)√(1 + (λ/2p)²) = c`: bisection, then Newton's method, in the log-odds of p/σ."""
    if lam == 0:
        return sigma - c

    def excess(z):
        p, rest = sigma / (1 + mpmath.exp(-z)), sigma / (1 + mpmath.exp(z))
        share = lam**2 / (lam**2 + 4 * p**2)
        return mpmath.log(rest / c) + mpmath.log1p((lam / (2 * p)) ** 2) / 2, -(p + share * rest) / sigma

    low, high = mpmath.mpf(-200), mpmath.mpf(200)
    with mpmath.workdps(20):  # of which 13 are wanted here
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if excess(middle)[0] > 0 else (low, middle)
    for _ in range(6):  # from 1e-13: 800 digits
        value, slope = excess(low)
        low -= value / slope
    return sigma / (1 + mpmath.exp(-low))


def unbalanced_time(sigma, start, lam, c):
    """The solution in angles, `tan((φ* − φ)/2) = e^{−rt} tan((φ* − φ₀)/2)`, `tan φ = 2p/|λ|`."""
    p = unbalanced_turn(sigma, lam, c)
    if lam == 0:
        return mpmath.log((sigma / start - 1) * (sigma - c) / c) / (2 * sigma)
    end = mpmath.atan(2 * sigma / abs(lam))
    half = lambda x: mpmath.tan((end - mpmath.atan(2 * x / abs(lam))) / 2)
    return mpmath.log(half(start) / half(p)) / mpmath.sqrt(lam**2 + 4 * sigma**2)


def unbalanced_points(seed, size):
    """σ 1e-6 … 1e6, |λ| 1e-12 … 1e6 and 0, c/σ 1e-12 … 1e4, of which a third within 1e-12 … 1 of σ."""
    draw = np.random.default_rng(seed)
    sigma, c = 10 ** draw.uniform(-6, 6, size), 10 ** draw.uniform(-12, 4, size)
    c[::3] = 1 + draw.choice([-1, 1], c[::3].size) * 10 ** draw.uniform(-12, -0.1, c[::3].size)
    lam = 10 ** draw.uniform(-12, 6, size) * draw.choice([-1, 1], size)
    return draw, sigma, lam, sigma * c


def test_precision_of_the_turn():
    _, sigma, lam, c = unbalanced_points(0, 150)
    assert_right(turning_product, unbalanced_turn, np.column_stack([sigma, lam, c]), precisions=(120, 160))


@pytest.mark.parametrize("kind", ["far", "near", "wrong side", "balanced"])
def test_precision_of_the_unbalanced_time(kind):
    """Starts from 1e-300, a little before the turn, and of the wrong sign, where only the imbalance leads past 0."""
    draw, sigma, lam, c = unbalanced_points(1, 27)
    if kind == "balanced":
        lam[:], c = 0.0, np.minimum(c, 0.99 * sigma)
    p = turning_product(sigma, lam, c)
    start = {
        "far": 10 ** draw.uniform(-300, 0, 27) * p,
        "near": p * (1 - 10 ** draw.uniform(-12, 0, 27)),
        "wrong side": -(10 ** draw.uniform(-12, 1, 27)) * sigma,
        "balanced": 10 ** draw.uniform(-290, -0.01, 27) * p,
    }[kind]
    start = np.maximum(start, 1e-300) if kind == "balanced" else start
    keep = start < p
    rows = np.column_stack([sigma, start, lam, c])[keep]
    assert keep.sum() > 15
    assert_right(
        unbalanced_inflection_time, unbalanced_time, rows, precisions=(700, 760) if kind == "far" else (350, 400)
    )


@pytest.mark.parametrize(("lam", "start"), [(0.3, 1e-3), (-2.0, 0.0), (0.05, -0.4), (1e-6, -1e-3), (50.0, 0.2)])
@pytest.mark.parametrize(("gamma_1", "gamma_2"), [(0.4, 0.05), (0.05, 0.4), (1.0, 1.0)])
def test_an_unbalanced_mode_turns_where_the_loss_after_noise_does(lam, start, gamma_1, gamma_2):
    """By search on B1 with both layers' own norms: unequal noise, either sign of λ, also c > σ."""
    d_in, d_out, sigma = 3, 5, 1.0
    c = (gamma_2**2 * d_out + gamma_1**2 * d_in) / 2

    def after(t):
        w1, w2 = unbalanced_mode.weights(t, sigma, start, lam)
        rise = expected_increase(w1**2, w2**2, gamma_1, gamma_2, d_in=d_in, h=2, d_out=d_out)
        return float((sigma - w1 * w2) ** 2 / 2 + rise)

    t = float(unbalanced_inflection_time(sigma, start, lam, c))
    found = minimize_scalar(after, bounds=(0, 3 * t + 1e-3), method="bounded", options={"xatol": 1e-10}).x
    assert t == pytest.approx(found, rel=2e-5, abs=1e-7)
    if t > 0:
        assert unbalanced_mode.product(t, sigma, start, lam) == pytest.approx(turning_product(sigma, lam, c), rel=1e-9)


def test_limits_of_the_imbalance():
    """λ → 0 is C1, from either side of c = σ; large |λ| is σ(1 − 2c/|λ|); more imbalance never turns earlier in p."""
    for c in (0.3, 0.999):
        assert turning_product(1.0, [1e-12, 0.0], c) == pytest.approx([1 - c, 1 - c], rel=1e-9)
        tiny = unbalanced_inflection_time(1.0, 1e-4, [0.0, 1e-13], c)
        assert tiny == pytest.approx(float(inflection_time(1.0, 1e-4, c)), rel=1e-6)
    assert turning_product(1.0, [0.0, 1e-9], 2.0) == pytest.approx([0.0, 1e-9 / 2 / np.sqrt(3)], rel=1e-6)
    assert turning_product(2.0, -1e9, 0.1) == pytest.approx(2 * (1 - 0.2e-9), rel=1e-15)
    p = turning_product(1.0, np.geomspace(1e-6, 1e6, 200), np.array([0.1, 1.0, 10.0])[:, None])
    assert (np.diff(p, axis=1) >= 0).all()
    assert (np.diff(p, axis=0) < 0).all()


def test_outside_the_interior_of_the_unbalanced_formula():
    never = unbalanced_inflection_time(
        1.0, [0.1, 1.0, 3.0, -0.1, 0.0], [0.5, 0.5, 0.5, 0.0, 0.0], [0.0, 0.2, 0.2, 0.2, 0.2]
    )
    assert np.isinf(never).all()
    assert unbalanced_inflection_time(1.0, [0.95, 0.5], [0.1, 0.0], [0.2, 0.7]).tolist() == [0.0, 0.0]
    assert turning_product(1.0, [0.0, 0.0, 3.0], [0.4, 2.0, 0.0]).tolist() == [0.6, 0.0, 1.0]
    assert isinstance(unbalanced_inflection_time(1.0, 0.1, 0.3, 0.2), float)
    assert unbalanced_inflection_time(np.ones((3, 1)), 0.1, np.ones(2), 0.2).shape == (3, 2)


@pytest.mark.parametrize(
    ("arguments", "refusal", "word"),
    [
        ((0.0, 0.1, 0.1, 0.1), DomainError, "sigma"),
        ((1.0, np.nan, 0.1, 0.1), DomainError, "initial_product"),
        ((1.0, 0.1, np.inf, 0.1), DomainError, "imbalance"),
        ((1.0, 0.1, 0.1, -0.1), DomainError, "noise_cost"),
        ((1.0, 0.1, 1e80, 0.1), DomainError, "1e75"),
        ((np.ones(2), 0.1, np.ones(3), 0.1), ShapeError, "broadcast"),
    ],
)
def test_the_unbalanced_formula_refuses_by_name(arguments, refusal, word):
    with pytest.raises(refusal, match=word):
        unbalanced_inflection_time(*arguments)
