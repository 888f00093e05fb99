"""Build the catalogue's figures into a folder: only those that have changed since its manifest was written."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from overtraining.figures.catalogue import CATALOGUE, Entry
from overtraining.figures.manifest import ManifestRow, intact, read_manifest
from overtraining.figures.presets import STYLE_PRESETS, StylePreset
from overtraining.figures.provenance import fingerprint, function_sources, sources, versions
from overtraining.setting.errors import DomainError

FORMATS = ("pdf", "svg", "png")
COMPUTING = ("numpy", "scipy", "xarray", "jax", "diffrax", "optax")
DRAWING = ("matplotlib", "seaborn", "numpy", "xarray")

LONGEST = ("beyond-linear-remedies", "learning-rate", "label-noise", "depth", "beyond-linear", "random-start")
"""Figures that take longest: they are begun first, so that no worker waits for another in the end."""


def choose(names: Sequence[str]) -> list[Entry]:
    """The catalogue's entries with these names, or all entries if no name is given.

    Raises DomainError for an unknown name, and suggests similar ones.
    """
    known = {entry.name: entry for entry in CATALOGUE}
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=3, cutoff=0.3) or list(known)
            raise DomainError(f"figure {name!r}", "there is no such figure", f"try {', '.join(near)}")
    return [known[name] for name in dict.fromkeys(names)] or list(CATALOGUE)


def build(
    names: Sequence[str] = (),
    out: Path = Path("build/figures"),
    formats: Sequence[str] = FORMATS,
    preset: StylePreset = "paper",
    report: Callable[[str], None] = lambda line: None,
    workers: int = 2,
) -> list[Path]:
    """Build the named figures (all by default) into `out` and return the paths of the pictures.

    Beside each picture there are `data/NAME.nc` (its Responses and Trajectories, readable by `xarray.open_datatree`),
    `captions/NAME.txt`, `numbers/NAME.json` (the numbers drawn), and a row of `manifest.json` (protocols, keys,
    versions, hashes). A figure that has not changed since the manifest was written is left alone; a changed style
    redraws it; of its data only those are computed again whose protocol, key, formula or simulation changed. Each of
    `workers` processes builds one figure at a time. Measurements are cached below `out` until their figure's data file
    is written, so that the same call continues after a kill. On one machine the bytes do not depend on the run or on
    the number of workers. `report` receives a line about every figure.
    Raises DomainError for unknown names, formats or presets; NotBuilt if figures failed, after the others are built,
    or if another process is building in `out`.
    """
    chosen = choose(names)
    for name, wanted, known in (("format", formats, FORMATS), ("preset", (preset,), STYLE_PRESETS)):
        if not wanted:
            raise DomainError(f"no {name}", "there is nothing to write", f"use {', '.join(known)}")
        if unknown := set(wanted) - set(known):
            raise DomainError(f"{name} {sorted(unknown)[0]!r}", f"no such {name}", f"use {', '.join(known)}")
    rows = read_manifest(out)
    changed = []
    for entry in chosen:
        if _unchanged(rows.get(entry.name, {}), entry, out, formats, preset):
            report(f"{entry.name}: unchanged")
        else:
            changed.append(entry)
    if changed:
        _build_again(changed, rows, out, tuple(formats), preset, report, workers)
    return [out / f"{entry.name}.{suffix}" for entry in chosen for suffix in formats]


def _unchanged(row: ManifestRow, entry: Entry, out: Path, formats: Sequence[str], preset: StylePreset) -> bool:
    """Whether sources, versions and files are those of the manifest's row.

    The recipes are taken from the row: the module that makes them is among the sources, so it need not be imported.
    """
    if not row or row["fingerprint"] != _figure_fingerprint(entry, row["recipes"], preset):
        return False
    if any(recipe["fingerprint"] != recipe_fingerprint(recipe) for recipe in row["recipes"].values()):
        return False
    return intact(out, row["files"], {*row["files"], *(f"{entry.name}.{suffix}" for suffix in formats)})


def _build_again(
    entries: Sequence[Entry],
    rows: Mapping[str, ManifestRow],
    out: Path,
    formats: tuple[str, ...],
    preset: StylePreset,
    report: Callable[[str], None],
    workers: int,
) -> None:
    from overtraining.figures.build_orders import build_orders  # not needed to see that nothing has changed

    queue = sorted(entries, key=_place_in_queue)
    orders = (_order(entry, rows.get(entry.name, {}), out, formats, preset) for entry in queue)
    build_orders(orders, len(queue), out, workers, report)


def _order(
    entry: Entry, old: ManifestRow, out: Path, formats: tuple[str, ...], preset: StylePreset
) -> tuple[Any, ManifestRow]:
    """The order for a figure, which reuses what is valid of the data that the old row of the manifest lists."""
    from overtraining.figures.build_figure import Order, data_file

    row, reusable = _row(entry, preset), set[str]()
    data = str(data_file(out, entry.name).relative_to(out))
    if old and intact(out, old["files"], [data]):
        reusable = {label for label, recipe in row["recipes"].items() if recipe == old["recipes"].get(label)}
    return Order(entry, out, formats, preset, frozenset(reusable)), row


def _place_in_queue(entry: Entry) -> int:
    return LONGEST.index(entry.name) if entry.name in LONGEST else len(LONGEST)


def _figure_fingerprint(entry: Entry, recipes: Mapping[str, Any], preset: StylePreset) -> str:
    return fingerprint({"recipes": recipes, "preset": preset}, sources(entry.module_name), DRAWING)


def recipe_fingerprint(declaration: Mapping[str, Any]) -> str:
    """The fingerprint of the data that a recipe makes, given as it is declared in the manifest."""
    declared = {name: value for name, value in declaration.items() if name != "fingerprint"}
    return fingerprint(declared, function_sources(declaration["source"]), COMPUTING)


def _row(entry: Entry, preset: StylePreset) -> ManifestRow:
    """The manifest's row of a figure as built from today's sources, without the list of its files."""
    declared = {label: recipe.declaration() for label, recipe in entry.module().recipes().items()}
    recipes = {label: recipe | {"fingerprint": recipe_fingerprint(recipe)} for label, recipe in declared.items()}
    return {
        "claims": list(entry.claims),
        "recipes": recipes,
        "preset": preset,
        "versions": versions(sorted({*COMPUTING, *DRAWING, "overtraining"})),
        "fingerprint": _figure_fingerprint(entry, recipes, preset),
    }
