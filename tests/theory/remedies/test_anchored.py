"""D7 against mpmath, and against fine-tuning integrated in weight space."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.remedies.anchored import (
    anchored_inflection,
    anchored_weight,
    anchored_weight_after,
    effective_budget,
    stopped_inflection,
)
from tests.judge import assert_right


def root(w, sigma, lam):
    """The positive root by bisection: the polynomial is below 0 before it and above 0 after it."""
    low, high = mpmath.mpf(0), w + mpmath.sqrt(abs(sigma)) + 1
    for _ in range(int(4 * mpmath.mp.dps)):
        middle = (low + high) / 2
        low, high = (middle, high) if middle**3 + (lam - sigma) * middle < lam * w else (low, middle)
    return low


def test_precision() -> None:
    draw = np.random.default_rng(0)
    w, lam = 10 ** draw.uniform(-3, 3, 120), 10 ** draw.uniform(-6, 6, 120)
    sigma = 10 ** draw.uniform(-6, 6, 120) * draw.choice([-1, 1], 120)
    sigma[::3] = lam[::3] * (1 + 10 ** draw.uniform(-15, 0, 40))  # where the middle coefficient changes sign
    assert_right(anchored_weight, root, np.column_stack([w, sigma, lam]), precisions=(60, 120))


FORMS = [
    (anchored_inflection, lambda s, m, lam: s * max(1 - (m - s) / lam, 0) ** 2 if m > s else s),
    (
        lambda s, m, t: stopped_inflection(t, s, m),
        lambda s, m, t: m / (1 + (m / s - 1) * mpmath.exp(2 * m * t)) if m > s else s,
    ),
]


@pytest.mark.parametrize(("engine", "truth"), FORMS)
def test_precision_of_the_inflections(engine, truth) -> None:
    draw = np.random.default_rng(1)
    sigma = 10 ** draw.uniform(-3, 3, 200)
    downstream = sigma * (1 + 10 ** draw.uniform(-9, 1, 200) * draw.choice([-1, 1], 200))
    third = 10 ** draw.uniform(-3, 1, 200) / np.abs(downstream)
    third = (downstream - sigma) ** 2 * third if engine is anchored_inflection else third
    assert_right(engine, truth, np.column_stack([sigma, downstream, np.abs(third)]))


def test_budget() -> None:
    points = np.column_stack([10 ** np.linspace(-6, 3, 40), 10 ** np.linspace(3, -9, 40)])
    assert_right(effective_budget, lambda t, lam: (1 - mpmath.exp(-lam * t)) / lam, points)
    assert effective_budget(3.0, 0.0) == 3


def tuned(w: float, task: float, anchor: float, time: float) -> np.ndarray:
    """Both weights after the budget, by integration of the two equations."""
    flow = lambda _, x: (task - x[0] * x[1]) * x[::-1] - anchor * (x - w)
    return solve_ivp(flow, (0, time), [w, w], rtol=1e-11, atol=1e-12).y[:, -1]


@pytest.mark.parametrize("anchor", [0.0, 0.2, 1.0, 5.0])
@pytest.mark.parametrize("task", [-0.5, 0.4, 2.0])
def test_fine_tuning_ends_there(task: float, anchor: float) -> None:
    end = tuned(0.7, task, anchor, 60.0)
    np.testing.assert_allclose(end, anchored_weight(0.7, task, anchor), atol=1e-8)


LENGTHS = np.linspace(0, 8, 161)


@pytest.mark.parametrize(("anchor", "time"), [(0.7, 60.0), (2.0, 60.0), (0.0, 0.5), (0.0, 1.5)])
def test_the_loss_after_tuning_turns_there(anchor: float, time: float) -> None:
    """σ = 1, σ' = 1.5, from ε = 1e-3: the length of the least pretraining loss after integrated fine-tuning."""
    s = singular_value(LENGTHS, 1.0, 1e-3)
    after = np.array([(1 - np.prod(tuned(float(np.sqrt(x)), 1.5, anchor, time))) ** 2 / 2 for x in s])
    turn = anchored_inflection(1.0, 1.5, anchor) if anchor else stopped_inflection(time, 1.0, 1.5)
    k = int(after.argmin())
    assert s[k - 1] <= turn <= s[k + 1]
    assert after[-1] > after[k] + 1e-3


@pytest.mark.parametrize("anchor", [0.0, 0.5])
def test_a_task_that_asks_for_no_more_protects(anchor: float) -> None:
    s = singular_value(LENGTHS, 1.0, 1e-3)
    after = (1 - anchored_weight(np.sqrt(s), 0.8, anchor) ** 2) ** 2 / 2
    assert (np.diff(after) <= 1e-15).all()
    assert anchored_inflection(1.0, 0.8, anchor) == stopped_inflection(9.0, 1.0, 0.8) == 1


def test_limits() -> None:
    assert anchored_inflection(1.0, 1.0, 0.0) == 1  # nothing to learn downstream
    assert anchored_inflection(1.0, 1.5, [0.0, 0.5]).tolist() == [0, 0]
    assert anchored_weight(2.0, [4.0, -4.0, 0.0], 0.0).tolist() == [2, 0, 0]
    assert stopped_inflection(1e6, 1.0, [1.0, 1.5]).tolist() == [1, 0]
    assert anchored_weight(1e-70, 1e70, 1e-70) == pytest.approx(1e35)


@pytest.mark.parametrize(
    ("function", "arguments", "refusal"),
    [
        (anchored_weight, (0.0, 1.0, 1.0), DomainError),
        (anchored_weight, (1.0, 1.0, -1.0), DomainError),
        (anchored_weight, (1.0, 1e80, 1.0), DomainError),
        (anchored_weight, (np.ones(2), np.ones(3), 1.0), ShapeError),
        (anchored_inflection, (0.0, 1.0, 1.0), DomainError),
        (stopped_inflection, (-1.0, 1.0, 1.0), DomainError),
        (effective_budget, (-1.0, 1.0), DomainError),
    ],
)
def test_refuses(function, arguments, refusal, untyped) -> None:
    with pytest.raises(refusal):
        untyped(function)(*arguments)


@pytest.mark.parametrize("w", [0.01, 1.0, 3.0])
@pytest.mark.parametrize("sigma_task", [-1.0, 0.0, 0.25, 2.0])
@pytest.mark.parametrize("anchor", [1e-9, 0.3, 20.0])
def test_the_anchored_flow_against_an_integrator(w: float, sigma_task: float, anchor: float) -> None:
    budgets = np.array([0.0, 1e-6, 0.01, 0.2, 1.0, 5.0])
    pull = lambda _, x: -(x**3 + (anchor - sigma_task) * x - anchor * w)
    path = solve_ivp(pull, (0, 5.0), [w], "DOP853", budgets, rtol=1e-12, atol=1e-16)
    found = anchored_weight_after(budgets, w, sigma_task, anchor)
    np.testing.assert_allclose(found, path.y[0], rtol=1e-9)
    assert found[0] == w
    assert (np.diff(found) * np.sign(anchored_weight(w, sigma_task, anchor) - w) >= 0).all()


def test_limits_of_the_anchored_flow() -> None:
    """Long budgets, no anchor (A3), a start that is the end, and what rounding would spoil."""
    np.testing.assert_allclose(anchored_weight_after(1e9, 2.0, 1.0, [0.3, 4.0]), anchored_weight(2.0, 1.0, [0.3, 4.0]))
    x = anchored_weight_after([0.1, 2.0], 0.5, 1.5, 0.0)
    np.testing.assert_allclose(x**2, singular_value([0.1, 2.0], 1.5, 0.25))
    np.testing.assert_allclose(
        anchored_weight_after(0.7, 0.5, [1.5, -1.5], 1e-13), anchored_weight_after(0.7, 0.5, [1.5, -1.5], 0.0)
    )
    assert anchored_weight_after(3.0, 1.0, 1.0, 0.7) == pytest.approx(1.0, rel=1e-15)
    with pytest.raises(DomainError, match="rounding costs six digits"):
        anchored_weight_after(1.0, 1e4, 1e-6, 1e-15)
    with pytest.raises(ShapeError):
        anchored_weight_after([1.0, 2.0], [1.0, 2.0, 3.0], 1.0, 1.0)


def test_weights_that_an_anchor_keeps_to_rounding_do_not_move() -> None:
    """The end is below the start by less than float64 can tell; this was refused."""
    w = np.array([1.646768142753354e-13, 6.491898381832646e-13, 1e-20])
    np.testing.assert_allclose(anchored_weight_after(0.3, w, 0.0, 0.5), w, rtol=1e-15)
