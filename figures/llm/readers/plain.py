"""Read the plain CSV of this project: one line per number, the columns of the tidy table; easy to write by hand."""

from collections.abc import Iterator, Sequence
from typing import Any

from overtraining.figures.llm.readers.files import File, Lines
from overtraining.figures.llm.readers.metrics import checked_metric, metric
from overtraining.figures.llm.tidy import CHOICES, COLUMNS, NUMBERS, Row

REQUIRED = ("model", "task", "metric", "value")
LENGTHS = ("step", "tokens")
IGNORED = ("epochs", "stderr_from", "licence", "note")  # for people who read the file, not for the program
_NOT_NEGATIVE = ("step", "tokens", "params", "stderr", "items", "shots")


def is_plain(header: Sequence[str]) -> bool:
    """Whether the columns that every line needs are present."""
    return set(REQUIRED) <= set(header)


def read_plain(file: File, header: Sequence[str], lines: Lines) -> Iterator[Row]:
    """One row per line; unit and orientation come from the metric's name if they are not given."""
    if missing := [name for name in REQUIRED if name not in header]:
        raise file.refuse("line 1", f"there is no column {missing[0]}", f"every line needs {', '.join(REQUIRED)}")
    if not set(LENGTHS) & set(header):
        raise file.refuse("line 1", "there is neither a column step nor a column tokens", "give the length of training")
    if unknown := [name for name in header if name not in (*COLUMNS, *IGNORED)]:
        columns = ", ".join((*COLUMNS, *IGNORED))
        raise file.refuse("line 1", f"unknown column {unknown[0]!r}", f"use {columns}")
    for line, cells in lines:
        entries: dict[str, Any] = {}
        for name, cell in zip(header, map(str.strip, cells), strict=True):
            if cell and name not in IGNORED:
                entries[name] = file.numeral(cell, f"line {line}, {name}") if name in NUMBERS else cell
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
