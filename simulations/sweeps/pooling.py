"""Repetitions of one protocol as one Response or Trajectory, so that errors over starts can be had."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from overtraining.setting.errors import DomainError
from overtraining.setting.responses import validate


def pooled(cells: Sequence[xr.Dataset]) -> xr.Dataset:
    """Cells that repeat one protocol, as `cells_of` gives them, with the seeds of all of them along `seed`.

    `theory.curve` then gives means and their errors over all starts. Raises DomainError for no cells, or for cells of
    several protocols.
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
