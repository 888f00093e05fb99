"""D3: inside a stage what fine-tuning costs is never monotone; from plateau to plateau it never falls."""

import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import sensitivity
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import Shared
from overtraining.setting.teachers import Spectrum
from overtraining.theory.fine_tuning.trap import rise_in_stage
from overtraining.theory.fine_tuning.tuned_flow import fine_tune_mode
from overtraining.theory.solvers.exact import respond

TASKS = [-3.0, -0.4, 0.0, 1e-9, 0.3, 0.999, 1.0, 1.001, 4.0]


@pytest.mark.parametrize("target", TASKS)
@pytest.mark.parametrize("budget", [1e-6, 0.1, 1.0, 5.0])
def test_the_difference_of_the_two_losses(target, budget):
    s = np.linspace(0, 1, 51)
    x = fine_tune_mode(budget, s, target)[0]
    np.testing.assert_allclose(
        rise_in_stage(budget, s, 1.0, target), ((1 - x) ** 2 - (1 - s) ** 2) / 2, rtol=1e-9, atol=2e-16
    )


@pytest.mark.parametrize("target", TASKS)
@pytest.mark.parametrize("budget", [1e-3, 0.1, 1.0])
def test_never_monotone_inside_a_stage(target, budget):
    steps = np.diff(rise_in_stage(budget, 1 / (1 + np.exp(-np.linspace(-20, 20, 4001))), 1.0, target))
    assert (steps > 0).any()
    assert (steps < 0).any()


def test_small_budgets_have_their_largest_cost_inside():
    s = np.linspace(0, 1, 100_001)
    for target in (-0.5, 0.0, 0.4):
        peak = (1 + target + np.sqrt(1 - target + target**2)) / 3
        assert abs(s[np.argmax(rise_in_stage(1e-7, s, 1.0, target))] - peak) < 1e-4


def test_the_response_shows_the_trap():
    how = FineTuning(Shared((0.0,)))
    protocol = Protocol(Spectrum((1.0,)), np.linspace(0, 15, 301), (0.1,), start=Aligned(1e-3), perturbation=how)
    cost = sensitivity(respond(protocol)).value.values[:, 0]
    assert abs(cost.max() - 0.0295) < 1e-4
    assert abs(cost[-1] - 0.0139) < 1e-4


@pytest.mark.parametrize("budget", [0.01, 0.3, 5.0])
def test_from_plateau_to_plateau_a_shared_task_never_costs_less(budget):
    generator = np.random.default_rng(0)
    sigma, task = np.sort(generator.uniform(0, 2, (20, 4)))[:, ::-1], generator.normal(size=(20, 4))
    assert (rise_in_stage(budget, sigma, sigma, task) >= 0).all()


@pytest.mark.parametrize("change", [{"budget": -1.0}, {"s": -1.0}, {"sigma": -1.0}, {"target": 1e80}])
def test_refusals(change):
    with pytest.raises(DomainError):
        rise_in_stage(**({"budget": 1.0, "s": 0.5, "sigma": 1.0, "target": 2.0} | change))
