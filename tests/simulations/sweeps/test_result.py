"""The result: xarray alone can read it, and it reads back as Responses and Trajectories."""

import json
import subprocess
import sys
from pathlib import Path

import xarray as xr

from overtraining.setting.serialization import read
from overtraining.simulations.sweeps import parse_sweep, read_cells, run_sweep
from tests.simulations.sweeps.conftest import BASE, MEASURE, ThisProcess, small


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
        "    assert data.after.attrs['units'] == '1' and data.after.dims == ('cell', 'pretraining', 'strength')\n"
        "    assert data.pretraining.attrs['units'] == 'gradient-flow time'\n"
        "    assert {'start.epsilon', 'teacher.modes', 'repeat', 'key'} <= set(data.coords)\n"
        "    axes = ['start.epsilon', 'teacher.modes', 'teacher.alpha', 'repeat']\n"
        "    grid = data.set_index(cell=axes).unstack('cell')\n"
        "    assert grid.after.sizes['repeat'] == 5 and not bool(grid.after.isnull().any())\n"
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
        assert data["lengths"].dims == ("cell", "pretraining")
        assert "pretraining" not in data.coords
        for row, cell in enumerate(cells):
            assert data["lengths"].values[row].tolist() == cell["pretraining"].values.tolist()
            protocol = read(cell.attrs["protocol"])
            assert protocol.inputs.samples == data["inputs.samples"].values[row]
            assert protocol.network.activation == data["network.activation"].values[row]
            assert json.loads(str(data["network.bias"].values[row])) is protocol.network.bias
            for name, part in (("start", protocol.start), ("protocol.pretraining", protocol.pretraining)):
                said = json.loads(str(data[name].values[row]))
                assert type(part).__name__ == said.pop("kind")
                assert {key: getattr(part, key) for key in said} == said
    assert len({cell.attrs["protocol"] for cell in cells}) == len(cells) == 16
