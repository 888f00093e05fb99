"""Worker processes: every job has an answer, and a process that dies is replaced."""

import os
from collections.abc import Callable

import pytest

from overtraining.runtime.worker_processes import (
    TRIES,
    UNUSED,
    WORKER_ENVIRONMENT,
    WorkerDied,
    WorkerProcesses,
    environment,
)
from tests.simulations.sweeps.dataset_job import imported
from tests.simulations.sweeps.jobs import job_function


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


def test_an_environment_ends() -> None:
    before = dict(os.environ)
    with environment({"HOME": "/nowhere", "OVERTRAINING_TEST": "1"}):
        assert os.environ["OVERTRAINING_TEST"] == "1"
        assert os.environ["HOME"] == "/nowhere"
    assert dict(os.environ) == before
