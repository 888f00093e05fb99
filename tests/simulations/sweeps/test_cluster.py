"""Dask: a cluster that goes away loses nothing; a cluster without the project, or with other threads, is refused."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from overtraining.runtime.worker_process import WORKER_ENVIRONMENT
from overtraining.simulations.sweeps.cluster import Cluster, ClusterRefused
from overtraining.simulations.sweeps.run import run_sweep
from tests.simulations.sweeps.conftest import ROOT, Start, ThisProcess, chunk_files, digest, said_by_others, small

distributed = pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")

BLIND = "import sys\nsys.modules['overtraining'] = None\n"


@contextmanager
def dask(*arguments: str, blind: Path | None = None, threads: dict[str, str] = WORKER_ENVIRONMENT) -> Iterator[str]:
    """A Dask scheduler or a worker that has joined one; gives its address. blind: a folder, to lack the project."""
    path = str(ROOT)
    if blind:
        blind.mkdir(exist_ok=True)
        (blind / "sitecustomize.py").write_text(BLIND)
        path = str(blind)
    clean = {name: value for name, value in os.environ.items() if name not in WORKER_ENVIRONMENT}
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
        stderr=subprocess.PIPE,
        text=True,
        env=clean | threads | {"PYTHONPATH": path},
    )
    assert process.stderr
    with process.stderr:
        try:
            line = next(line for line in process.stderr if re.search(r"(Scheduler at|Registered to): +tcp://", line))
            yield "tcp://" + line.split("tcp://")[1].split()[0].rstrip(",'")
        finally:
            process.kill()
            process.wait()


def scheduler(**options: Path | None):  # type: ignore[no-untyped-def]
    return dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", **options)


def worker(address: str, nanny: str = "--no-nanny", **options):  # type: ignore[no-untyped-def]
    return dask("worker", address, "--nthreads", "1", nanny, "--no-dashboard", **options)


def test_after_success_no_library_has_said_anything(spec: Path, tmp_path: Path, start: Start, undisturbed: str) -> None:
    """With workers that Dask watches, which stay when the sweep has ended."""
    with scheduler() as address, worker(address, "--nanny"):
        driver = start(spec, "--out", tmp_path / "store", "--scheduler", address)
        said, problems = driver.communicate()
    assert driver.returncode == 0, problems
    assert said == f"60 of 60 cells in {tmp_path / 'store/result.nc'}\n"
    assert not said_by_others(problems)
    assert digest(tmp_path / "store/result.nc") == undisturbed


def test_a_scheduler_started_by_hand_that_goes_away(tmp_path: Path, undisturbed: str) -> None:
    """A sentence, and nothing is lost."""
    with ExitStack() as cluster:
        address = cluster.enter_context(scheduler())
        cluster.enter_context(worker(address))

        def leave(done: int, *_: object) -> None:
            if done >= 8:
                cluster.close()

        with pytest.raises(ClusterRefused, match="what is finished is kept"):
            run_sweep(small(), tmp_path, lambda: Cluster(address, patience=3.0), progress=leave)
    assert len(chunk_files(tmp_path)) >= 2
    assert digest(run_sweep(small(), tmp_path, ThisProcess).result) == undisturbed


def test_a_worker_with_threads_is_refused(tmp_path: Path) -> None:
    with scheduler() as address, worker(address, threads={"OMP_NUM_THREADS": "4"}):
        with pytest.raises(Exception, match="it may run several threads") as refused:
            run_sweep(small(), tmp_path, lambda: Cluster(address))
        assert type(refused.value).__name__ == "WorkerDiffers"


@pytest.mark.parametrize("lacking", ["scheduler", "worker"])
def test_who_lacks_the_project_is_named(tmp_path: Path, lacking: str) -> None:
    blind = {lacking: tmp_path / "blind"}
    with (
        scheduler(blind=blind.get("scheduler")) as address,
        worker(address, blind=blind.get("worker")),
        pytest.raises(ClusterRefused, match=f"{lacking}.* lack this project"),
    ):
        run_sweep(small(), tmp_path / "store", lambda: Cluster(address))
    assert not chunk_files(tmp_path / "store")
    assert not (tmp_path / "store/result.nc").exists()


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(ClusterRefused, match="nobody answers"):
        run_sweep(small(), tmp_path, lambda: Cluster("tcp://127.0.0.1:9", patience=0.5))
    with scheduler() as address, pytest.raises(ClusterRefused, match=r"no worker joined it within 0\.5 s"):
        run_sweep(small(), tmp_path, lambda: Cluster(address, patience=0.5))
