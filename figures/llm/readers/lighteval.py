"""Read results of lighteval: `suite|task|shots` and metrics with `metric_stderr`."""

from collections.abc import Iterator, Mapping
from typing import Any

from overtraining.figures.llm.readers.files import File, nested, objects
from overtraining.figures.llm.readers.metrics import measured_number
from overtraining.figures.llm.readers.origin import origin
from overtraining.figures.llm.tidy import UNKNOWN, Row


def is_lighteval(data: Mapping[str, Any]) -> bool:
    """Whether this is a results file of lighteval."""
    return isinstance(data.get("results"), dict) and isinstance(data.get("config_general"), dict)


def read_lighteval(file: File, data: Mapping[str, Any]) -> Iterator[Row]:
    """One row per task and metric; the means `all` over the tasks are left out."""
    general = data.get("config_general")
    model = nested(general, "model_name") or nested(general, "model_config", "model_name") or ""
    revision = nested(general, "model_config", "revision") or ""
    common = origin(file, str(model), str(revision))
    for task, entries in objects(file, "results", data.get("results")):
        if task == "all":
            file.say("lighteval's means over all tasks (`all`) are left out")
            continue
        name, shots = _task(task)
        setup = _setup(general, nested(data, "versions", task))
        for key, value in entries.items():
            if not key.endswith("_stderr"):
                measured = measured_number(file, f"results.{task}.{key}", key, value, entries.get(f"{key}_stderr"))
                yield Row(task=name, metric=key, shots=shots, setup=setup, **common, **measured)


def _task(name: str) -> tuple[str, float]:
    """Task and number of shots; older files have a number after that of the shots, for shortened prompts.

    >>> _task("lighteval|piqa|5|0"), _task("gsm8k|0"), _task("piqa")
    (('piqa', 5.0), ('gsm8k', 0.0), ('piqa', nan))
    """
    parts = name.split("|")
    words = [part for part in parts if not part.isdecimal()]
    numbers = [part for part in parts if part.isdecimal()]
    return words[-1] if words else name, float(numbers[0][:9]) if numbers else UNKNOWN


def _setup(general: Any, version: Any) -> str:
    parts = {
        "task version": version,
        "limit": nested(general, "max_samples"),
        "lighteval": nested(general, "lighteval_sha"),
    }
    return ", ".join(f"{name} {value}" for name, value in parts.items() if isinstance(value, str | int | float))
