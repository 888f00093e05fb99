"""`overtraining sweep` as a user runs it, and the file that it writes."""

import sys
from pathlib import Path

import pytest

from overtraining.commands.app import main
from overtraining.simulations.sweeps import load_sweep, run_sweep
from overtraining.simulations.sweeps.spec import find_sweep, shipped_sweeps
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from tests.simulations.sweeps.conftest import MEASURE, ThisProcess, small


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs the command in this process; gives exit code, output and errors."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["overtraining", "sweep", "--measure", MEASURE, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    return call


def test_list(command) -> None:  # type: ignore[no-untyped-def]
    code, said, _ = command("--list")
    assert code == 0
    assert [line.split()[0] for line in said.splitlines()] == list(shipped_sweeps())


def test_what_is_shown_of_a_shipped_sweep_is_a_sweep_to_start_from(command, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for name in shipped_sweeps():
        code, said, _ = command("--show", name)
        (tmp_path / "own.toml").write_text(said)
        assert code == 0
        assert load_sweep(tmp_path / "own.toml") == find_sweep(name)
        SweepPlan(find_sweep(name))


def test_dry_run_says_what_it_will_take_and_leaves_nothing(command, spec: Path) -> None:  # type: ignore[no-untyped-def]
    code, said, _ = command(spec, "--dry-run")
    assert code == 0
    for part in (
        "60 cells in 16 chunks of 4, 2 compiled programs",
        "memory: ",
        "result: 2 kB",
        "time: about",
        "one cell",
    ):
        assert part in said
    assert [path.name for path in spec.parent.iterdir()] == [spec.name]


def test_status(command, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def stop(done: int, *_: object) -> None:
        if done >= 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(small(), tmp_path, ThisProcess, progress=stop)
    code, said, _ = command("--status", tmp_path)
    assert code == 0
    assert "3 chunks are there, whole or in part, 13 are missing" in said
    assert "no process is at work" in said
    run_sweep(small(), tmp_path, ThisProcess)
    assert f"finished: {tmp_path / 'result.nc'}, 60 cells" in command("--status", tmp_path)[1]


def test_what_is_not_understood(command, tmp_path: Path, spec: Path) -> None:  # type: ignore[no-untyped-def]
    for arguments, says in (
        ((), "name a sweep"),
        ((spec,), "name a folder for the results"),
        (("noise-against-lenght", "--out", tmp_path / "out"), "noise-against-length"),
        (("--show", "noise-against-lenght"), "try noise-against-length"),
        (("noise-against-length.toml", "--out", tmp_path / "out"), "there is no such file. Instead: correct the path"),
        ((tmp_path / "none.toml", "--dry-run"), "there is no such file"),
        (("--status", tmp_path), "there is no sweep in it"),
        ((spec, "--out", tmp_path / "out", "--workers", "2", "--scheduler", "tcp://x:1"), "has its own workers"),
    ):
        code, _, problems = command(*arguments)
        assert code == 2, arguments
        assert says in problems
        assert "Traceback" not in problems
    assert not (tmp_path / "out").exists()


def test_without_dask_a_scheduler_is_refused_by_name(
    command, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(sys.modules, "distributed", None)
    code, _, problems = command(spec, "--out", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9")
    assert code == 2
    assert "overtraining[cluster]" in problems
