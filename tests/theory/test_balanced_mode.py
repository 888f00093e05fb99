"""A3 against mpmath on its whole domain, against its differential equation, and at its edges."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.integrate import solve_ivp

from tests.precise import errors
from theory import DomainError, ShapeError, singular_value, unlearned

N = 1500


def domain(kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (t, σ, ε): over the whole ranges, near convergence, near ε = σ, and above σ."""
    draw = np.random.default_rng(20)
    sigma = 10 ** draw.uniform(-6, 6, N)
    epsilon = np.minimum(10 ** draw.uniform(-300, 7, N), 10 * sigma)
    t = 10 ** draw.uniform(-7, 6, N) * (draw.random(N) > 0.05)
    match kind:
        case "mid-flight":
            t = np.minimum(draw.uniform(0, 800, N) / sigma, 1e6)
        case "near sigma":
            epsilon = sigma * (1 + 10 ** draw.uniform(-15, -1, N) * draw.choice([-1, 1], N))
        case "from above":
            epsilon = sigma * draw.uniform(1, 10, N)
    return t, sigma, epsilon


def naive(t, sigma, epsilon):  # the textbook's form, which float64 could not evaluate
    return sigma / (1 + (sigma / epsilon - 1) * mpmath.exp(-2 * sigma * t))


@pytest.mark.parametrize("kind", ["everywhere", "mid-flight", "near sigma", "from above"])
def test_precision(kind: str) -> None:
    """Relative error <= 1e-12 after division by the condition number 1 + 2σt |1 − s/σ| with respect to the inputs."""
    t, sigma, epsilon = domain(kind)
    s = singular_value(t, sigma, epsilon)
    steepness = 2 * sigma * t * np.abs(unlearned(t, sigma, epsilon)) / sigma
    assert errors(s, naive, (t, sigma, epsilon), 1 + steepness).max() <= 1e-12


@pytest.mark.parametrize("kind", ["everywhere", "mid-flight", "near sigma", "from above"])
def test_precision_of_what_is_left(kind: str) -> None:
    """The same for σ − s, whose condition number is 1 + 2σt + (σ + ε)/|σ − ε|."""
    t, sigma, epsilon = domain(kind)
    rest = unlearned(t, sigma, epsilon)
    with np.errstate(divide="ignore"):
        condition = 1 + 2 * sigma * t + (sigma + epsilon) / np.abs(sigma - epsilon)
    left = lambda t, sigma, epsilon: naive(t, sigma, epsilon) * (sigma / epsilon - 1) * mpmath.exp(-2 * sigma * t)
    assert errors(rest, left, (t, sigma, epsilon), condition).max() <= 1e-12


@pytest.mark.parametrize(("sigma", "epsilon"), [(1.0, 1e-3), (0.3, 2.0), (0.0, 0.7), (1.0, 1.0)])
def test_solves_its_equation(sigma: float, epsilon: float) -> None:
    """Against DOP853 on `ṡ = 2s(σ − s)`, which knows nothing of the closed form."""
    t = np.linspace(0, 12, 40)
    flow = solve_ivp(lambda _, s: 2 * s * (sigma - s), (0, 12), [epsilon], "DOP853", t, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(singular_value(t, sigma, epsilon), flow.y[0], rtol=1e-11)


def test_edges() -> None:
    assert singular_value(0.0, 3.0, 1e-300) == 1e-300
    assert singular_value(1e6, 1e6, 1e-300) == 1e6
    assert singular_value(7.0, 0.0, 0.5) == 0.5 / (1 + 2 * 0.5 * 7)  # dies algebraically, no 0/0
    assert singular_value(400.0, 1.0, 1e-3) == 1.0  # where cosh/sinh forms are NaN
    assert unlearned(5.0, 2.0, 2.0) == 0.0
    assert 0 < unlearned(340.0, 1.0, 1e-3) < 1e-290  # where σ − s is 0 in float64


def test_broadcasts() -> None:
    assert singular_value(np.zeros((5, 1)), np.ones(3), 1e-3).shape == (5, 3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((-1.0, 1.0, 1.0), "t = -1.0"),
        ((1.0, -1.0, 1.0), "sigma = -1.0"),
        ((1.0, 1.0, 0.0), "saddle"),
        ((1.0, 1.0, 1e-310), "overflows"),
        ((np.nan, 1.0, 1.0), "finite"),
        ((1.0, np.inf, 1.0), "finite"),
        (([0.0, 1.0, -2.0], 1.0, 1.0), r"t\[2\]"),
        (("a", 1.0, 1.0), "real numbers"),
    ],
)
def test_refuses(arguments: tuple, says: str, untyped) -> None:
    with pytest.raises(DomainError, match=says):
        untyped(singular_value)(*arguments)


def test_refuses_shapes() -> None:
    with pytest.raises(ShapeError, match=r"t \(2,\), sigma \(3,\)"):
        singular_value(np.zeros(2), np.ones(3), 1.0)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1e-300, 1e7))
def test_stays_between_start_and_teacher(t: float, sigma: float, epsilon: float) -> None:
    s = float(singular_value(t, sigma, epsilon))
    low, high = min(sigma, epsilon), max(sigma, epsilon)
    assert low * (1 - 1e-12) <= s <= high * (1 + 1e-12)
