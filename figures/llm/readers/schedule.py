"""The learning rate at every checkpoint, from the name of a schedule or from a log of training."""

from pathlib import Path

import numpy as np
import pandas as pd

from overtraining.figures.llm.readers.columns import learning_rate_columns, step_columns, token_columns
from overtraining.figures.llm.readers.files import load, parse_csv

FINAL = 0.1
"""Learning rate at the end of a cosine schedule, in units of its peak."""


def with_learning_rates(table: pd.DataFrame, schedule: str) -> tuple[pd.DataFrame, str]:
    """The table with learning rates where it has none, and a sentence about where they come from.

    schedule: `constant`; `cosine`, from the peak to a tenth of it at the last checkpoint of each model; or a CSV with a
    column of steps or tokens and one of learning rates. The first two are in units of the peak.
    Raises Unreadable.

    >>> from overtraining.figures.llm.tidy import Row, tidy_table
    >>> rows = tidy_table([Row("m", "t", "acc", 0.5, step=step) for step in (0.0, 1.0, 2.0)])
    >>> with_learning_rates(rows, "cosine")[0].learning_rate.round(3).tolist()
    [1.0, 0.55, 0.1]
    """
    length = table["step"].fillna(table["tokens"])
    if schedule == "constant":
        rates, said = pd.Series(1.0, table.index), "constant, as given"
    elif schedule == "cosine":
        share = length / length.groupby(table["model"]).transform("max")
        rates = FINAL + (1 - FINAL) * (1 + np.cos(np.pi * share)) / 2
        said = f"cosine, assumed to end at each model's last checkpoint at {FINAL:g} of its peak"
    else:
        rates, said = _logged(table, Path(schedule))
    return table.assign(learning_rate=table["learning_rate"].fillna(rates)), f"learning rate: {said}"


def _logged(table: pd.DataFrame, path: Path) -> tuple[pd.Series, str]:
    """Learning rates interpolated in a log; NaN for checkpoints outside it."""
    file = load(path)
    header, lines = parse_csv(file)
    columns = {"step": step_columns(header), "tokens": token_columns(header)}
    rate = next(iter(learning_rate_columns(header)), "")
    usable = [field for field, names in columns.items() if names and table[field].notna().any()]
    if not rate or not usable:
        what = "column of learning rates" if usable else "column of the steps or tokens of these checkpoints"
        raise file.refuse("line 1", f"there is no {what}", "name them learning_rate, and step or tokens")
    field = usable[0]
    name = columns[field][0]
    at, rates = header.index(name), header.index(rate)
    points = {
        file.numeral(cells[at], f"line {line}, {name}"): file.numeral(cells[rates], f"line {line}, {rate}")
        for line, cells in lines
        if cells[at].strip() and cells[rates].strip()
    }
    if not points:
        raise file.refuse("", f"no line has both {name} and {rate}", "export both")
    logged = np.array(sorted(points.items()))
    found = np.interp(table[field], logged[:, 0], logged[:, 1], left=np.nan, right=np.nan)
    outside = int((np.isnan(found) & table[field].notna().to_numpy()).sum())
    said = f"from column {rate} of {path.name}" + (f"; {outside} measurement(s) lie outside it" if outside else "")
    return pd.Series(found, table.index), said
