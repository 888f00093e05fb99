"""A small sweep of the quick measure, and its undisturbed result."""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.environment import environment
from overtraining.runtime.worker_process import WORKER_ENVIRONMENT
from overtraining.simulations.sweeps.local_workers import ThisProcess
from overtraining.simulations.sweeps.run import run_sweep
from overtraining.simulations.sweeps.spec import Sweep, parse_sweep
from overtraining.simulations.sweeps.store import CHUNKS
from tests import ROOT

MEASURE = "tests.simulations.sweeps.measures:QUICK"

TOML = (
    f'measure = "{MEASURE}"'
    + """
chunk = 4
[protocol]
lengths = [0.0, 1.0]
strengths = [0.5]
teacher = { kind = "PowerLaw", modes = 2 }
[axes]
"start.epsilon" = [0.1, 0.2, 0.3]
"teacher.modes" = [2, 3]
"teacher.alpha" = [1.0, 2.0]
repeat = { whole = [0, 4] }
"""
)


def small(text: str = TOML, **axes: Any) -> Sweep:
    """The sweep of TOML, 60 cells in 16 chunks, with some axes replaced."""
    plain = tomllib.loads(text)
    plain["axes"] |= axes
    return parse_sweep(plain)


BASE = {"teacher": {"kind": "PowerLaw", "modes": 2}, "lengths": [0.0, 1.0], "strengths": [0.1]}


def sweep_over(axes: dict[str, Any], base: dict[str, Any] | None = None, **options: Any) -> Sweep:
    """A sweep over these axes of a small base protocol, some of its fields replaced."""
    return parse_sweep({"protocol": BASE | (base or {}), "axes": axes, **options})


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def chunk_files(folder: Path) -> list[Path]:
    return sorted((folder / CHUNKS).glob("*.npz"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """This process passes for a worker."""
    with environment(WORKER_ENVIRONMENT):
        yield


@pytest.fixture(scope="session")
def undisturbed(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checksum of the small sweep's result."""
    return digest(run_sweep(small(), tmp_path_factory.mktemp("undisturbed") / "store", ThisProcess).result)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TOML)
    return path


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Start:
    """Start `overtraining sweep …` in a process group of its own."""

    def begin(
        *arguments: Any, pause: float = 0.0, prefix: tuple[str, ...] = (), **options: Any
    ) -> "subprocess.Popen[str]":
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PAUSE_PER_CELL": str(pause)} | options.pop("env", {})
        sweep = (sys.executable, "-W", "error", "-m", "overtraining", "sweep", "--measure", MEASURE)
        command = [*prefix, *sweep, *map(str, arguments)]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
            start_new_session=True,
            **options,
        )

    return begin


def said_by_others(stderr: str) -> list[str]:
    """The lines that are none of those that a sweep without trouble says."""
    own = r"60 cells in 16 chunks of 4, .*|\d+ of 60 cells done(, [\d:]+ left)?"
    return [line for line in stderr.splitlines() if not re.fullmatch(own, line)]


class Stopped(Exception):
    """What a test stops a sweep with."""


def stopped_after(cells: int, folder: Path, sweep: Sweep | None = None) -> None:
    def stop(done: int, *_: object) -> None:
        if done >= cells:
            raise Stopped

    with pytest.raises(Stopped):
        run_sweep(sweep or small(), folder, ThisProcess, progress=stop)
