"""B4: growth of sensitivity, against mpmath, exact fractions and B1 differentiated along the flow."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.theory.sensitivity.growth import curvature_growth, curvature_growth_at, growth_at, norm_gained
from overtraining.theory.sensitivity.noise import expected_increase_at

SHAPES = [(1, 1, 1), (2, 3, 4), (4, 1, 3), (3, 2, 1), (1, 4, 5)]


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(4)


def network(shape: tuple[int, int, int], generator: np.random.Generator) -> tuple[np.ndarray, ...]:
    d_in, h, d_out = shape
    root = generator.normal(size=(d_in, d_in))
    w1, w2, teacher = (generator.normal(size=s) for s in ((h, d_in), (d_out, h), (d_out, d_in)))
    return w1, w2, teacher, root @ root.T


def judged(formula, *point: float) -> mpmath.mpf:  # type: ignore[no-untyped-def]
    """The formula in mpmath at two precisions that agree to 25 digits."""
    values = []
    for digits in (400, 800):
        with mpmath.workdps(digits):
            values.append(formula(*map(mpmath.mpf, point)))
    assert abs(values[0] - values[1]) <= abs(values[1]) * mpmath.mpf(10) ** -25
    return values[1]


@pytest.mark.parametrize("shape", SHAPES)
def test_is_the_derivative_of_the_cost_of_noise_along_the_flow(
    shape: tuple[int, int, int], generator: np.random.Generator
) -> None:
    w1, w2, teacher, sx = (np.vectorize(Fraction, otypes=[object])(m) for m in network(shape, generator))
    gammas = Fraction(1, 4), Fraction(3, 2)
    error = w2 @ w1 - teacher
    steps = -w2.T @ error @ sx, -error @ sx @ w1.T

    def cost(time: Fraction) -> Fraction:  # B1, without the term that no weight enters
        first, second = w1 + time * steps[0], w2 + time * steps[1]
        on_w1 = np.trace(sx) * (second**2).sum()
        return (gammas[1] ** 2 * len(w2) * np.trace(first @ sx @ first.T) + gammas[0] ** 2 * on_w1) / 2

    slope = (cost(Fraction(1)) - cost(Fraction(-1))) / 2  # exact: a quadratic polynomial in time
    floats = [m.astype(float) for m in (w1, w2, teacher)]
    got = growth_at(*floats, *map(float, gammas), sx.astype(float))
    assert got == pytest.approx(float(slope), rel=1e-12)


def test_curvature_is_twice_the_growth_at_unit_noise_and_matches_differences_of_b1(
    generator: np.random.Generator,
) -> None:
    w1, w2, teacher, sx = network((3, 2, 4), generator)
    assert curvature_growth_at(w1, w2, teacher, sx) == 2 * growth_at(w1, w2, teacher, 1.0, 1.0, sx)
    step, error = 1e-5, w2 @ w1 - teacher
    ahead, behind = (
        expected_increase_at(w1 - k * step * w2.T @ error, w2 - k * step * error @ w1.T, 0.3, 0.7) for k in (1, -1)
    )
    assert growth_at(w1, w2, teacher, 0.3, 0.7) == pytest.approx((ahead - behind) / (2 * step), rel=1e-6)


def test_whitened_growth_is_the_overlap_and_broadcasts_over_noise(generator: np.random.Generator) -> None:
    w1, w2, teacher, _ = network((3, 2, 4), generator)
    overlap = ((teacher - w2 @ w1) * (w2 @ w1)).sum()
    assert curvature_growth_at(w1, w2, teacher) == pytest.approx(2 * (3 + 4) * overlap, rel=1e-13)
    gammas = np.array([[0.0], [1.0]]), np.array([0.0, 1.0, 2.0])
    grid = growth_at(w1, w2, teacher, *gammas)
    assert grid.shape == (2, 3)
    assert grid[0, 0] == 0
    assert grid[1, 2] == pytest.approx((3 + 4 * 4) * overlap, rel=1e-13)


PATH = [
    (t, sigma, epsilon)
    for sigma in (0.0, 1e-6, 1.0, 1e6)
    for epsilon in (1e-300, 1e-3, 0.999999 * sigma, 10 * sigma)
    if epsilon > 0
    for t in (0.0, 1e-9, 1.0, 30.0, 1e6)
]


@pytest.mark.parametrize(("t", "sigma", "epsilon"), PATH)
def test_growth_on_the_balanced_path(t: float, sigma: float, epsilon: float) -> None:
    def exact(t: mpmath.mpf, sigma: mpmath.mpf, epsilon: mpmath.mpf) -> mpmath.mpf:
        if sigma == 0:
            return -10 * (epsilon / (1 + 2 * epsilon * t)) ** 2
        decay = mpmath.exp(-2 * sigma * t)
        s = sigma * epsilon / (epsilon + (sigma - epsilon) * decay)
        return 10 * s * s * (sigma - epsilon) * decay / epsilon

    want = judged(exact, t, sigma, epsilon)
    got = float(curvature_growth(t, sigma, epsilon, d_in=3, d_out=2))
    condition = 1 + 4 * sigma * t + sigma / max(abs(sigma - epsilon), 1e-300)
    assert abs(got - want) <= 1e-12 * max(abs(want), mpmath.mpf("1e-300")) * min(condition, 1e9)


@pytest.mark.parametrize("imbalance", [0.0, 1e-12, -1e-3, 1.0, -1e3, 1e6, 1e15])
@pytest.mark.parametrize("sigma", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("part", [0.0, 1e-12, 0.5, 1.0, 3.0])
def test_norm_gained(sigma: float, imbalance: float, part: float) -> None:
    root = lambda lam, p: mpmath.sqrt(lam**2 + 4 * p**2)
    want = judged(lambda lam, s, p: root(lam, s) - root(lam, p), imbalance, sigma, part * sigma)
    assert norm_gained(sigma, imbalance, part * sigma) == pytest.approx(float(want), rel=1e-13, abs=0)


def test_a_mode_without_teacher_gains_nothing() -> None:
    assert norm_gained(0.0, [0.0, 1.0]).tolist() == [0.0, 0.0]


ONES = np.ones((1, 2)), np.ones((2, 1)), np.ones((2, 2))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: growth_at(*ONES, -1.0, 1.0), DomainError, "gamma_1"),
        (lambda: growth_at(*ONES, 1.0, 1.0, -np.eye(2)), DomainError, "positive semidefinite"),
        (lambda: growth_at(ONES[0] * np.nan, *ONES[1:], 1.0, 1.0), DomainError, "w1"),
        (lambda: curvature_growth(1.0, 1.0, 0.0, d_in=1, d_out=1), DomainError, "epsilon"),
        (lambda: curvature_growth(1.0, 1.0, 0.1, d_in=0, d_out=1), DomainError, "d_in"),
        (lambda: norm_gained(-1.0, 0.0), DomainError, "sigma"),
        (lambda: norm_gained(1.0, np.inf), DomainError, "imbalance"),
        (lambda: norm_gained(1.0, 0.0, -1.0), DomainError, "initial_product"),
    ],
)
def test_refusals(call, error: type[Exception], says: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=says):
        call()
