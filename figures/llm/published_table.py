"""The table of published figures, one row per number with its citation and licence, and its way into a Response."""

from collections.abc import Sequence
from importlib.resources import as_file, files

import numpy as np
import pandas as pd
import xarray as xr

from overtraining.setting.errors import SchemaError
from overtraining.setting.responses import response

STAGES = {"base": "before", "fine-tuned": "after"}


def published() -> pd.DataFrame:
    """All rows of `published.csv`; its columns are described in the folder's README.md."""
    with as_file(files("overtraining.figures.llm") / "published.csv") as path:
        return pd.read_csv(path)


def to_response(rows: pd.DataFrame, tasks: Sequence[str]) -> xr.Dataset:
    """One Response from the rows of one model under one perturbation, with the named tasks along `task`.

    Raises SchemaError where a checkpoint lacks a number (ragged tables become several Responses), or where rows
    disagree about what they measure.
    """
    rows = rows[rows["task"].isin(tasks)]
    said = {column: _only(rows, column) for column in (
        "model", "perturbation", "strength", "strength_name", "role", "metric", "unit", "orientation", "licence",
    )}  # fmt: skip
    tokens = np.sort(rows["tokens"].unique())
    prefix = "" if said["role"] == "pretraining" else "downstream_"
    variables = {}
    for stage, name in STAGES.items():
        for column, suffix in (("value", ""), ("stderr", "_stderr")):
            table = rows[rows["stage"] == stage].pivot(index="task", columns="tokens", values=column)
            grid = table.reindex(index=list(tasks), columns=tokens).to_numpy(float)
            if np.isnan(grid).any():
                missing = tuple(np.argwhere(np.isnan(grid))[0])
                raise SchemaError(
                    f"{tasks[missing[0]]} at {tokens[missing[1]]} tokens, {stage}",
                    "the table has no such number",
                    "make one Response per set of tasks that share their checkpoints",
                )
            dims = ("task", "pretraining") if name == "before" else ("task", "pretraining", "strength")
            variables[prefix + name + suffix] = (dims, grid if name == "before" else grid[..., None])
    return response(
        variables,
        {"task": list(tasks), "pretraining": tokens.astype(float), "strength": [float(said["strength"])]},
        method="measurement",
        source="; ".join(sorted(rows["source"].unique())),
        perturbation=said["perturbation"],
        model=said["model"],
        units=said["unit"],
        orientation="higher" if said["orientation"] == "higher" else "lower",
        length_units="tokens",
        strength_name=said["strength_name"],
        extra={"licence": said["licence"], "metric": said["metric"]},
    )


def with_mean(data: xr.Dataset, name: str = "mean") -> xr.Dataset:
    """The Response with one more task, the plain mean of all, its error that of independent test sets."""
    n, mean = data.sizes["task"], {}
    for key, values in data.data_vars.items():
        error = str(key).endswith("_stderr")
        mean[key] = ((values**2).sum("task") ** 0.5 / n if error else values.mean("task")).assign_attrs(values.attrs)
    return xr.concat([data, xr.Dataset(mean).expand_dims(task=[name])], "task", combine_attrs="override")


def _only(rows: pd.DataFrame, column: str) -> str:
    said = [str(value) for value in rows[column].unique()]
    if len(said) != 1:
        raise SchemaError(f"column {column}", f"it says {', '.join(said) or 'nothing'}", "select one of these")
    return said[0]
