"""What an experiment measures: in the full preset as cells of sweeps, which survive a crash."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import xarray as xr

import simulations
from simulations.experiments import Preset
from simulations.sweeps import Axis, Sweep
from simulations.sweeps.cells import Grid
from simulations.sweeps.kept import cell, kept
from simulations.sweeps.spec import REPEAT
from theory.protocol import Protocol
from theory.written import write

_STORES: ContextVar[Path | None] = ContextVar("stores", default=None)


@contextmanager
def storing(folder: Path | None) -> Iterator[None]:
    """Keep what is measured below this folder, and do not measure it again."""
    token = _STORES.set(folder)
    try:
        yield
    finally:
        _STORES.reset(token)


def respond(protocol: Protocol, key: int) -> xr.Dataset:
    """`simulations.respond`, to the last bit of a process of one thread; kept in the folder of `storing`, if any.

    Errors as there; StoreRefused where the folder is full or not writable.
    """
    folder = _STORES.get()
    if folder is None:
        return simulations.respond(protocol, key)
    return cell("simulations.sweeps.singles:RESPONSE", protocol, key, folder)


def follow(protocol: Protocol, key: int) -> xr.Dataset:
    """`simulations.follow` in the same way."""
    folder = _STORES.get()
    if folder is None:
        return simulations.follow(protocol, key)
    return cell("simulations.sweeps.singles:TRAJECTORY", protocol, key, folder)


def responses(protocol: Protocol, numbers: Sequence[int], preset: Preset) -> list[xr.Dataset]:
    """The measured Response once for each of these numbers, with the randomness of a sweep's cell.

    It depends on the whole protocol and the number, so that no two points of an experiment share their draws. The full
    preset runs the same cells as a sweep in the folder of `storing`, if there is one: every finished repetition is
    stored, and another version of the software starts a store of its own. Raises NotSolved where a cell fails.
    """
    sweep = Sweep(json.loads(write(protocol)), (Axis(REPEAT, tuple(numbers)),), chunk=1)
    folder = _STORES.get()
    if preset == "quick" or folder is None:
        grid = Grid(sweep)
        cells = [grid.cell(grid.chosen(number)) for number in range(sweep.cells)]
        return [simulations.respond(cell.protocol, cell.key) for cell in cells]
    return kept(sweep, folder)
