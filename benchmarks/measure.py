"""Measure benchmarks: seconds in interleaved rounds, peak memory, growth of time with size, and the machine."""

import os
import platform
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
from scipy.stats import linregress

from overtraining.figures.provenance import versions

BenchmarkPreset = Literal["full", "tiny"]
Workload = Callable[[], object]
LIBRARIES = ("numpy", "scipy", "jax", "jaxlib")


@dataclass(frozen=True)
class Timings:
    """Seconds of every task in every round."""

    seconds: Mapping[str, np.ndarray]

    def best(self, task: str) -> float:
        """The least: on a shared machine everything else is the neighbours' doing."""
        return float(self.seconds[task].min())

    def ratio(self, task: str, to: str) -> float:
        """How many times as long a task takes as another: the median over the rounds, each round by itself."""
        return float(np.median(self.seconds[task] / self.seconds[to]))


def time_interleaved(tasks: Mapping[str, Workload], rounds: int, warm: bool = True) -> Timings:
    """Run all tasks once in every round, after a first time that is not counted (it compiles and fills caches).

    Benchmarking libraries run one task to its end and then the next; a ratio of two that lie a minute apart measures,
    on a shared machine, what the neighbours did in that minute.
    """
    for task in tasks.values() if warm else ():
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = perf_counter()
            task()
            seconds[name].append(perf_counter() - start)
    return Timings({name: np.array(s) for name, s in seconds.items()})


def peak_memory(task: Workload) -> float:
    """The most MiB that a task's arrays took at any one moment, beyond the interpreter and its libraries."""
    tracemalloc.start()
    try:
        task()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@dataclass(frozen=True)
class Growth:
    """Seconds for every size, and the power of the size that they grow with."""

    sizes: list[int]
    seconds: list[float]
    exponent: float
    error: float
    intercept: float

    @property
    def line(self) -> np.ndarray:
        """The fitted power law at the sizes."""
        return np.exp(self.intercept) * np.array(self.sizes, float) ** self.exponent


def time_growth(make: Callable[[int], Workload], sizes: Sequence[int], rounds: int) -> Growth:
    """Time the tasks of all sizes in turns; least squares of the logarithm of the least time on that of the size."""
    timings = time_interleaved({str(n): make(n) for n in sizes}, rounds)
    return fit_growth(sizes, [timings.best(str(n)) for n in sizes])


def fit_growth(sizes: Sequence[int], seconds: Sequence[float]) -> Growth:
    """A straight line through the logarithms; the slope's standard error is that of least squares.

    >>> made = fit_growth((1, 2, 4), (3.0, 12.0, 48.0))
    >>> round(made.exponent, 12), round(made.error, 12), made.line.round(9).tolist()
    (2.0, 0.0, [3.0, 12.0, 48.0])
    """
    fit = linregress(np.log(sizes), np.log(seconds))
    return Growth(list(sizes), list(seconds), float(fit.slope), float(fit.stderr), float(fit.intercept))


def machine() -> dict[str, Any]:
    """Processor, cores, system, versions, day and load: what a number of seconds means."""
    names = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor() or platform.machine(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions(LIBRARIES),
        "date": date.today().isoformat(),
        "load at start": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []
