"""What the columns of a log of training are, by their names: length, learning rate, measurements and their errors."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from overtraining.figures.llm.readers.metrics import METRICS, UNKNOWN, metric

_STEPS = (  # in the order in which they are believed
    r"train/global_step",
    r"trainer/global_step",
    r"(.*/)?global_step",
    r"(training_|train/)?step|iter(ation)?s?|time/batch",
    r"_step",
)
_TOKENS = (r"(.*/)?((total|num|n|consumed)_)?((train|training|input)_)?tokens?(_seen)?",)
_LEARNING_RATE = (r"(.*/)?(lr|learning_rate)(_?\(?group_?0\)?)?(-[a-z]+(/pg1)?)?",)
_FOLDERS = ("train", "eval", "val", "valid", "validation", "test")
_PREFIX = re.compile(rf"({'|'.join(_FOLDERS)})_(.+)", re.IGNORECASE)
_NAMED = re.compile(r"(.+) \(([^()]+)\)")
_STDERR = re.compile(r"_stderr(?=,|$)")
_BAND = re.compile(r"__(MIN|MAX)$")  # the web page of Weights & Biases exports these two with every curve
_SPEED = re.compile(r"(.*_)?(runtime|per_second|preparation_time|time|epoch)")


class MeasuredColumn(NamedTuple):
    """What a column measures: the run, the task, and the metric as it is written."""

    run: str
    task: str
    metric: str


def step_columns(names: Sequence[str]) -> list[str]:
    """The columns that count steps of training, the most trustworthy one first.

    >>> step_columns(["_step", "train/global_step", "Training step"])
    ['train/global_step', 'Training step', '_step']
    """
    return _found(_STEPS, names)


def token_columns(names: Sequence[str]) -> list[str]:
    """The columns that count tokens of training.

    >>> token_columns(["throughput/total tokens", "num_input_tokens_seen", "tokens_per_second"])
    ['throughput/total tokens', 'num_input_tokens_seen']
    """
    return _found(_TOKENS, names)


def learning_rate_columns(names: Sequence[str]) -> list[str]:
    """The columns that hold the learning rate.

    >>> learning_rate_columns(["optim/LR (group 0)", "lr-AdamW", "learning_rate"])
    ['optim/LR (group 0)', 'lr-AdamW', 'learning_rate']
    """
    return _found(_LEARNING_RATE, names)


def stderr_columns(names: Sequence[str]) -> dict[str, str]:
    """The columns whose standard errors are a column of their own, and the names of these.

    >>> stderr_columns(["eval/piqa/acc", "eval/piqa/acc_stderr", "eval/loss"])
    {'eval/piqa/acc': 'eval/piqa/acc_stderr'}
    """
    known = set(names)
    of = {name: _STDERR.sub("", name) for name in names if _STDERR.search(name)}
    return {measured: error for error, measured in of.items() if measured in known}


def measure(name: str) -> MeasuredColumn | None:
    """What a column measures, or None if it holds no measurements.

    >>> measure("eval/c4/CrossEntropyLoss")
    MeasuredColumn(run='', task='c4', metric='CrossEntropyLoss')
    >>> measure("eval/downstream/arc (BPB)").task, measure("val_loss"), measure("eval_runtime")
    ('downstream/arc', MeasuredColumn(run='', task='val', metric='loss'), None)
    >>> measure("a run - eval/loss")  # as the web page of Weights & Biases exports it
    MeasuredColumn(run='a run', task='loss', metric='loss')
    """
    run, _, path = name.rpartition(" - ")
    if _BAND.search(path) or _STDERR.search(path):
        return None
    if "/" not in path and (match := _PREFIX.fullmatch(path)):
        path = f"{match[1]}/{match[2]}"
    *folders, last = path.split("/")
    within = folders[1:] if folders[:1] == ["eval"] else folders
    if named := _NAMED.fullmatch(last):  # `arc (BPB)`, as OLMo-core writes it
        within, last = [*within, named[1]], named[2]
    if metric(last) is not UNKNOWN:
        return MeasuredColumn(run, "/".join(within) or last, last)
    if _SPEED.fullmatch(last) or not any(folder.lower() in _FOLDERS[1:] for folder in folders):
        return None
    ending = max((known for known in METRICS if last.lower().endswith(f"_{known}")), key=len, default="")
    task = last[: -len(ending) - 1] if ending else last
    return MeasuredColumn(run, "/".join([*within, task]), ending or last)


def _found(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    written = {name: name.strip().lower().replace(" ", "_") for name in names}
    found = (name for pattern in patterns for name in names if re.fullmatch(pattern, written[name]))
    return list(dict.fromkeys(found))
