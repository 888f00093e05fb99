"""Kill sweeps and their workers a hundred times at random moments, and compare the bits of their results."""

import hashlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from os import kill
from pathlib import Path

from benchmarks.measure import BenchmarkPreset
from benchmarks.report import BenchmarkReport

SWEEP = """
chunk = 16
[protocol]
lengths = [0.0, 5.0, 20.0]
strengths = [0.05]
teacher = { kind = "PowerLaw", modes = 4 }
pretraining = { kind = "GradientDescent", learning_rate = 0.05 }
sampling = { draws = 64 }
[axes]
"start.epsilon" = { log = [1e-5, 1e-2], count = 5 }
"teacher.alpha" = [0.6, 0.8, 1.0, 1.5]
repeat = { whole = [0, LAST] }
"""
SIZES = {"full": (2000, 100, 15.0), "tiny": (60, 2, 8.0)}
"""Number of cells, number of kills, and the longest time in seconds between two kills."""


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """Run and kill sweeps until there are enough kills. RuntimeError if the bits of a result differ."""
    cells, kills, longest = SIZES[preset]
    chance = random.Random(0)
    victims = Counter[str]()
    began = time.perf_counter()
    finished = 0
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "sweep.toml"
        spec.write_text(SWEEP.replace("LAST", str(cells // 20 - 1)))
        undisturbed = _finish(_start(spec, Path(folder) / "undisturbed", 1), Path(folder) / "undisturbed")
        while victims.total() < kills:
            finished += 1
            store = Path(folder) / str(finished)
            workers = 1 + finished % 2
            driver = _start(spec, store, workers)
            while driver.poll() is None and victims.total() < kills:
                with suppress(subprocess.TimeoutExpired):
                    driver.wait(chance.uniform(0, longest))
                if driver.poll() is None:
                    victim = chance.choice(("driver", "worker"))
                    worker_ids = _workers_of(driver.pid)
                    victim = victim if worker_ids else "driver"
                    with suppress(ProcessLookupError):
                        kill(driver.pid if victim == "driver" else chance.choice(worker_ids), signal.SIGKILL)
                        victims[f"{victim}, of {workers}"] += 1
                    if victim == "driver":
                        driver.communicate()
                        driver = _start(spec, store, workers)
            if (digest := _finish(driver, store)) != undisturbed:
                raise RuntimeError(f"after {victims.total()} kills the hash is {digest} and not {undisturbed}")
    rows = [{"victim": f"{victim} worker(s)", "kills": n} for victim, n in sorted(victims.items())]
    seconds = time.perf_counter() - began
    remarks = [f"{finished} sweeps of {cells:,} cells, each with the bits of an undisturbed one; {seconds:.0f} s."]
    return [BenchmarkReport("kills", f"{victims.total()} kills at random moments", rows, remarks)]


def _start(spec: Path, store: Path, workers: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "overtraining", "sweep", str(spec), "--out", str(store), "--workers", str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(driver: "subprocess.Popen[str]", store: Path) -> str:
    """Wait for the end of a sweep; the hash of its result."""
    _, problems = driver.communicate()
    if driver.returncode:
        raise RuntimeError(f"the sweep ended with exit code {driver.returncode}: {problems}")
    return hashlib.sha256((store / "result.nc").read_bytes()).hexdigest()


def _workers_of(driver: int) -> list[int]:
    """Ids of a driver's worker processes (Linux)."""
    workers: list[int] = []
    for children in Path(f"/proc/{driver}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                with suppress(OSError):
                    if b"worker_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                        workers.append(child)
    return workers
