"""What simulations state to take; XLA's own numbers judge it, in `sweeps/test_batches.py` those of whole chunks."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

from overtraining.setting import limits
from overtraining.setting.errors import DomainError
from overtraining.setting.perturbations import FineTuning, Noise, Quantization
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.teachers import PowerLaw
from overtraining.setting.training import GradientDescent
from overtraining.simulations import measurements, noise_slopes, runs, scatter
from overtraining.simulations.double_precision import double_precision
from overtraining.simulations.learning_rates import respond_at_learning_rates
from overtraining.simulations.memory import pretraining_memory, response_memory
from overtraining.simulations.training_plan import plan_training

SMALL = Protocol(PowerLaw(2), (0.0, 4.0), (0.1, 0.2))
WIDE = Protocol(PowerLaw(60), (0.0, 4.0), (0.1,), sampling=Sampling(8))


def train(*run: Any) -> Any:
    return runs.train(*run)


@pytest.mark.parametrize(
    ("protocol", "run", "stated"),
    [
        (replace(WIDE, lengths=(4.0,)), train, pretraining_memory),
        (replace(WIDE, lengths=np.linspace(0, 4, 40)), train, pretraining_memory),
        (replace(WIDE, pretraining=GradientDescent(0.01, optimizer="adam")), train, pretraining_memory),
        (replace(SMALL, sampling=Sampling(10**6)), runs.measure, response_memory),
    ],
    ids=["one length", "many lengths", "adam", "many draws"],
)
def test_stated_memory_covers_what_xla_reserves(
    protocol: Protocol, run: Callable[..., Any], stated: Callable[[Protocol], int]
) -> None:
    with double_precision():
        plan, numbers = plan_training(protocol)
        program = jax.jit(lambda numbers, key: run(plan, numbers, key)).lower(numbers, jax.random.key(0))
        memory = program.compile({"xla_backend_optimization_level": 0}).memory_analysis()
    taken = memory.temp_size_in_bytes + memory.output_size_in_bytes
    assert 0.1 * stated(protocol) < taken < 1.1 * stated(protocol)


ALL_RATES = replace(SMALL, perturbation=FineTuning(RotatedTeacher(1.0), GradientDescent(0.1)))


@pytest.mark.parametrize(
    ("ask", "protocol"),
    [
        (measurements.respond, replace(SMALL, lengths=np.linspace(0, 4, 10_000))),
        (measurements.respond, replace(SMALL, strengths=np.linspace(0, 4, 20_000))),
        (measurements.respond, replace(SMALL, sampling=Sampling(10**5))),
        (measurements.respond, replace(SMALL, sampling=Sampling(2, seeds=10**5))),
        (measurements.respond, replace(SMALL, network=Network(2, 10**5, 2))),
        (measurements.follow, replace(SMALL, lengths=np.linspace(0, 4, 10_000))),
        (measurements.pretrain, replace(SMALL, lengths=np.linspace(0, 4, 10_000))),
        (measurements.distance_from_pretrained, replace(ALL_RATES, lengths=np.linspace(0, 4, 10_000))),
        (scatter.rises, replace(SMALL, sampling=Sampling(10**5))),
        (noise_slopes.slopes, replace(SMALL, sampling=Sampling(10**6))),
        (lambda protocol, key: respond_at_learning_rates(protocol, np.linspace(0.1, 0.2, 1000), key), ALL_RATES),
    ],
)
def test_what_does_not_fit_is_refused_before_it_begins(
    ask: Callable[[Protocol, int], object], protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MEMORY", 2**20)
    monkeypatch.setattr(runs, "train", lambda *_: pytest.fail("computed"))
    with pytest.raises(DomainError, match=r"a simulation of .* weights at .* lengths × .* GiB of memory, .*lower"):
        ask(protocol, 0)


def test_draws_count_only_where_something_is_random() -> None:
    many = Sampling(10**9)
    for perturbation in (Quantization(rounding="nearest"), ALL_RATES.perturbation):
        one = replace(SMALL, perturbation=perturbation, sampling=many)
        assert response_memory(one) == response_memory(replace(one, sampling=Sampling(2)))
    for perturbation in (Noise(), Quantization(rounding="dithered")):
        assert response_memory(replace(SMALL, perturbation=perturbation, sampling=many)) > 10**9
