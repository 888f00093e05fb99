"""Read `trainer_state.json` of Hugging Face's Trainer: the history of losses along one run."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from overtraining.figures.llm.readers.files import File
from overtraining.figures.llm.readers.origin import run_name
from overtraining.figures.llm.readers.wide import Record, read_records
from overtraining.figures.llm.tidy import Row

_MEAN = "train_loss"
"""The mean over the whole run, which the Trainer writes at its last step."""


def is_trainer_state(data: Mapping[str, Any]) -> bool:
    """Whether this is the state of a Trainer."""
    return isinstance(data.get("log_history"), list) and "global_step" in data


def read_trainer_state(file: File, data: Mapping[str, Any]) -> Iterator[Row]:
    """One row per logged loss or score. `loss` is the training loss of the last steps; `eval_c4_loss` that on c4."""
    history = data["log_history"]
    if not isinstance(history, list):
        raise file.refuse("log_history", "it is no list", "pass the file as the Trainer wrote it")
    records = [_record(file, f"log_history[{i}]", entry) for i, entry in enumerate(history)]
    names = list(dict.fromkeys(name for _, numbers in records for name in numbers))
    yield from read_records(file, names, records, run_name(file.path))


def _record(file: File, place: str, entry: Any) -> Record:
    if not isinstance(entry, dict):
        raise file.refuse(place, "it is no object", "pass the file as the Trainer wrote it")
    return place, numbers_of(file, place, {n: value for n, value in entry.items() if n != _MEAN})


def numbers_of(file: File, place: str, entry: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a logged object; `loss` alone is that of training. NaN is a missing value, which is said."""
    numbers = {}
    for name, value in entry.items():
        if isinstance(value, float) and math.isnan(value):
            file.say(f"NaN in {name} is a missing value")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers["train/loss" if name == "loss" else name] = file.number(value, f"{place}.{name}")
    return numbers
