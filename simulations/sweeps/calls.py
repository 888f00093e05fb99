"""A call as what a program asks for in passing: its result, from a store that it need not know of."""

import inspect
import io
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from simulations.sweeps.identity import identity, processor
from simulations.sweeps.recipe import FORMAT, fingerprint
from simulations.sweeps.store import opened, telling
from simulations.sweeps.work import Outcome
from theory.protocol import Protocol
from theory.written import write

NETCDF = " as NetCDF"


def once(function: Callable[..., Any], stores: Path, *given: Any, **named: Any) -> Any:
    """What the function returns; where a folder below `stores` has it already, it is not called.

    function: of a module, deterministic; its arguments are numbers, text, arrays, Protocols, or sequences of these. It
    returns a number, an array or a Dataset, or a tuple or dictionary of these. Other arguments, or another version of
    the software, get a folder of their own. Raises StoreRefused where that is in use, full or not writable.
    """
    recipe = _recipe(function, *given, **named)
    folder = stores / fingerprint(recipe)[:16]
    with telling(folder), opened(folder, recipe) as store:
        if store.missing(1, lambda line: warnings.warn(line, stacklevel=2)):
            found = _plain(function(*given, **named))
            store.write(0, Outcome(done=(0,), values=found, processor=processor()))
        return _back(store.read(0).values)


def _recipe(function: Callable[..., Any], *given: Any, **named: Any) -> str:
    bound = inspect.signature(function).bind(*given, **named)
    bound.apply_defaults()
    name = f"{function.__module__}:{function.__qualname__}"
    plain = {"format": FORMAT, "call": name, "arguments": bound.arguments, "threads": 1, "software": identity(name)}
    return json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False, default=_written, allow_nan=False) + "\n"


def _written(argument: Any) -> Any:
    """What JSON has no form for."""
    match argument:
        case Protocol():
            return json.loads(write(argument))
        case np.ndarray() | np.generic():
            return argument.tolist()
    raise TypeError(f"{argument!r} is no argument of a kept call: pass numbers, text, arrays or a Protocol")


def _plain(found: Any) -> dict[str, np.ndarray]:
    """A result as arrays, whose names say how it is put together."""
    match found:
        case tuple():
            parts = {f"item {place}": part for place, part in enumerate(found)}
        case dict():
            parts = {f"entry {name}": part for name, part in found.items()}
        case _:
            parts = {"whole": found}
    return dict(_array(name, part) for name, part in parts.items())


def _array(name: str, part: Any) -> tuple[str, np.ndarray]:
    if isinstance(part, xr.Dataset):
        return name + NETCDF, np.frombuffer(part.to_netcdf(engine="h5netcdf"), np.uint8)
    return name, np.asarray(part)


def _back(arrays: Mapping[str, np.ndarray]) -> Any:
    parts = {name.removesuffix(NETCDF): _part(name, array) for name, array in arrays.items()}
    kinds = {name.partition(" ")[0] for name in parts}
    if kinds == {"item"}:
        return tuple(parts[f"item {place}"] for place in range(len(parts)))
    return parts["whole"] if kinds == {"whole"} else {name.removeprefix("entry "): part for name, part in parts.items()}


def _part(name: str, array: np.ndarray) -> Any:
    if not name.endswith(NETCDF):
        return array if array.ndim else array.item()
    with xr.open_dataset(io.BytesIO(array.tobytes()), engine="h5netcdf") as data:
        return data.load()
