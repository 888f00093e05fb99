"""How long the loop of change and look takes: whole commands, and the causes of a figure's time.

Only by name: it takes a quarter of an hour on an idle machine of two cores.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from benchmarks.measure import BenchmarkPreset, Workload, time_interleaved
from benchmarks.report import BenchmarkReport
from overtraining.figures.build_catalogue import choose
from overtraining.runtime.compilation_cache import SWITCH
from overtraining.runtime.worker_processes import UNUSED, WorkerProcesses
from overtraining.simulations.sweeps.worker import peak_memory

FIGURE = "catastrophic-overtraining"
REFERENCE = "sort 30 million numbers"
"""Work of one core that does not change with the project; times relative to it may be compared between machines."""

CAUSES = ("import", "trace", "lower", "compile", "run", "draw")
COMPILING = {
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "compile",
}
IMPORTED = (
    "overtraining.experiments.memoized",
    "overtraining.figures.build_figure",
    "overtraining.figures.drawn_numbers",
    "overtraining.theory.solvers.exact",
)
"""What most figures import."""


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """Three rounds of short commands, one of those that take minutes; once the causes, figure by figure."""
    with tempfile.TemporaryDirectory() as folder:
        return [_commands(preset, Path(folder)), _causes(preset, Path(folder))]


def _commands(preset: BenchmarkPreset, folder: Path) -> BenchmarkReport:
    rows = _timed(_commands_on_one_figure(folder), rounds=1 if preset == "tiny" else 3)
    if preset == "full":
        rows += _timed(_long_commands(folder), rounds=1)[1:]
    remarks = [
        "Wall time, median of the rounds; ratios within a round.",
        f"The reference is to {REFERENCE} on one core.",
        "From nothing: without data, and without compiled programs unless it says so.",
    ]
    return BenchmarkReport("builds", "the loop of change and look", rows, remarks)


def _timed(commands: Mapping[str, Workload], rounds: int) -> list[dict[str, Any]]:
    timings = time_interleaved({REFERENCE: _sort, **commands}, rounds, warm=False)
    return [
        {
            "command": name,
            "rounds": rounds,
            "seconds": round(float(np.median(seconds)), 1),
            "of the reference": round(timings.ratio(name, REFERENCE), 1),
        }
        for name, seconds in timings.seconds.items()
    ]


def _commands_on_one_figure(folder: Path) -> Mapping[str, Workload]:
    out, cache = folder / "one", str(folder / "programs")
    figure = ("-m", "overtraining", "figures", FIGURE, "--out", str(out))

    def from_nothing(cache: str) -> None:
        rmtree(out, ignore_errors=True)
        _python(*figure, cache=cache)

    from_nothing(cache)  # fills the cache
    return {
        "one figure from nothing": lambda: from_nothing("off"),
        "one figure from compiled programs": lambda: from_nothing(cache),
        "one figure in another style": lambda: _python(*figure, "--preset", "slides"),
        "one figure, unchanged": lambda: _python(*figure, "--preset", "slides"),
        "tests of one theory file": lambda: _python(
            "-m", "pytest", "-q", "tests/theory/learning/test_balanced_mode.py"
        ),
    }


def _long_commands(folder: Path) -> Mapping[str, Workload]:
    out = folder / "all"

    def figures_from_nothing() -> None:
        rmtree(out, ignore_errors=True)
        _python("-m", "overtraining", "figures", "--out", str(out))

    return {
        "all figures from nothing": figures_from_nothing,
        "all figures, unchanged": lambda: _python("-m", "overtraining", "figures", "--out", str(out)),
        "all derivations": lambda: _python("-m", "overtraining", "check", "--html", str(folder / "book")),
        "all experiments": lambda: _python(
            "-m", "overtraining", "simulate", "--all", "--out", str(folder / "verdicts")
        ),
    }


def _sort() -> None:
    np.sort(np.random.default_rng(0).random(30_000_000))


def _python(*arguments: str, cache: str = "off") -> None:
    command = [sys.executable, *arguments]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {SWITCH: cache})


def _causes(preset: BenchmarkPreset, folder: Path) -> BenchmarkReport:
    names = [entry.name for entry in choose([FIGURE] if preset == "tiny" else [])]
    waiting = iter([(name, folder / "causes") for name in names])
    rows = []
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "off"
    try:
        with WorkerProcesses(profile_figure, 1, UNUSED) as process:
            for (name, _), seconds in process.answers(lambda: next(waiting, None)):
                if isinstance(seconds, Exception):
                    raise seconds
                rows.append({"figure": name} | {cause: round(seconds[cause], 1) for cause in (*CAUSES, "MiB")})
    finally:
        os.environ.pop(SWITCH) if before is None else os.environ.update({SWITCH: before})
    total = {cause: round(sum(row[cause] for row in rows), 1) for cause in CAUSES}
    rows.append({"figure": "all"} | total | {"MiB": max(row["MiB"] for row in rows)})
    remarks = [
        "Wall time of one process of one thread that builds all figures: the first pays for what the others share."
    ]
    return BenchmarkReport("builds_causes", "where a figure's time goes", rows, remarks)


def profile_figure(job: tuple[str, Path]) -> dict[str, float]:
    """Build a figure in this worker; seconds by cause, and the most memory so far in MiB."""
    name, out = job
    began = time.perf_counter()
    for module in IMPORTED:
        import_module(module)
    import jax

    from overtraining.figures import build_figure, figure_worker

    (entry,) = choose([name])
    entry.module()
    seconds = dict.fromkeys(CAUSES, 0.0) | {"import": time.perf_counter() - began}

    def count(event: str, duration_secs: float, **_: str | int) -> None:
        if event in COMPILING:
            seconds[COMPILING[event]] += duration_secs

    jax.monitoring.register_event_duration_secs_listener(count)
    order = figure_worker.Order(entry, out, ("pdf", "svg", "png"), "paper")
    began = time.perf_counter()
    data = build_figure.compute_data(order)
    middle = time.perf_counter()
    seconds["run"] = middle - began - sum(seconds[cause] for cause in COMPILING.values())
    build_figure.draw(order, data)
    seconds["draw"] = time.perf_counter() - middle
    jax.monitoring.unregister_event_duration_listener(count)
    return seconds | {"MiB": peak_memory() / 2**20}
