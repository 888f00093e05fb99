"""The manifest of a folder of figures: a row per figure, with what it was made of and the hashes of its files."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from overtraining.figures.catalogue import Entry
from overtraining.figures.presets import StylePreset
from overtraining.figures.provenance import file_hash, fingerprint, function_sources, sources, versions
from overtraining.runtime.atomic_files import write_text

MANIFEST = "manifest.json"
COMPUTING = ("numpy", "scipy", "xarray", "jax", "diffrax", "optax")
DRAWING = ("matplotlib", "seaborn", "numpy", "xarray")

ManifestRow = dict[str, Any]


def read_manifest(out: Path, report: Callable[[str], None] = lambda line: None) -> dict[str, ManifestRow]:
    """The rows by figure; none if there is no manifest yet, or a damaged one, which is reported."""
    try:
        text = (out / MANIFEST).read_text(encoding="utf-8")
        rows: dict[str, ManifestRow] = json.loads(text)["figures"]
        if text == _text(rows):
            return rows
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, RecursionError):  # no JSON, or of another shape
        pass
    report(f"{out / MANIFEST}: it is not what was written, it is damaged. All figures that you name are built again.")
    return {}


def write_row(out: Path, name: str, row: ManifestRow) -> None:
    """Write or replace the row of one figure."""
    rows = dict(sorted({**read_manifest(out), name: row}.items()))
    write_text(out / MANIFEST, _text(rows))


def _text(rows: Mapping[str, ManifestRow]) -> str:
    """The rows with their checksum, so that no other text is taken for a manifest."""
    checksum = hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()
    return json.dumps({"figures": rows, "sha256": checksum}, indent=1, ensure_ascii=False) + "\n"


def intact(out: Path, hashes: Mapping[str, str], files: Iterable[str]) -> bool:
    """Whether all these files are in the folder with the bytes that they were written with."""
    return all((out / file).is_file() and file_hash(out / file) == hashes.get(file) for file in files)


def damaged_files(row: ManifestRow, out: Path) -> list[str]:
    """The files of the manifest's row that are there with other bytes: damaged, or of a build that was stopped."""
    hashes = row.get("files", {})
    return [file for file in hashes if (out / file).exists() and not intact(out, hashes, [file])]


def unchanged(row: ManifestRow, entry: Entry, out: Path, formats: Sequence[str], preset: StylePreset) -> bool:
    """Whether sources, versions and files are those of the manifest's row.

    The recipes are taken from the row: the module that makes them is among the sources, so it need not be imported.
    """
    if not row or row["fingerprint"] != _figure_fingerprint(entry, row["recipes"], preset):
        return False
    if any(recipe["fingerprint"] != _recipe_fingerprint(recipe) for recipe in row["recipes"].values()):
        return False
    return intact(out, row["files"], {*row["files"], *(f"{entry.name}.{suffix}" for suffix in formats)})


def new_row(entry: Entry, preset: StylePreset) -> ManifestRow:
    """The manifest's row of a figure as built from today's sources, without its files, `files`."""
    declared = {label: recipe.declaration() for label, recipe in entry.recipes().items()}
    recipes = {label: recipe | {"fingerprint": _recipe_fingerprint(recipe)} for label, recipe in declared.items()}
    return {
        "claims": list(entry.claims),
        **entry.changed,
        "recipes": recipes,
        "preset": preset,
        "versions": versions(sorted({*COMPUTING, *DRAWING, "overtraining"})),
        "fingerprint": _figure_fingerprint(entry, recipes, preset),
    }


def _figure_fingerprint(entry: Entry, recipes: Mapping[str, Any], preset: StylePreset) -> str:
    return fingerprint({"recipes": recipes, "preset": preset, **entry.changed}, sources(entry.module_name), DRAWING)


def _recipe_fingerprint(declaration: Mapping[str, Any]) -> str:
    """The fingerprint of the data that a recipe makes, given as it is declared in the manifest."""
    declared = {name: value for name, value in declaration.items() if name != "fingerprint"}
    return fingerprint(declared, function_sources(declaration["source"]), COMPUTING)
