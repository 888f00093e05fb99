"""Read the log of a small trainer, in lines such as `step 500: train loss 2.01, val loss 2.09` (nanoGPT, llm.c, …)."""

import re
from collections.abc import Iterator

from overtraining.figures.llm.readers.files import File
from overtraining.figures.llm.readers.origin import run_name
from overtraining.figures.llm.readers.wide import Record, read_records
from overtraining.figures.llm.tidy import Row

# Digits are those of ASCII; but a number that another script's digit continues is not the number before that.
_STEP = re.compile(r"(?<![a-z_])(?:step|iter(?:ation)?|s)[ :=#]{1,3}(\d{1,12})(?!(?u:[\d.]))", re.IGNORECASE | re.ASCII)
_LOSS = re.compile(
    r"(?<![a-z_])(?:(train(?:ing)?|val(?:id(?:ation)?)?|test|eval)[ _]?)?loss[ :=]{1,3}([-+.\de]{1,30})(?!(?u:[\w.]))"
    r"|(?<![a-z_])(te|tr)l:([-+.\de]{1,30})(?!(?u:[\w.]))",
    re.IGNORECASE | re.ASCII,
)
_KINDS = {"": "train", "training": "train", "tr": "train", "te": "val", "valid": "val", "validation": "val"}
_FEW = 2


def is_training_log(text: str) -> bool:
    """Whether at least two lines name a step and a loss.

    >>> is_training_log("step 0: train loss 4.2, val loss 4.3\\nstep 10: train loss 3.1, val loss 3.2\\n")
    True
    >>> is_training_log("step,train_loss\\n0,4.2\\n10,3.1\\n")
    False
    """
    found = 0
    for line in text.splitlines():
        found += bool(_STEP.search(line) and _LOSS.search(line))
        if found == _FEW:
            return True
    return False


def read_training_log(file: File, text: str) -> Iterator[Row]:
    """One row per loss in a line that names its step; a loss that is not said to be of validation is of training."""
    yield from read_records(file, ["step", *_names()], _records(file, text), run_name(file.path))


def _names() -> list[str]:
    return [f"{kind}/loss" for kind in ("train", "val", "test", "eval")]


def _records(file: File, text: str) -> Iterator[Record]:
    for i, line in enumerate(text.splitlines(), 1):
        step, losses = _STEP.search(line), list(_LOSS.finditer(line))
        if step and losses:
            place = f"line {i}"
            numbers = {"step": file.numeral(step[1], place)}
            for loss in losses:
                kind = (loss[1] or loss[3] or "").lower()
                numbers[f"{_KINDS.get(kind, kind)}/loss"] = file.numeral(loss[2] or loss[4], place)
            yield place, numbers
