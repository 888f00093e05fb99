"""The tidy table: one row per measured number, whatever file it was read from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches

import numpy as np
import pandas as pd

from overtraining.setting.errors import DomainError, Refusal, SchemaError

STAGES = ("base", "fine-tuned", "perturbed")
ORIENTATIONS = ("higher", "lower", "unknown")
ANNEALED = ("yes", "no", "unknown")
ROLES = ("pretraining", "downstream")
UNKNOWN = float("nan")


class Unreadable(Refusal):
    """A file, or a place in it, that is not what it should be; `what` begins with the file's name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number. What a file does not say is NaN, "" or "unknown", never a guess.

    model: name without the checkpoint.  step, tokens: how far the checkpoint was trained.  params: of the model.
    stage: base, fine-tuned or perturbed, by `perturbation` of `strength` (`strength_name` says what that is).
    learning_rate: of pretraining, at the checkpoint.  annealed: did the run end there, its rate decayed?
    shots: examples in the prompt.  seed: of the perturbation or run.  role: which objective the task stands for.
    stderr, unit, orientation: of the value; items: how many test items it is a mean of.  source: file or citation.
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


def tidy(rows: Iterable[Row]) -> pd.DataFrame:
    """The rows as a table, in a fixed order; a number that was read twice counts once.

    Raises SchemaError where two rows say different things of the same measurement.

    >>> table = tidy([Row("m", "sciq", "acc", 0.5, step=2.0), Row("m", "sciq", "acc", 0.4, step=1.0)])
    >>> table[["step", "value"]].values.tolist()
    [[1.0, 0.4], [2.0, 0.5]]
    """
    table = pd.DataFrame([[getattr(row, name) for name in COLUMNS] for row in rows], columns=list(COLUMNS))
    table = table.astype(dict.fromkeys(NUMBERS, float))
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
            "leave one of them out, or tell them apart (by model, or by a seed in the project's own CSV)",
        )
    return table


def with_tokens(table: pd.DataFrame, tokens_per_step: float) -> pd.DataFrame:
    """The table with `tokens = step × tokens_per_step` wherever only the step is known. Raises DomainError."""
    if not 0 < tokens_per_step < np.inf:
        raise DomainError(
            f"tokens per step = {tokens_per_step:g}", "it must be positive", "pass batch × sequence length"
        )
    return table.assign(tokens=table["tokens"].fillna(table["step"] * tokens_per_step))


def changed(base: pd.DataFrame, other: pd.DataFrame, change: str) -> pd.DataFrame:
    """Both tables as one, the rows of `other` declared to be of the base model after this change.

    Raises SchemaError where it is not plain which model of the one is which of the other.
    """
    named = [sorted(table["model"].unique()) for table in (base, other)]
    if named[0] != named[1]:
        if len(named[0]) > 1 or len(named[1]) > 1:
            said = f"{', '.join(named[0])} and {', '.join(named[1])}"
            raise SchemaError(said, "which of these belong together?", "compare one model at a time")
        other = other.assign(model=named[0][0])
    undeclared = other["stage"] == "base"
    other = other.assign(
        stage=other["stage"].where(~undeclared, "fine-tuned" if "tun" in change else "perturbed"),
        perturbation=other["perturbation"].where(~undeclared, change),
    )
    return pd.concat([base, other], ignore_index=True)


def selected(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of these tasks or metrics. Raises DomainError for a name that no row has."""
    wanted = {name.strip() for name in names if name.strip()}
    known = {*table["task"], *table["metric"]}
    if unknown := wanted - known:
        near = get_close_matches(min(unknown), known, n=5, cutoff=0.3) or sorted(known)[:5]
        raise DomainError(min(unknown), "no row has this task or metric", f"try {', '.join(near)}")
    tasks, metrics = wanted & set(table["task"]), wanted & set(table["metric"])
    keep = table["task"].isin(tasks or table["task"]) & table["metric"].isin(metrics or table["metric"])
    return table[keep].reset_index(drop=True)


def listed(table: pd.DataFrame, most: int = 20) -> str:
    """The table for people: what varies, in at most so many lines, and in one line what it holds.

    >>> print(listed(tidy([Row("m", "sciq", "acc", 0.5, step=2.0), Row("m", "sciq", "acc", 0.4, step=1.0)])))
    model task metric  value  step stage
        m sciq    acc    0.4   1.0  base
        m sciq    acc    0.5   2.0  base
    2 measurements of 1 model(s) by 1 measure(s), from 1 source(s)
    """
    where = ["value", "stderr", "step", "tokens", "stage", "perturbation", "strength"]
    told = [name for name in where if not table[name].isin([UNKNOWN, ""]).all()]
    rows = table[["model", "task", "metric", *told]].to_string(index=False, max_rows=most, na_rep="", max_colwidth=40)
    measures = len(table[["task", "metric"]].drop_duplicates())
    models, sources = table["model"].nunique(), table["source"].nunique()
    return f"{rows}\n{len(table)} measurements of {models} model(s) by {measures} measure(s), from {sources} source(s)"
