"""The manifest of a folder of figures: a row per figure, with what it was made of and the hashes of its files."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from overtraining.figures.provenance import file_hash
from overtraining.simulations.sweeps.atomic_files import atomic_write

MANIFEST = "manifest.json"

ManifestRow = dict[str, Any]


def read_manifest(out: Path) -> dict[str, ManifestRow]:
    """The rows by figure; none if there is no manifest yet or it is damaged, so that everything is built again."""
    try:
        return dict(json.loads((out / MANIFEST).read_text(encoding="utf-8"))["figures"])
    except (OSError, ValueError, KeyError):
        return {}


def write_row(out: Path, name: str, row: ManifestRow) -> None:
    """Write or replace the row of one figure."""
    rows = dict(sorted({**read_manifest(out), name: row}.items()))
    with atomic_write(out / MANIFEST) as temporary:
        temporary.write_text(json.dumps({"figures": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def intact(out: Path, hashes: Mapping[str, str], files: Iterable[str]) -> bool:
    """Whether all these files are in the folder with the bytes that they were written with."""
    return all(file in hashes and (out / file).exists() and file_hash(out / file) == hashes[file] for file in files)
