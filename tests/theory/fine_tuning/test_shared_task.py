"""D2, D3: on a task with the teacher's singular vectors only an overshoot turns the loss; no cost is monotone."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import sensitivity
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Spectrum
from overtraining.theory.fine_tuning.shared_task import forgetting_cost, overshoot_length
from overtraining.theory.fine_tuning.tuned_flow import fine_tune_mode
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.learning.deep_mode import time_to_reach
from overtraining.theory.solvers.exact import respond

TASKS = [-3.0, -0.4, 0.0, 1e-9, 0.3, 0.999, 1.0, 1.001, 4.0]


def along(sigma, values, budgets, lengths):
    how = FineTuning(SharedVectors(values))
    return respond(Protocol(Spectrum(sigma), lengths, budgets, start=Aligned(1e-3), perturbation=how))


@pytest.mark.parametrize("values", [(1.0, 0.5, 0.25), (0.5, 0.0, 0.25), (-1.0, -0.3, -2.0), (0.0, 0.0, 0.0)])
@pytest.mark.parametrize("budget", [0.01, 0.2, 3.0])
def test_weaker_features_never_hurt_the_pretraining_loss(values, budget):
    after = along((1.0, 0.5, 0.25), values, (budget,), np.linspace(0.0, 25, 200)).after.values
    assert (np.diff(after, axis=0) < 0).all()


@pytest.mark.parametrize(("sigma", "target", "budget"), [(1.0, 2.0, 0.2), (0.5, 0.6, 1e-3), (2.0, 50.0, 0.05)])
def test_an_overshoot_turns_at_the_length_given(sigma, target, budget):
    turn = overshoot_length(budget, sigma, target, 1e-3)
    lengths = turn + np.array([-0.01, 0.0, 0.01])
    after = along((sigma,), (target,), (budget,), lengths).after.values[:, 0]
    assert after[1] < 1e-26
    assert (after[[0, 2]] > 1e-14).all()
    np.testing.assert_allclose(fine_tune_mode(budget, singular_value(turn, sigma, 1e-3), target)[0], sigma, rtol=1e-12)


def test_no_turn_without_overshoot_and_none_before_the_start():
    assert np.isinf(overshoot_length([0.0, 1.0, 1.0, 1.0], 1.0, [2.0, 1.0, 0.5, -3.0], 0.1)).all()
    assert overshoot_length(10.0, 1.0, 2.0, 0.1) == 0
    assert overshoot_length(1e60, 1.0, 2.0, 0.1) == 0


@pytest.mark.parametrize("budget", [0.05, 0.2, 2.0])
def test_the_downstream_loss_turns_where_the_mode_is_the_task_s_whatever_the_budget(budget):
    turn = float(time_to_reach(0.5, 1.0, 1e-3, 2))
    found = along((1.0,), (0.5,), (budget,), np.array([turn - 0.5, turn, turn + 0.5, 60.0])).downstream_after.values
    assert found[1, 0] < 1e-26 < found[0, 0]
    assert found[1, 0] < found[2, 0] < found[3, 0]


def test_the_numbers_of_the_example():
    """σ = 1, σ' = ½, T = 0.2 ends at 0.060."""
    end = along((1.0,), (0.5,), (0.2,), (60.0,)).downstream_after.values[0, 0]
    assert abs(end - 0.0600) < 1e-4


def test_the_slowest_mode_decides_how_the_loss_ends():
    """The first mode overshoots at every T > 0, and yet the loss after fine-tuning falls all along, from ε = 1e-3."""
    after = along((1.0, 0.5), (2.0, 0.25), (0.1,), np.linspace(2.0, 30.0, 200)).after.values[:, 0]
    assert (np.diff(after) < 0).all()


@pytest.mark.parametrize(
    ("epsilon", "rise"), [(0.1, 0.0028), (1e-2, 0.0), (1e-3, 0.0), (1e-4, 0.0017), (1e-12, 0.0194)]
)
def test_where_the_modes_are_learned_apart_the_first_one_turns_the_loss(epsilon, rise):
    """The same modes: the largest rise above what the loss was before (issue 17, point 6)."""
    lengths = np.linspace(0.0, 2.2 * np.log(1 / epsilon) + 30, 4000)[:, None]
    s = singular_value(lengths, np.array([1.0, 0.5]), epsilon)
    after = ((np.array([1.0, 0.5]) - fine_tune_mode(0.1, s, np.array([2.0, 0.25]))[0]) ** 2).sum(axis=1) / 2
    assert (after - np.minimum.accumulate(after)).max() == pytest.approx(rise, abs=6e-5)


@pytest.mark.parametrize(
    "change", [{"budget": -1.0}, {"sigma": 0.0}, {"epsilon": 0.0}, {"epsilon": 1.0}, {"sigma_task": 1e80}]
)
def test_refusals_of_the_length(change):
    with pytest.raises(DomainError):
        overshoot_length(**({"budget": 1.0, "sigma": 1.0, "sigma_task": 2.0, "epsilon": 0.1} | change))


@pytest.mark.parametrize("target", TASKS)
@pytest.mark.parametrize("budget", [1e-6, 0.1, 1.0, 5.0])
def test_the_difference_of_the_two_losses(target, budget):
    s = np.linspace(0, 1, 51)
    x = fine_tune_mode(budget, s, target)[0]
    np.testing.assert_allclose(
        forgetting_cost(budget, s, 1.0, target), ((1 - x) ** 2 - (1 - s) ** 2) / 2, rtol=1e-9, atol=2e-16
    )


@pytest.mark.parametrize("target", TASKS)
@pytest.mark.parametrize("budget", [1e-3, 0.1, 1.0])
def test_never_monotone_inside_a_stage(target, budget):
    steps = np.diff(forgetting_cost(budget, 1 / (1 + np.exp(-np.linspace(-20, 20, 4001))), 1.0, target))
    assert (steps > 0).any()
    assert (steps < 0).any()


def test_small_budgets_have_their_largest_cost_inside():
    s = np.linspace(0, 1, 100_001)
    for target in (-0.5, 0.0, 0.4):
        peak = (1 + target + np.sqrt(1 - target + target**2)) / 3
        assert abs(s[np.argmax(forgetting_cost(1e-7, s, 1.0, target))] - peak) < 1e-4


def test_the_response_shows_a_cost_that_is_not_monotone():
    how = FineTuning(SharedVectors((0.0,)))
    protocol = Protocol(Spectrum((1.0,)), np.linspace(0, 15, 301), (0.1,), start=Aligned(1e-3), perturbation=how)
    cost = sensitivity(respond(protocol)).value.values[:, 0]
    assert abs(cost.max() - 0.0295) < 1e-4
    assert abs(cost[-1] - 0.0139) < 1e-4


@pytest.mark.parametrize("budget", [0.01, 0.3, 5.0])
def test_from_plateau_to_plateau_a_shared_task_never_costs_less(budget):
    generator = np.random.default_rng(0)
    sigma, task = np.sort(generator.uniform(0, 2, (20, 4)))[:, ::-1], generator.normal(size=(20, 4))
    assert (forgetting_cost(budget, sigma, sigma, task) >= 0).all()


@pytest.mark.parametrize("change", [{"budget": -1.0}, {"s": -1.0}, {"sigma": -1.0}, {"sigma_task": 1e80}])
def test_refusals_of_the_cost(change):
    with pytest.raises(DomainError):
        forgetting_cost(**({"budget": 1.0, "s": 0.5, "sigma": 1.0, "sigma_task": 2.0} | change))
