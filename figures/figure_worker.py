"""Build one figure in a worker process: what the process is told, does and answers.

The process that gives the orders imports this module, but none of the libraries that compute and draw.
"""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from overtraining.figures.catalogue import Entry
from overtraining.figures.manifest import ManifestRow, intact, new_row
from overtraining.figures.presets import StylePreset
from overtraining.figures.provenance import file_hash
from overtraining.setting.errors import Refusal

STORES = "sweeps"
"""Name of the folder that holds measurements until they are in the data file of their figure."""


@dataclass(frozen=True)
class Order:
    """A figure to be built in `out`. old: its row of the manifest there, if it has one."""

    entry: Entry
    out: Path
    formats: tuple[str, ...]
    preset: StylePreset
    old: ManifestRow = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """Why a figure could not be built. row: for the manifest, if its data are whole and need not be computed again."""

    why: str
    row: ManifestRow = field(default_factory=dict)


def make_figure(order: Order) -> ManifestRow | Failed:
    """Build a figure and return its row of the manifest, with the SHA-256 of its files by name.

    Every failure is returned and not raised, so that the other figures are still built.
    """
    finished: ManifestRow = {}
    try:
        from overtraining.figures.build_figure import compute_data, draw

        row = new_row(order.entry, order.preset)  # before it is built: what changes meanwhile is built again
        data = compute_data(order, _reusable(order, row["recipes"]))
        files = _hashes(order, [data_file(order.out, order.entry.name)])
        finished = row | {"files": files}
        return row | {"files": files | _hashes(order, draw(order, data))}
    except OSError as error:
        return Failed(": ".join(filter(None, (error.filename, error.strerror))) or str(error), finished)
    except Refusal as refusal:
        return Failed(str(refusal), finished)
    except Exception as fault:
        place = traceback.extract_tb(fault.__traceback__)[-1]
        return Failed(f"{type(fault).__name__}: {fault} ({place.filename}, line {place.lineno})", finished)


def data_file(out: Path, name: str) -> Path:
    """The file of a figure's data."""
    return out / "data" / f"{name}.nc"


def _reusable(order: Order, recipes: Mapping[str, object]) -> set[str]:
    """The labels of the data that the old row's file holds as these recipes would make them."""
    data = str(data_file(order.out, order.entry.name).relative_to(order.out))
    if not order.old or not intact(order.out, order.old["files"], [data]):
        return set()
    return {label for label, recipe in recipes.items() if recipe == order.old["recipes"].get(label)}


def _hashes(order: Order, paths: list[Path]) -> dict[str, str]:
    return {str(path.relative_to(order.out)): file_hash(path) for path in paths}
