"""Read the plain CSV of this project: one line per number, the columns of the tidy table; easy to write by hand."""

from collections.abc import Iterator, Sequence
from typing import Any

from overtraining.figures.llm.readers.files import File, Lines, Sheet
from overtraining.figures.llm.readers.metrics import checked_metric, metric
from overtraining.figures.llm.readers.origin import run_name
from overtraining.figures.llm.tidy import CHOICES, COLUMNS, NUMBERS, Row
from overtraining.figures.plain_text import from_spreadsheet

REQUIRED = ("model", "task", "metric", "value")
LENGTHS = ("step", "tokens")
IGNORED = ("epochs", "stderr_from", "licence", "note")  # for people who read the file, not for the program
MOST_SHOWN = 20  # columns that a refusal names
_NOT_NEGATIVE = ("step", "tokens", "params", "stderr", "items", "shots")


def is_plain(sheet: Sheet) -> bool:
    """Whether the columns that every line needs are present."""
    return set(REQUIRED) <= set(sheet.header)


def read_long(file: File, sheet: Sheet) -> Iterator[Row]:
    """A table with one line per number and other names of columns, which `--columns` gives; the model may be missing.

    `step=iteration` says which column holds the step, `metric:acc` what is the same in all lines.
    """
    columns = {"model": f":{run_name(file.path)}"} | file.columns
    if "model" in sheet.header:
        columns = {"model": "model"} | file.columns
    for name, of in columns.items():
        if name not in COLUMNS:
            raise file.refuse("--columns", f"the table has no column {name!r}", f"use {', '.join(COLUMNS)}")
        if not of.startswith(":") and of not in sheet.header:
            instead = f"use one of {', '.join(sheet.header)}; write {name}:{of} for the same in all lines"
            raise file.refuse("--columns", f"the file has no column {of!r}", instead)
    if unused := [name for name in sheet.header if name not in columns.values()]:
        shown = ", ".join(unused[:5]) + ", …" * (len(unused) > 5)
        file.say(f"columns that --columns does not name are left out: {shown}")
    places = {name: sheet.header.index(of) for name, of in columns.items() if not of.startswith(":")}
    texts = [of[1:] for of in columns.values() if of.startswith(":")]
    names = [*places, *(name for name, of in columns.items() if of.startswith(":"))]
    lengths = [place for name, place in places.items() if name in LENGTHS]
    without = 0

    def lines() -> Lines:
        nonlocal without
        for line, cells in sheet.lines:
            if lengths and not any(cells[place].strip() for place in lengths):
                without += 1
            else:
                yield line, [*(cells[place] for place in places.values()), *texts]

    yield from read_plain(file, Sheet(names, lines()))
    if without:
        file.say(f"{without} line(s) without {' or '.join(LENGTHS)} are left out")


def which_columns(header: Sequence[str]) -> str:
    """What to write to have a long table with other columns read; … is for people to fill in.

    >>> which_columns(["run", "step", "score"])
    'say which is which: --columns task=…,metric=…,value=…,step=step (of run, step, score)'
    """
    same = [name for name in COLUMNS if name in header]
    open_ = [name for name in REQUIRED[1:] if name not in header] + ["step"] * (not set(LENGTHS) & set(header))
    pairs = [f"{name}=…" for name in open_] + [f"{name}={name}" for name in same]
    shown = ", ".join(header[:MOST_SHOWN]) + ", …" * (len(header) > MOST_SHOWN)
    return f"say which is which: --columns {','.join(pairs)} (of {shown})"


def read_plain(file: File, sheet: Sheet) -> Iterator[Row]:
    """One row per line; unit and orientation come from the metric's name if they are not given."""
    header, lines = sheet
    if missing := [name for name in REQUIRED if name not in header]:
        raise file.refuse("line 1", f"there is no column {missing[0]}", f"every line needs {', '.join(REQUIRED)}")
    if not set(LENGTHS) & set(header):
        raise file.refuse("line 1", "there is neither a column step nor a column tokens", "give the length of training")
    if unknown := [name for name in header if name not in (*COLUMNS, *IGNORED)]:
        columns = ", ".join((*COLUMNS, *IGNORED))
        raise file.refuse("line 1", f"unknown column {unknown[0]!r}", f"{which_columns(header)}; or use {columns}")
    for line, cells in lines:
        entries: dict[str, Any] = {}
        for name, cell in zip(header, map(str.strip, cells), strict=True):
            if cell and name not in IGNORED:
                is_number = name in NUMBERS
                entries[name] = file.numeral(cell, f"line {line}, {name}") if is_number else from_spreadsheet(cell)
        _check_line(file, line, entries)
        place = f"line {line}, value"
        if "unit" in entries:
            known = metric(entries["metric"])
        else:
            known = checked_metric(file, place, entries["metric"], entries["value"])
        yield Row(**{"unit": known.unit, "orientation": known.orientation, "source": str(file.path)} | entries)


def _check_line(file: File, line: int, entries: dict[str, Any]) -> None:
    for name in REQUIRED:
        if name not in entries:
            raise file.refuse(f"line {line}, {name}", "it is empty", f"every line needs {', '.join(REQUIRED)}")
    if not set(LENGTHS) & entries.keys():
        raise file.refuse(f"line {line}", "neither step nor tokens is filled in", "give the length of training")
    for name, choices in CHOICES.items():
        if name in entries and entries[name] not in choices:
            raise file.refuse(f"line {line}, {name}", f"{entries[name]!r} is unknown", f"use {', '.join(choices)}")
    for name in _NOT_NEGATIVE:
        file.not_negative(entries.get(name, 0.0), f"line {line}, {name}")
    if entries.get("items") == 0:
        raise file.refuse(
            f"line {line}, items", "no value is a mean of 0 items", "leave it empty where it is not known"
        )
    if entries.get("stage", "base") != "base" and not entries.get("perturbation"):
        why = "the model was changed, but the line does not say how"
        raise file.refuse(f"line {line}, perturbation", why, "name what was done, such as 'fine-tuning on X'")
