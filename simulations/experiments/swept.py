"""Independent repetitions of a measurement: in the full preset as a sweep, which survives a crash."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import xarray as xr

from simulations.experiments import Preset
from simulations.measured import respond
from simulations.sweeps import Axis, Sweep
from simulations.sweeps.cells import Grid
from simulations.sweeps.kept import kept
from simulations.sweeps.spec import REPEAT
from theory.protocol import Protocol
from theory.written import write

_STORES: ContextVar[Path | None] = ContextVar("stores", default=None)


@contextmanager
def storing(folder: Path | None) -> Iterator[None]:
    """Full presets keep what they have measured below this folder, and do not measure it again."""
    token = _STORES.set(folder)
    try:
        yield
    finally:
        _STORES.reset(token)


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
        return [respond(cell.protocol, cell.key) for cell in cells]
    return kept(sweep, folder)
