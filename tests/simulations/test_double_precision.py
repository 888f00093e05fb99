"""What users may call computes in double precision, whatever JAX is set to."""

from importlib import import_module

import jax
import numpy as np
import pytest

import overtraining as ot
from overtraining.experiments import EXPERIMENTS, memoized
from overtraining.setting.errors import DomainError
from overtraining.simulations import measurements
from overtraining.simulations.compilation import ONCE, compiled
from overtraining.simulations.runs import compiled_programs
from overtraining.simulations.sweeps.batches import RESPONSE

PROTOCOL = ot.Protocol(ot.PowerLaw(2), (0.0, 3.0), (0.5,), sampling=ot.Sampling(draws=4))


def test_users_settings_change_neither_bits_nor_programs() -> None:
    in_64_bits = measurements.respond(PROTOCOL, 0)
    programs = compiled_programs()
    with jax.enable_x64(False):
        in_32_bits = measurements.respond(PROTOCOL, 0)
        assert not jax.config.jax_enable_x64
    assert in_32_bits.identical(in_64_bits)
    assert compiled_programs() == programs


def test_what_users_get_is_not_cut_to_32_bits_later() -> None:
    with jax.enable_x64(False):
        layers = measurements.pretrain(PROTOCOL, 0)
        assert (layers[1].weight @ layers[0].weight).dtype == np.float64


def test_a_sweep_is_planned_and_computed_in_double_precision() -> None:
    with jax.enable_x64(False):
        assert RESPONSE.shape(PROTOCOL)
        computed = RESPONSE.run([PROTOCOL], [0]).values["sensitivity"]
    assert np.array_equal(computed, RESPONSE.run([PROTOCOL], [0]).values["sensitivity"])


def test_arrays_that_lost_half_of_their_digits_are_refused() -> None:
    double = compiled(ONCE)(lambda x: 2 * x)
    assert double(np.ones(1)).dtype == np.float64
    with pytest.raises(DomainError, match="float32"):
        double(np.ones(1, np.float32))


def test_experiments_and_the_measurements_that_they_use_are_in_double_precision() -> None:
    measuring = [getattr(memoized, name) for name in ("respond", "follow", "slopes", "rises", "tune_learning_rate")]
    running = [import_module(e.module_name) for e in EXPERIMENTS]
    using_jax = [module.run for module in running if hasattr(module, "jax") or hasattr(module, "jnp")]
    assert len(using_jax) > 5
    assert all(hasattr(function, "in_double_precision") for function in measuring + using_jax)
