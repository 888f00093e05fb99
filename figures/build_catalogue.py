"""Build the catalogue's figures in parallel into a folder, and keep a manifest of the files in it.

Only figures that have changed are built again, and a build that was killed continues where it stopped.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from overtraining.figures.build_figure import STORES, Failed, Order, make_figure
from overtraining.figures.catalogue import CATALOGUE, Entry
from overtraining.figures.provenance import file_hash, fingerprint, versions
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import STYLE_PRESETS, StylePreset
from overtraining.setting.domain import whole
from overtraining.setting.errors import DomainError, Refusal
from overtraining.simulations.sweeps.atomic_files import TEMPORARY, atomic_write
from overtraining.simulations.sweeps.worker_processes import WorkerProcesses

FORMATS = ("pdf", "svg", "png")
COMPUTING = ("numpy", "scipy", "xarray", "jax", "diffrax", "optax")
DRAWING = ("matplotlib", "seaborn", "numpy", "xarray")
MANIFEST, LOCK = "manifest.json", ".lock"


class NotBuilt(Refusal):
    """Figures could not be built, or not in this folder."""


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
    redraws it; its data are computed again only if protocols, keys, formulas or simulations changed. Each of `workers`
    processes builds one figure at a time. Measurements are cached below `out` until their figure's data file is
    written, so that the same call continues after a kill. On one machine the bytes do not depend on the run or on the
    number of workers. `report` receives a line about every figure.
    Raises DomainError for unknown names, formats or presets; NotBuilt if figures failed, after the others are built,
    or if another process is building in `out`.
    """
    chosen = choose(names)
    for name, wanted, known in (("format", formats, FORMATS), ("preset", (preset,), STYLE_PRESETS)):
        if not wanted:
            raise DomainError(f"no {name}", "there is nothing to write", f"use {', '.join(known)}")
        if unknown := set(wanted) - set(known):
            raise DomainError(f"{name} {sorted(unknown)[0]!r}", f"no such {name}", f"use {', '.join(known)}")
    orders, rows = {}, _manifest(out)
    for entry in chosen:
        row = _row(entry, preset)
        old = rows.get(entry.name, {})
        if old.get("fingerprint") == row["fingerprint"] and _intact(out, old, formats, entry.name):
            report(f"{entry.name}: unchanged")
        else:
            valid = old.get("data_fingerprint") == row["data_fingerprint"]
            orders[Order(entry, out, tuple(formats), preset, valid)] = row
    if orders:
        with _alone(out):
            _make_all(orders, out, workers, report)
    return [out / f"{entry.name}.{suffix}" for entry in chosen for suffix in formats]


def _make_all(orders: Mapping[Order, dict[str, Any]], out: Path, workers: int, report: Callable[[str], None]) -> None:
    """Build figures in parallel; only this process writes the manifest, one row whenever a figure is finished."""
    from tqdm import tqdm

    failed: dict[str, str] = {}
    waiting = iter(orders)
    # disable=None: no bar if the output is not a terminal; delay: no bar for work that takes less than a second
    with (
        tqdm(total=len(orders), unit="figure", disable=None, delay=1) as bar,
        WorkerProcesses(make_figure, whole("workers", workers)) as crew,
    ):
        for order, answer in crew.answers(lambda: next(waiting, None)):
            name = order.entry.name
            if isinstance(answer, dict):
                _write_manifest(out, name, orders[order] | {"files": answer})
                report(f"{name}: built")
            else:  # Failed, WorkerDied, or the error that kept the order from reaching its worker
                failed[name] = answer.why if isinstance(answer, Failed) else getattr(answer, "why", str(answer))
                report(f"{name}: failed: {failed[name]}")
            bar.update()
    if failed:
        raise NotBuilt(
            f"{len(failed)} of {len(orders)} figures ({', '.join(failed)})",
            "each failed for the reason above",
            "mend it and run the same command again; the other figures are built",
        )


def fingerprint_data(recipes: Mapping[str, Recipe]) -> str:
    """One fingerprint for all data of a figure."""
    each = {label: fingerprint(recipe.declaration(), recipe.module, COMPUTING) for label, recipe in recipes.items()}
    return fingerprint(each, "overtraining.figures.recipe", ())


def _row(entry: Entry, preset: StylePreset) -> dict[str, Any]:
    """The manifest's row of a figure as built from today's sources, without the list of its files."""
    recipes = entry.module().recipes()
    data_print = fingerprint_data(recipes)
    return {
        "claims": list(entry.claims),
        "recipes": {label: recipe.declaration() for label, recipe in recipes.items()},
        "preset": preset,
        "versions": versions(sorted({*COMPUTING, *DRAWING, "overtraining"})),
        "data_fingerprint": data_print,
        "fingerprint": fingerprint({"data": data_print, "preset": preset}, entry.module_name, DRAWING),
    }


def _manifest(out: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((out / MANIFEST).read_text(encoding="utf-8"))["figures"])
    except (OSError, ValueError, KeyError):  # no manifest yet, or a damaged one: everything is built again
        return {}


def _write_manifest(out: Path, name: str, row: dict[str, Any]) -> None:
    rows = dict(sorted({**_manifest(out), name: row}.items()))
    with atomic_write(out / MANIFEST) as temporary:
        temporary.write_text(json.dumps({"figures": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _intact(out: Path, row: dict[str, Any], formats: Sequence[str], name: str) -> bool:
    """Whether the manifest lists all wanted pictures, and all files are as they were written."""
    files = row["files"]
    pictures = {f"{name}.{suffix}" for suffix in formats}
    return files.keys() >= pictures and all((out / f).exists() and file_hash(out / f) == d for f, d in files.items())


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other processes from building in this folder, since two would write one manifest; and clean up."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / LOCK, timeout=0):
            for leftover in out.rglob(f"{TEMPORARY}*"):  # of a build that was killed
                leftover.unlink()
            yield
            with suppress(OSError):  # not empty: it holds the measurements of figures that failed
                (out / STORES).rmdir()
    except Timeout:
        raise NotBuilt(str(out), "another process is building in it", "wait for it, or choose another --out") from None
