"""Measures by name: those of the table, and those of a user."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from overtraining.setting.errors import DomainError
from overtraining.setting.protocol import Protocol
from overtraining.setting.teachers import PowerLaw
from overtraining.simulations.sweeps import read_cells, run_sweep
from overtraining.simulations.sweeps.measures import find_measure, module_of
from overtraining.simulations.sweeps.preview import preview_lines
from overtraining.simulations.sweeps.spec import find_sweep
from overtraining.simulations.sweeps.status import status_lines
from overtraining.simulations.sweeps.store import RECIPE
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from tests.simulations.sweeps.conftest import MEASURE, TOML, ThisProcess, sweep_over
from tests.simulations.sweeps.measures import QUICK, REFUSES, measured


@pytest.mark.parametrize(
    "name",
    [
        *("nothing", "os:path", "os:system", "sys:x", "nosuch:M", "no.such.module:X", "../x:y", ".x:y", ":x", "json:"),
        *("a b:c", "os:path:join", "", "overtraining.simulations.sweeps.measures:MEASURES"),
    ],
)
def test_unknown_measures_are_refused_by_name(name: str, tmp_path: Path) -> None:
    sweep = sweep_over({}, measure=name)
    for refuses in (SweepPlan, preview_lines, lambda sweep: run_sweep(sweep, tmp_path / "out")):
        with pytest.raises(DomainError, match=re.escape(f"measure {name!r}: ")):
            refuses(sweep)
    assert not (tmp_path / "out").exists()


def test_a_measure_whose_module_raises_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "measure_that_raises.py").write_text("1 / 0")
    with pytest.raises(DomainError, match="ZeroDivisionError"):
        find_measure("measure_that_raises:X")


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Measure whose module can be imported, which must not happen."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "measure_of_a_stranger.py").write_text("from tests.simulations.sweeps.measures import QUICK")
    return "measure_of_a_stranger:QUICK"


def test_what_a_file_names_is_imported_only_if_the_reader_names_it(stranger: str, tmp_path: Path) -> None:
    sweep = sweep_over({}, measure=stranger)
    recipe = json.dumps({"sweep": sweep.plain()})
    result = xr.Dataset({"number": ("cell", [0])}, attrs={"kind": "Sweep", "recipe": recipe})
    file, store = tmp_path / "sweep.toml", tmp_path / "store"
    file.write_text(TOML.replace(MEASURE, stranger))
    store.mkdir()
    (store / RECIPE).write_text(recipe)
    for read, data in ((read_cells, result), (find_sweep, str(file)), (status_lines, store)):
        for own, says in ((None, f"--measure {stranger}"), (MEASURE, f"name {MEASURE!r}"), ("response", "you name")):
            with pytest.raises(DomainError, match=re.escape(f"measure {stranger!r}: ")) as refused:
                read(data, own)
            assert says in str(refused.value)
    assert "measure_of_a_stranger" not in sys.modules
    assert find_sweep(str(file), stranger).measure == stranger
    assert "0 chunks are there, whole or in part, 1 are missing" in status_lines(store, stranger)
    done = run_sweep(sweep, tmp_path / "out", ThisProcess)
    (cell,) = read_cells(done.result, stranger)
    with pytest.raises(DomainError, match="not imported"):
        read_cells(done.result)
    (same,) = read_cells(run_sweep(sweep_over({}, measure=MEASURE), tmp_path / "same", ThisProcess).result, MEASURE)
    assert cell.equals(same)


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
