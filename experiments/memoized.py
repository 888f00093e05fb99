"""Memoized measurements for experiments in the full preset and for figures, so that a crash loses at most one."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import xarray as xr

from overtraining.experiments import Preset
from overtraining.runtime.worker_process import is_worker
from overtraining.setting.protocol import Protocol
from overtraining.setting.serialization import write
from overtraining.simulations import hessian_spectrum, learning_rates, measurements, noise_slopes, scatter
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.networks import Layer, Layers
from overtraining.simulations.sweeps.cells import Grid
from overtraining.simulations.sweeps.memoized import arguments, memoized_call, memoized_cells
from overtraining.simulations.sweeps.spec import REPEAT, Axis, Sweep
from overtraining.simulations.sweeps.worker import WorkerDiffers

_STORES: ContextVar[Path | None] = ContextVar("stores", default=None)

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


@contextmanager
def storing(folder: Path | None) -> Iterator[None]:
    """Store all measurements below this folder, and do not measure again what is there; the folder may be deleted.

    Raises WorkerDiffers in a process of several threads, which might compute different bits.
    """
    if folder and not is_worker():
        raise WorkerDiffers(
            "this process", "it may run several threads, which changes bits", "start it as WorkerProcesses does"
        )
    token = _STORES.set(folder)
    try:
        yield
    finally:
        _STORES.reset(token)


def memoize(function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
    """The function in double precision; within `storing`, it is called once for equal arguments, even after a crash.

    See `overtraining.simulations.sweeps.memoized.memoized_call` for the functions that this can be done for.
    """

    @wraps(function)
    @in_double_precision
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Returned:
        folder = _STORES.get()
        if folder is not None:
            return memoized_call(function, folder, *args, **kwargs)
        arguments(function, *args, **kwargs)  # refuses what could not be stored already in the quick preset
        return function(*args, **kwargs)

    return call


respond = memoize(measurements.respond)
follow = memoize(measurements.follow)
distance_from_pretrained = memoize(measurements.distance_from_pretrained)
respond_at_learning_rates = memoize(learning_rates.respond_at_learning_rates)
tune_learning_rate = memoize(learning_rates.tune_learning_rate)
slopes = memoize(noise_slopes.slopes)
rises = memoize(scatter.rises)
rise_and_spread = memoize(scatter.rise_and_spread)
hessian_eigenvalues = memoize(hessian_spectrum.hessian_eigenvalues)
trace_rate = memoize(hessian_spectrum.trace_rate)


def pretrain(protocol: Protocol, key: int) -> Layers:
    """`overtraining.simulations.measurements.pretrain` of one start, memoized."""
    arrays: dict[str, Any] = _trained(protocol, key)
    layers = [
        {part: arrays[f"{part}{i}"] for part in Layer._fields if f"{part}{i}" in arrays}
        for i in range(protocol.network.depth)
    ]
    return tuple(Layer(**layer) for layer in layers)


@memoize
def _trained(protocol: Protocol, key: int) -> dict[str, np.ndarray]:
    layers = measurements.pretrain(protocol, key)
    named = {f"{name}{i}": part for i, layer in enumerate(layers) for name, part in layer._asdict().items()}
    return {name: np.asarray(part) for name, part in named.items() if part is not None}


def responses(protocol: Protocol, numbers: Sequence[int], preset: Preset) -> list[xr.Dataset]:
    """The measured Response once for each of these numbers, with the random key of a sweep's cell.

    The key depends on the whole protocol and the number, so that no two points of an experiment share their draws. The
    full preset runs the same cells as a sweep in the folder of `storing`, if there is one: every finished repetition is
    stored, and another version of the software starts a store of its own. Raises NotSolved if a cell fails.
    """
    sweep = Sweep(json.loads(write(protocol)), (Axis(REPEAT, tuple(numbers)),), chunk=1)
    folder = _STORES.get()
    if preset == "quick" or folder is None:
        grid = Grid(sweep)
        cells = [grid.cell_at(number) for number in range(sweep.cells)]
        return [measurements.respond(cell.protocol, cell.key) for cell in cells]
    return memoized_cells(sweep, folder)
