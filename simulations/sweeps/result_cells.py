"""The cells of a sweep's result as Responses or Trajectories."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from overtraining.setting.errors import DomainError, SchemaError
from overtraining.setting.responses import validate
from overtraining.simulations.sweeps.cells import Grid
from overtraining.simulations.sweeps.measures import allow_measure, find_measure
from overtraining.simulations.sweeps.recipe import sweep_in_recipe


def read_cells(data: Path | xr.Dataset, measure: str | None = None) -> list[xr.Dataset]:
    """The cells of a result as Responses or Trajectories, each with its protocol and key.

    data: the file, or the Dataset that `xarray.open_dataset` gives, perhaps with some of its cells only:
    `read_cells(result.isel(cell=result["repeat"] == 0))`.
    measure: a Measure of your own, `module:NAME`, if the sweep has one: what a file names is not imported.
    Raises SchemaError for other Datasets, DomainError for another measure.
    """
    if isinstance(data, Path):
        with xr.open_dataset(data, engine="h5netcdf") as opened:
            return read_cells(opened.load(), measure)
    if data.attrs.get("kind") != "Sweep":
        raise SchemaError(f"kind = {data.attrs.get('kind')!r}", "it is not the result of a sweep", "open a result.nc")
    sweep = sweep_in_recipe(data.attrs["recipe"])
    allow_measure(sweep.measure, measure)
    grid, measured = Grid(sweep), find_measure(sweep.measure)
    cells = []
    for row in range(data.sizes.get("cell", 0)):
        cell = grid.cell_at(int(data["number"][row]))
        values = {str(name): v.values[row] for name, v in data.data_vars.items() if "cell" in v.dims}
        cells.append(measured.as_dataset(cell.protocol, cell.key, values))
    return cells


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
