"""Building figures: data, picture, caption and numbers into a folder, with a manifest, and only what has changed."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import xarray as xr

from figures.catalogue import CATALOGUE, Entry
from figures.provenance import file_hash, fingerprint, versions
from figures.recipe import Recipe
from figures.style import PRESETS, Preset
from theory.errors import DomainError

FORMATS = ("pdf", "svg", "png")
COMPUTING = ("numpy", "scipy", "xarray", "jax", "diffrax", "optax")
DRAWING = ("matplotlib", "seaborn", "numpy", "xarray")


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
) -> list[Path]:
    """Build the named figures (all by default) into `out` and return the pictures' paths.

    Beside each picture: `data/NAME.nc` (its Responses and Trajectories, readable by `xarray.open_datatree`),
    `captions/NAME.txt`, `numbers/NAME.json` (what is drawn), and one row in `manifest.json` (protocols, seeds,
    versions, hashes). What has not changed since the manifest was written is left alone; a changed style redraws, and
    only changed protocols, keys, formulas or simulations compute again. Bytes are equal between runs on one machine.
    Raises DomainError for unknown names, formats or presets.
    """
    chosen = choose(names)
    for name, given, known in (("format", formats, FORMATS), ("preset", (preset,), PRESETS)):
        if not given:
            raise DomainError(f"no {name}", "there is nothing to write", f"use {', '.join(known)}")
        if unknown := set(given) - set(known):
            raise DomainError(f"{name} {sorted(unknown)[0]!r}", f"no such {name}", f"use {', '.join(known)}")
    paths = []
    for entry in _progress(chosen):
        recipes = entry.module().recipes()
        data_print = fingerprint_data(recipes)
        declared = {"data": data_print, "preset": preset}
        figure_print = fingerprint(declared, entry.module_name, DRAWING)
        pictures = [out / f"{entry.name}.{suffix}" for suffix in formats]
        old = _manifest(out).get(entry.name, {})
        if old.get("fingerprint") == figure_print and _intact(out, old, pictures):
            report(f"{entry.name}: unchanged")
        else:
            data = _data(out, entry, recipes, old.get("data_fingerprint") == data_print)
            files = _draw(out, entry, data, pictures, preset)
            row = {
                "claims": list(entry.claims),
                "recipes": {label: recipe.declaration() for label, recipe in recipes.items()},
                "preset": preset,
                "versions": versions(sorted({*COMPUTING, *DRAWING, "overtraining"})),
                "data_fingerprint": data_print,
                "fingerprint": figure_print,
                "files": {str(p.relative_to(out)): file_hash(p) for p in files},
            }
            _write_manifest(out, entry.name, row)
            report(f"{entry.name}: built")
        paths += pictures
    return paths


def fingerprint_data(recipes: Mapping[str, Recipe]) -> str:
    """One fingerprint for all the data of a figure."""
    each = {label: fingerprint(recipe.declaration(), recipe.module, COMPUTING) for label, recipe in recipes.items()}
    return fingerprint(each, "figures.recipe", ())


def _data(out: Path, entry: Entry, recipes: Mapping[str, Recipe], reusable: bool) -> dict[str, xr.Dataset]:
    """The figure's data: from its file where that is still valid, else computed and written."""
    path = out / "data" / f"{entry.name}.nc"
    if not (reusable and path.exists()):
        tree = xr.DataTree.from_dict({label: recipe.make() for label, recipe in recipes.items()})
        with _replacing(path) as temporary:
            tree.to_netcdf(temporary, engine="h5netcdf")
    # read back even when just computed: what is drawn is what is on disk
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        return {label: tree[label].to_dataset().load() for label in recipes}


def _draw(out: Path, entry: Entry, data: dict[str, xr.Dataset], pictures: list[Path], preset: Preset) -> list[Path]:
    from figures.drawn import numbers  # Matplotlib only where something is drawn
    from figures.style import styled

    module = entry.module()
    with styled(preset):
        figure = module.draw(data)
        for path in pictures:
            # dates and versions out of the files, or equal figures would have different bytes
            dated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}[path.suffix[1:]]
            with _replacing(path) as temporary:
                figure.savefig(temporary, format=path.suffix[1:], metadata=dated)
    beside = {
        out / "captions" / f"{entry.name}.txt": module.caption(data) + "\n",
        out / "numbers" / f"{entry.name}.json": _one_line_per_curve(numbers(figure)),
    }
    for path, text in beside.items():
        with _replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [*pictures, *beside]


def _one_line_per_curve(shown: Mapping[str, list[float]]) -> str:
    """JSON that a person can compare line by line."""
    rows = ",\n".join(f"{json.dumps(name)}: {json.dumps(values)}" for name, values in shown.items())
    return f"{{\n{rows}\n}}\n"


def _manifest(out: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((out / "manifest.json").read_text(encoding="utf-8"))["figures"])
    except (OSError, ValueError, KeyError):  # none yet, or damaged: everything is built again and it is written anew
        return {}


def _write_manifest(out: Path, name: str, row: dict[str, Any]) -> None:
    rows = dict(sorted({**_manifest(out), name: row}.items()))
    with _replacing(out / "manifest.json") as temporary:
        temporary.write_text(json.dumps({"figures": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _intact(out: Path, row: dict[str, Any], pictures: list[Path]) -> bool:
    """Are all the wanted pictures in the manifest, and all of its files as they were written?"""
    files = {out / name: digest for name, digest in row["files"].items()}
    return files.keys() >= set(pictures) and all(p.exists() and file_hash(p) == d for p, d in files.items())


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary path that takes the place of `path` at once and whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _progress(entries: list[Entry]) -> Iterator[Entry]:
    from tqdm import tqdm

    # disable=None: silent where the output is no terminal; delay: silent for what is done within a second
    bar = tqdm(entries, unit="figure", disable=None, delay=1)
    for entry in bar:
        bar.set_postfix_str(entry.name)
        yield entry
