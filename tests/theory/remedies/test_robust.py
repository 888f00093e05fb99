"""E1 against mpmath, against a search over all weights, and against stops on the balanced path."""

import mpmath
import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.inflection.noisy_path import minima, remaining_increase
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.remedies.robust import excess_over_robust, layer_costs, robust_optimum
from overtraining.theory.sensitivity.noise import expected_increase_at, mode_cost
from tests.judge import assert_right


def points(count: int = 200) -> np.ndarray:
    draw = np.random.default_rng(1)
    sigma = 10 ** draw.uniform(-6, 6, count)
    return np.column_stack([sigma, *(sigma * 10 ** draw.uniform(-6, 2, count) for _ in "ab")])


FORMS = {
    "s": lambda x, a, b: max(x - mpmath.sqrt(a * b), 0),
    "w1": lambda x, a, b: mpmath.sqrt(max(x - mpmath.sqrt(a * b), 0) * mpmath.sqrt(b / a)),
    "w2": lambda x, a, b: mpmath.sqrt(max(x - mpmath.sqrt(a * b), 0) * mpmath.sqrt(a / b)),
    "loss": lambda x, a, b: (x**2 - max(x - mpmath.sqrt(a * b), 0) ** 2) / 2,
}


@pytest.mark.parametrize("part", FORMS)
def test_precision(part: str) -> None:
    assert_right(lambda *p: getattr(robust_optimum(*p), part), FORMS[part], points())


def test_precision_of_the_excess() -> None:
    def truth(x, y, sigma, a, b):
        best = FORMS["loss"](sigma, a, b)
        return (sigma - x * y) ** 2 / 2 + (a * x**2 + b * y**2) / 2 - best

    draw = np.random.default_rng(2)
    weights = [10 ** draw.uniform(-3, 3, 200) * draw.choice([-1, 1], 200) for _ in "xy"]
    assert_right(excess_over_robust, truth, np.column_stack([*weights, points()]), precisions=(100, 200))


@pytest.mark.parametrize(("d_in", "h", "d_out"), [(3, 2, 2), (2, 4, 5), (4, 3, 3)])
def test_no_weights_are_better(d_in: int, h: int, d_out: int) -> None:
    """A search from random weights, neither aligned nor balanced, ends where the formula says, and not below."""
    draw = np.random.default_rng([d_in, h, d_out])
    u, v = (np.linalg.qr(draw.normal(size=(d, d)))[0][:, :2] for d in (d_out, d_in))
    sigma, scales = np.array([1.3, 0.4]), (0.31, 0.12)
    teacher = u * sigma @ v.T

    def split(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return flat[: h * d_in].reshape(h, d_in), flat[h * d_in :].reshape(d_out, h)

    def after(flat: np.ndarray) -> float:
        w1, w2 = split(flat)
        constant = 0.5 * scales[0] ** 2 * scales[1] ** 2 * d_out * h * d_in
        return float(((w2 @ w1 - teacher) ** 2).sum() / 2 + expected_increase_at(w1, w2, *scales) - constant)

    costs = layer_costs(*scales, d_in=d_in, d_out=d_out)

    def slope(flat: np.ndarray) -> np.ndarray:
        w1, w2 = split(flat)
        error = w2 @ w1 - teacher
        return np.concatenate([(w2.T @ error + costs[0] * w1).ravel(), (error @ w1.T + costs[1] * w2).ravel()])

    starts = [draw.normal(size=h * (d_in + d_out)) for _ in range(3)]
    assert check_grad(after, slope, starts[0]) < 1e-5
    found = min((minimize(after, start, jac=slope, tol=1e-10) for start in starts), key=lambda x: x.fun)
    best = robust_optimum(sigma, *costs)
    w1, w2 = split(found.x)
    assert found.fun == pytest.approx(best.loss.sum(), abs=1e-9)
    np.testing.assert_allclose(np.linalg.svd(w2 @ w1)[1][:2], best.s, atol=1e-4)
    assert (w1**2).sum() == pytest.approx((best.w1**2).sum(), abs=1e-3)
    assert (w2**2).sum() == pytest.approx((best.w2**2).sum(), abs=1e-3)


@pytest.mark.parametrize("tilt", [1.0, 4.0])
def test_early_stopping_gets_close_and_no_closer(tilt: float) -> None:
    """The best stop of the balanced path, found by claim C4, against the bound at c; it is the optimum if a = b."""
    sigma, epsilon, a, b = np.array([1.0, 0.35]), 1e-9, 0.1 * tilt, 0.1 / tilt
    c = (a + b) / 2
    t = minima(sigma, epsilon, c).at("best")
    s = singular_value(t, sigma, epsilon)
    excess = excess_over_robust(np.sqrt(s), np.sqrt(s), sigma, a, b).sum()
    stopped = c * sigma.sum() - remaining_increase(t, sigma, epsilon, c)
    assert stopped - robust_optimum(sigma, a, b).loss.sum() == pytest.approx(excess, rel=1e-9)
    least = robust_optimum(sigma, c, c).loss.sum() - robust_optimum(sigma, a, b).loss.sum()
    assert excess >= least
    assert (least == 0) == (tilt == 1)


def test_prices() -> None:
    a, b = layer_costs(0.3, [0.1, 0.2], d_in=5, d_out=2)
    np.testing.assert_allclose(a, [0.02, 0.08])
    assert b == pytest.approx(0.45)
    np.testing.assert_allclose((a + b) / 2, mode_cost(0.3, [0.1, 0.2], d_in=5, d_out=2))


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ((-1.0, 1.0, 1.0), DomainError),
        ((1.0, 0.0, 1.0), DomainError),
        ((1.0, 1.0, 0.0), DomainError),
        ((1e100, 1.0, 1.0), DomainError),
        ((np.ones(2), np.ones(3), 1.0), ShapeError),
    ],
)
def test_refuses(arguments, refusal, untyped) -> None:
    with pytest.raises(refusal):
        untyped(robust_optimum)(*arguments)
    with pytest.raises(refusal):
        untyped(excess_over_robust)(1.0, 1.0, *arguments)
