"""Read CSV exports of Weights & Biases (wandb): one line per step, one column per metric, many empty cells."""

import re
from collections.abc import Iterator, Sequence

from overtraining.figures.llm.readers.files import File, Lines
from overtraining.figures.llm.readers.metrics import METRICS, checked_metric
from overtraining.figures.llm.tidy import UNKNOWN, Row

_STEP = re.compile(r"_?step|global_step|trainer/global_step", re.IGNORECASE)
_TOKENS = re.compile(r"(.*/)?(total_)?tokens(_seen)?|(.*/)?consumed_(train_)?tokens", re.IGNORECASE)
_LEARNING_RATE = re.compile(r"(.*/)?(lr|learning_rate(_group0)?)", re.IGNORECASE)
_EVALUATION_FOLDERS = {"eval", "val", "valid", "validation", "test"}
_BAND = re.compile(r"__(MIN|MAX)$")  # the web page exports these two with every curve


def is_wandb(header: Sequence[str]) -> bool:
    """Whether there is a step, and at least one column of measurements."""
    return any(map(_STEP.fullmatch, header)) and any(_measured(name) for name in header)


def read_wandb(file: File, header: Sequence[str], lines: Lines) -> Iterator[Row]:
    """One row per filled cell of a measured column; tokens and learning rate come from their columns, if any."""
    step, tokens, learning_rate = (_find(pattern, header) for pattern in (_STEP, _TOKENS, _LEARNING_RATE))
    measured = {i: parts for i, name in enumerate(header) if (parts := _measured(name))}
    if step < 0 or not measured:
        missing = "column _step" if step < 0 else "column of measurements, such as eval/c4/loss"
        raise file.refuse("line 1", f"there is no {missing}", "export it from the run")
    for line, cells in lines:
        if not cells[step].strip():
            raise file.refuse(f"line {line}, {header[step]}", "it is empty", "give every line a step")
        numbers = {
            i: file.numeral(cells[i], f"line {line}, {header[i]}")
            for i in (step, tokens, learning_rate, *measured)
            if i >= 0 and cells[i].strip()
        }
        for i in {step, tokens} & numbers.keys():
            file.not_negative(numbers[i], f"line {line}, {header[i]}")
        for i, (run, task, name) in measured.items():
            if i in numbers:
                known = checked_metric(file, f"line {line}, {header[i]}", name, numbers[i])
                yield Row(
                    model=run or file.path.stem,
                    task=task,
                    metric=name,
                    value=numbers[i],
                    unit=known.unit,
                    orientation=known.orientation,
                    step=numbers[step],
                    tokens=numbers.get(tokens, UNKNOWN),
                    learning_rate=numbers.get(learning_rate, UNKNOWN),
                    source=str(file.path),
                )


def _find(pattern: re.Pattern[str], header: Sequence[str]) -> int:
    """The first column whose name matches, or −1."""
    return next((i for i, name in enumerate(header) if pattern.fullmatch(name)), -1)


def _measured(column: str) -> tuple[str, str, str] | None:
    """Run, task and metric of a column, or None if it does not contain measurements.

    `eval/c4/CrossEntropyLoss`; `eval/downstream_bpb/piqa_bpb`; `a run - eval/loss`, as the web page exports it.
    """
    run, dash, path = column.rpartition(" - ")
    if _BAND.search(path):
        return None
    *folders, last = path.split("/")
    rest = folders[1:] if folders[:1] == ["eval"] else folders
    if last.lower() in METRICS:
        return (run, "/".join(rest) or last, last) if folders or dash else None
    if not any(name.lower() in _EVALUATION_FOLDERS for name in folders):
        return None
    ending = max((name for name in METRICS if last.lower().endswith(f"_{name}")), key=len, default="")
    task = last[: -len(ending) - 1] if ending else last
    return run, "/".join([*rest, task]), ending or last
