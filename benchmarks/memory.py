"""The growth of memory with the size of a call: what each takes beside the process itself, at two sizes."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import BenchmarkPreset
from benchmarks.report import BenchmarkReport
from overtraining import plot
from overtraining.figures.llm.readers import read
from overtraining.figures.llm.report import checkpoint_report
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.teachers import PowerLaw
from overtraining.simulations import measurements
from overtraining.simulations.sweeps.spec import parse_sweep
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.worker import peak_memory
from overtraining.theory.sensitivity.curvature import hessian_spectrum
from overtraining.theory.sensitivity.mean_rounding import mean_rounding_increase
from overtraining.theory.solvers import exact


@dataclass(frozen=True)
class Call:
    """A call of a size.

    against: what the size counts.  sizes: one at which the call loads and compiles what it needs, and two to compare.
    """

    what: str
    against: str
    sizes: tuple[int, int, int]
    call: Callable[[int], object]


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """One row for each call."""
    calls = CALLS if preset == "full" else CALLS[:1]
    rows = []
    for number, call in enumerate(calls):
        _, small, large = call.sizes
        less, more = (_in_a_process(number, size) for size in (small, large))
        sizes = {"from": small, "to": large, "sizes": f"× {large / small:.0f}"}
        memory = {"MB": round(less, 1), "MB at the largest": round(more, 1)}
        rows.append({"what": call.what, "against": call.against, **sizes, **memory})
    return [BenchmarkReport("memory", "Growth of resident memory with size", rows, REMARKS)]


REMARKS = [
    "MB: the peak of a new process in the call, beyond its peak in the same call of a small size, which loads and",
    "compiles; 0 where the peak does not grow. Programs of other shapes are compiled again, some 10 MB each.",
]


def _in_a_process(number: int, size: int) -> float:
    code = f"from benchmarks.memory import growth; growth({number}, {size})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def growth(number: int, size: int) -> None:
    """Print by how many MB the call of this number and size raises this process's peak above that of the least size."""
    call = CALLS[number]
    call.call(call.sizes[0])
    before = peak_memory()
    call.call(size)
    print((peak_memory() - before) / 1e6)


def _protocol(lengths: int = 3, strengths: int = 3, modes: int = 2, draws: int = 4, seeds: int = 1) -> Protocol:
    grid = np.linspace(0, 4, lengths), np.linspace(0.05, 0.2, strengths)
    return Protocol(PowerLaw(modes), *grid, sampling=Sampling(draws, seeds))


def _answered(**sizes: int) -> Any:
    return exact.respond(_protocol(**sizes))


def _simulated(**sizes: int) -> Any:
    return measurements.respond(_protocol(**sizes), 0)


def _followed(lengths: int) -> Any:
    return measurements.follow(_protocol(lengths), 0)


def _spectrum(modes: int) -> Any:
    return hessian_spectrum(np.ones(modes), np.zeros(modes), d_in=modes, h=modes, d_out=modes)


def _rounded(d: int) -> Any:
    w = np.random.default_rng(0).normal(size=(8, d))
    return mean_rounding_increase(w, w.T, np.eye(d), 0.5, 0.5)


def _planned(values: int) -> Any:
    base = {"teacher": {"kind": "PowerLaw", "modes": 2}, "lengths": [0.0, 1.0], "strengths": [0.5]}
    axes = {"start.epsilon": {"log": [1e-6, 1e-2], "count": values}}
    return SweepPlan(parse_sweep({"protocol": base, "axes": axes}))


def _table(rows: int) -> Any:
    lines = [f"m,{i},sciq,acc,{0.3 + i % 7 / 100:.2f},0.01\n" for i in range(rows)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.csv"
        path.write_text("".join(["model,step,task,metric,value,stderr\n", *lines]), encoding="utf-8")
        return read([path]).table


def _reported(checkpoints: int) -> Any:
    return checkpoint_report(_table(checkpoints))


CALLS = (
    Call("theory.respond", "lengths", (10, 10_000, 1_000_000), lambda n: _answered(lengths=n)),
    Call("theory.respond", "strengths", (10, 10_000, 1_000_000), lambda n: _answered(strengths=n)),
    Call("ot.plot", "lengths", (10, 10_000, 1_000_000), lambda n: plot(_answered(lengths=n))),
    Call("ot.plot", "strengths", (10, 1_000, 100_000), lambda n: plot(_answered(strengths=n))),
    Call("simulations.respond", "lengths", (10, 1_000, 100_000), lambda n: _simulated(lengths=n)),
    Call("simulations.respond", "strengths", (10, 1_000, 100_000), lambda n: _simulated(strengths=n)),
    Call("simulations.respond", "draws", (10, 10_000, 1_000_000), lambda n: _simulated(draws=n)),
    Call("simulations.respond", "starts", (2, 20, 200), lambda n: _simulated(seeds=n)),
    Call("simulations.respond", "modes", (2, 30, 120), lambda n: _simulated(modes=n)),
    Call("simulations.follow", "lengths", (10, 1_000, 100_000), _followed),
    Call("Hessian spectrum (B3)", "modes", (10, 300, 1_000), _spectrum),
    Call("mean rounding (B6r)", "inputs and outputs", (2, 8, 32), _rounded),
    Call("plan of a sweep", "values of an axis", (10, 100, 3_000), _planned),
    Call("overtraining llm, reading", "rows", (10, 10_000, 100_000), _table),
    Call("overtraining llm, answering", "checkpoints", (30, 300, 1_000), _reported),
)
