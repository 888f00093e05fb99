"""SIGKILL, Ctrl-C, SIGTERM: the same command goes on to the same bits (a hundred: `python -m benchmarks kills`)."""

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest

from overtraining.simulations.sweeps.chunk_format import decode
from overtraining.simulations.sweeps.recipe import fingerprint
from overtraining.simulations.sweeps.store import RECIPE
from tests.simulations.sweeps.conftest import Start, chunk_files, digest, said_by_others
from tests.simulations.sweeps.measures import HANGS
from tests.simulations.sweeps.processes import kill, until, workers_of

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds worker processes through /proc")


def test_five_kills(spec: Path, tmp_path: Path, start: Start, undisturbed: str) -> None:
    """Worker, driver, worker, driver, worker: after each some more is there, in the end all of it."""
    chance, out = random.Random(0), tmp_path / "store"
    driver, kept = None, 0
    for victim in ("worker", "driver", "worker", "driver", "worker"):
        driver = driver or start(spec, "--out", out, pause=0.03)
        until(lambda kept=kept: len(chunk_files(out)) > kept, "another chunk", driver)
        time.sleep(chance.uniform(0, 0.1))
        (worker,) = until(lambda pid=driver.pid: workers_of(pid), "a worker", driver)
        kill(worker if victim == "worker" else driver.pid)
        kept = len(chunk_files(out))
        if victim == "driver":
            driver.communicate()
            driver = None
            end = time.monotonic() + 30
            while Path(f"/proc/{worker}").exists():  # it notices that it is an orphan
                assert time.monotonic() < end
                time.sleep(0.01)
        assert driver is None or driver.poll() is None
    assert driver is not None
    said, problems = driver.communicate()
    assert driver.returncode == 0, problems
    assert "60 of 60 cells" in said
    assert digest(out / "result.nc") == undisturbed


def test_one_of_two_workers_is_killed(spec: Path, tmp_path: Path, start: Start, undisturbed: str) -> None:
    driver = start(spec, "--out", tmp_path / "store", "--workers", 2, pause=0.03)
    until(lambda: len(chunk_files(tmp_path / "store")) >= 2, "two chunks", driver)
    kill(workers_of(driver.pid)[0])
    said, problems = driver.communicate()
    assert driver.returncode == 0, problems
    assert "60 of 60 cells" in said
    assert not said_by_others(problems)
    assert digest(tmp_path / "store/result.nc") == undisturbed


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupts_are_a_sentence(
    spec: Path, tmp_path: Path, start: Start, undisturbed: str, number: int, code: int
) -> None:
    """As from a terminal, SIGINT reaches the workers too."""
    driver = start(spec, "--out", tmp_path / "store", pause=0.03)
    until(lambda: chunk_files(tmp_path / "store"), "a chunk", driver)
    for worker in workers_of(driver.pid):  # or it would die of it, with a traceback, if it were quicker than its driver
        blocked = re.search(r"^SigBlk:\s*(\w+)", Path(f"/proc/{worker}/status").read_text(), re.MULTILINE)
        assert blocked
        assert int(blocked[1], 16) >> (signal.SIGINT - 1) & 1
    os.killpg(driver.pid, number) if number == signal.SIGINT else driver.send_signal(number)
    _, problems = driver.communicate(timeout=60)
    assert driver.returncode == code, problems
    assert "the same command continues" in problems
    assert "Traceback" not in problems
    again = start(spec, "--out", tmp_path / "store")
    again.communicate()
    assert again.returncode == 0
    assert digest(tmp_path / "store/result.nc") == undisturbed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_in_the_first_chunk_keeps_its_finished_cells(
    spec: Path, tmp_path: Path, start: Start, number: int
) -> None:
    """The third of its four cells does not end; what comes back without it are the bits of an undisturbed sweep."""
    spec.write_text(spec.read_text().replace("[1.0, 2.0]", f"[1.0, 2.0, {HANGS}]").replace("[0, 4]", "[0, 0]"))
    out, hangs = tmp_path / "store", tmp_path / "hangs"
    driver = start(spec, "--out", out, env={"HANGS_AT": str(hangs)})
    until(hangs.exists, "the third cell", driver)
    os.killpg(driver.pid, number) if number == signal.SIGINT else driver.send_signal(number)
    _, problems = driver.communicate()
    assert driver.returncode == 128 + number, problems
    (chunk,) = chunk_files(out)
    assert decode(chunk, fingerprint((out / RECIPE).read_text())).done == (0, 1)
    for folder in (out, tmp_path / "undisturbed"):
        _, problems = (again := start(spec, "--out", folder)).communicate()
        assert again.returncode == 0, problems
    assert digest(out / "result.nc") == digest(tmp_path / "undisturbed/result.nc")


def test_a_cell_that_always_kills_its_worker_is_named(tmp_path: Path, spec: Path, start: Start) -> None:
    few = spec.read_text().replace("[0, 4]", "[0, 0]").replace("[2, 3]", "[2]").replace("[0.1, 0.2, 0.3]", "[0.1, 0.2]")
    spec.write_text(few.replace("[1.0, 2.0]", "[1.0, 14.0]"))  # one chunk, halved until each cell was alone
    driver = start(spec, "--out", tmp_path / "store")
    said, problems = driver.communicate()
    assert driver.returncode == 1, problems
    assert "2 of 4 cells" in said
    named = [line for line in problems.splitlines() if line.startswith("failed: ")]
    assert len(named) == 2
    assert all("teacher.alpha = 14.0" in line and "worker died" in line for line in named)


def test_a_second_process_is_refused(spec: Path, tmp_path: Path, start: Start, undisturbed: str) -> None:
    first = start(spec, "--out", tmp_path / "store", pause=0.03)
    until(lambda: chunk_files(tmp_path / "store"), "a chunk", first)
    first.send_signal(signal.SIGSTOP)  # it holds the store for as long as the others need to start
    second, asked = start(spec, "--out", tmp_path / "store"), start("--status", tmp_path / "store")
    (_, problems), (status, _) = second.communicate(), asked.communicate()
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert "another process is at work" in problems
    assert "Traceback" not in problems
    assert "a process is at work in it" in status.splitlines()
    first.communicate()
    assert first.returncode == 0
    assert digest(tmp_path / "store/result.nc") == undisturbed
