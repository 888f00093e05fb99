"""Measures by name: those of the table, and those of a user."""

from dataclasses import replace

import numpy as np
import pytest

from overtraining.setting.errors import DomainError
from overtraining.setting.protocol import Protocol
from overtraining.setting.teachers import PowerLaw
from overtraining.simulations.sweeps.measures import find_measure, module_of
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from tests.simulations.sweeps.conftest import sweep_over
from tests.simulations.sweeps.measures import QUICK, REFUSES, measured


@pytest.mark.parametrize(
    "name", ["nothing", "os:path", "no.such.module:X", "overtraining.simulations.sweeps.measures:MEASURES"]
)
def test_unknown_measures(name: str) -> None:
    with pytest.raises(DomainError, match="measure"):
        SweepPlan(sweep_over({}, measure=name))


def test_measures_one_by_one_refuse_alone() -> None:
    """The numbers of a refused protocol are NaN and not used."""
    good = Protocol(PowerLaw(2), (0.0, 1.0), (0.5,))
    result = QUICK.run([good, replace(good, teacher=PowerLaw(2, REFUSES)), good], [1, 2, 3])
    assert list(result.refused) == [1]
    assert "this cell is refused" in result.refused[1]
    assert np.isnan(result.values["before"][1]).all()
    for place, key in ((0, 1), (2, 3)):
        for name, values in measured(good, key).items():
            np.testing.assert_array_equal(result.values[name][place], values)


def test_a_measure_of_one_s_own_is_found_by_its_module() -> None:
    name = "tests.simulations.sweeps.measures:QUICK"
    assert find_measure(name) is QUICK
    assert module_of(name) == "tests.simulations.sweeps.measures"
    assert module_of("response") == "overtraining.simulations.sweeps.batches"
