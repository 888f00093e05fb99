"""The protocols that experiments share have the properties for which they were chosen."""

import numpy as np
import pytest

from overtraining.experiments.setups import NOISES, ROTATED, STUDENTS, noisy_steps, student, unequal_costs
from overtraining.setting.perturbations import Noise
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.teachers import singular_values
from overtraining.theory.inflection.stages import stage
from overtraining.theory.remedies.robust import layer_costs
from overtraining.theory.sensitivity.noise import mode_cost


@pytest.mark.parametrize("activation", STUDENTS)
def test_students_differ_in_their_activation_only(activation: str) -> None:
    setup = student(activation)
    assert setup.network.activation == activation
    assert setup.lengths == student("linear").lengths
    assert setup.teacher == student("linear").teacher
    assert isinstance(ROTATED.task, RotatedTeacher)


@pytest.mark.parametrize("noise", NOISES)
def test_the_layers_have_unequal_costs_and_one_feature_raises_the_loss(noise: tuple[float, float]) -> None:
    setup = unequal_costs(noise)
    assert isinstance(setup.perturbation, Noise)
    assert setup.perturbation.per_layer(2) == noise
    costs = layer_costs(*noise, d_in=setup.network.d_in, d_out=setup.network.d_out)
    assert not np.isclose(*costs)
    noise_cost = mode_cost(*noise, d_in=setup.network.d_in, d_out=setup.network.d_out)
    assert float(stage(singular_values(setup.teacher)[-1], noise_cost).change) > 0


def test_noisy_steps_learn_every_feature_that_the_network_can_hold() -> None:
    setup = noisy_steps()
    assert singular_values(setup.teacher).size == setup.network.h == setup.network.d_out
    assert setup.lengths[0] == 0
