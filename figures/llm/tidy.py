"""The tidy table: one row per measured number, whatever file it was read from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from theory.errors import Refusal, SchemaError

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
    source: str = ""


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
    """The table with `tokens = step × tokens_per_step` wherever only the step is known."""
    return table.assign(tokens=table["tokens"].fillna(table["step"] * tokens_per_step))


def staged(table: pd.DataFrame, stage: str, perturbation: str) -> pd.DataFrame:
    """The table with all rows declared to be of one stage, for files that do not say what was done to the model."""
    return table.assign(
        stage=stage, perturbation=table["perturbation"].where(table["perturbation"] != "", perturbation)
    )


def known(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Which of the columns have a value in every row."""
    return [name for name in columns if bool(table[name].notna().all())]
