"""Memoized calls and small sweeps: a result that is in the store already is read instead of computed."""

import inspect
import io
import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from overtraining.runtime.worker_process import is_worker
from overtraining.setting.errors import NotSolved
from overtraining.setting.protocol import Protocol
from overtraining.setting.serialization import write
from overtraining.simulations.sweeps.identity import processor, software_identity
from overtraining.simulations.sweeps.local_workers import LocalWorkers, ThisProcess
from overtraining.simulations.sweeps.recipe import FORMAT, recipe_text
from overtraining.simulations.sweeps.result_cells import read_cells
from overtraining.simulations.sweeps.run import run_sweep
from overtraining.simulations.sweeps.spec import Sweep
from overtraining.simulations.sweeps.store import open_store, own_folder, refuse_disk_errors
from overtraining.simulations.sweeps.worker import ChunkOutcome

DATASET = " as Dataset"


def memoized_call(function: Callable[..., Any], stores: Path, *args: Any, **kwargs: Any) -> Any:
    """The result of a call of the function; if a folder below `stores` has it already, the function is not called.

    function: of a module, deterministic; its arguments are finite numbers, text, arrays of numbers, Protocols, or lists
    and tuples of these. It returns a number, an array of some axes or a Dataset whose attributes are texts and numbers,
    or a tuple or dictionary of these. Other arguments, or another version of the software, get a folder of their own.
    Raises TypeError for other kinds; StoreRefused if the folder is in use, full or not writable.
    """
    name = f"{function.__module__}:{function.__qualname__}"
    plain = {"format": FORMAT, "call": name, "threads": 1, "software": software_identity(name)}
    recipe = _json(plain | {"arguments": json.loads(arguments(function, *args, **kwargs))})
    folder = own_folder(stores, recipe)
    with ExitStack() as stack:
        with refuse_disk_errors(folder):
            store = stack.enter_context(open_store(folder, recipe, _warn))
            missing_chunks = store.missing(1, lambda chunk: 1, _warn)
        if missing_chunks:
            values = _as_arrays(function(*args, **kwargs))
            with refuse_disk_errors(folder):
                store.write(0, ChunkOutcome(done=(0,), values=values, processor=processor()))
        with refuse_disk_errors(folder):
            return _from_arrays(store.read(0).values)


def memoized_cells(sweep: Sweep, stores: Path) -> list[xr.Dataset]:
    """The cells of a sweep as Responses or Trajectories; cells that are in a folder below `stores` are not run again.

    Another recipe, or another version of the software, gets a folder of its own. Raises NotSolved if a cell fails,
    StoreRefused if the folder is in use, full or not writable.
    """
    workers = ThisProcess if is_worker() else LocalWorkers
    finished = run_sweep(sweep, own_folder(stores, recipe_text(sweep)), workers, _warn)
    if finished.failed:
        name, why = finished.failed[0]
        raise NotSolved(f"the measurement {name}", why.removesuffix("."), "remove the cause, and run the same again")
    return read_cells(finished.result)


def _warn(line: str) -> None:
    """Tell what was damaged and is made again."""
    warnings.warn(line, stacklevel=3)


def arguments(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The arguments of a call as JSON. Raises TypeError if the call cannot be memoized."""
    if "<" in function.__qualname__ or function.__module__ == "__main__":
        raise TypeError(f"{function!r} has no name of its own in a module: define it there")
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    for name, argument in bound.arguments.items():
        if isinstance(argument, dict) or hasattr(argument, "_fields"):
            raise _no_argument(f"{name} = {argument!r}")
    try:
        return _json(bound.arguments)
    except ValueError:
        raise _no_argument(repr(dict(bound.arguments))) from None


def _json(plain: Mapping[str, Any]) -> str:
    return json.dumps(plain, sort_keys=True, indent=1, ensure_ascii=False, default=_as_json, allow_nan=False) + "\n"


def _as_json(argument: Any) -> Any:
    """The JSON form of an argument for which JSON has none."""
    if isinstance(argument, Protocol):
        return json.loads(write(argument))
    if not isinstance(argument, np.ndarray | np.generic) or argument.dtype.kind not in "biuf":
        raise _no_argument(repr(argument))
    is_usual = argument.dtype in (np.dtype(float), np.dtype(int), np.dtype(bool)) and argument.size
    # an array of the usual numbers is equal to a list of them; others are told apart by kind and shape
    listed = argument.tolist()
    return listed if is_usual else {"dtype": str(argument.dtype), "shape": argument.shape, "values": listed}


def _no_argument(argument: str) -> TypeError:
    return TypeError(f"{argument} is no argument of a memoized call: pass finite numbers, text, arrays or a Protocol")


def _as_arrays(result: Any) -> dict[str, np.ndarray]:
    """A result as named arrays; `_from_arrays` makes the result of them again."""
    parts = {"whole": result}
    if type(result) is tuple and result:
        parts = {f"item {place}": part for place, part in enumerate(result)}
    elif type(result) is dict and result and all(isinstance(name, str) for name in result):
        parts = {f"entry {name}": part for name, part in result.items()}
    return dict(_array(name, part) for name, part in parts.items())


def _array(name: str, part: Any) -> tuple[str, np.ndarray]:
    if isinstance(part, xr.Dataset):
        return name + DATASET, np.frombuffer(_pack(part), np.uint8)
    array = np.asarray(part)
    if array.dtype.hasobject or not isinstance(part, np.ndarray if array.ndim else int | float):
        raise TypeError(f"{part!r} is no result of a memoized call: return numbers, NumPy arrays or a Dataset")
    return name, array


def _from_arrays(arrays: Mapping[str, np.ndarray]) -> Any:
    parts = {name.removesuffix(DATASET): _part(name, array) for name, array in arrays.items()}
    kinds = {name.partition(" ")[0] for name in parts}
    if kinds == {"item"}:
        return tuple(parts[f"item {place}"] for place in range(len(parts)))
    return parts["whole"] if kinds == {"whole"} else {name.removeprefix("entry "): part for name, part in parts.items()}


def _part(name: str, array: np.ndarray) -> Any:
    if not name.endswith(DATASET):
        return array if array.ndim else array.item()
    return _unpack(array.tobytes())


def _pack(data: xr.Dataset) -> bytes:
    """A Dataset as bytes; NetCDF would take most of the time of a small measurement."""
    about = {
        "attributes": data.attrs,
        "variables": [(name, variable.dims, variable.attrs) for name, variable in data.variables.items()],
        "coordinates": list(data.coords),
    }
    arrays = {f"variable {place}": _texts(v.values) for place, v in enumerate(data.variables.values())}
    buffer = io.BytesIO()
    np.savez(buffer, about=np.array(_json(about)), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _texts(values: np.ndarray) -> np.ndarray:
    """An array without objects: those of one that holds texts become texts of one length."""
    if not values.dtype.hasobject:
        return values
    if not all(isinstance(value, str) for value in values.flat):
        raise TypeError(f"{values!r} is no result of a memoized call: let a Dataset hold numbers or texts")
    return values.astype(str)


def _unpack(packed: bytes) -> xr.Dataset:
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        about = json.loads(str(arrays["about"]))
        variables = {
            name: xr.Variable(dims, arrays[f"variable {place}"], attributes)
            for place, (name, dims, attributes) in enumerate(about["variables"])
        }
    return xr.Dataset(variables, attrs=about["attributes"]).set_coords(about["coordinates"])
