"""Dask: the same bits on a cluster that loses a worker; a cluster without the project is refused."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from overtraining.runtime.worker_processes import WORKER_ENVIRONMENT
from overtraining.simulations.sweeps.cluster import Cluster, ClusterRefused
from overtraining.simulations.sweeps.run import run_sweep
from tests.simulations.sweeps.conftest import ROOT, Start, ThisProcess, chunk_files, digest, small
from tests.simulations.sweeps.processes import kill, until, workers_of

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


def worker(address: str, **options):  # type: ignore[no-untyped-def]
    return dask("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", **options)


def test_a_killed_worker_loses_nothing(spec: Path, tmp_path: Path, start: Start, undisturbed: str) -> None:
    driver = start(spec, "--out", tmp_path / "store", "--workers", 2, pause=0.03)
    until(lambda: len(chunk_files(tmp_path / "store")) >= 2, "two chunks", driver)
    kill(workers_of(driver.pid)[0])
    said, problems = driver.communicate()
    assert driver.returncode == 0, problems
    assert "60 of 60 cells" in said
    assert digest(tmp_path / "store/result.nc") == undisturbed


def test_a_scheduler_started_by_hand_that_goes_away(tmp_path: Path, undisturbed: str) -> None:
    """A sentence, and nothing is lost."""
    with ExitStack() as cluster:
        address = cluster.enter_context(scheduler())
        cluster.enter_context(worker(address))

        def leave(done: int, _: int) -> None:
            if done >= 8:
                cluster.close()

        with pytest.raises(ClusterRefused, match="what is finished is kept"):
            run_sweep(small(), tmp_path, lambda: Cluster(address=address, patience=3.0), progress=leave)
    assert len(chunk_files(tmp_path)) >= 2
    assert digest(run_sweep(small(), tmp_path, ThisProcess).result) == undisturbed


def test_a_worker_with_threads_is_refused(tmp_path: Path) -> None:
    with scheduler() as address, worker(address, threads={"OMP_NUM_THREADS": "4"}):
        with pytest.raises(Exception, match="it may run several threads") as refused:
            run_sweep(small(), tmp_path, lambda: Cluster(address=address))
        assert type(refused.value).__name__ == "WorkerDiffers"


@pytest.mark.parametrize("lacking", ["scheduler", "worker"])
def test_who_lacks_the_project_is_named(tmp_path: Path, lacking: str) -> None:
    blind = {lacking: tmp_path / "blind"}
    with (
        scheduler(blind=blind.get("scheduler")) as address,
        worker(address, blind=blind.get("worker")),
        pytest.raises(ClusterRefused, match=f"{lacking}.* lack this project"),
    ):
        run_sweep(small(), tmp_path / "store", lambda: Cluster(address=address))
    assert not chunk_files(tmp_path / "store")
    assert not (tmp_path / "store/result.nc").exists()


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(ClusterRefused, match="nobody answers"):
        run_sweep(small(), tmp_path, lambda: Cluster(address="tcp://127.0.0.1:9", patience=0.5))
    with scheduler() as address, pytest.raises(ClusterRefused, match=r"no worker joined it within 0\.5 s"):
        run_sweep(small(), tmp_path, lambda: Cluster(address=address, patience=0.5))


@pytest.mark.parametrize("deaths", [1, 3])
def test_a_worker_that_dies_while_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: int) -> None:
    """Dask gives up all workers for one; they are started again, and the third time it is a sentence."""
    started = []

    def dying(**options: object) -> object:
        started.append(options)
        if len(started) <= deaths:
            raise RuntimeError("Nanny failed to start.")
        return real(**options)

    real = distributed.LocalCluster
    monkeypatch.setattr(distributed, "LocalCluster", dying)
    if deaths < 3:
        assert run_sweep(small(), tmp_path / "store", lambda: Cluster(1)).failed == ()
    else:
        with pytest.raises(ClusterRefused, match="do not start"):
            run_sweep(small(), tmp_path / "store", lambda: Cluster(1))
    assert len(started) == min(deaths + 1, 3)
