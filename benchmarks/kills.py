"""A hundred SIGKILLs at random moments, of drivers and of workers, and the same bits after every one of them."""

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
"""Cells, kills, and up to how many seconds after the last one the next may come."""


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """Kill one sweep after another until there were enough kills; RuntimeError where bits differ."""
    cells, kills, longest = SIZES[preset]
    chance, victims, began, finished = random.Random(0), Counter[str](), time.perf_counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "sweep.toml"
        spec.write_text(SWEEP.replace("LAST", str(cells // 20 - 1)))
        undisturbed = _finish(_start(spec, Path(folder) / "undisturbed", 1), Path(folder) / "undisturbed")
        while victims.total() < kills:
            finished += 1
            store, workers = Path(folder) / str(finished), 1 + finished % 2
            driver = _start(spec, store, workers)
            while driver.poll() is None and victims.total() < kills:
                with suppress(subprocess.TimeoutExpired):
                    driver.wait(chance.uniform(0, longest))
                if driver.poll() is None:
                    who = chance.choice(("driver", "worker"))
                    there = _workers_of(driver.pid)
                    who = who if there else "driver"
                    with suppress(ProcessLookupError):
                        kill(driver.pid if who == "driver" else chance.choice(there), signal.SIGKILL)
                        victims[f"{who}, of {workers}"] += 1
                    if who == "driver":
                        driver.communicate()
                        driver = _start(spec, store, workers)
            if (found := _finish(driver, store)) != undisturbed:
                raise RuntimeError(f"after {victims.total()} kills the bits are {found} and not {undisturbed}")
    rows = [{"victim": f"{who} worker(s)", "kills": n} for who, n in sorted(victims.items())]
    took = time.perf_counter() - began
    remarks = [f"{finished} sweeps of {cells:,} cells, each with the bits of an undisturbed one; {took:.0f} s."]
    return [BenchmarkReport("kills", f"{victims.total()} kills at random moments", rows, remarks)]


def _start(spec: Path, store: Path, workers: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "overtraining", "sweep", str(spec), "--out", str(store), "--workers", str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(driver: "subprocess.Popen[str]", store: Path) -> str:
    _, problems = driver.communicate()
    if driver.returncode:
        raise RuntimeError(f"the sweep ended with exit code {driver.returncode}: {problems}")
    return hashlib.sha256((store / "result.nc").read_bytes()).hexdigest()


def _workers_of(driver: int) -> list[int]:
    """Ids of a driver's worker processes (Linux)."""
    found: list[int] = []
    for children in Path(f"/proc/{driver}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                with suppress(OSError):
                    if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                        found.append(child)
    return found
