"""The result: xarray alone can read it, and it reads back as Responses and Trajectories."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from overtraining.setting.errors import SchemaError
from overtraining.setting.inflection import inflection_point
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import validate
from overtraining.setting.serialization import read, write
from overtraining.simulations.sweeps import Axis, parse_sweep, read_cells, run_sweep
from overtraining.simulations.sweeps.grid_layout import boxes, dimension, label
from overtraining.simulations.sweeps.result import VARIES, failures
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from tests.simulations.sweeps.conftest import BASE, MEASURE, ThisProcess, small, sweep_over
from tests.simulations.sweeps.measures import RAISES


def test_xarray_alone_reads_the_result(tmp_path: Path) -> None:
    """With units, parameters, keys and versions, in a process that has nothing of ours."""
    done = run_sweep(small(), tmp_path, ThisProcess)
    code = (
        "import sys\n"
        "for name in ('theory', 'simulations', 'figures', 'tests'): sys.modules[name] = None\n"
        "import json, xarray\n"
        f"with xarray.open_dataset({str(done.result)!r}) as data:\n"
        "    recipe = json.loads(data.attrs['recipe'])\n"
        "    assert recipe['software']['numpy'] and recipe['sweep']['protocol']['lengths'] == [0.0, 1.0]\n"
        "    axes = {'start.epsilon': [0.1, 0.2, 0.3], 'teacher.modes': [2, 3], 'teacher.alpha': [1.0, 2.0]}\n"
        "    for name, values in (axes | {'repeat': [0, 1, 2, 3, 4]}).items():\n"
        "        assert data[name].dims == (name,) and data[name].values.tolist() == values\n"
        "        assert data[name].attrs['units'] == '1' and data[name].attrs['long_name']\n"
        "    assert set(data.after.dims) == {*axes, 'repeat', 'pretraining', 'strength'}\n"
        "    assert data.after.attrs['units'] == '1' and not bool(data.after.isnull().any())\n"
        "    assert data.pretraining.attrs['units'] == 'gradient-flow time'\n"
        "    assert set(data.coords) == {*data.dims, 'number', 'key'}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_axes_that_are_no_numbers(tmp_path: Path) -> None:
    """Lengths of each cell's own, whole parts as tables, one of them named like a dimension; and back to protocols."""
    axes = {
        "lengths": [[0.0, 1.0], [0.0, 3.0]],
        "start": [{"kind": "Aligned", "epsilon": 0.1}, {"kind": "Aligned", "imbalance": 0.5}],
        "pretraining": [{"kind": "GradientFlow"}, {"kind": "GradientDescent", "learning_rate": 0.5}],
        "network.activation,network.bias,inputs.samples": [["linear", False, 7], ["linear", True, 9]],
    }
    plain = {"protocol": BASE, "axes": axes, "measure": MEASURE}
    done = run_sweep(parse_sweep(plain), tmp_path, ThisProcess)
    cells = read_cells(done.result, MEASURE)
    with xr.open_dataset(done.result) as data:
        assert data["pretraining_value"].dims == ("lengths", "pretraining")
        assert "pretraining" not in data.coords
        for cell in cells:
            protocol = read(cell.attrs["protocol"])
            start, training = (f"{type(part).__name__}(" for part in (protocol.start, protocol.pretraining))
            place = {
                "lengths": json.dumps(list(protocol.lengths)),
                "network.bias": json.dumps(protocol.network.bias),
                "start": next(text for text in data["start"].values if text == label(plain_of(protocol, "start"))),
                "protocol.pretraining": next(t for t in data["protocol.pretraining"].values if t.startswith(training)),
            }
            here = data.sel(place)
            assert start in place["start"]
            assert here["pretraining_value"].values.tolist() == list(protocol.lengths)
            assert here["inputs.samples"] == protocol.inputs.samples
            assert here["network.activation"] == protocol.network.activation
            assert here["key"] == int(cell.attrs["key"])
            np.testing.assert_array_equal(here["after"], cell["after"])
    assert len({cell.attrs["protocol"] for cell in cells}) == len(cells) == 16


def plain_of(protocol: Protocol, part: str) -> Any:
    """A part of a protocol as it is written in a sweep."""
    return json.loads(write(protocol))[part]


def test_a_grid_with_holes_keeps_its_axes_and_says_why(tmp_path: Path) -> None:
    """Cells that failed are NaN with the reason; what is chosen without them is a Response."""
    sick = small(**{"teacher.alpha": [RAISES, 20.0]})
    done = run_sweep(sick, tmp_path, ThisProcess)
    with xr.open_dataset(done.result) as data:
        bad = data.sel({"teacher.alpha": RAISES})
        assert bool(bad.after.isnull().all())
        assert set(bad.key.values.ravel()) == {-1}
        assert all("always raises" in why for why in bad.failure.values.ravel())
        for refuses in (validate, inflection_point):
            with pytest.raises(SchemaError, match="'failure' says why"):
                refuses(data)
        good = data.where(data.failure == "", drop=True)
        assert validate(good).sizes["teacher.alpha"] == 1
        assert len(read_cells(data, MEASURE)) == len(read_cells(good, MEASURE)) == 30
    assert len(failures(done.result, SweepPlan(sick))) == 30


def test_attributes_say_where_cells_differ(tmp_path: Path) -> None:
    """A strength's name holds for all cells, or it says that it does not."""
    base = {"pretraining": {"kind": "GradientDescent", "learning_rate": 0.1}, "sampling": {"draws": 8}}
    found = {}
    for kinds in (["Noise"], ["Noise", "Quantization"]):
        axes = {"perturbation": [{"kind": kind} for kind in kinds], "repeat": [0, 1]}
        done = run_sweep(sweep_over(axes, base), tmp_path / str(len(kinds)), ThisProcess)
        with xr.open_dataset(done.result) as data:
            found[len(kinds)] = data.strength.attrs["long_name"], data.attrs
            assert data.attrs["key"] == VARIES
    assert found[1][0] == "noise scale γ"
    assert read(found[1][1]["protocol"]).strengths == (0.1,)
    assert found[2][0] == found[2][1]["protocol"] == found[2][1]["perturbation"] == VARIES
    assert found[1][1]["model"] == found[2][1]["model"]


def test_results_of_one_row_of_cells_are_still_read(tmp_path: Path) -> None:
    """As they were written before the axes became dimensions."""
    done = run_sweep(small(), tmp_path, ThisProcess)
    with xr.open_dataset(done.result) as data:
        flat = data.stack(cell=data.attrs["axes"].split()).reset_index("cell").assign_attrs(kind="Sweep")
        flat = flat.transpose("cell", ...).isel(cell=[3, 1])
        cells = read_cells(flat, MEASURE)
        assert [int(cell.attrs["key"]) for cell in cells] == flat.sortby("number").key.values.tolist()
    with pytest.raises(SchemaError, match="kind = 'Sweep'"):
        validate(flat)


@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (2, 3, 4), (1, 5, 1, 2)])
def test_boxes_tile_the_cells_in_their_order(shape: tuple[int, ...]) -> None:
    places = np.arange(int(np.prod(shape))).reshape(shape)
    for size in range(1, places.size + 1):
        for first in range(0, places.size, size):
            stop = min(first + size, places.size)
            found = np.concatenate([places[box].ravel() for box in boxes(first, stop, shape)])
            assert found.tolist() == list(range(first, stop))


def test_a_dimension_is_a_field_that_tells_the_values_apart() -> None:
    assert dimension(Axis("pretraining", ({"kind": "GradientFlow"},))) == "protocol.pretraining"
    assert dimension(Axis("a.b, c.d", ([1, 2], [1, 3]))) == "c.d"
    assert dimension(Axis("a.b, c.d", ([1, 2], [2, 2], [1, 3]))) == "a.b,c.d"
