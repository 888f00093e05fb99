"""Read the log of a trainer with one JSON object in every line, such as `{"step": 500, "val_loss": 2.09}`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from overtraining.figures.llm.readers.columns import measure, step_columns, token_columns
from overtraining.figures.llm.readers.files import File
from overtraining.figures.llm.readers.origin import run_name
from overtraining.figures.llm.readers.trainer_state import numbers_of
from overtraining.figures.llm.readers.wide import read_records
from overtraining.figures.llm.tidy import Row


def is_json_log(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the lines name a length of training and something that is measured.

    >>> is_json_log([{"step": 0, "eval": {"loss": 4.25}}]), is_json_log([{"doc_id": 3, "acc": 1.0}])
    (True, False)
    """
    names = list(dict.fromkeys(name for entry in entries for name in flat(entry)))
    return bool(step_columns(names) or token_columns(names)) and any(map(measure, names))


def read_json_log(file: File, entries: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """One row per logged loss or score. An object within an object is a folder: `{"eval": {"loss": …}}` is `eval/loss`.

    A line that names no step, such as one of settings, is passed over if it measures nothing.
    """
    records = [(f"line {i}", numbers_of(file, f"line {i}", flat(entry))) for i, entry in enumerate(entries, 1)]
    names = list(dict.fromkeys(name for _, numbers in records for name in numbers))
    yield from read_records(file, names, records, run_name(file.path))


def flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of an object and of those within it, by paths.

    >>> flat({"step": 1, "eval": {"c4": {"loss": 2.5}}})
    {'step': 1, 'eval/c4/loss': 2.5}
    """
    found: dict[str, Any] = {}
    for name, value in entry.items():
        inner = flat(value) if isinstance(value, dict) else None
        found |= {name: value} if inner is None else {f"{name}/{path}": one for path, one in inner.items()}
    return found
