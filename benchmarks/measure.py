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
    """Seconds of every workload in every round."""

    seconds: Mapping[str, np.ndarray]

    def least(self, workload: str) -> float:
        """The least time; on a shared machine, any longer time is due to other processes."""
        return float(self.seconds[workload].min())

    def ratio(self, workload: str, to: str) -> float:
        """The time of a workload divided by that of another: the median of the ratios within each round."""
        return float(np.median(self.seconds[workload] / self.seconds[to]))


def time_interleaved(workloads: Mapping[str, Workload], rounds: int, warm: bool = True) -> Timings:
    """Run all workloads once in every round, after a first run that is not timed (it compiles and fills caches).

    Benchmarking libraries time one workload to its end and then the next. On a shared machine, the ratio of two times
    that were measured a minute apart depends on what other processes did in that minute.
    """
    for workload in workloads.values() if warm else ():
        workload()
    seconds: dict[str, list[float]] = {name: [] for name in workloads}
    for _ in range(rounds):
        for name, workload in workloads.items():
            start = perf_counter()
            workload()
            seconds[name].append(perf_counter() - start)
    return Timings({name: np.array(s) for name, s in seconds.items()})


def peak_memory(workload: Workload) -> float:
    """The largest size in MiB of all arrays of a workload at one moment, without the interpreter and its libraries."""
    tracemalloc.start()
    try:
        workload()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@dataclass(frozen=True)
class Growth:
    """Seconds for every size, and the power of the size to which they are proportional.

    error: standard error of the exponent.  intercept: of the fit in logarithms.
    """

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
    """Time the workloads of all sizes in turns, and fit a power law to the least times."""
    timings = time_interleaved({str(n): make(n) for n in sizes}, rounds)
    return fit_growth(sizes, [timings.least(str(n)) for n in sizes])


def fit_growth(sizes: Sequence[int], seconds: Sequence[float]) -> Growth:
    """Fit a straight line to the logarithms by least squares.

    >>> growth = fit_growth((1, 2, 4), (3.0, 12.0, 48.0))
    >>> round(growth.exponent, 12), round(growth.error, 12), growth.line.round(9).tolist()
    (2.0, 0.0, [3.0, 12.0, 48.0])
    """
    fit = linregress(np.log(sizes), np.log(seconds))
    return Growth(list(sizes), list(seconds), float(fit.slope), float(fit.stderr), float(fit.intercept))


def machine() -> dict[str, Any]:
    """Processor, cores, system, versions, date and load, without which a number of seconds says little."""
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
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []
