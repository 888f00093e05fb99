"""Read result files of evaluation tools into the tidy table; each format has a module of its own.

The contents of files are never executed or unpickled, and nothing is downloaded.
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
from overtraining.figures.llm.tidy import Row, Unreadable, tidy_table
from overtraining.setting.domain import one_nonnegative
from overtraining.setting.errors import DomainError

Json = tuple[Callable[[Mapping[str, Any]], bool], Callable[[File, Mapping[str, Any]], Iterator[Row]]]
Csv = tuple[Callable[[Sequence[str]], bool], Callable[[File, Sequence[str], Lines], Iterator[Row]]]

# name of the format: a test whether a file has it, and its reader; tested in this order
JSON: dict[str, Json] = {
    "lm-eval-0.4": (lambda data: is_harness(data) and is_new(data), read_new),
    "lm-eval-0.3": (is_harness, read_old),
    "openlm": (is_openlm, read_openlm),
}
CSV: dict[str, Csv] = {"plain": (is_plain, read_plain), "wandb": (is_wandb, read_wandb)}
FORMATS = (*JSON, *CSV)
SUFFIXES = (".json", ".csv")  # read in folders; the harness's samples_*.jsonl contain no results


def read_file(path: Path, format: str | None = None) -> list[Row]:
    """The rows of one file, whose format is detected or given.

    Raises Unreadable, which names the file, the place and a remedy; DomainError for an unknown format.
    """
    if format is not None and format not in FORMATS:
        raise DomainError(f"format {format!r}", "there is no such format", f"use {', '.join(FORMATS)}")
    file = load(path)
    is_json = format in JSON if format else file.text.lstrip()[:1] in ("{", "[")
    rows = list(_read_json(file, format) if is_json else _read_csv(file, format))
    if not rows:
        raise file.refuse("", "it contains no measurement", "evaluate at least one task")
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
        if name == format or (not format and is_one(header)):  # the reader of a given format says what is missing
            return reader(file, header, lines)
    raise _unknown(file, None)


def _unknown(file: File, format: str | None) -> Unreadable:
    why = f"its format is not {format}" if format else "its format is not known"
    return file.refuse("", why, f"pass one of {', '.join(FORMATS)}, or write the plain CSV")


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The given files, and all .json and .csv files below the given folders, in order of their names."""
    files: list[Path] = []
    for path in paths:
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not inside:
            raise Unreadable(str(path), "there is no .json or .csv file in this folder", "pass a folder of results")
        files += inside
    return list(dict.fromkeys(files))


def read(
    paths: Sequence[Path], format: str | None = None, *, step: float | None = None, skip_bad: bool = False
) -> tuple[pd.DataFrame, list[Unreadable]]:
    """The tidy table of all the files and folders, and the errors of files that were skipped.

    format: one of FORMATS, detected by default.  step: the checkpoint of files without a step number.
    skip_bad: leave unreadable files out instead of refusing them; if none is left, they are refused anyway.
    Raises Unreadable, which names all unreadable files, up to five; SchemaError for contradictions between files.
    """
    from tqdm import tqdm

    step = None if step is None else one_nonnegative("step", step)
    files, rows, bad = find_files(paths), list[Row](), list[Unreadable]()
    # disable=None: no bar if the output is not a terminal; delay: no bar for work that takes less than a second
    for path in tqdm(files, unit="file", disable=None, delay=1):
        try:
            rows += [_with_step(row, step) for row in read_file(path, format)]
        except Unreadable as error:
            bad.append(error)
        except OSError as error:
            bad.append(Unreadable(str(path), error.strerror or "it cannot be read", "check its permissions"))
    if bad and not (skip_bad and rows):
        raise bad[0] if len(bad) == 1 else _together(bad, len(files))
    if not rows:
        raise Unreadable("no file", "there is nothing to read", "pass result files or folders")
    return tidy_table(rows), bad


def _with_step(row: Row, step: float | None) -> Row:
    if row.step == row.step or row.tokens == row.tokens:  # one of them is not NaN
        return row
    if step is None:
        instead = "pass --step, or give the step in the file's name, such as results_step3000.json"
        raise Unreadable(row.source, "it does not say which checkpoint was measured", instead)
    return replace(row, step=step)


def _together(bad: list[Unreadable], n: int) -> Unreadable:
    shown = "; ".join(f"{error.what}: {error.why}" for error in bad[:5]) + ("; …" if len(bad) > 5 else "")
    return Unreadable(f"{len(bad)} of {n} files", shown, "correct them, or leave them out with --skip-bad")
