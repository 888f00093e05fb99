"""A small sweep of the quick measure, and its undisturbed result."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulations.sweeps.run import run
from simulations.sweeps.spec import Sweep, parse

ROOT = Path(__file__).parents[3]
TOML = """
measure = "tests.simulations.sweeps.measures:QUICK"
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


def small(**axes: Any) -> Sweep:
    """The sweep of TOML, 60 cells in 16 chunks, with some axes replaced."""
    import tomllib

    plain = tomllib.loads(TOML)
    plain["axes"] |= axes
    return parse(plain)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checksum of the small sweep's result."""
    return digest(run(small(), tmp_path_factory.mktemp("undisturbed") / "store").result)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(TOML)
    return path


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Start:
    """Start `overtraining sweep …` in a process group of its own."""

    def begin(*arguments: Any, pause: float = 0.0, **options: Any) -> "subprocess.Popen[str]":
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PAUSE_PER_CELL": str(pause)} | options.pop("env", {})
        command = [sys.executable, "-W", "error", "-m", "overtraining", "sweep", *map(str, arguments)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
            start_new_session=True, **options,
        )  # fmt: skip

    return begin
