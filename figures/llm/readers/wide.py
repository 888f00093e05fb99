"""Read logs of training: one line per step, one column per measure, many empty cells.

Exports of Weights & Biases, from a script (`_step`, `eval/c4/loss`) or from the web page (`Step`, `run - eval/loss`),
the `metrics.csv` of Lightning, the CSV of small trainers (`step,train_loss,val_loss`), and, for other readers, the same
as records.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from overtraining.figures.llm.readers.columns import (
    MeasuredColumn,
    learning_rate_columns,
    measure,
    stderr_columns,
    step_columns,
    token_columns,
)
from overtraining.figures.llm.readers.files import File, Sheet, is_number
from overtraining.figures.llm.readers.metrics import checked_metric, metric
from overtraining.figures.llm.readers.origin import run_name
from overtraining.figures.llm.readers.plain import which_columns
from overtraining.figures.llm.tidy import UNKNOWN, Row

Record = tuple[str, Mapping[str, float]]
"""A place in a file, and the numbers of its filled columns."""

_MISSING = {"nan", "inf", "+inf", "-inf", "infinity", "-infinity", "none", "null", "n/a", "na"}


def is_wide(sheet: Sheet) -> bool:
    """Whether there is a length of training, and at least one column of measurements."""
    return bool(step_columns(sheet.header) or token_columns(sheet.header)) and any(map(measure, sheet.header))


def read_wide(file: File, sheet: Sheet) -> Iterator[Row]:
    """One row per filled cell of a measured column; tokens and learning rate come from their columns, if any."""
    names = sheet.header
    lengths = [*step_columns(names)[:1], *token_columns(names)[:1], *learning_rate_columns(names)[:1]]
    measured = [name for name in names if measure(name)]
    errors = stderr_columns(names)
    wanted = {*lengths, *measured, *(errors[name] for name in measured if name in errors)}
    records, texts = _records(file, sheet, {name: i for i, name in enumerate(names) if name in wanted}, set(measured))
    if texts:
        file.say(f"columns of text are left out: {', '.join(texts)}")
    left_out = set(texts)
    kept = [name for name in names if name not in left_out]
    if not any(map(measure, kept)):
        raise file.refuse("line 1", "no column is known to hold measurements", which_columns(names))
    yield from read_records(file, kept, records, run_name(file.path))


def read_records(file: File, names: Sequence[str], records: Iterable[Record], model: str) -> Iterator[Row]:
    """Rows of all measured columns of these records; of a repeated step, as after a restart, the last value counts."""
    lengths = _lengths(file, names)
    measures = {name: found for name in names if (found := measure(name))}
    if not (lengths and measures):
        missing = "column of measurements, such as eval/c4/loss" if lengths else "column of steps or tokens"
        raise file.refuse("line 1", f"there is no {missing}", "export it from the run, or name it with --columns")
    errors = stderr_columns(names)
    length = next(iter(lengths.values()))
    common = dict(lengths)
    if rates := learning_rate_columns(names):
        common["learning_rate"] = rates[0]
    # tokens and learning rate, which are often logged in another record of the same step
    found_at: dict[float, dict[str, float]] = {}
    values: dict[tuple[MeasuredColumn, float], tuple[float, float]] = {}  # values and their standard errors
    repeated = 0
    for place, numbers in records:
        here = measures.keys() & numbers.keys()
        if length not in numbers:
            if here:
                raise file.refuse(f"{place}, {length}", "it is empty", "give every line a length")
            continue
        at = numbers[length]
        for name in {*lengths.values()} & numbers.keys():
            file.not_negative(numbers[name], f"{place}, {name}")
        found_at.setdefault(at, {}).update({key: numbers[name] for key, name in common.items() if name in numbers})
        for name in here:
            key, value = (measures[name], at), numbers[name]
            checked_metric(file, f"{place}, {name}", key[0].metric, value)
            repeated += key in values and values[key][0] != value
            values[key] = value, numbers.get(errors.get(name, ""), UNKNOWN)
    if repeated:
        file.say(f"{repeated} value(s) at repeated steps are replaced by the later ones, as after a restart")
    for (what, at), (value, stderr) in values.items():
        known = metric(what.metric)
        yield Row(
            model=what.run or model,
            task=what.task,
            metric=what.metric,
            value=value,
            stderr=stderr,
            unit=known.unit,
            orientation=known.orientation,
            source=str(file.path),
            **found_at[at],  # type: ignore[arg-type]  # names of fields
        )


def _lengths(file: File, names: Sequence[str]) -> dict[str, str]:
    """The columns that give the length of training, and a note about them."""
    steps, tokens = step_columns(names), token_columns(names)
    lengths = {"step": steps[:1], "tokens": tokens[:1]}
    chosen = {field: found[0] for field, found in lengths.items() if found}
    if chosen:
        passed_over = [*steps[1:], *tokens[1:]]
        other = f" (not from {', '.join(passed_over)})" if passed_over else ""
        file.say("; ".join(f"{field} from column {name}" for field, name in chosen.items()) + other)
    if steps and (steps[0] == "_step" or (steps[0] == "Step" and any(" - " in name for name in names))):
        file.say(f"WARNING: column {steps[0]} of Weights & Biases may count calls of its log, not steps of training")
    return chosen


def _records(file: File, sheet: Sheet, places: Mapping[str, int], measured: Set[str]) -> tuple[list[Record], list[str]]:
    """The numbers in these columns, and those of the columns that have text in all filled cells.

    Cells that say NaN or the like are missing, and are counted in a note. Raises Unreadable for a text among numbers.
    """
    records: list[Record] = []
    missing: Counter[str] = Counter()
    texts: dict[str, tuple[str, str]] = {}  # the first text of every column, and its place
    with_numbers: set[str] = set()
    measurements = 0
    for line, cells in sheet.lines:
        numbers = {}
        for name, place in places.items():
            cell = cells[place].strip()
            if is_number(cell):
                numbers[name] = file.numeral(cell, f"line {line}, {name}")
            elif cell.lower() in _MISSING:
                missing[name] += 1
            elif cell and name not in texts:
                texts[name] = cell, f"line {line}, {name}"
        with_numbers |= numbers.keys()
        measurements += len(measured & numbers.keys())
        file.room(measurements)
        records.append((f"line {line}", numbers))
    for name, (cell, place_of_text) in texts.items():
        if name in with_numbers:
            file.numeral(cell, place_of_text)  # refuses it
    for name, times in missing.items():
        file.say(f"{times} cell(s) of {name} hold no number (NaN or the like) and are missing")
    return records, list(texts)
