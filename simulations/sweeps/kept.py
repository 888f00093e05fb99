"""A small sweep as what a program asks for in passing: its cells, from a store that it need not know of."""

from pathlib import Path

import xarray as xr

from overtraining.setting.errors import NotSolved
from overtraining.simulations.sweeps.pool import Here, Pool
from overtraining.simulations.sweeps.recipe import fingerprint, written
from overtraining.simulations.sweeps.result import cells_of
from overtraining.simulations.sweeps.run import run
from overtraining.simulations.sweeps.spec import Sweep
from overtraining.simulations.sweeps.work import is_worker


def kept_cells(sweep: Sweep, stores: Path) -> list[xr.Dataset]:
    """The cells of a sweep as Responses or Trajectories; what is finished in a folder below `stores` is not run again.

    Another recipe, or another version of the software, gets a folder of its own. Raises NotSolved where a cell fails,
    StoreRefused where the folder is in use, full or not writable.
    """
    workers = Here if is_worker() else Pool
    finished = run(sweep, stores / fingerprint(written(sweep))[:16], workers)
    if finished.failed:
        name, why = finished.failed[0]
        raise NotSolved(f"the measurement {name}", why.removesuffix("."), "mend the cause, and run the same again")
    return cells_of(finished.result)
