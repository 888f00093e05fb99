"""Read metrics of olmes: `metrics.json`, of older and newer versions, and `metrics-all.jsonl`, with a task per line."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from overtraining.figures.llm.readers.files import File, count, nested
from overtraining.figures.llm.readers.metrics import measured_number, metric
from overtraining.figures.llm.readers.origin import origin
from overtraining.figures.llm.tidy import UNKNOWN, Row

_DETAILS = ("task", "num_instances", "task_config")  # beside the metrics, in older versions of metrics.json
_DATE = "%Y-%m-%d %H:%M:%S UTC"


def is_olmes(data: Mapping[str, Any]) -> bool:
    """Whether this is a metrics file of olmes, of all tasks or of one."""
    many = data.get("tasks") or (data.get("metrics") if "model_config" in data else None)
    first = many[0] if isinstance(many, list) and many else None
    of_many = isinstance(first, dict) and bool({"metrics", "task_config"} & first.keys())
    return of_many or ({"task_name", "metrics"} <= data.keys() and isinstance(data["metrics"], dict))


def is_olmes_lines(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every line is the metrics of one task."""
    return bool(lines) and all(map(is_olmes, lines))


def read_olmes(file: File, data: Mapping[str, Any]) -> Iterator[Row]:
    """The primary metric and the bits per byte of every task; other metrics are left out."""
    many = data.get("tasks", data.get("metrics"))
    entries = many if isinstance(many, list) else [data]
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise file.refuse(f"tasks[{i}]", "it is not an object", "write the file again")
        yield from _rows(file, f"tasks[{i}]", entry, data.get("model_config"))


def read_olmes_lines(file: File, lines: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """The same from the lines of metrics-all.jsonl."""
    for i, line in enumerate(lines, 1):
        yield from _rows(file, f"entry {i}", line, line.get("model_config"))


def _rows(file: File, place: str, entry: Mapping[str, Any], model: Any) -> Iterator[Row]:
    settings = entry.get("task_config")
    name = nested(settings, "metadata", "alias") or entry.get("alias") or entry.get("task_name") or entry.get("task")
    metrics = entry.get("metrics")
    if not isinstance(metrics, dict):
        metrics = {key: value for key, value in entry.items() if key not in _DETAILS}
    common = origin(file, str(nested(model, "model") or ""), str(nested(model, "revision") or ""))
    common["date"] = _date(entry.get("current_date"), common["date"])
    limit = nested(settings, "limit")
    numbers = {key: value for key, value in metrics.items() if isinstance(value, int | float)}
    chosen = [_primary(settings, numbers), *(key for key in numbers if metric(key).unit == "bits per byte")]
    if left_out := [key for key in numbers if key not in (*chosen, "primary_score")]:
        file.say(f"of olmes, only the primary metric and bits per byte are read, not {', '.join(left_out[:4])}, …")
    for key in dict.fromkeys(filter(None, chosen)):
        yield Row(
            task=str(name or "unnamed"),
            metric=key,
            shots=count(nested(settings, "num_shots")),
            items=count(entry.get("num_instances")) or UNKNOWN,
            setup="" if limit is None else f"limit {limit}",
            **common,
            **measured_number(file, f"{place}.{key}", key, numbers[key], None),
        )


def _primary(settings: Any, numbers: Mapping[str, Any]) -> str:
    """The primary metric under its own name: as the settings give it, or else the known one with the same value."""
    named = nested(settings, "primary_metric")
    if named in numbers:
        return str(named)
    value = numbers.get("primary_score")
    same = [key for key in numbers if key != "primary_score" and numbers[key] == value and metric(key).bounded]
    return same[0] if same else "primary_score" if value is not None else ""


def _date(text: Any, otherwise: float) -> float:
    try:
        return datetime.strptime(str(text), _DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return otherwise
