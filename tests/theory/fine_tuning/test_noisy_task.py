"""D5t against mpmath, against the gradient flow that it describes, and in the limits of long and short budgets."""

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.fine_tuning.noisy_task import noisy_task_inflection, noisy_task_turn
from overtraining.theory.fine_tuning.tuned_flow import fine_tune_mode
from tests.judge import assert_right

WIDTHS = {"d_in": 4, "d_out": 3}


def truth(s, z, time):
    """ψ of the first of two modes in 4 × 3."""
    theta, other = 2 * s * time, 2 * z * time
    q, r = mpmath.exp(-theta), mpmath.exp(-other)
    pair = (theta + other) * (q * (1 - r) / other + r * (1 - q) / theta)
    return (1 - q) * (1 - 6 * q) - pair - (1 - q + theta * q) * 3 / 2


def test_precision() -> None:
    draw = np.random.default_rng(0)
    s = 10 ** draw.uniform(-3, 3, 200)
    points = np.column_stack([s, s * 10 ** draw.uniform(-6, 6, 200), 10 ** draw.uniform(-6, 2, 200) / s])
    engine = lambda s, z, time: noisy_task_turn(time, np.stack([s, z], -1), **WIDTHS)[:, 0]
    assert_right(engine, truth, points)


@pytest.mark.parametrize(("d_in", "d_out", "m"), [(1, 1, 1), (3, 3, 1), (3, 3, 3), (6, 2, 2)])
def test_long_and_short_budgets(d_in: int, d_out: int, m: int) -> None:
    s = np.linspace(1, 0.5, m)
    late = noisy_task_turn(100.0, s, d_in=d_in, d_out=d_out)
    assert late == pytest.approx(m + 1 - (d_in + d_out) / 2, abs=1e-12)
    assert (noisy_task_turn(0.0, s, d_in=d_in, d_out=d_out) == 0).all()  # no time, no noise
    assert (noisy_task_turn(1e-3, s, d_in=d_in, d_out=d_out) < 0).all()


def test_inflection_is_where_the_flow_ends_at_the_turn() -> None:
    task, noise, times = np.array([1.0, 0.4]), np.array([0.01, 0.1]), np.array([0.5, 1.5])
    for gamma in noise:
        start = noisy_task_inflection(times, task, gamma, **WIDTHS)
        end, _ = fine_tune_mode(times[:, None], start, task)
        assert end == pytest.approx(task + gamma**2 * noisy_task_turn(times, task, **WIDTHS), rel=1e-13)


def test_where_there_is_none() -> None:
    assert noisy_task_inflection(40.0, [1.0], 0.1, d_in=1, d_out=1) == np.inf  # beyond what 40 leaves of any start
    assert noisy_task_inflection(5.0, [1.0], 1.0, d_in=9, d_out=9) == 0
    assert (noisy_task_inflection([0.0, 5.0, 1e4], [1.0, 0.3], 0.0, **WIDTHS) == [1.0, 0.3]).all()


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"sigma_task": [0.0]}, DomainError),
        ({"sigma_task": [1.0] * 4}, ShapeError),
        ({"gamma": -1.0}, DomainError),
        ({"budget": -1.0}, DomainError),
        ({"budget": [1.0, 2.0], "gamma": [1.0, 2.0, 3.0]}, ShapeError),
    ],
)
def test_refuses(change, refusal, untyped) -> None:
    with pytest.raises(refusal):
        untyped(noisy_task_inflection)(**({"sigma_task": [1.0], "gamma": 0.1, "budget": 1.0} | WIDTHS | change))


def test_small_batches_of_fresh_inputs_are_refused() -> None:
    """SGD with one fresh example a step at ησ'(d_in + 1)/B = 0.4 has ψ = −28 ± 1, the formula −9.1 (D5t)."""
    given = {"budget": 2.0, "sigma_task": [1.0], "d_in": 20, "d_out": 1}
    for function, more in ((noisy_task_turn, {}), (noisy_task_inflection, {"gamma": 0.01})):
        with pytest.raises(DomainError, match=r"ησ'\(d_in \+ 1\)/B = 0.42 of fresh inputs"):
            function(**given, **more, learning_rate=0.02, batch=1.0)
        large = function(**given, **more, learning_rate=0.02, batch=64.0)
        assert (large == function(**given, **more)).all()
