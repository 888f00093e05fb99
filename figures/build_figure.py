"""Build one figure in a worker process: its data first, then the pictures, the caption and the numbers drawn."""

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
from overtraining.figures.style import StylePreset
from overtraining.setting.errors import Refusal
from overtraining.simulations.sweeps.atomic_files import atomic_write

STORES = "sweeps"
"""Name of the folder that holds measurements until they are in the data file of their figure."""

MEMOIZED = {
    "overtraining.simulations.measurements.respond": "respond",
    "overtraining.simulations.measurements.follow": "follow",
    "overtraining.simulations.scatter.rise_and_spread": "rise_and_spread",
}
"""Recipe sources, and the function of `experiments.memoized` that caches the same; experiments call these anyway."""

_WITHOUT_DATES = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}
"""Metadata without dates and versions: with them, equal figures would have different bytes."""


@dataclass(frozen=True)
class Order:
    """A figure to be built in `out`, from the data file there if `data_valid`."""

    entry: Entry
    out: Path
    formats: tuple[str, ...]
    preset: StylePreset
    data_valid: bool


@dataclass(frozen=True)
class Failed:
    """Why a figure could not be built."""

    why: str


def make_figure(order: Order) -> dict[str, str] | Failed:
    """Build a figure and return the SHA-256 of its files by name.

    Every failure is returned and not raised, so that the other figures are still built.
    """
    try:
        data = _data(order)
        return {str(path.relative_to(order.out)): file_hash(path) for path in _draw(order, data)}
    except OSError as error:
        return Failed(": ".join(filter(None, (error.filename, error.strerror))) or str(error))
    except Refusal as refusal:
        return Failed(str(refusal))
    except Exception as fault:
        place = traceback.extract_tb(fault.__traceback__)[-1]
        return Failed(f"{type(fault).__name__}: {fault} ({place.filename}, line {place.lineno})")


def _data(order: Order) -> dict[str, xr.Dataset]:
    """The figure's data: read from their file if it is still valid, otherwise computed and written."""
    name, recipes = order.entry.name, order.entry.module().recipes()
    path = order.out / "data" / f"{name}.nc"
    if not (order.data_valid and path.exists()):
        from overtraining.experiments.memoized import storing  # imports JAX, which redrawing does not need

        stores = order.out / STORES / name
        with storing(stores):
            computed = {label: _compute(recipe) for label, recipe in recipes.items()}
        with io.BytesIO() as file:  # HDF5 itself does not survive a full disk
            xr.DataTree.from_dict(computed).to_netcdf(file, engine="h5netcdf")
            _write(path, file.getvalue())
        shutil.rmtree(stores, ignore_errors=True)
    # read back even if just computed, so that the figure shows what is on disk
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return {label: tree[label].to_dataset().load() for label in recipes}


def _compute(recipe: Recipe) -> xr.Dataset:
    """The data that a recipe describes; simulations are cached while the figure is not finished."""
    from overtraining.experiments import memoized

    if (name := MEMOIZED.get(recipe.source)) is None:
        return recipe.make()
    assert recipe.protocol is not None
    assert recipe.key is not None
    measured: xr.Dataset = getattr(memoized, name)(recipe.protocol, recipe.key)
    return measured


def _draw(order: Order, data: dict[str, xr.Dataset]) -> list[Path]:
    from overtraining.figures.drawn_numbers import numbers_in  # Matplotlib is imported only to draw
    from overtraining.figures.style import styled

    module, out, name = order.entry.module(), order.out, order.entry.name
    with styled(order.preset):
        figure = module.draw(data)
        pictures = {out / f"{name}.{suffix}": suffix for suffix in order.formats}
        for path, suffix in pictures.items():
            with io.BytesIO() as file:
                figure.savefig(file, format=suffix, metadata=_WITHOUT_DATES[suffix])
                _write(path, file.getvalue())
    texts = {
        out / "captions" / f"{name}.txt": module.caption(data) + "\n",
        out / "numbers" / f"{name}.json": _one_line_per_curve(numbers_in(figure)),
    }
    for path, text in texts.items():
        _write(path, text.encode())
    return [*pictures, *texts]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _one_line_per_curve(shown: Mapping[str, list[float]]) -> str:
    """JSON with one line per curve, so that two versions can be compared line by line."""
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in shown.items())
    return f"{{\n{rows}\n}}\n"
