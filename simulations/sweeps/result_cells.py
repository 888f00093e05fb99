"""The cells of a sweep's result as Responses or Trajectories."""

from collections.abc import Sequence
from math import prod
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from overtraining.setting import limits
from overtraining.setting.domain import instance
from overtraining.setting.errors import DomainError, Refusal, SchemaError
from overtraining.setting.plain_data import check_regular
from overtraining.setting.responses import FAILURE, validate
from overtraining.simulations.sweeps.cells import Grid
from overtraining.simulations.sweeps.measures import allow_measure, find_measure
from overtraining.simulations.sweeps.recipe import sweep_in_recipe
from overtraining.simulations.sweeps.store import SUM, has_stated_checksum


def read_cells(data: Path | xr.Dataset, measure: str | None = None) -> list[xr.Dataset]:
    """The cells of a result as Responses or Trajectories, each with its protocol and key.

    data: the file, or the Dataset that `xarray.open_dataset` gives, perhaps with some of its cells only:
    `read_cells(result.sel(repeat=0))`. Cells that failed are left out. Files in which the cells stand in one row, as
    they were written before December 2026, are read too.
    measure: a Measure of your own, `module:NAME`, if the sweep has one: what a file names is not imported.
    Raises SchemaError for other Datasets and for a file without the checksum that is stated beside it, DomainError for
    another measure.
    """
    if isinstance(data, Path):
        _refuse_damaged(data)
        return read_cells(_load(data), measure)
    instance("data", data, xr.Dataset)
    recipe = data.attrs.get("recipe")
    if not isinstance(recipe, str):
        raise SchemaError("a Dataset without recipe", "it is not the result of a sweep", "open a result.nc")
    sweep = sweep_in_recipe(recipe)
    allow_measure(sweep.measure, measure)
    numbers, rows = _rows(data, sweep.cells)
    grid, measured = Grid(sweep), find_measure(sweep.measure)
    cells = []
    for row, number in numbers:
        cell = grid.cell_at(number)
        try:
            cells.append(measured.as_dataset(cell.protocol, cell.key, {name: v[row] for name, v in rows.items()}))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            what = f"cell {number} of the result"
            raise SchemaError(
                what, f"its numbers do not fit its protocol ({error})", "open a whole result.nc"
            ) from None
    return cells


def _refuse_damaged(result: Path) -> None:
    if result.with_name(SUM).is_file() and not has_stated_checksum(result):
        why = f"its checksum is not the one in {SUM}, it is damaged"
        raise SchemaError(str(result), why, f"run the sweep again; if you changed the file, delete {SUM}")


def _load(path: Path) -> xr.Dataset:
    """The Dataset in a file, after a look at what it declares: HDF5 is asked for no more than we can hold."""
    check_regular(path)
    try:
        with h5py.File(path) as file:
            declared = sum(map(_bytes, file.values()))
        if declared > limits.RESULT:
            raise SchemaError(str(path), f"it declares {declared:,} bytes of numbers", f"at most {limits.RESULT:,} fit")
        with xr.open_dataset(path, engine="h5netcdf", decode_timedelta=False) as opened:
            return opened.load()
    except (OSError, Refusal):
        raise
    except Exception as error:  # what HDF5 and xarray raise for a damaged file has no common class
        why = f"it cannot be read ({type(error).__name__}: {error})"
        raise SchemaError(str(path), why, "restore it, or run the sweep again") from None


def _bytes(part: h5py.Dataset | h5py.Group) -> int:
    """The bytes of a variable in memory; SchemaError for one whose numbers are in another file."""
    if not isinstance(part, h5py.Dataset):
        return 0
    if part.external or part.is_virtual:
        raise SchemaError(str(part.name), "its numbers are in another file", "open a result.nc")
    return max(part.size, prod(part.chunks or ())) * part.dtype.itemsize


def _rows(data: xr.Dataset, cells: int) -> tuple[list[tuple[int, int]], dict[str, np.ndarray]]:
    """The cells that have numbers, each by its row and its place among all cells of the sweep, and the rows."""
    number = data.get("number")
    if number is None:
        if not data.data_vars:
            return [], {}
        raise SchemaError("'number'", "the result does not say which cells it has", "open a result.nc")
    if number.dtype.kind not in "iu":
        raise SchemaError("'number'", "it holds no whole numbers", "open a result.nc")
    if number.size and not 0 <= int(number.min()) <= int(number.max()) < cells:
        raise SchemaError("'number'", f"the sweep has no such cell, it has {cells:,}", "open a whole result.nc")
    whole = [str(name) for name, v in data.data_vars.items() if set(number.dims) <= set(v.dims)]
    rows = {name: data[name].transpose(*number.dims, ...).values for name in whole}
    rows = {name: values.reshape(-1, *values.shape[number.ndim :]) for name, values in rows.items()}
    failed = np.ravel(data[FAILURE].values != "") if FAILURE in data.coords else np.zeros(number.size, bool)
    places = sorted(zip(number.values.ravel().tolist(), range(number.size), failed.tolist(), strict=True))
    return [(row, place) for place, row, missing in places if not missing], rows


def pool_repetitions(cells: Sequence[xr.Dataset]) -> xr.Dataset:
    """Repetitions of one protocol, as `read_cells` gives them, as one Dataset with all their seeds along `seed`.

    `setting.responses.curve` then gives means and their errors over all starts. Raises DomainError for no cells, or for
    cells of several protocols.
    """
    protocols = {cell.attrs.get("protocol") for cell in cells}
    if len(protocols) != 1:
        raise DomainError(
            f"cells of {len(protocols)} protocols", "only repetitions of one can be pooled", "choose those of one"
        )
    together = xr.concat(cells, "seed", combine_attrs="drop_conflicts")
    together = together.assign_coords(seed=np.arange(together.sizes["seed"]))
    together.attrs["key"] = ", ".join(str(cell.attrs["key"]) for cell in cells)
    return validate(together)
