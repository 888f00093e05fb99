"""Worker processes: every job has an answer, and a process that dies is replaced."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from overtraining.runtime.worker_process import WORKER_ENVIRONMENT
from overtraining.runtime.worker_processes import TRIES, UNUSED, TooLong, WorkerDied, WorkerProcesses
from tests import ROOT
from tests.runtime.jobs import last
from tests.simulations.sweeps.dataset_job import imported
from tests.simulations.sweeps.jobs import job_function
from tests.simulations.sweeps.processes import until


def jobs(numbers: list[int]) -> Callable[[], int | None]:
    waiting = iter(numbers)
    return lambda: next(waiting, None)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_has_an_answer(workers: int) -> None:
    with WorkerProcesses(job_function, workers) as processes:
        answers = dict(processes.answers(jobs([0, 1, 2, 4])))
    assert answers.keys() == {0, 1, 2, 4}
    assert isinstance(answers[1], ValueError)
    assert "In a worker" in answers[1].__notes__[0]
    assert all(answers[job][1] == WORKER_ENVIRONMENT for job in (0, 2, 4))
    assert len({answers[job][0] for job in (0, 2, 4)}) <= workers
    assert os.getpid() not in {answers[job][0] for job in (0, 2, 4)}


def test_a_job_of_which_every_process_dies_is_answered_so() -> None:
    """And the others go on, in a new process."""
    with WorkerProcesses(job_function) as processes:
        answers = dict(processes.answers(jobs([0, 13, 2])))
    assert isinstance(answers[13], WorkerDied)
    assert "its worker died (exit code -9)" in answers[13].why
    assert answers[0][0] != answers[2][0]
    assert TRIES == 3


def test_processes_do_without_a_library() -> None:
    """And xarray works there without it, as where it is not installed."""
    for without in ((), UNUSED):
        with WorkerProcesses(imported, 1, without) as processes:
            answers = dict(processes.answers(iter(["xarray", "dask", None]).__next__))
        assert answers["xarray"] == "xarray"
        if without:
            assert isinstance(answers["dask"], ModuleNotFoundError)
        else:
            assert answers["dask"] == "dask"


def test_a_job_that_takes_too_long_is_answered_so() -> None:
    """And the others go on, in a new process; the time for starting it does not count."""
    waiting = iter([0.0, 60.0, 0.1])
    with WorkerProcesses(last, limit=1.0) as processes:
        answers = dict(processes.answers(lambda: next(waiting, None)))
    assert answers == {0.0: 0.0, 60.0: TooLong(1.0), 0.1: 0.1}


def test_what_cannot_be_sent_is_an_answer() -> None:
    with WorkerProcesses(os.fdopen) as processes:
        ((_, answer),) = processes.answers(jobs([0]))
    assert isinstance(answer, TypeError)
    assert "cannot be sent from a worker" in str(answer)


def test_a_script_needs_no_guard_and_keeps_its_environment(tmp_path: Path) -> None:
    """A worker does not import the script that started it."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os\nfrom overtraining.runtime.worker_processes import WorkerProcesses\n"
        "before, waiting = dict(os.environ), iter([4])\n"
        "with WorkerProcesses(abs) as processes:\n    print(list(processes.answers(lambda: next(waiting, None))))\n"
        "print(dict(os.environ) == before)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "[(4, 4)]\nTrue\n"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes through /proc")
@pytest.mark.parametrize("job", ["hold_the_interpreter", "ignore_the_system"])
def test_a_worker_ends_with_its_driver_even_at_sigkill(tmp_path: Path, job: str) -> None:
    code = (
        "from pathlib import Path\nfrom overtraining.runtime.worker_processes import WorkerProcesses\n"
        f"from tests.runtime.jobs import {job} as job\n"
        f"list(WorkerProcesses(job).answers(iter([Path({str(tmp_path / 'worker')!r})]).__next__))"
    )
    driver = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, text=True, cwd=ROOT)
    worker = int(until(lambda: (tmp_path / "worker").exists() and (tmp_path / "worker").read_text(), "a job", driver))
    driver.kill()
    driver.wait()
    end = time.monotonic() + 2
    while (status := Path(f"/proc/{worker}/stat")).exists() and ") Z " not in status.read_text():
        assert time.monotonic() < end
        time.sleep(0.01)
