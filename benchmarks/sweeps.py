"""The speed of sweeps, the time that they say beforehand, the time that the store takes per cell, and the memory."""

import resource
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import xarray as xr

from benchmarks.kills import SWEEP
from benchmarks.measure import BenchmarkPreset
from benchmarks.report import BenchmarkReport
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import response
from overtraining.simulations.sweeps import LocalWorkers, Measure, Sweep, one_by_one, parse_sweep, run_sweep
from overtraining.simulations.sweeps.preview import estimate
from overtraining.simulations.sweeps.recipe import recipe_text
from overtraining.simulations.sweeps.result import consolidate
from overtraining.simulations.sweeps.spec import find_sweep, shipped_sweeps
from overtraining.simulations.sweeps.store import open_store
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.worker import ChunkOutcome, ChunkTask, peak_memory

SIZES = {"full": (2_000, (1_000, 10_000, 100_000)), "tiny": (40, (40, 80))}
LENGTHS, STRENGTHS, CHUNK = 60, 5, 64  # of cells whose numbers take no time to compute


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """Four tables: two of real simulations, then two of cells whose numbers take no time to compute."""
    cells, sizes = SIZES[preset]
    names = list(shipped_sweeps()) if preset == "full" else []
    return [_rates(cells), *([_estimates(names)] if names else []), _store(cells), _memory(sizes)]


def _rates(cells: int) -> BenchmarkReport:
    sweep = parse_sweep(tomllib.loads(SWEEP.replace("LAST", str(cells // 20 - 1))))
    with tempfile.TemporaryDirectory() as folder:
        rows = [_rate(sweep, Path(folder) / str(workers), workers) for workers in (1, 2)]
    remarks = [f"{cells:,} cells of a 4 × 4 network, 400 steps and 64 draws each, in chunks of {sweep.chunk}."]
    return BenchmarkReport("sweep_rates", "Cells per second", rows, remarks)


def _rate(sweep: Sweep, folder: Path, workers: int) -> dict[str, object]:
    reports: list[tuple[float, int]] = []
    began = perf_counter()
    start_workers = partial(LocalWorkers, workers)
    run_sweep(sweep, folder, start_workers, progress=lambda done, *_: reports.append((perf_counter(), done)))
    # the rate is measured after the first chunk of each worker: until then they start and compile
    (first, so_far), (last, done) = reports[workers], reports[-1]
    return {
        "workers": workers,
        "cells/s": (done - so_far) / (last - first),
        "start and compile, s": first - began,
        "gather, s": perf_counter() - last,
    }


def _estimates(names: list[str]) -> BenchmarkReport:
    """What a dry run and the first time left say of the shipped sweeps, and what they take."""
    rows: list[dict[str, object]] = []
    for name in names:
        said = estimate(SweepPlan(find_sweep(name))).processor
        before = _processor_seconds_of_children()
        code = f"from benchmarks.sweeps import first_time_left; first_time_left({name!r})"
        process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        took = _processor_seconds_of_children() - before
        share, left, was_left = map(float, process.stdout.split())
        rows.append(
            {
                "sweep": name,
                "said, s": said,
                "took, s": took,
                "said / took": said / took,
                "first told at": f"{share:.0%} of the cells",
                "left / was left": left / was_left,
            }
        )
    remarks = [
        "said, took: seconds of processor time of all processes, one worker. left: the first time left that is told, "
        "against the one that passed; both are times of the clock."
    ]
    return BenchmarkReport("sweep_estimates", "The time of sweeps, as said beforehand", rows, remarks)


def first_time_left(name: str) -> None:
    """Run a shipped sweep; print the share of its cells at which a time left was told, that time, and the true one."""
    told: list[tuple[float, float, float]] = []

    def tell(done: int, cells: int, left: float | None) -> None:
        if left is not None:
            told.append((done / cells, left, perf_counter()))

    with tempfile.TemporaryDirectory() as folder:
        run_sweep(find_sweep(name), Path(folder) / "store", progress=tell)
    share, left, at = told[0]
    print(share, left, told[-1][2] - at)


def _processor_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _store(cells: int) -> BenchmarkReport:
    """Time of each operation of the store on its own, per cell."""
    sweep = _free_sweep(cells)
    plan = SweepPlan(sweep)
    recipe = recipe_text(sweep)
    values = {name: np.stack([array] * CHUNK) for name, array in _free(plan.grid.base, 0).items()}
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "store", recipe) as store:
        began = perf_counter()
        for chunk in range(plan.chunks):
            n = plan.size(chunk)
            numbers = {name: array[:n] for name, array in values.items()}
            store.write(chunk, ChunkOutcome(tuple(range(n)), tuple(range(n)), numbers, processor="any"))
        stored = perf_counter()
        missing = store.missing(plan.chunks, plan.size, print)
        checked = perf_counter()
        consolidate(store.result, recipe, plan, store.read)
        gathered = perf_counter()
        size = store.result.stat().st_size
    made = perf_counter()
    for _ in range(200):
        plan.grid.cell_at(0)
    steps = {
        "protocol and key (worker)": (perf_counter() - made) * cells / 200,
        "write, with fsync": stored - began,
        "verify before continuing": checked - stored,
        "gather into one file": gathered - checked,
    }
    rows = [{"step": step, "µs per cell": seconds / cells * 1e6} for step, seconds in steps.items()]
    remarks = [
        f"{cells:,} cells of {LENGTHS} lengths × {STRENGTHS} strengths, {size / cells:,.0f} bytes each in the "
        f"result, in chunks of {CHUNK}; {len(missing)} chunks missing."
    ]
    return BenchmarkReport("sweep_store", "Time that the store takes per cell", rows, remarks)


def _memory(sizes: tuple[int, ...]) -> BenchmarkReport:
    rows: list[dict[str, object]] = []
    for cells in sizes:
        process = subprocess.run(
            [sys.executable, "-c", f"from benchmarks.sweeps import peaks; peaks({cells})"],
            capture_output=True,
            text=True,
            check=True,
        )
        driver, worker, seconds = map(float, process.stdout.split())
        rows.append({"cells": cells, "driver, MB": driver, "worker, MB": worker, "seconds": seconds})
    remarks = ["Resident memory, including libraries; the worker does not load JAX, which these cells do not need."]
    return BenchmarkReport("sweep_memory", "Peak memory of the driver and of its worker", rows, remarks)


def peaks(cells: int) -> None:
    """Run a sweep in this process; print its own peak memory and its worker's, in MB, and the seconds that it takes.

    The numbers of the cells take no time to compute.
    """
    worker = 0

    class Watched(LocalWorkers):
        def outcomes(self, take: Callable[[], ChunkTask | None]) -> Iterator[tuple[ChunkTask, ChunkOutcome]]:
            nonlocal worker
            for task, outcome in super().outcomes(take):
                worker = max(worker, outcome.peak)
                yield task, outcome

    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        run_sweep(_free_sweep(cells), Path(folder) / "store", Watched)
        seconds = perf_counter() - began
    print(peak_memory() / 1e6, worker / 1e6, seconds)


def _free_sweep(cells: int) -> Sweep:
    base = {
        "teacher": {"kind": "PowerLaw", "modes": 4},
        "lengths": np.linspace(0, 10, LENGTHS).tolist(),
        "strengths": np.linspace(0.1, 0.5, STRENGTHS).tolist(),
    }
    axes = {"start.epsilon": {"log": [1e-4, 1e-2], "count": 20}, "repeat": {"whole": [0, cells // 20 - 1]}}
    return parse_sweep({"protocol": base, "axes": axes, "measure": "benchmarks.sweeps:FREE", "chunk": CHUNK})


def _free(protocol: Protocol, key: int) -> dict[str, np.ndarray]:
    before = np.linspace(1, 2, len(protocol.lengths)) + key % 1000
    return {"before": before, "after": before[:, None] + np.array(protocol.strengths)}


def _as_response(protocol: Protocol, key: int, values: Mapping[str, np.ndarray]) -> xr.Dataset:
    dims = {"before": ("pretraining",), "after": ("pretraining", "strength")}
    return response(
        {name: (dims[name], array) for name, array in values.items()},
        {"pretraining": list(protocol.lengths), "strength": list(protocol.strengths)},
        method="simulation",
        source="a benchmark",
        perturbation="none",
        model="none",
    )


FREE = Measure(one_by_one(_free), _as_response)
