"""Published numbers in `published.csv`, one row each with citation and licence, and Responses made from them."""

from collections.abc import Sequence
from importlib.resources import as_file, files

import numpy as np
import pandas as pd
import xarray as xr

from overtraining.setting.errors import SchemaError
from overtraining.setting.responses import response

STAGES = {"base": "before", "fine-tuned": "after"}
COMMON = ("model", "perturbation", "strength", "strength_name", "role", "metric", "unit", "orientation", "licence")
"""Columns in which all rows of one Response agree."""


def published() -> pd.DataFrame:
    """All rows of `published.csv`; the README.md of this folder describes its columns."""
    with as_file(files("overtraining.figures.llm") / "published.csv") as path:
        return pd.read_csv(path)


def table_response(rows: pd.DataFrame, tasks: Sequence[str]) -> xr.Dataset:
    """The Response of one model to one perturbation, with the named tasks along the dimension `task`.

    Raises SchemaError if a number is missing at a checkpoint (make several Responses from such a table), or if the rows
    disagree about what they measure.
    """
    rows = rows[rows["task"].isin(tasks)]
    common = {column: _single_value(rows, column) for column in COMMON}
    tokens = np.sort(rows["tokens"].unique())
    prefix = "" if common["role"] == "pretraining" else "downstream_"
    variables = {}
    for stage, name in STAGES.items():
        for column, suffix in (("value", ""), ("stderr", "_stderr")):
            table = rows[rows["stage"] == stage].pivot(index="task", columns="tokens", values=column)
            grid = table.reindex(index=list(tasks), columns=tokens).to_numpy(float)
            if np.isnan(grid).any():
                task, place = np.argwhere(np.isnan(grid))[0]
                raise SchemaError(
                    f"{tasks[task]} at {tokens[place]} tokens, {stage}",
                    "the table has no such number",
                    "make one Response per set of tasks with the same checkpoints",
                )
            dims = ("task", "pretraining") if name == "before" else ("task", "pretraining", "strength")
            variables[prefix + name + suffix] = (dims, grid if name == "before" else grid[..., None])
    return response(
        variables,
        {"task": list(tasks), "pretraining": tokens.astype(float), "strength": [float(common["strength"])]},
        method="measurement",
        source="; ".join(sorted(rows["source"].unique())),
        perturbation=common["perturbation"],
        model=common["model"],
        units=common["unit"],
        orientation="higher" if common["orientation"] == "higher" else "lower",
        length_units="tokens",
        strength_name=common["strength_name"],
        extra={"licence": common["licence"], "metric": common["metric"]},
    )


def with_mean(data: xr.Dataset, name: str = "mean") -> xr.Dataset:
    """The Response with one more task, the mean of all; its error is that of independent test sets."""
    n = data.sizes["task"]
    mean = {}
    for key, values in data.data_vars.items():
        is_stderr = str(key).endswith("_stderr")
        combined = (values**2).sum("task") ** 0.5 / n if is_stderr else values.mean("task")
        mean[key] = combined.assign_attrs(values.attrs)
    return xr.concat([data, xr.Dataset(mean).expand_dims(task=[name])], "task", combine_attrs="override")


def _single_value(rows: pd.DataFrame, column: str) -> str:
    values = [str(value) for value in rows[column].unique()]
    if len(values) != 1:
        raise SchemaError(f"column {column}", f"it contains {', '.join(values) or 'nothing'}", "select one of these")
    return values[0]
