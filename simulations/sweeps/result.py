"""The result of a sweep: one NetCDF file with the axes as dimensions, and which of its cells have no numbers."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr

from overtraining.setting.errors import Refusal, SchemaError
from overtraining.setting.responses import AXES, FAILURE
from overtraining.simulations.sweeps.atomic_hdf5 import atomic_hdf5_file
from overtraining.simulations.sweeps.grid_layout import boxes, columns, coordinate, dimension
from overtraining.simulations.sweeps.spec import KEY, REPEAT
from overtraining.simulations.sweeps.sweep_plan import SweepPlan
from overtraining.simulations.sweeps.worker import ChunkOutcome

OWN = {"lengths": "pretraining", "strengths": "strength"}
"""Fields that are coordinates of a cell's Response: if one is an axis of the sweep, they depend on that axis."""

NO_KEY = -1
"""Stands for the key of a cell without numbers; NetCDF's own sign for what is missing would round the other keys."""

VARIES = "differs between cells"
"""An attribute in which the cells differ."""

ABOUT = {
    "number": "place of the cell among all, with the axes in alphabetical order and the last one fastest",
    "key": "seed of all randomness of the cell, from the SHA-256 of its protocol and repetition; -1 if it failed",
    "repeat": "number of the repetition",
    FAILURE: "why the cell has no numbers; empty if it has",
}

UNITS = {"perturbation.task.angle": "radians"}
"""Units of fields of a protocol; all other numbers have none."""


def consolidate(path: Path, recipe: str, plan: SweepPlan, read: Callable[[int], ChunkOutcome]) -> None:
    """Write the cells of all chunks to one file, a chunk in memory at a time; equal chunks give equal bytes.

    A cell that failed has NaN for its numbers, -1 for its key, and the reason in `failure`.
    """
    processors: set[str] = set()
    crashed = 0
    with atomic_hdf5_file(path) as (file, check_disk):
        grid = _GridFile(file, plan)
        for chunk in range(plan.chunks):
            outcome = read(chunk)
            processors.add(outcome.processor)
            crashed += len(outcome.crashed)
            grid.put(chunk, outcome)
            check_disk()
        origin = {"measure": plan.sweep.measure, "recipe": recipe, "processors": "; ".join(sorted(processors))}
        file.attrs.update(origin | {"crashed": crashed, "coordinates": " ".join(grid.coordinates)})


class _GridFile:
    """An HDF5 file that gets the axes of a sweep as dimensions, and its chunks one by one.

    Axes that change the program come first, so that the cells of a chunk follow each other.
    """

    def __init__(self, file: h5netcdf.File, plan: SweepPlan) -> None:
        self._file, self._plan = file, plan
        self._axes = (*plan.slow, *plan.fast)
        self._shape = tuple(len(axis.values) for axis in self._axes)
        self._dims = tuple(map(dimension, self._axes))
        self._names: set[str] | None = None
        self.coordinates = ["number"]
        file.dimensions.update(zip(self._dims, self._shape, strict=True))
        file.attrs.update({"kind": "Sweep", AXES: " ".join(self._dims)})
        for axis, dim in zip(self._axes, self._dims, strict=True):
            fields = columns(axis)
            for name, values in fields.items() if dim in fields else ({dim: axis.values} | fields).items():
                self._add_coordinate(dim, name, values)
        alphabetical = sorted(self._axes, key=lambda axis: axis.path)
        numbers = np.arange(plan.sweep.cells).reshape([len(axis.values) for axis in alphabetical])
        numbers = numbers.transpose([alphabetical.index(axis) for axis in self._axes])
        self._variable("number", self._dims, numbers, {"long_name": ABOUT["number"]})
        if KEY not in self._dims:
            self.coordinates.append(KEY)
            file.create_variable(KEY, self._dims, np.int64).attrs["long_name"] = ABOUT[KEY]

    def put(self, chunk: int, outcome: ChunkOutcome) -> None:
        """Write the cells of a chunk to their places."""
        size, done = self._plan.size(chunk), list(outcome.done)
        rows: dict[str, np.ndarray] = {}
        if KEY not in self._dims:
            rows[KEY] = np.full(size, NO_KEY)
            rows[KEY][done] = outcome.keys
        if done:
            self._prepare(chunk, outcome)
            for name, values in outcome.values.items():
                rows[name] = np.full((size, *values.shape[1:]), np.nan)
                rows[name][done] = values
        if failed := {**outcome.refused, **outcome.crashed}:
            if FAILURE not in self._file.variables:
                self.coordinates.append(FAILURE)
                self._texts(FAILURE, self._dims).attrs["long_name"] = ABOUT[FAILURE]
            rows[FAILURE] = np.array([failed.get(lane, "") for lane in range(size)], object)
        first = self._plan.first(chunk)
        written = 0
        for box in boxes(first, first + size, self._shape):
            shape = tuple(side.stop - side.start for side in box)
            part = slice(written, written := written + prod(shape))
            for name, row in rows.items():
                self._file[name][box] = row[part].reshape(shape + row.shape[1:])

    def _prepare(self, chunk: int, outcome: ChunkOutcome) -> None:
        """Add the variables of the first cell that has numbers; SchemaError if a later one has others."""
        if self._names is None:
            self._names = set(outcome.values)
            number = self._plan.number(chunk, outcome.done[0])
            self._add_variables(_examples(self._plan, number, {name: v[0] for name, v in outcome.values.items()}))
        elif self._names != set(outcome.values):
            raise SchemaError(f"chunk {chunk}", "its cells have other variables than the first", "make two sweeps")

    def _add_variables(self, examples: Sequence[xr.Dataset]) -> None:
        example = examples[0]
        self._file.attrs.update(_agreed([one.attrs for one in examples]))
        fields = {field for axis in self._axes for field in axis.fields}
        own = {OWN[field] for field in fields if field in OWN}
        if clash := set(map(str, example.sizes)) & set(self._dims):
            raise SchemaError(
                f"the measure's dimension {min(clash)!r}", "an axis has this name", "rename the dimension"
            )
        for name, size in example.sizes.items():
            if name not in self._file.dimensions:  # an axis of lengths or strengths has made its own
                self._file.dimensions[str(name)] = size
        for name, variable in [*example.coords.items(), *example.data_vars.items()]:
            attributes = _agreed([one[name].attrs for one in examples])
            dims = tuple(map(str, variable.dims))
            if name in example.data_vars:
                made = self._file.create_variable(str(name), (*self._dims, *dims), np.float64, fillvalue=np.nan)
                made.attrs.update(attributes)
            elif name not in own:
                self._variable(str(name), dims, variable.values, attributes)
            else:
                self._file[f"{name}_value"].attrs.update(attributes)

    def _add_coordinate(self, dim: str, name: str, values: Sequence[Any]) -> None:
        """The values of a field along its axis; lists of lengths or strengths also as numbers."""
        if name != dim:
            self.coordinates.append(name)
        array = coordinate(values)
        attributes = {"long_name": ABOUT.get(name, f"{name} of the protocol")}
        if array.dtype.hasobject:
            self._texts(name, (dim,), array).attrs.update(attributes)
        else:
            self._variable(name, (dim,), array, attributes | {"units": UNITS.get(name, "1")})
        if name in OWN:
            lists = np.array(values, float)
            self.coordinates.append(f"{OWN[name]}_value")
            self._file.dimensions[OWN[name]] = lists.shape[1]
            self._variable(f"{OWN[name]}_value", (dim, OWN[name]), lists, {})

    def _variable(
        self, name: str, dims: tuple[str, ...], values: Any, attributes: Mapping[str, Any] | None = None
    ) -> None:
        array = np.asarray(values)
        made = self._file.create_variable(name, dims, array.dtype)
        made[...] = array
        made.attrs.update({"long_name": ABOUT[name]} if name in ABOUT else {}, **(attributes or {}))

    def _texts(self, name: str, dims: tuple[str, ...], texts: np.ndarray | None = None) -> Any:
        made = self._file.create_variable(name, dims, h5py.string_dtype())
        if texts is not None:
            made[...] = texts
        return made


def _examples(plan: SweepPlan, number: int, values: Mapping[str, np.ndarray]) -> list[xr.Dataset]:
    """These numbers as the Dataset of this cell, and of the cells that differ from it in one axis.

    Repetitions have the same protocol, so that one other is enough.
    """
    here = plan.grid.values_of(number)
    others = [here]
    for place, axis in enumerate(plan.grid.axes):
        tried = plan.grid.axis_values[axis.path][: 2 if axis.path in (REPEAT, KEY) else None]
        others += [(*here[:place], value, *here[place + 1 :]) for value in tried if value != here[place]]
    found = []
    for one in others:
        try:
            cell = plan.grid.cell(one)
        except Refusal:  # one of those that failed
            continue
        found.append(plan.measure.as_dataset(cell.protocol, cell.key, values))
    return found


def _agreed(attributes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The attributes, with VARIES for those that are not the same everywhere."""
    first = attributes[0]
    return {name: first[name] if all(one.get(name) == first[name] for one in attributes) else VARIES for name in first}


def failures(result: Path, plan: SweepPlan) -> tuple[tuple[str, str], ...]:
    """The cells that have no numbers in a result: their names, each with the reason."""
    with h5netcdf.File(result, "r", decode_vlen_strings=True) as file:
        if FAILURE not in file.variables:
            return ()
        numbers, reasons = (np.ravel(file[name][...]).tolist() for name in ("number", FAILURE))
        return tuple((plan.name(number), why) for number, why in zip(numbers, reasons, strict=True) if why)


def recipe_of(result: Path) -> str:
    """The recipe that a result was made from."""
    with h5netcdf.File(result, "r") as file:
        return str(file.attrs["recipe"])


def crashes(result: Path) -> bool:
    """Whether there are cells that crashed; they may not crash another time."""
    with h5netcdf.File(result, "r") as file:
        return bool(file.attrs["crashed"])
