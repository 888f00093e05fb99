"""The files of one figure: its data first, then the pictures, the caption and the numbers drawn."""

import json
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import xarray as xr

from overtraining.figures.figure_worker import STORES, Order, data_file
from overtraining.figures.recipe import Recipe
from overtraining.runtime.atomic_files import write_bytes, write_files
from overtraining.runtime.netcdf import as_netcdf

MEMOIZED = {
    "overtraining.simulations.measurements.respond": "respond",
    "overtraining.simulations.measurements.follow": "follow",
    "overtraining.simulations.scatter.rise_and_spread": "rise_and_spread",
}
"""Recipe sources, and the function of `experiments.memoized` that caches the same; experiments call these anyway."""

MEASURING = ("overtraining.simulations.", "overtraining.experiments.")
"""Packages whose functions may simulate."""


def compute_data(order: Order, reusable: Collection[str] = ()) -> dict[str, xr.Dataset]:
    """The figure's Datasets by label: those that are reusable from their file; the others are computed and written."""
    name, recipes = order.entry.name, order.entry.recipes()
    path = data_file(order.out, name)
    if missing := recipes.keys() - set(reusable):
        data = _read(path, reusable)
        with _storing_measurements(order, [recipes[label] for label in missing]):
            data |= {label: _compute(recipe) for label, recipe in recipes.items() if label in missing}
        write_bytes(path, as_netcdf({label: data[label] for label in recipes}))
        shutil.rmtree(order.out / STORES / name, ignore_errors=True)
    return _read(path, recipes)  # even if just computed, so that the figure shows what is on disk


def _read(path: Path, labels: Iterable[str]) -> dict[str, xr.Dataset]:
    if not labels:
        return {}
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return {label: tree[label].to_dataset().load() for label in labels}


@contextmanager
def _storing_measurements(order: Order, recipes: list[Recipe]) -> Iterator[None]:
    """Measurements of these recipes are stored until the figure's data are written; theory needs no store, nor JAX."""
    if not any(recipe.source.startswith(MEASURING) for recipe in recipes):
        yield
        return
    from overtraining.experiments.memoized import storing

    with storing(order.out / STORES / order.entry.name):
        yield


def _compute(recipe: Recipe) -> xr.Dataset:
    """The Dataset that a recipe describes; simulations are cached while the figure is not finished."""
    if (name := MEMOIZED.get(recipe.source)) is None:
        return recipe.make()
    from overtraining.experiments import memoized

    measured: xr.Dataset = getattr(memoized, name)(recipe.protocol, recipe.key)
    return recipe.labelled(measured)


def draw(order: Order, data: dict[str, xr.Dataset]) -> list[Path]:
    """Write pictures, caption and the numbers drawn; the paths of these files."""
    from overtraining.figures.drawn_numbers import numbers_in  # Matplotlib is imported only to draw
    from overtraining.figures.style import picture, styled

    module, out, name = order.entry.module(), order.out, order.entry.name
    with styled(order.preset, order.entry.look.style):
        figure = order.entry.look.applied(module.draw(data))
        contents = {out / f"{name}.{suffix}": picture(figure, suffix) for suffix in order.formats}
    contents[out / "captions" / f"{name}.txt"] = f"{order.entry.caption(data)}\n".encode()
    contents[out / "numbers" / f"{name}.json"] = _one_line_per_curve(numbers_in(figure)).encode()
    write_files(contents)
    return list(contents)


def _one_line_per_curve(shown: Mapping[str, list[float]]) -> str:
    """JSON with one line per curve, so that two versions can be compared line by line."""
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in shown.items())
    return f"{{\n{rows}\n}}\n"
