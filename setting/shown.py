"""How a Protocol and its parts are shown at a prompt and in a notebook: short, whatever the number of lengths."""

from dataclasses import MISSING, fields, is_dataclass
from html import escape
from typing import Any

LISTED = 6
"""Numbers of a list that are shown; of a longer one, the first and the last and how many there are."""


def shown(value: Any) -> str:
    """A value in one short line; of a dataclass, the fields that differ from their defaults, and those without one.

    >>> shown(tuple(range(601)))
    '(0, 1, …, 600: 601 numbers)'
    >>> shown(((1.0,) * 30,) * 20)
    '20 × 30 numbers'
    """
    if is_dataclass(value):
        return f"{type(value).__name__}({', '.join(f'{name}={text}' for name, text in _differing(value))})"
    if not isinstance(value, tuple):
        return repr(value)
    rows = [row for row in value if isinstance(row, tuple)]
    if any(isinstance(row[0], tuple) for row in rows if row):  # matrices
        return f"({', '.join(map(shown, rows))}{',' if len(rows) == 1 else ''})"
    if len(rows) * max(map(len, rows), default=0) > LISTED:
        return f"{len(rows)} × {len(rows[0])} numbers"
    if len(value) <= LISTED:
        return f"({', '.join(map(shown, value))}{',' if len(value) == 1 else ''})"
    return f"({value[0]}, {value[1]}, …, {value[-1]}: {len(value)} numbers)"


def table(value: Any) -> str:
    """A dataclass as an HTML table, a row for each field.

    >>> from overtraining.setting.inputs import Inputs
    >>> table(Inputs()).count("<tr>")
    6
    """
    rows = (
        f"<tr><th style='text-align:left'>{escape(field.name.replace('_', ' '))}</th>"
        f"<td style='text-align:left'>{escape(shown(getattr(value, field.name)))}</td></tr>"
        for field in fields(value)
    )
    return f"<table>{''.join(rows)}</table>"


def _differing(value: Any) -> list[tuple[str, str]]:
    return [
        (field.name, shown(getattr(value, field.name)))
        for field in fields(value)
        if field.default is MISSING or getattr(value, field.name) != field.default
    ]
