"""A small sweep as what a program asks for in passing: its cells, from a store that it need not know of."""

import json
from pathlib import Path

import xarray as xr

from simulations.sweeps.pool import Here, Pool
from simulations.sweeps.recipe import fingerprint, written
from simulations.sweeps.result import cells_of
from simulations.sweeps.run import run
from simulations.sweeps.spec import KEY, Axis, Sweep
from simulations.sweeps.work import is_worker
from theory.errors import NotSolved
from theory.protocol import Protocol
from theory.written import write


def kept(sweep: Sweep, stores: Path) -> list[xr.Dataset]:
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


def cell(measure: str, protocol: Protocol, key: int, stores: Path) -> xr.Dataset:
    """One measurement with this very key, kept in the same way; errors as of `kept`."""
    (found,) = kept(Sweep(json.loads(write(protocol)), (Axis(KEY, (key,)),), measure, chunk=1), stores)
    return found
