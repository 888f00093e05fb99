"""D6 against Hessians written out, against steps of gradient descent, and against a search for the best rate."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.fine_tuning.stability import (
    path_sharpness,
    sharpness_bound,
    stable_learning_rate,
    tuned_budget,
    tuned_learning_rate,
    tuning_sharpness,
)
from overtraining.theory.learning.balanced_mode import singular_value
from tests.judge import assert_right


def largest(w1: np.ndarray, w2: np.ndarray, task: np.ndarray) -> float:
    """The largest eigenvalue of the Hessian, from its action on every direction, by the product rule."""
    columns = []
    for k in range(w1.size + w2.size):
        unit = np.zeros(w1.size + w2.size)
        unit[k] = 1
        x1, x2 = unit[: w1.size].reshape(w1.shape), unit[w1.size :].reshape(w2.shape)
        rest, change = w2 @ w1 - task, x2 @ w1 + w2 @ x1
        columns.append(np.concatenate([(x2.T @ rest + w2.T @ change).ravel(), (change @ w1.T + rest @ x1.T).ravel()]))
    return float(np.linalg.eigvalsh(np.array(columns))[-1])


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 4), (2, 5, 2)])
def test_the_bound_holds_everywhere(shape: tuple[int, int, int]) -> None:
    d_in, h, d_out = shape
    draw = np.random.default_rng(shape)
    for scale in (0.0, 0.1, 1.0, 10.0):
        w1, w2 = draw.normal(size=(h, d_in)), scale * draw.normal(size=(d_out, h))
        task = draw.normal(size=(d_out, d_in))
        assert largest(w1, w2, task) <= sharpness_bound(w1, w2, task) * (1 + 1e-12)


def test_the_bound_is_attained_by_a_mode_above_its_task() -> None:
    one = np.ones((1, 1))
    assert (
        sharpness_bound(one, one, 0.3 * one) == pytest.approx(largest(one, one, 0.3 * one)) == path_sharpness(1.0, 0.3)
    )


TASKS = [((1.0, 0.1), (0.5, 1.0)), ((0.2, 0.1), (1.0, 0.5)), ((1.0, 0.6), (-0.4, 2.0))]


@pytest.mark.parametrize(("s", "task"), TASKS)
@pytest.mark.parametrize("widths", [(2, 2, 2), (3, 4, 2)])
def test_along_fine_tuning(s, task, widths) -> None:
    """Gradient flow integrated in weight space, the Hessian written out at every time."""
    d_in, h, d_out = widths
    diagonal = lambda rows, cols, values: np.eye(rows, cols)[:, :] * np.pad(values, (0, cols - 2))
    w1, w2 = diagonal(h, d_in, np.sqrt(s)), diagonal(h, d_out, np.sqrt(s)).T
    target, times = diagonal(d_out, d_in, task), np.array([0.0, 0.4, 1.5, 6.0])

    def flow(_: float, flat: np.ndarray) -> np.ndarray:
        m1, m2 = flat[: w1.size].reshape(w1.shape), flat[w1.size :].reshape(w2.shape)
        rest = target - m2 @ m1
        return np.concatenate([(m2.T @ rest).ravel(), (rest @ m1.T).ravel()])

    path = solve_ivp(flow, (0, 6), np.concatenate([w1.ravel(), w2.ravel()]), t_eval=times, rtol=1e-10, atol=1e-12).y.T
    found = [largest(x[: w1.size].reshape(w1.shape), x[w1.size :].reshape(w2.shape), target) for x in path]
    np.testing.assert_allclose(tuning_sharpness(times, s, task, d_in=d_in, h=h, d_out=d_out), found, rtol=1e-7)


@pytest.mark.parametrize("s", [0.01, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("task", [0.5, 1.0])
def test_one_mode_meets_its_edge_there(s: float, task: float) -> None:
    met = tuning_sharpness(np.linspace(0, 40, 4001), [s], [task], d_in=1, h=1, d_out=1).max()
    assert met == pytest.approx(path_sharpness(s, task), rel=1e-12)


@pytest.mark.parametrize("s", [0.05, 0.9])
def test_below_the_task_the_edge_is_at_the_end(s: float) -> None:
    """Whatever the pretraining: 2‖B‖, and steps below 1/‖B‖ settle while steps above it do not."""
    task = np.array([1.0, 0.95, 0.3])
    times = np.linspace(0, 60, 601)
    met = tuning_sharpness(times, s * task, task, d_in=4, h=3, d_out=5)
    assert met.max() == pytest.approx(2.0, rel=1e-12)
    for rate, settles in ((0.97, True), (1.03, False)):
        w = np.sqrt(s * task)
        for _ in range(3000):
            w = w + rate * w * (task - w * w)
        assert (np.abs(w * w - task).max() < 1e-6) == settles


def test_precision_of_the_best_rate() -> None:
    draw = np.random.default_rng(0)
    points = 10 ** draw.uniform(-3, 3, (300, 4))
    points[::3, 3] = 4 * points[::3, 1] * points[::3, 2] * points[::3, 0] ** 2 * (1 - 10 ** draw.uniform(-9, -1, 100))
    truth = lambda e, s, n, v: max(mpmath.log(4 * s * n * e**2 / v), 0) / (4 * s * n)
    assert_right(tuned_learning_rate, truth, points)


def test_the_best_rate_is_the_best() -> None:
    """N steps of the flow from near the task and noise in proportion to the rate, by search."""

    def left(rate: float, e: float) -> float:
        s = 1 / (1 + (1 / (1 - e) - 1) * np.exp(-2 * rate * 50))
        return float((1 - s) ** 2 / 2 + rate * 1e-4 / 2)

    found = [minimize_scalar(left, args=(e,), bounds=(0, 0.3), method="bounded").x for e in (0.01, 0.05)]
    rates = tuned_learning_rate([0.01, 0.05], 1.0, 50.0, 1e-4)
    np.testing.assert_allclose(rates, found, rtol=0.05)  # to first order in e
    assert rates[0] < rates[1]
    assert tuned_learning_rate(1e-6, 1.0, 50.0, 1e-4) == 0


def test_precision_of_the_best_budget() -> None:
    def truth(s, sigma, task, keep):
        v = keep * sigma + (1 - keep) * task
        if (v - s) * (task - s) <= 0:
            return mpmath.mpf(0)
        ratio = v * (task - s) / (s * (task - v))
        return mpmath.log(ratio) / (2 * task) if ratio > 0 else mpmath.inf

    draw = np.random.default_rng(0)
    points = np.column_stack([10 ** draw.uniform(-2, 2, (400, 3)), draw.uniform(0.01, 0.99, 400)])
    finite = [np.isfinite(float(truth(*map(mpmath.mpf, p)))) for p in points]
    assert 100 < sum(finite) < 400
    assert_right(tuned_budget, truth, points[finite])
    assert np.isinf(tuned_budget(*points[~np.array(finite)].T)).all()


@pytest.mark.parametrize(("sigma", "task"), [(1.0, 2.0), (1.0, 0.4)])
def test_a_budget_tuned_for_the_trade_leaves_no_inflection(sigma: float, task: float) -> None:
    """Along pretraining the best of a grid of budgets is not below the formula's, whose loss never rises."""
    s = singular_value(np.linspace(0, 12, 121), sigma, 1e-3)
    trade = lambda p: 0.3 * (sigma - p) ** 2 + 0.7 * (task - p) ** 2
    time = tuned_budget(s, sigma, task, 0.3)
    best = trade(singular_value(np.minimum(time, 1e3), task, s))
    grid = trade(singular_value(np.geomspace(1e-3, 50, 400)[:, None], task, s)).min(axis=0)
    assert (best <= np.minimum(grid, trade(s)) + 1e-12).all()
    assert (np.diff(best) <= 1e-12).all()
    assert (np.diff(trade(singular_value(0.5, task, s))) > 1e-6).any()  # at a fixed budget there is one


@pytest.mark.parametrize(
    ("function", "arguments", "refusal"),
    [
        (path_sharpness, (-1.0, 1.0), DomainError),
        (path_sharpness, (np.ones(2), np.ones(3)), ShapeError),
        (sharpness_bound, (np.ones((2, 1)), np.ones((1, 3)), np.ones((1, 1))), ShapeError),
        (sharpness_bound, (1e200 * np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1))), DomainError),
        (tuned_budget, (0.0, 1.0, 1.0, 0.5), DomainError),
        (tuned_budget, (1.0, 1.0, 1.0, 1.5), DomainError),
        (tuned_learning_rate, (0.0, 1.0, 1.0, 1.0), DomainError),
        (tuned_learning_rate, (1.0, 1.0, 1.0, 0.0), DomainError),
    ],
)
def test_refuses(function, arguments, refusal, untyped) -> None:
    with pytest.raises(refusal):
        untyped(function)(*arguments)


def test_tuning_refuses(untyped) -> None:
    for s, task in (([0.0], [1.0]), ([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])):
        with pytest.raises((DomainError, ShapeError)):
            untyped(tuning_sharpness)(1.0, s, task, d_in=2, h=2, d_out=2)


def fitted(s: list[float], task: list[float], rate: float) -> int:
    """Of 20 runs of gradient descent from slightly perturbed weights, how many end at the task."""
    draw = np.random.default_rng(3)
    w1, w2 = (np.diag(np.sqrt(s)) + 1e-4 * draw.normal(size=(20, len(s), len(s))) for _ in range(2))
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(4000):
            error = w2 @ w1 - np.diag(task)
            w1, w2 = w1 - rate * w2.swapaxes(1, 2) @ error, w2 - rate * error @ w1.swapaxes(1, 2)
        return int((((w2 @ w1 - np.diag(task)) ** 2).sum((1, 2)) < 1e-6).sum())


@pytest.mark.parametrize(
    ("s", "task", "edge"),
    [
        ([3.0, 0.1], [1.0, 0.5], 1.0),  # issue 17, point 5: 2 over the sharpness is .25
        ([1.0], [0.8], 1.25),  # .909
        ([0.1, 1.5], [1.0, 0.5], 1.0),
        ([4.0], [1.0], 2 / 3),
        ([4.0, 0.3], [1.0, 0.5], 2 / 3),
        ([1.0, 3.0], [1.0, 0.5], 0.8),  # the second mode limits it, not the largest of the task
    ],
)
def test_gradient_descent_fits_up_to_the_edge_and_not_beyond(s: list[float], task: list[float], edge: float) -> None:
    assert stable_learning_rate(s, task) == pytest.approx(edge)
    assert fitted(s, task, 0.97 * edge) == 20
    assert fitted(s, task, 1.03 * edge) == 0


def test_the_edge_is_never_below_that_of_the_sharpness() -> None:
    s, task = np.random.default_rng(0).uniform(0.01, 5, (2, 1000))
    edge = stable_learning_rate(s[:, None], task[:, None])
    assert (edge >= 2 / path_sharpness(s, task) * (1 - 1e-12)).all()
    assert stable_learning_rate([0.0, 0.0], 0.0) == np.inf
    with pytest.raises(DomainError):
        stable_learning_rate([-1.0], 1.0)
