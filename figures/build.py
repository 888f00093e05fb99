"""Building figures, side by side: data, picture, caption and numbers into a folder, with a manifest of what is there.

Only what has changed is built, and a build that was killed goes on from what it had finished.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from overtraining.figures.catalogue import CATALOGUE, Entry
from overtraining.figures.making import STORES, Failed, Order, make
from overtraining.figures.provenance import file_hash, fingerprint, versions
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import PRESETS, Preset
from overtraining.setting.domain import whole
from overtraining.setting.errors import DomainError, Refusal
from overtraining.simulations.sweeps.atomic_files import TEMPORARY, atomic_write
from overtraining.simulations.sweeps.worker_processes import WorkerProcesses

FORMATS = ("pdf", "svg", "png")
COMPUTING = ("numpy", "scipy", "xarray", "jax", "diffrax", "optax")
DRAWING = ("matplotlib", "seaborn", "numpy", "xarray")
MANIFEST, LOCK = "manifest.json", ".lock"


class NotBuilt(Refusal):
    """Figures that could not be made, or not here."""


def choose(names: Sequence[str]) -> list[Entry]:
    """The catalogue's entries of these names, all of them for none; DomainError lists the near ones of an unknown."""
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
    preset: Preset = "paper",
    report: Callable[[str], None] = lambda line: None,
    workers: int = 2,
) -> list[Path]:
    """Build the named figures (all by default) into `out` and return the pictures' paths.

    Beside each picture: `data/NAME.nc` (its Responses and Trajectories, readable by `xarray.open_datatree`),
    `captions/NAME.txt`, `numbers/NAME.json` (what is drawn), and one row in `manifest.json` (protocols, seeds,
    versions, hashes). What has not changed since the manifest was written is left alone; a changed style redraws, and
    only changed protocols, keys, formulas or simulations compute again. `workers` processes make a figure each; what is
    measured is kept in stores below `out` until the figure's data are there, so that the same call goes on after a
    kill. Bytes are equal between runs on one machine, whatever the number of workers.
    Raises DomainError for unknown names, formats or presets; NotBuilt, once the others are built, for figures that
    failed, or where another process is building in `out`.
    """
    chosen = choose(names)
    for name, given, known in (("format", formats, FORMATS), ("preset", (preset,), PRESETS)):
        if not given:
            raise DomainError(f"no {name}", "there is nothing to write", f"use {', '.join(known)}")
        if unknown := set(given) - set(known):
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
    """Make figures side by side; this process alone writes the manifest, a row whenever one is there."""
    from tqdm import tqdm

    failed, waiting = {}, iter(orders)
    # disable=None: silent where the output is no terminal; delay: silent for what is done within a second
    with (
        tqdm(total=len(orders), unit="figure", disable=None, delay=1) as bar,
        WorkerProcesses(make, whole("workers", workers)) as crew,
    ):
        for order, answer in crew.answers(lambda: next(waiting, None)):
            name = order.entry.name
            if isinstance(answer, dict):
                _write_manifest(out, name, orders[order] | {"files": answer})
                report(f"{name}: built")
            else:  # Failed, WorkerDied, or what kept the order from its worker
                failed[name] = answer.why if isinstance(answer, Failed) else getattr(answer, "why", str(answer))
                report(f"{name}: failed: {failed[name]}")
            bar.update()
    if failed:
        raise NotBuilt(
            f"{len(failed)} of {len(orders)} figures ({', '.join(failed)})", "each for the reason above",
            "mend it and run the same again; the others are built",
        )  # fmt: skip


def fingerprint_data(recipes: Mapping[str, Recipe]) -> str:
    """One fingerprint for all the data of a figure."""
    each = {label: fingerprint(recipe.declaration(), recipe.module, COMPUTING) for label, recipe in recipes.items()}
    return fingerprint(each, "overtraining.figures.recipe", ())


def _row(entry: Entry, preset: Preset) -> dict[str, Any]:
    """The figure's row of the manifest as it is to be, without its files."""
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
    except (OSError, ValueError, KeyError):  # none yet, or damaged: everything is built again and it is written anew
        return {}


def _write_manifest(out: Path, name: str, row: dict[str, Any]) -> None:
    rows = dict(sorted({**_manifest(out), name: row}.items()))
    with atomic_write(out / MANIFEST) as temporary:
        temporary.write_text(json.dumps({"figures": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _intact(out: Path, row: dict[str, Any], formats: Sequence[str], name: str) -> bool:
    """Are all the wanted pictures in the manifest, and all of its files as they were written?"""
    files, pictures = row["files"], {f"{name}.{suffix}" for suffix in formats}
    return files.keys() >= pictures and all((out / f).exists() and file_hash(out / f) == d for f, d in files.items())


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """No other process builds in this folder meanwhile: two would write one manifest. It is left tidy."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / LOCK, timeout=0):
            for left in out.rglob(f"{TEMPORARY}*"):  # by a build that was killed
                left.unlink()
            yield
            with suppress(OSError):  # not empty: figures that failed have their measurements there
                (out / STORES).rmdir()
    except Timeout:
        raise NotBuilt(str(out), "another process is building in it", "wait for it, or choose another --out") from None
