"""E3 against pretraining and fine-tuning integrated in weight space, and against searches over the share."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.learning import deep_mode
from overtraining.theory.remedies.mixing import best_task_share, excess_over_task, mixed_value, tradeoff_task_share
from tests.judge import assert_right


def integrated(t: float, time: float, sigma: float, task: float, share: float, epsilon: float) -> float:
    """One weight per layer, the two losses mixed in pretraining, then the task alone."""
    both = lambda _, w: ((1 - share) * (sigma - w[0] * w[1]) + share * (task - w[0] * w[1])) * w[::-1]
    alone = lambda _, w: (task - w[0] * w[1]) * w[::-1]
    w = np.full(2, np.sqrt(epsilon))
    for flow, span in ((both, t), (alone, time)):
        w = solve_ivp(flow, (0, span), w, rtol=1e-11, atol=1e-14).y[:, -1]
    return float(w[0] * w[1])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("sigma", "task"), [(1.0, 0.4), (0.5, 2.0)])
def test_mixed_then_tuned(sigma: float, task: float, share: float) -> None:
    found = mixed_value([[2.0], [5.0]], [0.1, 0.7], sigma, task, 0.01, share)
    truth = [[integrated(t, time, sigma, task, share, 0.01) for time in (0.1, 0.7)] for t in (2.0, 5.0)]
    np.testing.assert_allclose(found, truth, rtol=1e-8)


@pytest.mark.parametrize(
    ("sigma", "task", "epsilon"), [(1.0, 0.4, 1e-3), (1.0, 0.9, 1e-6), (0.5, 2.0, 1e-3), (2.0, 0.5, 0.7)]
)
@pytest.mark.parametrize("time", [0.0, 0.5])
def test_the_best_share_is_found_by_a_search(sigma: float, task: float, epsilon: float, time: float) -> None:
    """After any budget of fine-tuning it is the same one."""
    for t in (0.5, 3.0, 6.0, 9.0, 15.0):
        loss = lambda q, t=t: float((task - mixed_value(t, time, sigma, task, epsilon, q)) ** 2)
        found = float(minimize_scalar(loss, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}).x)
        best = float(best_task_share(t, sigma, task, epsilon))
        assert loss(best) <= loss(found) + 1e-15
        assert loss(best) <= min(loss(0.0), loss(1.0)) + 1e-15


def test_the_share_pays_from_when_pretraining_has_reached_the_task() -> None:
    onset = deep_mode.time_to_reach(0.4, 1.0, 1e-5, depth=2)
    shares = best_task_share(onset * np.array([0.2, 0.999, 1.001, 1.5, 4.0, 40.0]), 1.0, 0.4, 1e-5)
    assert (shares[:2] == 0).all()
    assert (np.diff(shares[1:5]) > 0).all()
    assert shares[-1] == pytest.approx(1)


def test_precision() -> None:
    draw = np.random.default_rng(0)
    sigma = 10 ** draw.uniform(-2, 2, 200)
    task = sigma * 10 ** draw.uniform(0.01, 1, 200) ** draw.choice([-1, 1], 200)
    points = np.column_stack([draw.uniform(0, 2, 200) / task, sigma, task, draw.uniform(0.01, 0.99, 200)])

    def truth(time, sigma, task, keep):
        v, decayed = keep * sigma + (1 - keep) * task, mpmath.exp(-2 * task * time)
        reach = v * decayed + task - v
        if reach <= 0:
            return mpmath.mpf(0)
        return min(max((task * v * decayed / reach - sigma) / (task - sigma), mpmath.mpf(0)), mpmath.mpf(1))

    assert_right(tradeoff_task_share, truth, points)
    gap = lambda q, t, s, m, e: mpmath_path(t, (1 - q) * s + q * m, e) - m
    inputs = [
        draw.uniform(0, 1, 200),
        draw.uniform(0, 3, 200) / sigma,
        sigma,
        task,
        sigma * 10 ** draw.uniform(-6, -1, 200),
    ]
    assert_right(
        lambda q, t, s, m, e: excess_over_task(t, s, m, e, q), gap, np.column_stack(inputs), precisions=(60, 120)
    )


def mpmath_path(t, target, epsilon):
    """A3."""
    return target / (1 + (target / epsilon - 1) * mpmath.exp(-2 * target * t))


@pytest.mark.parametrize("keep", [0.2, 0.7])
@pytest.mark.parametrize(("sigma", "task"), [(1.0, 2.0), (1.0, 0.3)])
def test_the_trade_is_found_by_a_search(sigma: float, task: float, keep: float) -> None:
    for time in (0.0, 0.02, 0.2, 2.0):

        def trade(q: float, time: float = time) -> float:
            p = mixed_value(1e3, time, sigma, task, 0.1, q)
            return float(keep * (sigma - p) ** 2 + (1 - keep) * (task - p) ** 2)

        found = minimize_scalar(trade, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}).x
        best = float(tradeoff_task_share(time, sigma, task, keep))
        assert trade(best) <= trade(float(found)) + 1e-14
        if time == 0:
            assert best == pytest.approx(1 - keep)


def test_ends_of_the_trade() -> None:
    assert tradeoff_task_share([0.0, 1e6], 1.0, 2.0, 0.0).tolist() == [
        1,
        1,
    ]  # only the task counts: every share ends there
    assert tradeoff_task_share([0.0, 1e6], 1.0, 2.0, 1.0).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("function", "arguments", "refusal"),
    [
        (mixed_value, (1.0, 1.0, 1.0, 2.0, 0.1, 1.5), DomainError),
        (mixed_value, (1.0, 1.0, 1.0, -2.0, 0.1, 0.5), DomainError),
        (best_task_share, (-1.0, 1.0, 1.0, 0.1), DomainError),
        (best_task_share, (1.0, 1.0, 1.0, 0.0), DomainError),
        (best_task_share, (np.ones(2), np.ones(3), 1.0, 0.1), ShapeError),
        (tradeoff_task_share, (1.0, 1.0, 1.0, 0.5), DomainError),
        (tradeoff_task_share, (1.0, 1.0, 2.0, 1.5), DomainError),
    ],
)
def test_refuses(function, arguments, refusal, untyped) -> None:
    with pytest.raises(refusal):
        untyped(function)(*arguments)


@pytest.mark.parametrize(
    ("t", "sigma", "task", "epsilon"),
    [(0.3, 1.0, 0.5, 0.7), (1e-3, 1.0, 0.5, 0.7), (1e-12, 1.0, 0.5, 0.9), (0.5, 0.1, 0.05, 0.3), (1e-12, 1.0, 0.5, 0.1),
     (1e-12, 0.5, 1.0, 0.1), (1.0, 0.5, 1.0, 0.1), (0.5, 1.0, 2.0, 5.0), (1.0, 1.0, 2.0, 1.5)],
)  # fmt: skip
def test_the_best_share_from_starts_on_either_side_of_the_task(t, sigma, task, epsilon) -> None:
    """The nearest of all shares, with digits enough for lengths at which pretraining has hardly moved."""

    def off(share: float) -> mpmath.mpf:
        q = mpmath.mpf(share)
        m = (1 - q) * sigma + q * task
        return abs(m * epsilon / (epsilon + (m - epsilon) * mpmath.exp(-2 * m * t)) - task)

    with mpmath.workdps(50):
        found = off(float(best_task_share(t, sigma, task, epsilon)))
        assert found <= min(off(q) for q in np.linspace(0, 1, 201)) + mpmath.mpf(1e-15) * (found > 1e-15)
