"""`overtraining sweep` as a user meets it, and the file that it leaves."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

from overtraining.commands.app import main
from overtraining.setting.serialization import read
from overtraining.simulations.sweeps import parse_sweep, read_cells, run_sweep
from overtraining.simulations.sweeps.progress import Progress
from tests.simulations.sweeps.conftest import ThisProcess, small
from tests.simulations.sweeps.test_spec import BASE


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs the command in this process; gives exit code, output and errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["overtraining", "sweep", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    return call


def test_list(command) -> None:  # type: ignore[no-untyped-def]
    code, said, _ = command("--list")
    assert code == 0
    assert "noise-against-length" in said


def test_dry_run_says_what_it_will_take_and_leaves_nothing(command, spec: Path) -> None:  # type: ignore[no-untyped-def]
    code, said, _ = command(spec, "--dry-run")
    assert code == 0
    for part in ("60 cells in 16 chunks of 4, 2 compiled programs", "memory: ", "result: 2 kB", "time: about"):
        assert part in said
    assert [path.name for path in spec.parent.iterdir()] == [spec.name]


def test_status(command, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def stop(done: int, _: int) -> None:
        if done >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(small(), tmp_path, ThisProcess, progress=stop)
    code, said, _ = command("--status", tmp_path)
    assert code == 0
    assert "3 chunks are there, 13 are missing" in said
    assert "no process is at work" in said
    run_sweep(small(), tmp_path, ThisProcess)
    assert f"finished: {tmp_path / 'result.nc'}, 60 cells" in command("--status", tmp_path)[1]


def test_what_is_not_understood(command, tmp_path: Path, spec: Path) -> None:  # type: ignore[no-untyped-def]
    for arguments, says in (
        ((), "name a sweep"),
        ((spec,), "name a folder for the results"),
        (("noise-against-lenght", "--out", tmp_path / "out"), "noise-against-length"),
        ((tmp_path / "none.toml", "--out", tmp_path / "out"), "No such file"),
        (("--status", tmp_path), "there is no sweep in it"),
        ((spec, "--out", tmp_path / "out", "--workers", "2", "--scheduler", "tcp://x:1"), "have joined it"),
    ):
        code, _, problems = command(*arguments)
        assert code == 2, arguments
        assert says in problems
        assert "Traceback" not in problems
    assert not (tmp_path / "out").exists()


def test_without_dask_several_workers_are_refused_by_name(
    command, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, problems = command(spec, "--out", tmp_path / "out", "--workers", 2)
    assert code == 2
    assert "overtraining[cluster]" in problems


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
        "network.activation,inputs.samples": [["linear", 7], ["linear", 9]],
    }
    plain = {"protocol": BASE, "axes": axes, "measure": "tests.simulations.sweeps.measures:QUICK"}
    done = run_sweep(parse_sweep(plain), tmp_path, ThisProcess)
    cells = read_cells(done.result)
    with xr.open_dataset(done.result) as data:
        assert data["lengths"].dims == ("cell", "pretraining")
        assert "pretraining" not in data.coords
        for row, cell in enumerate(cells):
            assert data["lengths"].values[row].tolist() == cell["pretraining"].values.tolist()
            protocol = read(cell.attrs["protocol"])
            assert protocol.inputs.samples == data["inputs.samples"].values[row]
            assert protocol.network.activation == data["network.activation"].values[row]
            for name, part in (("start", protocol.start), ("protocol.pretraining", protocol.pretraining)):
                said = json.loads(str(data[name].values[row]))
                assert type(part).__name__ == said.pop("kind")
                assert {key: getattr(part, key) for key in said} == said
    assert len({cell.attrs["protocol"] for cell in cells}) == len(cells) == 16


def test_progress_on_a_terminal_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    here, there = pty.openpty()
    with os.fdopen(there, "w") as terminal:
        progress = Progress(terminal, often=0.0)
        for done in (10, 20, 40):
            progress(done, 40)
        progress.line("a remark")
        text = b""
        while b"a remark\r\n" not in text:
            text += os.read(here, 10_000)
    os.close(here)
    shown, remark, rest = text.decode().replace("\r\n", "\n").split("\n")
    assert shown.count("\r") == 3
    assert "40/40" in shown.split("\r")[-1]
    assert (remark, rest) == ("a remark", "")


def test_progress_elsewhere_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    for done in range(1000):
        progress(done, 1000)
    progress(1000, 1000)
    first, last = capsys.readouterr().err.splitlines()  # of a thousand within 30 s
    assert first == "0 of 1000 cells done"
    assert re.fullmatch(r"1000 of 1000 cells done, +[\d.]+ cells/s, 00:00 left", last)
