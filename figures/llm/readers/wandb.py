"""Wide CSV of Weights & Biases: one line per step, one column per metric, many cells empty."""

import re
from collections.abc import Iterator, Sequence

from overtraining.figures.llm.readers.files import File, Lines
from overtraining.figures.llm.readers.metrics import METRICS, judged
from overtraining.figures.llm.tidy import UNKNOWN, Row

_STEP = re.compile(r"_?step|global_step|trainer/global_step", re.IGNORECASE)
_TOKENS = re.compile(r"(.*/)?(total_)?tokens(_seen)?|(.*/)?consumed_(train_)?tokens", re.IGNORECASE)
_RATE = re.compile(r"(.*/)?(lr|learning_rate(_group0)?)", re.IGNORECASE)
_LEADING = {"eval", "val", "valid", "validation", "test"}
_SPREAD = re.compile(r"__(MIN|MAX)$")  # the web page exports these beside every curve


def is_wandb(header: Sequence[str]) -> bool:
    """Is there a step, and at least one column that is a measurement?"""
    return any(map(_STEP.fullmatch, header)) and any(_measured(name) for name in header)


def read_wandb(file: File, header: Sequence[str], lines: Lines) -> Iterator[Row]:
    """One row per filled cell of a measured column; tokens and learning rate from their columns, if any."""
    find = lambda pattern: next((i for i, name in enumerate(header) if pattern.fullmatch(name)), -1)
    step, tokens, rate = find(_STEP), find(_TOKENS), find(_RATE)
    measured = {i: found for i, name in enumerate(header) if (found := _measured(name))}
    if step < 0 or not measured:
        missing = "column _step" if step < 0 else "column of measurements, such as eval/c4/loss"
        raise file.refuse("line 1", f"there is no {missing}", "export it from the run")
    for line, cells in lines:
        if not cells[step].strip():
            raise file.refuse(f"line {line}, {header[step]}", "it is empty", "give every line its step")
        numbers = {
            i: file.numeral(cells[i], f"line {line}, {header[i]}")
            for i in (step, tokens, rate, *measured)
            if i >= 0 and cells[i].strip()
        }
        for i in {step, tokens} & numbers.keys():
            file.not_negative(numbers[i], f"line {line}, {header[i]}")
        at = {"step": numbers[step], "tokens": numbers.get(tokens, UNKNOWN), "rate": numbers.get(rate, UNKNOWN)}
        for i, (run, task, name) in measured.items():
            if i in numbers:
                told = judged(file, f"line {line}, {header[i]}", name, numbers[i])
                yield Row(
                    model=run or file.path.stem, task=task, metric=name, value=numbers[i], unit=told.unit,
                    orientation=told.orientation, step=at["step"], tokens=at["tokens"], learning_rate=at["rate"],
                    source=str(file.path),
                )  # fmt: skip


def _measured(column: str) -> tuple[str, str, str] | None:
    """Run, task and metric of a column, or None where it is no measurement.

    `eval/c4/CrossEntropyLoss`; `eval/downstream_bpb/piqa_bpb`; `a run - eval/loss`, as the web page exports it.
    """
    run, dash, path = column.rpartition(" - ")
    if _SPREAD.search(path):
        return None
    *folders, last = path.split("/")
    rest = folders[1:] if folders[:1] == ["eval"] else folders
    if last.lower() in METRICS:
        return (run, "/".join(rest) or last, last) if folders or dash else None
    if not any(name.lower() in _LEADING for name in folders):
        return None
    ending = max((name for name in METRICS if last.lower().endswith(f"_{name}")), key=len, default="")
    task = last[: -len(ending) - 1] if ending else last
    return run, "/".join([*rest, task]), ending or last
