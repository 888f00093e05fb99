"""Slopes of the loss after noise against differences of the loss itself, and the zero of noisy slopes."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import Noise, Quantization
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import FanIn
from overtraining.setting.teachers import PowerLaw, teacher_matrix
from overtraining.simulations.measurements import pretrain
from overtraining.simulations.noise_slopes import slopes, turning_point

ASKED = Protocol(
    PowerLaw(2),
    (0.5, 1.5),
    (0.2,),
    Network(3, 2, 4),
    FanIn(),
    perturbation=Noise((1.0, 0.5)),
    sampling=Sampling(draws=20_000),
)


def test_slopes_are_differences_of_the_loss_after_noise() -> None:
    """The same shifts of the weights at two lengths a little apart: their scatter is the slope's."""
    mean, stderr = slopes(ASKED, key=0)
    apart, teacher = 1e-4, teacher_matrix(ASKED.teacher, 4, 3)
    generator = np.random.default_rng(0)
    for i, t in enumerate(np.array(ASKED.lengths, dtype=float)):
        near = replace(ASKED, lengths=(t - apart, t + apart))
        w1, w2 = (np.asarray(layer.weight) for layer in pretrain(near, key=0))
        n1 = 0.2 * generator.standard_normal((20_000, *w1.shape[1:]))
        n2 = 0.1 * generator.standard_normal((20_000, *w2.shape[1:]))
        loss = [sum(((w2[k] + s * n2) @ (w1[k] + s * n1) - teacher) ** 2 for s in (1, -1)) / 4 for k in (0, 1)]
        rise = (loss[1] - loss[0]).sum((1, 2)) / (2 * apart)
        error = np.hypot(rise.std(ddof=1) / np.sqrt(rise.size), stderr[i, 0])
        assert abs(mean[i, 0] - rise.mean()) < 4 * error
        assert abs(1.05 * mean[i, 0] - rise.mean()) > 4 * error


def test_the_zero_is_found_as_precisely_as_is_said() -> None:
    t, generator = np.linspace(1.8, 2.2, 7), np.random.default_rng(1)
    error = np.full(t.size, 0.01)
    z = []
    for _ in range(400):
        at, of = turning_point(t, np.log(t / 2) + error * generator.standard_normal(t.size), error)
        z.append((at - 2) / of)
    assert abs(np.mean(z)) < 4 / np.sqrt(400)
    assert 0.85 < np.std(z) < 1.15


def test_what_has_no_turning_point_is_refused() -> None:
    t, error = np.linspace(0, 1, 5), np.full(5, 0.1)
    with pytest.raises(NotSolved, match="choose lengths"):
        turning_point(t, t + 1, error)
    with pytest.raises(NotSolved, match="take more draws"):
        turning_point(t, t - 0.5, 100 * error)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(ASKED, perturbation=Quantization()),
        replace(ASKED, perturbation=Noise(convention="relative")),
        replace(ASKED, inputs=Inputs(samples=10)),
    ],
)
def test_other_protocols_are_refused(wrong: Protocol) -> None:
    with pytest.raises(DomainError):
        slopes(wrong, key=0)
