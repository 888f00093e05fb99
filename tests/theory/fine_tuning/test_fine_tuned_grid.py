"""D1 on a grid: against one checkpoint and task after the other, against the Response, and refusals."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import RotatedTeacher, task_matrix
from overtraining.setting.teachers import Geometric, full_frames, singular_values
from overtraining.theory.fine_tuning.fine_tuned_grid import fine_tune_grid
from overtraining.theory.fine_tuning.tuned_flow import fine_tune
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.learning.matrix_modes import Modes
from overtraining.theory.solvers.exact import respond

LENGTHS, BUDGETS = (0.0, 2.0, 6.0, 30.0), (0.0, 0.05, 0.4, 3.0)
TEACHER = Geometric(3, 0.5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (3, 5), (5, 2)])
def test_the_grid_is_one_checkpoint_and_task_after_the_other(shape):
    """Up to ‖B‖T = 7, from checkpoints between rounding and beyond the teacher."""
    generator = np.random.default_rng(4)
    d_out, d_in = shape
    r = min(shape)
    sigma, s = np.sort(generator.uniform(0, 1, r))[::-1].copy(), 10.0 ** generator.uniform(-9, 0.5, (4, r))
    tasks = generator.normal(size=(3, 2, *shape))
    tasks *= 7 / np.linalg.norm(tasks, 2, axis=(-2, -1))[..., None, None]
    budgets = np.array([0.0, 0.01, 0.3, 0.999])
    pretraining, downstream = fine_tune_grid(budgets, s, sigma, tasks)
    assert pretraining.shape == downstream.shape == (3, 2, 4, 4)
    teacher = np.zeros(shape)
    teacher[range(r), range(r)] = sigma
    for place in np.ndindex(3, 2):
        scale = 1e-9 * ((sigma**2).sum() + (tasks[place] ** 2).sum() + 10)
        for row, now in enumerate(s):
            one = fine_tune(budgets, Modes(np.eye(d_out)[:, :r], now, np.eye(d_in)[:, :r]), teacher, tasks[place])
            np.testing.assert_allclose(pretraining[*place, row], one.pretraining, atol=scale)
            np.testing.assert_allclose(downstream[*place, row], one.downstream, atol=scale)


def test_the_grid_is_the_response():
    protocol = Protocol(TEACHER, LENGTHS, BUDGETS, start=Aligned(0.02), perturbation=FineTuning(RotatedTeacher(1.0)))
    found = respond(protocol)
    u, v = full_frames(TEACHER, 3, 3)
    task = u.T @ task_matrix(protocol.perturbation.task, TEACHER, 3, 3) @ v
    sigma = singular_values(TEACHER)
    s = np.array(singular_value(np.array(LENGTHS)[:, None], sigma, 0.02))
    pretraining, downstream = fine_tune_grid(BUDGETS, s, sigma, task)
    np.testing.assert_allclose(pretraining, found.after, atol=1e-12)
    np.testing.assert_allclose(downstream, found.downstream_after, atol=1e-12)


def test_modes_that_are_not_there_stay_away():
    found = fine_tune_grid([1.0], np.array([[0.5, 0.0]]), np.array([1.0, 0.5]), np.ones((2, 2)))[0]
    alone = Modes(np.eye(2)[:, :1], np.array([0.5]), np.eye(2)[:, :1])
    one = fine_tune(1.0, alone, np.diag([1.0, 0.5]), np.ones((2, 2)))
    np.testing.assert_allclose(found[0], one.pretraining, atol=1e-12)


def test_small_budgets_turn_where_the_task_is_stronger_along_the_last_feature():
    """At the end of pretraining `dL/ds_r = −2Tσ_r(σ_r − B_rr) + O(T²)`: finer than what plateaus show (D4)."""
    tasks = np.random.default_rng(8).normal(size=(300, 3, 3)) * 0.7
    sigma = np.array([1.0, 0.6, 0.4])
    beyond = tasks[:, 2, 2] - sigma[2]
    clear = np.abs(beyond) > 0.3
    late = sigma - np.array([[0, 0, 5e-4], [0, 0, 0]])
    after = fine_tune_grid([0.01], late, sigma, tasks[clear])[0][..., 0]
    np.testing.assert_array_equal(after[:, 1] > after[:, 0], beyond[clear] > 0)
    assert 0.1 < (beyond[clear] > 0).mean() < 0.9


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: fine_tune_grid([10.0], np.ones((1, 2)), np.ones(2), np.eye(2)), DomainError),
        (lambda: fine_tune_grid([500.0], np.ones((1, 2)), np.ones(2), np.eye(2)), DomainError),
        (lambda: fine_tune_grid([1.0], np.ones((1, 3)), np.ones(2), np.eye(2)), ShapeError),
        (lambda: fine_tune_grid(1.0, np.ones((1, 2)), np.ones(2), np.eye(2)), ShapeError),
    ],
)
def test_refusals(call, error):
    with pytest.raises(error):
        call()
