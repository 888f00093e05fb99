"""Read results of lm-evaluation-harness: version 0.3 (`acc`), and version 0.4 and newer (`acc,none`)."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from overtraining.figures.llm.readers.checkpoints import checkpoint
from overtraining.figures.llm.readers.files import File
from overtraining.figures.llm.readers.metrics import METRICS, checked_metric
from overtraining.figures.llm.tidy import UNKNOWN, Row

_ADAPTERS = ("peft", "delta")
_NAMES = (*_ADAPTERS, "pretrained", "model", "path", "engine")  # in the order in which the harness itself looks
_NEW = {"lm_eval_version", "n-shot", "n-samples", "higher_is_better", "configs"}  # keys that 0.3 does not write


def is_harness(data: Mapping[str, Any]) -> bool:
    """Whether this is a results file of the harness, of any version."""
    return isinstance(data.get("results"), dict) and bool({"config", "versions"} & data.keys())


def is_new(data: Mapping[str, Any]) -> bool:
    """Whether its version is 0.4 or newer."""
    tasks = [task for task in data["results"].values() if isinstance(task, dict)]
    return bool(_NEW & data.keys()) or any("," in key for task in tasks for key in task)


def read_old(file: File, data: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of a version 0.3 file, in which `metric` and `metric_stderr` are keys of one object."""
    origin, shots = _origin(file, data), _count(_nested(data, "config", "num_fewshot"))
    for task, entries in _tasks(file, data):
        for key, value in entries.items():
            place = f"results.{task}.{key}"
            if "," in key:
                raise file.refuse(place, "a key of version 0.4 in a file of 0.3", "do not mix versions")
            if not key.endswith("_stderr"):
                measured = _measured(file, place, key, value, entries.get(f"{key}_stderr"))
                yield Row(task=task, metric=key, shots=shots, **origin, **measured)


def read_new(file: File, data: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of a version 0.4 file, with keys `metric,filter` and `metric_stderr,filter`, orientation and test items."""
    origin = _origin(file, data)
    for task, entries in _tasks(file, data):
        shots, items = (_count(_nested(data, *path)) for path in (("n-shot", task), ("n-samples", task, "effective")))
        items = items or UNKNOWN  # 0 would be the number of items of no mean
        for key, value in entries.items():
            name, comma, chosen = key.partition(",")
            place = f"results.{task}.{key}"
            if not comma and name.lower() in METRICS:  # other keys without a comma: the alias, the number of samples, …
                raise file.refuse(place, "a key of version 0.3 in a file of 0.4", "do not mix versions")
            if comma and not name:
                raise file.refuse(place, "it names no metric", "write it like 'acc,none'")
            if comma and not name.endswith("_stderr"):
                measured = _measured(file, place, name, value, entries.get(f"{name}_stderr,{chosen}"))
                better = _nested(data, "higher_is_better", task, name)
                if isinstance(better, bool):
                    measured["orientation"] = "higher" if better else "lower"
                shown = name if chosen == "none" else f"{name} ({chosen})"
                yield Row(task=task, metric=shown, shots=shots, items=items, **origin, **measured)


def _tasks(file: File, data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(data["results"], dict):
        raise file.refuse("results", "it is not an object of tasks", "write the file again")
    for task, entries in data["results"].items():
        if not isinstance(entries, dict):
            raise file.refuse(f"results.{task}", "it is not an object of metrics", "write the file again")
        yield task, entries


def _nested(data: Mapping[str, Any], *path: str) -> Any:
    """The entry at this path, or None."""
    value: Any = data
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _count(value: Any) -> float:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return float(value) if whole else UNKNOWN


def _measured(file: File, place: str, name: str, value: Any, given_stderr: Any) -> dict[str, Any]:
    """Value, standard error, unit and orientation."""
    number = file.number(value, place)
    stderr = UNKNOWN
    known = checked_metric(file, place, name, number)
    # the harness writes None, "N/A" or NaN for an unknown error
    unknown = given_stderr is None or given_stderr == "N/A"
    if not (unknown or (isinstance(given_stderr, float) and math.isnan(given_stderr))):
        place = f"the standard error of {place}"
        stderr = file.not_negative(file.number(given_stderr, place), place)
    return {"value": number, "stderr": stderr, "unit": known.unit, "orientation": known.orientation}


def _origin(file: File, data: Mapping[str, Any]) -> dict[str, Any]:
    """What all rows of a file have in common: model, checkpoint, and what was done to the model.

    The checkpoint comes from `revision`, otherwise from the model's name, otherwise from the name of the file or of its
    folder. Raises Unreadable if the file's name contradicts its contents.
    """
    arguments = _arguments(_nested(data, "config", "model_args"))
    named = next((n for n in map(arguments.get, _NAMES) if isinstance(n, str) and n), None)
    of_model = checkpoint(str(named or data.get("model_name") or _nested(data, "config", "model") or ""))
    revision = checkpoint(str(arguments.get("revision", "")))
    in_contents = revision if revision.known else of_model
    in_path = checkpoint(file.path.stem)
    if not in_path.known:
        in_path = checkpoint(file.path.parent.name)
    if in_contents.known and in_path.known and in_contents.step != in_path.step:
        why = f"its name says step {in_path.step:g}, its contents say step {in_contents.step:g}"
        raise file.refuse("the checkpoint", why, "rename the file")
    at = in_contents if in_contents.known else in_path
    origin = {"model": of_model.name or "unnamed", "step": at.step, "tokens": at.tokens, "source": str(file.path)}
    for bits in (4, 8):
        if str(arguments.get(f"load_in_{bits}bit")).lower() == "true":
            origin |= {"stage": "perturbed", "perturbation": "quantization"}
            origin |= {"strength": float(bits), "strength_name": "bits"}
    if any(map(arguments.get, _ADAPTERS)):
        origin |= {"stage": "fine-tuned", "perturbation": "fine-tuning"}
    return origin


def _arguments(model_args: Any) -> Mapping[str, Any]:
    """`model_args` as a mapping; older files contain a string, newer ones an object."""
    if isinstance(model_args, str):
        pairs = (part.partition("=") for part in model_args.split(","))
        return {key.strip(): value.strip() for key, _, value in pairs}
    return model_args if isinstance(model_args, dict) else {}
