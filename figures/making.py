"""Making one figure, in a process of its own kind: its data, then the picture, the caption and the numbers."""

import io
import json
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from overtraining.figures.catalogue import Entry
from overtraining.figures.provenance import file_hash
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import Preset
from overtraining.setting.errors import Refusal
from overtraining.simulations.sweeps.atomic_files import atomic_write

STORES = "sweeps"
"""The folder with what is measured and not yet in the data of its figure."""

MEMOIZED = {
    "overtraining.simulations.measurements.respond": "respond",
    "overtraining.simulations.measurements.follow": "follow",
    "overtraining.simulations.scatter.rise_and_spread": "rise_and_spread",
}
"""Sources of recipes, and the functions of `experiments.memoized` that measure the same; experiments call their own."""


@dataclass(frozen=True)
class Order:
    """A figure that is to be made in `out`; from its data there, where these are still valid."""

    entry: Entry
    out: Path
    formats: tuple[str, ...]
    preset: Preset
    data_valid: bool


@dataclass(frozen=True)
class Failed:
    """Why a figure could not be made."""

    why: str


def make(order: Order) -> dict[str, str] | Failed:
    """Make it; the SHA-256 of its files by name. Whatever goes wrong is an answer too: other figures go on."""
    try:
        data = _data(order)
        return {str(path.relative_to(order.out)): file_hash(path) for path in _draw(order, data)}
    except OSError as error:
        return Failed(": ".join(filter(None, (error.filename, error.strerror))) or str(error))
    except Refusal as refusal:
        return Failed(str(refusal))
    except Exception as fault:
        at = traceback.extract_tb(fault.__traceback__)[-1]
        return Failed(f"{type(fault).__name__}: {fault} ({at.filename}, line {at.lineno})")


def _data(order: Order) -> dict[str, xr.Dataset]:
    """The figure's data: from its file where that is still valid, else computed and written."""
    name, recipes = order.entry.name, order.entry.module().recipes()
    path = order.out / "data" / f"{name}.nc"
    if not (order.data_valid and path.exists()):
        from overtraining.experiments.memoized import (
            storing,  # brings JAX and diffrax, for which pictures need not wait
        )

        stores = order.out / STORES / name
        with storing(stores):
            found = {label: _found(recipe) for label, recipe in recipes.items()}
        with io.BytesIO() as file:  # HDF5 itself does not survive a full disk
            xr.DataTree.from_dict(found).to_netcdf(file, engine="h5netcdf")
            _write(path, file.getvalue())
        shutil.rmtree(stores, ignore_errors=True)
    # read back even when just computed: what is drawn is what is on disk
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return {label: tree[label].to_dataset().load() for label in recipes}


def _found(recipe: Recipe) -> xr.Dataset:
    """What a recipe makes."""
    from overtraining.experiments import memoized

    if (name := MEMOIZED.get(recipe.source)) is None:
        return recipe.make()
    assert recipe.protocol is not None
    assert recipe.key is not None
    found: xr.Dataset = getattr(memoized, name)(recipe.protocol, recipe.key)
    return found


def _draw(order: Order, data: dict[str, xr.Dataset]) -> list[Path]:
    from overtraining.figures.drawn import numbers  # Matplotlib only where something is drawn
    from overtraining.figures.style import styled

    module, out, name = order.entry.module(), order.out, order.entry.name
    with styled(order.preset):
        figure = module.draw(data)
        pictures = {out / f"{name}.{suffix}": suffix for suffix in order.formats}
        for path, suffix in pictures.items():
            # dates and versions out of the files, or equal figures would have different bytes
            dated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}[suffix]
            with io.BytesIO() as file:
                figure.savefig(file, format=suffix, metadata=dated)
                _write(path, file.getvalue())
    beside = {
        out / "captions" / f"{name}.txt": module.caption(data) + "\n",
        out / "numbers" / f"{name}.json": _one_line_per_curve(numbers(figure)),
    }
    for path, text in beside.items():
        _write(path, text.encode())
    return [*pictures, *beside]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _one_line_per_curve(shown: Mapping[str, list[float]]) -> str:
    """JSON that a person can compare line by line."""
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in shown.items())
    return f"{{\n{rows}\n}}\n"
