"""Readers of other people's result files, one small file per format, all into the tidy table.

Nothing that is read is evaluated, unpickled or fetched.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from overtraining.figures.llm.readers.files import File, Lines, load, parse_csv, parse_json
from overtraining.figures.llm.readers.harness import is_harness, is_new, read_new, read_old
from overtraining.figures.llm.readers.openlm import is_openlm, read_openlm
from overtraining.figures.llm.readers.plain import is_plain, read_plain
from overtraining.figures.llm.readers.wandb import is_wandb, read_wandb
from overtraining.figures.llm.tidy import Row, Unreadable, tidy
from overtraining.setting.errors import DomainError

Json = tuple[Callable[[Mapping[str, Any]], bool], Callable[[File, Mapping[str, Any]], Iterator[Row]]]
Csv = tuple[Callable[[Sequence[str]], bool], Callable[[File, Sequence[str], Lines], Iterator[Row]]]

# name: is it one? and its reader; asked in this order
JSON: dict[str, Json] = {
    "lm-eval-0.4": (lambda data: is_harness(data) and is_new(data), read_new),
    "lm-eval-0.3": (is_harness, read_old),
    "openlm": (is_openlm, read_openlm),
}
CSV: dict[str, Csv] = {"plain": (is_plain, read_plain), "wandb": (is_wandb, read_wandb)}
FORMATS = (*JSON, *CSV)
SUFFIXES = (".json", ".csv")  # looked for in folders; samples_*.jsonl of the harness hold no results


def read_file(path: Path, format: str | None = None) -> list[Row]:
    """The rows of one file, whose format is detected or forced.

    Raises Unreadable, which names file, place and remedy.
    """
    if format is not None and format not in FORMATS:
        raise DomainError(f"format {format!r}", "there is no such format", f"use {', '.join(FORMATS)}")
    file = load(path)
    is_json = format in JSON if format else file.text.lstrip()[:1] in ("{", "[")
    rows = list(_read_json(file, format) if is_json else _read_csv(file, format))
    if not rows:
        raise file.refuse("", "it holds no measurement", "evaluate at least one task")
    return rows


def _read_json(file: File, format: str | None) -> Iterator[Row]:
    data = parse_json(file)
    for name in [format] if format else JSON:
        is_one, reader = JSON[name]
        if is_one(data):
            return reader(file, data)
    raise _unknown(file, format)


def _read_csv(file: File, format: str | None) -> Iterator[Row]:
    header, lines = parse_csv(file)
    for name, (is_one, reader) in CSV.items():
        if name == format or (not format and is_one(header)):  # a forced reader says itself what it misses
            return reader(file, header, lines)
    raise _unknown(file, None)


def _unknown(file: File, format: str | None) -> Unreadable:
    why = f"it is not of the format {format}" if format else "it is of no known format"
    return file.refuse("", why, f"pass one of {', '.join(FORMATS)}, or write the plain CSV")


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files named, and all .json and .csv files below the folders named, in order of their names."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise Unreadable(str(path), "there is no .json or .csv file in this folder", "pass a folder of results")
        found += inside
    return list(dict.fromkeys(found))


def read(
    paths: Sequence[Path], format: str | None = None, *, step: float | None = None, skip_bad: bool = False
) -> tuple[pd.DataFrame, list[Unreadable]]:
    """The tidy table of all the files and folders, and what was skipped.

    format: one of FORMATS, detected by default.  step: for files that do not say their checkpoint.
    skip_bad: leave unreadable files out instead of refusing; refused all the same if none is left.
    Raises Unreadable (all bad files are named, up to five), SchemaError for contradictions between files.
    """
    from tqdm import tqdm

    files, rows, bad = find_files(paths), list[Row](), list[Unreadable]()
    # disable=None: silent where the output is no terminal; delay: silent for what is done within a second
    for path in tqdm(files, unit="file", disable=None, delay=1):
        try:
            rows += [_placed(row, step) for row in read_file(path, format)]
        except Unreadable as error:
            bad.append(error)
        except OSError as error:
            bad.append(Unreadable(str(path), error.strerror or "it cannot be read", "check its permissions"))
    if bad and not (skip_bad and rows):
        raise bad[0] if len(bad) == 1 else _all(bad, len(files))
    if not rows:
        raise Unreadable("no file", "there is nothing to read", "pass result files or folders")
    return tidy(rows), bad


def _placed(row: Row, step: float | None) -> Row:
    if row.step == row.step or row.tokens == row.tokens:  # one of them is not NaN
        return row
    if step is None:
        instead = "pass --step, or write it into the file's name, such as results_step3000.json"
        raise Unreadable(row.source, "it does not say which checkpoint was measured", instead)
    return replace(row, step=step)


def _all(bad: list[Unreadable], n: int) -> Unreadable:
    shown = "; ".join(f"{error.what}: {error.why}" for error in bad[:5]) + ("; …" if len(bad) > 5 else "")
    return Unreadable(f"{len(bad)} of {n} files", shown, "mend them, or leave them out with --skip-bad")
