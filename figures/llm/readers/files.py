"""Read untrusted text, JSON and CSV files within fixed limits; every error is an Unreadable that names its place."""

import csv
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from overtraining.figures.llm.tidy import Unreadable
from overtraining.figures.plain_text import printable
from overtraining.setting import limits, plain_data
from overtraining.setting.errors import DomainError

Lines = Iterator[tuple[int, list[str]]]  # line numbers and cells of a CSV
MAX_CELL = 2**17  # characters in one cell of a CSV
_NUMBER = re.compile(r"[+-]?+(\d++(\.\d*+)?+|\.\d++)([eE][+-]?+\d++)?+", re.ASCII)  # in a time linear in the text


class Sheet(NamedTuple):
    """The header of a CSV, and its lines."""

    header: list[str]
    lines: Lines


class NoResult(Unreadable):
    """A file that is no result of an evaluation, as far as its layout tells."""


@dataclass(frozen=True)
class File:
    """A text file, its path as the user gave it, what the user said about its names, and what its reader says.

    pattern: where a name holds the checkpoint (`--checkpoint`).  columns: columns of the table and where they come from
    (`--columns`).  notes: what was chosen, left out or replaced in reading.
    """

    path: Path
    text: str
    pattern: re.Pattern[str] | None = None
    columns: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def say(self, note: str) -> None:
        """Note, once, what was chosen, left out or replaced; the same words for many files make one line."""
        if (shown := printable(note)) not in self.notes:
            self.notes.append(shown)

    def refuse(self, place: str, why: str, instead: str) -> Unreadable:
        """The error to raise about a place in this file."""
        return Unreadable(f"{self.path}, {place}" if place else str(self.path), why, instead)

    def room(self, measurements: int) -> None:
        """Unreadable for more measurements than a table may have."""
        if measurements > limits.MEASUREMENTS:
            why = f"there are more than {limits.MEASUREMENTS:,} measurements"
            raise self.refuse("", why, "keep every tenth step, or read a part of them")

    def number(self, value: Any, place: str) -> float:
        """A finite number from JSON as float64; Unreadable if it is none."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(place, f"{_short(value)} is not a number", "write a number there, or leave the entry out")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.refuse(place, f"{_short(value)} is not a finite number", "leave the entry out")
        if number and not 1 / limits.MAGNITUDE <= abs(number) <= limits.MAGNITUDE:
            raise self.refuse(place, f"{_short(value)} is too large or too small to be squared", "leave the entry out")
        return number

    def numeral(self, text: str, place: str) -> float:
        """A number in a cell of a CSV as float64; Unreadable for thousands separators, NaN or text."""
        if not is_number(text):
            raise self.refuse(place, f"{_short(text)} is not a number", "write it like 0.25 or 1e9, or leave it empty")
        return self.number(float(text), place)

    def not_negative(self, number: float, place: str) -> float:
        """The number; Unreadable if it is below 0."""
        if number < 0:
            raise self.refuse(place, f"{number:g} is negative", "write a number >= 0, or leave it out")
        return number


def is_number(text: str) -> bool:
    """Whether this text is a number as `File.numeral` reads it.

    >>> is_number("1e9"), is_number("1_000"), is_number("nan")
    (True, False, False)
    """
    return bool(_NUMBER.fullmatch(text.strip()))


def load(path: Path, pattern: re.Pattern[str] | None = None, columns: dict[str, str] | None = None) -> File:
    """The file as text; Unreadable if it is not a regular file, is too large or is not UTF-8."""
    if not path.is_file():
        raise File(path, "").refuse("", "there is no such file", "check the name")
    with _as_unreadable():
        return File(path, plain_data.read_text(path, limits.TEXT), pattern, columns or {})


@contextmanager
def _as_unreadable() -> Iterator[None]:
    """A refusal of a text becomes an Unreadable, whose words are printable."""
    try:
        yield
    except DomainError as refusal:
        raise Unreadable(refusal.what, refusal.why, refusal.instead) from None


def parse_json(file: File) -> dict[str, Any]:
    """The object in a JSON file; Unreadable if it is broken, nested too deeply or repeats a key."""
    with _as_unreadable():
        data = plain_data.parse_json(str(file.path), file.text)
    if not isinstance(data, dict):
        raise NoResult(str(file.path), "it contains no JSON object", "pass a results file, not a list of samples")
    return data


def parse_json_lines(file: File) -> list[dict[str, Any]]:
    """The objects of a file with one JSON object in every line; Unreadable as `parse_json`."""
    lines = [(i, text) for i, text in enumerate(file.text.splitlines(), 1) if text.strip()]
    with _as_unreadable():
        entries = [plain_data.parse_json(f"{file.path}, line {i}", text) for i, text in lines]
    if not all(isinstance(entry, dict) for entry in entries):
        raise NoResult(str(file.path), "not every line is a JSON object", "pass a results file")
    return entries


def parse_csv(file: File) -> Sheet:
    """Header and (line number, cells) of a CSV; Unreadable for broken quotes, ragged rows, repeated columns."""
    reader = csv.reader(file.text.splitlines(keepends=True), strict=True)
    csv.field_size_limit(MAX_CELL)

    def rows() -> Lines:
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise file.refuse(f"line {reader.line_num}", f"this is not CSV ({error})", "write it again") from None
            yield reader.line_num, cells

    stream = rows()
    _, header = next(stream, (0, []))
    header = [name.strip() for name in header]
    if not any(header):
        raise file.refuse("line 1", "there is no header", "name the columns in the first line")
    if len(header) > len(set(header)):
        raise file.refuse(
            "line 1", f"column {_short(plain_data.first_repeated(header))} occurs twice", "keep one of the two"
        )

    def checked() -> Lines:
        for line, cells in stream:
            if cells and len(cells) != len(header):
                why = f"{len(cells)} cells where the header has {len(header)}"
                raise file.refuse(
                    f"line {line}", why, "check that the file is complete, and quote cells that contain commas"
                )
            if cells:
                yield line, cells

    return Sheet(header, checked())


def objects(file: File, place: str, value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries of an object of tasks, each an object of metrics; Unreadable if it is none."""
    if not isinstance(value, dict):
        raise file.refuse(place, "it is not an object of tasks", "write the file again")
    for task, entries in value.items():
        if not isinstance(entries, dict):
            raise file.refuse(f"{place}.{task}", "it is not an object of metrics", "write the file again")
        yield task, entries


def nested(data: Any, *path: str) -> Any:
    """The entry of plain data at this path, or None.

    >>> nested({"config": {"limit": 10}}, "config", "limit"), nested({}, "config", "limit")
    (10, None)
    """
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def count(value: Any) -> float:
    """A whole number >= 0 from JSON; NaN for anything else."""
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return float(value) if whole else math.nan


def _short(value: Any) -> str:
    shown = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "an integer beyond 1e30"
    return shown if len(shown) <= 60 else shown[:57] + "…"
