"""Build the catalogue's figures into a folder: only those that have changed since its manifest was written."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from overtraining.figures.catalogue import CATALOGUE, Entry
from overtraining.figures.manifest import ManifestRow, damaged_files, read_manifest, unchanged
from overtraining.figures.presets import STYLE_PRESETS, StylePreset
from overtraining.setting.domain import text
from overtraining.setting.errors import DomainError
from overtraining.setting.near_names import near_names

FORMATS = ("pdf", "svg", "png")

LONGEST = (
    "beyond-linear-remedies",
    "learning-rate",
    "label-noise",
    "depth",
    "beyond-linear",
    "random-start",
    "plasticity-and-forgetting",
    "bridge",
)
"""Figures that take longest: they are begun first, so that no worker waits for another in the end."""


def choose(names: Sequence[str]) -> list[Entry]:
    """The catalogue's entries with these names, or all entries if no name is given.

    Raises DomainError for an unknown name, and suggests similar ones.
    """
    known = {entry.name: entry for entry in CATALOGUE}
    for name in names:
        if text("figure", name, "pass the name of a figure, such as 'depth'") not in known:
            raise DomainError(f"figure {name!r}", "there is no such figure", near_names(name, known))
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
    the number of workers. `report` receives a line about every figure, and about every file that was damaged: data of
    another hash than the manifest's are computed again.
    Raises DomainError for unknown names, formats or presets; NotBuilt if figures failed, after the others are built,
    or if another process is building in `out`.
    """
    return build_entries(choose(names), out, formats, preset, report, workers)


def build_entries(
    chosen: Sequence[Entry],
    out: Path,
    formats: Sequence[str] = FORMATS,
    preset: StylePreset = "paper",
    report: Callable[[str], None] = lambda line: None,
    workers: int = 2,
) -> list[Path]:
    """The same for entries, of the catalogue or changed ones."""
    for name, wanted, known in (("format", formats, FORMATS), ("preset", (preset,), STYLE_PRESETS)):
        if not wanted:
            raise DomainError(f"no {name}", "there is nothing to write", f"use {', '.join(known)}")
        if unknown := set(wanted) - set(known):
            raise DomainError(f"{name} {sorted(unknown)[0]!r}", f"no such {name}", f"use {', '.join(known)}")
    rows = read_manifest(out, report)
    changed = []
    for entry in chosen:
        if unchanged(rows.get(entry.name, {}), entry, out, formats, preset):
            report(f"{entry.name}: unchanged")
        else:
            changed.append(entry)
            for file in damaged_files(rows.get(entry.name, {}), out):
                report(f"{out / file}: its bytes are not those in the manifest, it is damaged. It is made again.")
    if changed:
        _build_again(changed, rows, out, tuple(formats), preset, report, workers)
    return [out / f"{entry.name}.{suffix}" for entry in chosen for suffix in formats]


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
    from overtraining.figures.figure_worker import Order

    queue = sorted(entries, key=_place_in_queue)
    orders = [Order(entry, out, formats, preset, rows.get(entry.name, {})) for entry in queue]
    build_orders(orders, out, workers, report)


def _place_in_queue(entry: Entry) -> int:
    return LONGEST.index(entry.name) if entry.name in LONGEST else len(LONGEST)
