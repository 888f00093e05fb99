"""The tidy table: one row per measured number, in the same columns for every file format."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches

import numpy as np
import pandas as pd

from overtraining.figures.plain_text import printable
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
    source: file or citation.
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
    source: str = "not stated"


COLUMNS = tuple(field.name for field in fields(Row))
NUMBERS = tuple(field.name for field in fields(Row) if field.type is float)
CHOICES = {"stage": STAGES, "orientation": ORIENTATIONS, "annealed": ANNEALED, "role": ROLES}
IDENTITY = ("model", "step", "tokens", "stage", "perturbation", "strength", "shots", "seed", "task", "metric")


def tidy_table(rows: Iterable[Row]) -> pd.DataFrame:
    """The rows as a table in a fixed order, its text printable; a number that was read twice counts once.

    Raises SchemaError if two rows give different numbers for the same measurement.

    >>> table = tidy_table([Row("m", "sciq", "acc", 0.5, step=2.0), Row("m", "sciq", "acc", 0.4, step=1.0)])
    >>> table[["step", "value"]].values.tolist()
    [[1.0, 0.4], [2.0, 0.5]]
    """
    table = pd.DataFrame([[getattr(row, name) for name in COLUMNS] for row in rows], columns=list(COLUMNS))
    table = table.astype(dict.fromkeys(NUMBERS, float))
    table = table.assign(**{name: table[name].map(printable) for name in COLUMNS if name not in NUMBERS})
    table = table.sort_values([*IDENTITY, "value", "source"], kind="stable", ignore_index=True)
    table = table.drop_duplicates([*IDENTITY, "value", "stderr"], ignore_index=True)
    again = table.duplicated(list(IDENTITY), keep=False)
    if again.any():
        one, other = (table[again].iloc[i] for i in (0, 1))
        where = f"{one.model}, {one.task}, {one.metric}, " + (
            f"step {one.step:g}" if np.isfinite(one.step) else f"{one.tokens:g} tokens"
        )
        raise SchemaError(
            where,
            f"{one.source} says {one.value:g}, {other.source} says {other.value:g}",
            "leave one of them out, or give them different models or seeds in the plain CSV",
        )
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
    rows = table[["model", "task", "metric", *filled]].to_string(index=False, max_rows=most, na_rep="", max_colwidth=40)
    benchmarks = len(table[["task", "metric"]].drop_duplicates())
    totals = (
        f"{len(table)} measurements of {table['model'].nunique()} model(s), {benchmarks} benchmark(s) or loss(es), "
        f"from {table['source'].nunique()} source(s)"
    )
    return f"{rows}\n{totals}"
