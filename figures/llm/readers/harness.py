"""Read results of lm-evaluation-harness: version 0.3 (`acc`), and version 0.4 and newer (`acc,none`)."""

from collections.abc import Iterator, Mapping
from typing import Any

from overtraining.figures.llm.readers.checkpoints import checkpoint
from overtraining.figures.llm.readers.files import File, count, nested, objects
from overtraining.figures.llm.readers.metrics import METRICS, measured_number
from overtraining.figures.llm.readers.origin import origin
from overtraining.figures.llm.tidy import UNKNOWN, Row

_ADAPTERS = ("peft", "delta")
_NAMES = (*_ADAPTERS, "pretrained", "model", "path", "engine")  # in the order in which the harness itself looks
_NEW = {"lm_eval_version", "n-shot", "n-samples", "higher_is_better", "configs"}  # keys that 0.3 does not write


def is_harness(data: Mapping[str, Any]) -> bool:
    """Whether this is a results file of the harness, of any version, and not one of lighteval."""
    return (
        isinstance(data.get("results"), dict)
        and bool({"config", "versions"} & data.keys())
        and "config_general" not in data
    )


def is_new(data: Mapping[str, Any]) -> bool:
    """Whether its version is 0.4 or newer."""
    tasks = [task for task in data["results"].values() if isinstance(task, dict)]
    return bool(_NEW & data.keys()) or any("," in key for task in tasks for key in task)


def read_old(file: File, data: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of a version 0.3 file, in which `metric` and `metric_stderr` are keys of one object."""
    common, shots = _common(file, data), count(nested(data, "config", "num_fewshot"))
    for task, entries in objects(file, "results", data["results"]):
        setup = _setup(data, task)
        for key, value in entries.items():
            place = f"results.{task}.{key}"
            if "," in key:
                raise file.refuse(place, "a key of version 0.4 in a file of 0.3", "do not mix versions")
            if not key.endswith("_stderr"):
                measured = measured_number(file, place, key, value, entries.get(f"{key}_stderr"))
                yield Row(task=task, metric=key, shots=shots, setup=setup, **common, **measured)


def read_new(file: File, data: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of a version 0.4 file, with keys `metric,filter` and `metric_stderr,filter`, orientation and test items."""
    common = _common(file, data)
    for task, entries in objects(file, "results", data["results"]):
        shots, items = (count(nested(data, *path)) for path in (("n-shot", task), ("n-samples", task, "effective")))
        items = items or UNKNOWN  # 0 would be the number of items of no mean
        setup = _setup(data, task)
        for key, value in entries.items():
            name, comma, chosen = key.partition(",")
            place = f"results.{task}.{key}"
            if not comma and name.lower() in METRICS:  # other keys without a comma: the alias, the number of samples, …
                raise file.refuse(place, "a key of version 0.3 in a file of 0.4", "do not mix versions")
            if comma and not name:
                raise file.refuse(place, "it names no metric", "write it like 'acc,none'")
            if comma and not name.endswith("_stderr"):
                measured = measured_number(file, place, name, value, entries.get(f"{name}_stderr,{chosen}"))
                better = nested(data, "higher_is_better", task, name)
                if isinstance(better, bool):
                    measured["orientation"] = "higher" if better else "lower"
                shown = name if chosen == "none" else f"{name} ({chosen})"
                yield Row(task=task, metric=shown, shots=shots, items=items, setup=setup, **common, **measured)


def _setup(data: Mapping[str, Any], task: str) -> str:
    """What the evaluation was, as far as a change of it along training would change the numbers."""
    parts = {
        "task version": nested(data, "versions", task),
        "limit": nested(data, "config", "limit"),
        "lm-eval": data.get("lm_eval_version"),
    }
    return ", ".join(f"{name} {value}" for name, value in parts.items() if isinstance(value, str | int | float))


def _common(file: File, data: Mapping[str, Any]) -> dict[str, Any]:
    """What all rows of a file have in common: model, checkpoint, date, and what was done to the model."""
    arguments = _arguments(nested(data, "config", "model_args"))
    key = next((name for name in _NAMES if isinstance(arguments.get(name), str) and arguments[name]), "")
    model = arguments.get(key) or data.get("model_name") or nested(data, "config", "model") or ""
    revision = str(arguments.get("revision", ""))
    common = origin(file, str(model), revision)
    if isinstance(date := data.get("date"), int | float):
        common["date"] = file.number(date, "date")
    for bits in (4, 8):
        if str(arguments.get(f"load_in_{bits}bit")).lower() == "true":
            common |= {"stage": "perturbed", "perturbation": "quantization"}
            common |= {"strength": float(bits), "strength_name": "bits"}
    if any(map(arguments.get, _ADAPTERS)):
        common |= {"stage": "fine-tuned", "perturbation": "fine-tuning"}
        if key in _ADAPTERS and checkpoint(str(model)).known and not (file.pattern or checkpoint(revision).known):
            file.say(f"WARNING: the steps are those of the adapter ({key}=…), not of pretraining")
    return common


def _arguments(model_args: Any) -> Mapping[str, Any]:
    """`model_args` as a mapping; older files contain a string, newer ones an object."""
    if isinstance(model_args, str):
        pairs = (part.partition("=") for part in model_args.split(","))
        return {key.strip(): value.strip() for key, _, value in pairs}
    return model_args if isinstance(model_args, dict) else {}
