"""Progress: one line on a terminal, a line now and then elsewhere, and no wall clock."""

import importlib
import os
import pty
import time
from pathlib import Path

import pytest

from overtraining.simulations.sweeps import progress
from overtraining.simulations.sweeps.progress import Progress
from overtraining.simulations.sweeps.run import run_sweep
from tests.simulations.sweeps.conftest import ThisProcess, digest, small


def test_a_clock_that_jumps_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], undisturbed: str
) -> None:
    """It jumps back by a day whenever it is read."""
    days = iter(range(10**9))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: 3e9 - 86400.0 * next(days))
        patch.setattr(time, "time_ns", lambda: 10**9 * (3 * 10**9 - 86400 * next(days)))
        shows = importlib.reload(progress).Progress(often=0.0)  # with whatever clock it binds when it is imported
        found = digest(run_sweep(small(), tmp_path, ThisProcess, progress=shows).result)
    importlib.reload(progress)
    shown = capsys.readouterr().err.splitlines()
    assert found == undisturbed
    assert len(shown) == 61
    assert shown[-1].startswith("60 of 60 cells done")
    assert not any("-" in line for line in shown)  # no negative rate or time


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
    assert last == "1000 of 1000 cells done"


def test_the_time_left_is_told_once_it_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(often=0.0)
    for done, left in ((0, None), (10, None), (20, 30.2), (30, 3661.0), (40, 0.0)):
        progress(done, 40, left)
    assert capsys.readouterr().err.splitlines() == [
        "0 of 40 cells done",
        "10 of 40 cells done",
        "20 of 40 cells done, 00:30 left",
        "30 of 40 cells done, 1:01:01 left",
        "40 of 40 cells done",
    ]
