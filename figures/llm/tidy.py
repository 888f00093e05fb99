"""The tidy table: one row per measured number, in the same columns for every file format."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache

import numpy as np
import pandas as pd

from overtraining.figures.plain_text import in_spreadsheet, printable
from overtraining.setting.errors import DomainError, Refusal, SchemaError

STAGES = ("base", "fine-tuned", "perturbed")
ORIENTATIONS = ("higher", "lower", "unknown")
ANNEALED = ("yes", "no", "unknown")
ROLES = ("pretraining", "downstream")
UNKNOWN = float("nan")


class Unreadable(Refusal):
    """A file, or a place in it, that is not valid; `what` begins with the file's name."""

    def __init__(self, what: str, why: str, instead: str) -> None:
        super().__init__(printable(what), printable(why), printable(instead))


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number. What a file does not contain is NaN, "" or "unknown", never a guess.

    model: name without the checkpoint.  step, tokens: how long the checkpoint was trained.  params: number of
    parameters.  stage: base, fine-tuned or perturbed, by `perturbation` of `strength` (`strength_name` says what the
    number is).  learning_rate: of pretraining, at the checkpoint.  annealed: whether the run ended there with a decayed
    learning rate.  shots: examples in the prompt.  seed: number of the repetition.  role: the objective that the task
    stands for.  stderr, unit, orientation: of the value.  items: number of test items that the value is a mean of.
    setup: what else the evaluation was, such as the version of the task.  date: of the evaluation, in seconds since
    1970.  source: file or citation.  A standard error of 0 is what a file says and tells nothing.
    """

    model: str
    task: str
    metric: str
    value: float
    step: float = UNKNOWN
    tokens: float = UNKNOWN
    params: float = UNKNOWN
    stage: str = "base"
    perturbation: str = ""
    strength: float = UNKNOWN
    strength_name: str = ""
    learning_rate: float = UNKNOWN
    annealed: str = "unknown"
    shots: float = UNKNOWN
    seed: float = UNKNOWN
    role: str = "pretraining"
    stderr: float = UNKNOWN
    items: float = UNKNOWN
    unit: str = "1"
    orientation: str = "unknown"
    setup: str = ""
    date: float = UNKNOWN
    source: str = "not stated"


COLUMNS = tuple(field.name for field in fields(Row))
NUMBERS = tuple(field.name for field in fields(Row) if field.type is float)
CHOICES = {"stage": STAGES, "orientation": ORIENTATIONS, "annealed": ANNEALED, "role": ROLES}
IDENTITY = ("model", "step", "tokens", "stage", "perturbation", "strength", "shots", "seed", "task", "metric")


def tidy_table(rows: Iterable[Row]) -> pd.DataFrame:
    """The rows as a table in a fixed order, its text printable; a number that was read twice counts once.

    Raises SchemaError if two rows give different numbers for the same measurement, and no date says which is newer.

    >>> table = tidy_table([Row("m", "sciq", "acc", 0.5, step=2.0), Row("m", "sciq", "acc", 0.4, step=1.0)])
    >>> table[["step", "value"]].values.tolist()
    [[1.0, 0.4], [2.0, 0.5]]
    """
    return tidy_table_and_reruns(rows)[0]


def tidy_table_and_reruns(rows: Iterable[Row]) -> tuple[pd.DataFrame, list[str]]:
    """The table of `tidy_table`, and a sentence about the measurements that were made again: the newest count."""
    table = _columns(list(rows))
    table = table.sort_values([*IDENTITY, "value", "source"], kind="stable", ignore_index=True)
    table = table.drop_duplicates([*IDENTITY, "value", "stderr"], ignore_index=True)
    again = table.duplicated(list(IDENTITY), keep=False)
    if not again.any():
        return table, []
    newest = table[again].groupby(list(IDENTITY), dropna=False)["date"].transform("max")
    older = table.index.isin(newest.index[table.loc[newest.index, "date"] < newest])
    reruns = []
    if older.any():
        sources = [source.rpartition("/")[2] for source in table.loc[older, "source"].unique()]
        shown = ", ".join(sources[:3]) + (", …" if len(sources) > 3 else "")
        reruns = [f"{older.sum()} measurement(s) were made again later, and the newest count; left out from {shown}"]
    table = table[~older].reset_index(drop=True)
    _refuse_contradictions(table)
    return table, reruns


def _columns(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as a table; a text that repeats is made printable, and kept, once."""
    once = cache(printable)
    return pd.DataFrame(
        {
            name: np.fromiter((getattr(row, name) for row in rows), float, len(rows))
            if name in NUMBERS
            else np.array([once(getattr(row, name)) for row in rows], object)
            for name in COLUMNS
        }
    )


def _refuse_contradictions(table: pd.DataFrame) -> None:
    again = table.duplicated(list(IDENTITY), keep=False)
    if again.any():
        one, other = (table[again].iloc[i] for i in (0, 1))
        where = f"{one.model}, {one.task}, {one.metric}, " + (
            f"step {one.step:g}" if np.isfinite(one.step) else f"{one.tokens:g} tokens"
        )
        raise SchemaError(
            where,
            f"{one.source} says {one.value:g}, {other.source} says {other.value:g}",
            "leave one of them out, or give them dates, or different models or seeds, in the plain CSV",
        )


def as_csv(table: pd.DataFrame) -> str:
    """The table as the plain CSV; a text that a spreadsheet would take for a formula begins with an apostrophe.

    >>> as_csv(tidy_table([Row("=1+1", "t", "acc", 0.5, step=2.0)])).splitlines()[1][:20]
    "'=1+1,t,acc,0.5,2.0,"
    """
    texts = {name: table[name].map(in_spreadsheet) for name in COLUMNS if name not in NUMBERS}
    return table.assign(**texts).to_csv(index=False)


def with_orientations(table: pd.DataFrame, given: Mapping[str, str]) -> pd.DataFrame:
    """The table with the orientation of these metrics as given: higher or lower. Raises DomainError.

    >>> table = tidy_table([Row("m", "t", "vibes", 0.5, step=2.0)])
    >>> with_orientations(table, {"vibes": "lower"}).orientation.tolist()
    ['lower']
    """
    for name, orientation in given.items():
        if orientation not in ORIENTATIONS[:2]:
            raise DomainError(f"{name}={orientation}", "there is no such orientation", "use higher or lower")
        rows = table["metric"] == name
        if not rows.any():
            metrics = ", ".join(sorted(table["metric"].unique())[:10])
            raise DomainError(name, "no row has this metric", f"use one of {metrics}")
        table = table.assign(orientation=table["orientation"].where(~rows, orientation))
    return table


def with_tokens(table: pd.DataFrame, tokens_per_step: float) -> pd.DataFrame:
    """The table with `tokens = step × tokens_per_step` in rows that only have the step. Raises DomainError."""
    if not 0 < tokens_per_step < np.inf:
        raise DomainError(
            f"tokens per step = {tokens_per_step:g}", "it must be positive", "pass batch size × sequence length"
        )
    return table.assign(tokens=table["tokens"].fillna(table["step"] * tokens_per_step))


def with_changed_model(base: pd.DataFrame, other: pd.DataFrame, change: str) -> pd.DataFrame:
    """Both tables in one, with the rows of `other` marked as those of the base model after this change.

    Raises SchemaError if it is not clear which models of the two tables belong together.
    """
    models, other_models = (sorted(table["model"].unique()) for table in (base, other))
    if models != other_models:
        if len(models) > 1 or len(other_models) > 1:
            names = f"{', '.join(models)} and {', '.join(other_models)}"
            raise SchemaError(names, "it is not clear which of these belong together", "compare one model at a time")
        other = other.assign(model=models[0])
    undeclared = other["stage"] == "base"
    other = other.assign(
        stage=other["stage"].where(~undeclared, "fine-tuned" if "tun" in change else "perturbed"),
        perturbation=other["perturbation"].where(~undeclared, change),
    )
    return pd.concat([base, other], ignore_index=True)


def select(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows with these tasks or metrics. Raises DomainError for a name that no row has."""
    wanted = {name.strip() for name in names if name.strip()}
    known = {*table["task"], *table["metric"]}
    if unknown := wanted - known:
        near = get_close_matches(min(unknown), known, n=5, cutoff=0.3) or sorted(known)[:5]
        raise DomainError(min(unknown), "no row has this task or metric", f"try {', '.join(near)}")
    tasks = wanted & set(table["task"])
    metrics = wanted & set(table["metric"])
    chosen = table["task"].isin(tasks or table["task"]) & table["metric"].isin(metrics or table["metric"])
    return table[chosen].reset_index(drop=True)


def summary(table: pd.DataFrame, most: int = 20) -> str:
    """The table as text: the columns that are filled, in at most `most` lines, and a line of totals.

    >>> print(summary(tidy_table([Row("m", "sciq", "acc", 0.5, step=2.0), Row("m", "sciq", "acc", 0.4, step=1.0)])))
    model task metric  value  step stage
        m sciq    acc    0.4   1.0  base
        m sciq    acc    0.5   2.0  base
    2 measurements of 1 model(s), 1 benchmark(s) or loss(es), from 1 source(s)
    """
    optional = ["value", "stderr", "step", "tokens", "stage", "perturbation", "strength"]
    filled = [name for name in optional if not table[name].isin([UNKNOWN, ""]).all()]
    base = table["stage"] == "base"  # such a row says which change of the model it is compared with
    table = table.assign(perturbation=table["perturbation"].mask(base, ""), strength=table["strength"].mask(base))
    rows = table[["model", "task", "metric", *filled]].to_string(index=False, max_rows=most, na_rep="", max_colwidth=40)
    benchmarks = len(table[["task", "metric"]].drop_duplicates())
    totals = (
        f"{len(table)} measurements of {table['model'].nunique()} model(s), {benchmarks} benchmark(s) or loss(es), "
        f"from {table['source'].nunique()} source(s)"
    )
    return f"{rows}\n{totals}"
