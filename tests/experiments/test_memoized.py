"""Memoized measurements equal those of the simulations, and the full preset makes each of them once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from benchmarks.environment import environment
from overtraining.experiments import memoized
from overtraining.runtime.worker_process import WORKER_ENVIRONMENT
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import FanIn
from overtraining.setting.tasks import RotatedTeacher
from overtraining.setting.teachers import PowerLaw
from overtraining.setting.training import GradientDescent
from overtraining.simulations import measurements
from overtraining.simulations.sweeps.worker import WorkerDiffers

SETUP = Protocol(PowerLaw(2), (1.0,), (0.1,), pretraining=GradientDescent(0.1), sampling=Sampling(draws=64))


def test_the_full_preset_stores_its_measurements(tmp_path: Path) -> None:
    """As a sweep's cells they have the numbers of the loop, each repetition its own, and are not measured again."""
    loop = memoized.responses(SETUP, (3, 5), "full")
    with environment(WORKER_ENVIRONMENT), memoized.storing(tmp_path):  # this process passes for a worker
        stored = memoized.responses(SETUP, (3, 5), "full")
        (result,) = tmp_path.glob("*/result.nc")
        written = result.stat().st_mtime_ns
        again = memoized.responses(SETUP, (3, 5), "full")
        memoized.responses(SETUP, (3,), "quick")
        alone = memoized.respond(SETUP, key=3)
    assert result.stat().st_mtime_ns == written
    assert len(list(tmp_path.iterdir())) == 2  # one of the repetitions, one of the call
    xr.testing.assert_identical(alone, measurements.respond(SETUP, key=3))
    for one, other, third in zip(loop, stored, again, strict=True):
        np.testing.assert_allclose(one.sensitivity, other.sensitivity, rtol=1e-12)
        xr.testing.assert_identical(other, third)
    assert loop[0].sensitivity.values != loop[1].sensitivity.values


@pytest.mark.parametrize("bias", [False, True])
def test_pretrained_layers_survive_the_store(bias: bool, tmp_path: Path) -> None:
    network = Network(2, 3, 2, activation="tanh" if bias else "linear", bias=bias)
    setup = replace(SETUP, lengths=(0.0, 1.0), network=network, start=FanIn(1.0), inputs=Inputs(samples=16))
    fresh = measurements.pretrain(setup, 1)
    with environment(WORKER_ENVIRONMENT), memoized.storing(tmp_path):
        first, second = memoized.pretrain(setup, 1), memoized.pretrain(setup, 1)
    for layer, *others in zip(fresh, first, second, strict=True):
        for other in others:
            np.testing.assert_array_equal(layer.weight, other.weight)
            assert (layer.bias is None) == (other.bias is None) == (not bias)
            if layer.bias is not None:
                np.testing.assert_array_equal(layer.bias, other.bias)


def test_several_threads_are_refused(tmp_path: Path) -> None:
    with (
        environment({"OMP_NUM_THREADS": "2"}),
        pytest.raises(WorkerDiffers, match="several threads"),
        memoized.storing(tmp_path),
    ):
        pass


def test_weights_are_kept_as_layers(tmp_path: Path) -> None:
    fresh = memoized.pretrain(SETUP, 0)
    with environment(WORKER_ENVIRONMENT), memoized.storing(tmp_path):
        for found in (memoized.pretrain(SETUP, 0), memoized.pretrain(SETUP, 0)):
            for one, other in zip(found, fresh, strict=True):
                assert one.bias is other.bias is None
                np.testing.assert_allclose(one.weight, other.weight, rtol=1e-12)


def test_the_laboratory_s_own_come_back_as_they_were(tmp_path: Path) -> None:
    """With all their attributes; of rates at which fine-tuning diverges too."""
    how = FineTuning(RotatedTeacher(1.0), GradientDescent(0.1))
    setup = Protocol(PowerLaw(2), (8.0,), (1.0,), perturbation=how)
    fresh = memoized.respond_at_learning_rates(setup, (0.125, 40.0), 0, steps=(20,))
    with environment(WORKER_ENVIRONMENT), memoized.storing(tmp_path):
        found = memoized.respond_at_learning_rates(setup, (0.125, 40.0), 0, steps=(20,))
    assert found.attrs == fresh.attrs
    xr.testing.assert_allclose(found, fresh, rtol=1e-12)


def test_what_cannot_be_stored_is_refused_everywhere() -> None:
    """Not only within `storing`: so it is noticed in the quick preset already."""
    with pytest.raises(TypeError, match="no argument of a memoized call"):
        memoized.respond(SETUP, np.nan)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no name of its own"):
        memoized.memoize(lambda: 1)()
