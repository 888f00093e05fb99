"""A job for worker processes whose module imports xarray, as those of experiments do."""

from importlib import import_module

import xarray as xr


def imported(library: str) -> str:
    """What happens in a process that imports this library after a Dataset is made."""
    xr.Dataset({"x": ("i", [1.0, 2.0])}, {"i": [0.0, 1.0]}).mean("i")
    return import_module(library).__name__
