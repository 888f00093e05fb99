"""The result of a sweep: one NetCDF file of all cells, and which of them are missing in it."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np

from overtraining.setting.errors import SchemaError
from overtraining.simulations.sweeps.atomic_hdf5 import atomic_hdf5_file
from overtraining.simulations.sweeps.cells import axis_indices
from overtraining.simulations.sweeps.spec import KEY
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.worker import ChunkOutcome

OWN = {"lengths": "pretraining", "strengths": "strength"}
"""Fields that are coordinates of a cell's Response: if one is an axis of the sweep, every cell has its own."""

ABOUT = {
    "number": "place of the cell in the grid of all axes, the last axis fastest",
    "key": "seed of all randomness of the cell, from the SHA-256 of its protocol and repetition if not an axis",
    "repeat": "number of the repetition",
}


def consolidate(path: Path, recipe: str, plan: SweepPlan, read: Callable[[int], ChunkOutcome]) -> None:
    """Write the cells of all chunks to one file, a chunk in memory at a time; equal chunks give equal bytes."""
    cells, crashed = 0, 0
    failed: list[tuple[str, str]] = []
    processors: set[str] = set()
    for chunk in range(plan.chunks):
        outcome = read(chunk)
        cells += len(outcome.done)
        crashed += len(outcome.crashed)
        processors.add(outcome.processor)
        reasons = sorted([*outcome.refused.items(), *outcome.crashed.items()])
        failed += [(plan.name(chunk, lane), why) for lane, why in reasons]
    with atomic_hdf5_file(path) as (file, check_disk):
        about = {"kind": "Sweep", "method": "simulation", "measure": plan.sweep.measure, "recipe": recipe}
        file.attrs.update(about | {"processors": "; ".join(sorted(processors)), "crashed": crashed})
        if failed:
            file.dimensions["failed"] = len(failed)
            for name, texts in zip(("failed_cell", "failed_why"), zip(*failed, strict=True), strict=True):
                _texts(file, name, "failed", texts)
        if cells:
            file.dimensions["cell"] = cells
            _fill(file, plan, cells, ((chunk, read(chunk)) for chunk in range(plan.chunks)), check_disk)


def _fill(
    file: h5netcdf.File,
    plan: SweepPlan,
    cells: int,
    outcomes: Iterator[tuple[int, ChunkOutcome]],
    check_disk: Callable[[], None],
) -> None:
    numbers = np.empty(cells, np.int64)
    filled = 0
    for chunk, outcome in outcomes:
        if not outcome.done:
            continue
        if filled == 0:
            _prepare(file, plan, plan.cell(chunk, outcome.done[0]).protocol, outcome)
            names = outcome.values.keys()
        if outcome.values.keys() != names:
            raise SchemaError(f"chunk {chunk}", "its cells have other variables than the first", "make two sweeps")
        rows = slice(filled, filled + len(outcome.done))
        numbers[rows] = [plan.number(chunk, lane) for lane in outcome.done]
        for name, values in {"key": np.array(outcome.keys), **outcome.values}.items():
            file[name][rows] = values
        check_disk()
        filled = rows.stop
    _add_axes(file, plan, numbers)


def _prepare(file: h5netcdf.File, plan: SweepPlan, protocol: Any, outcome: ChunkOutcome) -> None:
    """Dimensions, coordinates and empty variables, as the first cell's Response has them."""
    first = {name: values[0] for name, values in outcome.values.items()}
    example = plan.measure.as_dataset(protocol, outcome.keys[0], first)
    own = {OWN[field] for axis in plan.sweep.axes for field in axis.fields if field in OWN}
    for name, size in example.sizes.items():
        file.dimensions[str(name)] = size
        if name not in own:
            _variable(file, str(name), (str(name),), example[name].values, dict(example[name].attrs))
    for name, variable in example.data_vars.items():
        attributes = {k: v for k, v in variable.attrs.items() if isinstance(v, str)}
        dims = ("cell", *map(str, variable.dims))
        file.create_variable(str(name), dims, np.float64).attrs.update(attributes)
    _describe(file.create_variable("key", ("cell",), np.int64), "key")


def _add_axes(file: h5netcdf.File, plan: SweepPlan, numbers: np.ndarray) -> None:
    """The values of every axis along `cell`, which xarray then shows as coordinates."""
    names = ["number", "key"]
    _describe(_variable(file, "number", ("cell",), numbers), "number")
    chosen = np.array([axis_indices(plan.sweep.axes, int(number)) for number in numbers]).reshape(len(numbers), -1)
    for axis, at in zip(plan.sweep.axes, chosen.T, strict=True):
        for place, field in enumerate(() if axis.path == KEY else axis.fields):  # keys are there already
            values = [value[place] if len(axis.fields) > 1 else value for value in axis.values]
            names.append(_coordinate(file, field, values, at))
    file.attrs["coordinates"] = " ".join(names)


def _coordinate(file: h5netcdf.File, field: str, values: Sequence[Any], at: np.ndarray) -> str:
    name = "protocol.pretraining" if field == "pretraining" else field  # the dimension is the length
    if field in OWN:
        _variable(file, name, ("cell", OWN[field]), np.array(values, float)[at])
    elif all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        _variable(file, name, ("cell",), np.array(values)[at])
    else:
        texts = [value if isinstance(value, str) else json.dumps(value, sort_keys=True) for value in values]
        _texts(file, name, "cell", [texts[i] for i in at])
    return _describe(file[name], name)


def _describe(variable: Any, name: str) -> str:
    variable.attrs["long_name"] = ABOUT.get(name, f"{name} of the protocol")
    return name


def _variable(file: h5netcdf.File, name: str, dims: tuple[str, ...], values: Any, attributes: Any = None) -> Any:
    array = np.asarray(values)
    variable = file.create_variable(name, dims, array.dtype)
    variable[...] = array
    variable.attrs.update(attributes or {})
    return variable


def _texts(file: h5netcdf.File, name: str, dim: str, texts: Sequence[str]) -> None:
    file.create_variable(name, (dim,), h5py.string_dtype())[...] = np.array(texts, object)


def failures(result: Path) -> tuple[tuple[str, str], ...]:
    """The cells that are missing in a result: their names, each with the reason."""
    with h5netcdf.File(result, "r", decode_vlen_strings=True) as file:
        if "failed" not in file.dimensions:
            return ()
        return tuple(zip(file["failed_cell"][...].tolist(), file["failed_why"][...].tolist(), strict=True))


def recipe_of(result: Path) -> str:
    """The recipe that a result was made from."""
    with h5netcdf.File(result, "r") as file:
        return str(file.attrs["recipe"])


def crashes(result: Path) -> bool:
    """Whether there are cells that crashed; they may not crash another time."""
    with h5netcdf.File(result, "r") as file:
        return bool(file.attrs["crashed"])
