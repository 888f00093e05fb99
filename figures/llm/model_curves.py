"""Make curves from the table of measurements: values of one metric along the training of a model, as a Series."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from overtraining.figures.llm.error_bounds import binomial_stderr, completed_stderr
from overtraining.figures.llm.statistics.series import Series, neighbours_scatter, pooled
from overtraining.setting.errors import Refusal, SchemaError

LengthColumn = Literal["tokens", "step"]
Grouping = Literal["task", "model"]
ErrorSource = Literal["given", "scatter"]
ROUNDING = 1e-12  # scatter in units of the largest value that is no more than rounding


@dataclass(frozen=True)
class MeasuredCurve:
    """One curve along training: the model, what was done to it, the task and metric, and the numbers."""

    model: str
    stage: str
    perturbation: str
    strength: float
    strength_name: str
    task: str
    metric: str
    shots: float
    role: str
    source: str
    series: Series

    @property
    def name(self) -> str:
        """Task and metric, if they are not the same, with the number of shots if it is known."""
        known = [] if self.metric == self.task else [self.metric]
        known += [] if np.isnan(self.shots) else [f"{self.shots:.0f}-shot"]
        return self.task + (f" ({', '.join(known)})" if known else "")

    @property
    def state(self) -> str:
        """What was done to the model: `base`, or the perturbation with its strength."""
        if self.stage == "base":
            return "base"
        return self.perturbation + ("" if np.isnan(self.strength) else f", {self.strength:g}")


_IDENTITY = ("model", "stage", "perturbation", "strength", "strength_name", "task", "metric", "shots", "role")


def length_column(table: pd.DataFrame, wanted: LengthColumn | None = None) -> LengthColumn:
    """The column that gives the length: tokens if every row has them, otherwise steps.

    Raises SchemaError if a row has no number in the wanted column.
    """
    if wanted is None:
        wanted = "tokens" if table["tokens"].notna().all() else "step"
    if table[wanted].notna().all():
        return wanted
    row = table[table[wanted].isna()].iloc[0]
    if wanted == "tokens":
        instead = "use --x step, or pass --tokens-per-step"
    else:
        instead = "use --x tokens, or read these files separately"
    raise SchemaError(f"{row.source}, {row.task}", f"its {wanted} is not known", instead)


def measured_curves(
    table: pd.DataFrame, x: LengthColumn, group: Grouping = "task", errors: ErrorSource = "given"
) -> tuple[list[MeasuredCurve], list[Refusal]]:
    """One curve per model, state, task, metric and shots, and the reasons why others could not be made.

    Perplexities are replaced by their logarithms. With `group="model"`, the tasks of one metric are averaged.
    errors: "given" takes the best errors that the files give; "scatter" always takes the scatter between neighbouring
    checkpoints, which also contains the variation of training itself, unlike errors from test items.
    Raises the first refusal if there is no curve at all.
    """
    curves = list[MeasuredCurve]()
    refused = list[Refusal]()
    for key, rows in _logarithmic(table).groupby(list(_IDENTITY), dropna=False):
        identity = dict(zip(_IDENTITY, key, strict=True))
        try:
            source = "; ".join(sorted(rows["source"].unique())[:3])
            curves.append(MeasuredCurve(**identity, source=source, series=_series(rows, x, errors)))
        except Refusal as refusal:
            subject = f"{identity['model']}, {identity['task']}, {identity['metric']}: {refusal.what}"
            refused.append(SchemaError(subject, refusal.why, refusal.instead))
    if group == "model":
        curves = list(_means(curves))
    if not curves and refused:
        raise refused[0]
    return curves, refused


def _logarithmic(table: pd.DataFrame) -> pd.DataFrame:
    """Replace perplexities by their logarithms: they fall over orders of magnitude, with relative errors."""
    perplexity = (table["unit"] == "perplexity") & (table["value"] > 0)
    return table.assign(
        stderr=table["stderr"].where(~perplexity, table["stderr"] / table["value"]),
        value=table["value"].where(~perplexity, np.log(table["value"].where(perplexity, 1.0))),
        unit=table["unit"].where(~perplexity, "log perplexity"),
    )


def _series(rows: pd.DataFrame, x: LengthColumn, errors: ErrorSource) -> Series:
    for name in ("unit", "orientation"):
        values = sorted(rows[name].unique())
        if len(values) > 1:
            raise SchemaError(name, f"the rows give {' and '.join(values)}", "give all rows the same")
    unit, orientation = rows["unit"].iloc[0], rows["orientation"].iloc[0]
    if orientation == "unknown":
        why = "it is not known whether a higher or a lower value is better"
        raise SchemaError(
            "orientation",
            why,
            f"pass --orientation {rows['metric'].iloc[0]}=higher or =lower, or the column orientation of the plain CSV",
        )
    sign = 1 if orientation == "lower" else -1
    rows = rows.sort_values(x, kind="stable")
    length, first = np.unique(rows[x].to_numpy(float), return_index=True)
    value, stderr, freedom, errors_from = _errors(rows, first, length, errors)
    return Series(length, sign * value, stderr, freedom, errors_from, unit, sign)


def _errors(
    rows: pd.DataFrame, first: np.ndarray, length: np.ndarray, errors: ErrorSource
) -> tuple[np.ndarray, np.ndarray, float, str]:
    """Values, standard errors, degrees of freedom of their scale, and what the errors contain.

    Repetitions contain most sources of error; then come the errors in the file, with bounds where one is missing, then
    the binomial error of a fraction of test items, and last the scatter between neighbouring checkpoints.
    first: the first row of each checkpoint.
    """
    values = np.split(rows["value"].to_numpy(float), first[1:])
    if errors == "given" and any(v.size > 1 for v in values):
        mean, stderr, freedom = pooled(values)
        return mean, stderr, freedom, f"scatter of {sum(v.size for v in values)} repetitions"
    value = np.array([v.mean() for v in values])
    given, items = (rows[name].to_numpy(float)[first] for name in ("stderr", "items"))
    clock = np.log1p(length / length[length > 0].min(initial=np.inf))
    completed = completed_stderr(value, given, items) if errors == "given" else None
    if completed:
        stderr, how = completed
        known = given > 0
        scatter = _excess_scatter(clock[known], value[known], given[known])
        return value, stderr, np.inf, "as given" + (how and f"; {how}") + scatter
    if errors == "given" and (rows["unit"] == "fraction").all() and np.isfinite(items).all():
        stderr = binomial_stderr(value, items)
        return value, stderr, np.inf, "binomial, from the test items" + _excess_scatter(clock, value, stderr)
    stderr_of_one, freedom = neighbours_scatter(clock, value)
    if stderr_of_one <= ROUNDING * np.abs(value).max():
        same = "all values are the same" if np.ptp(value) == 0 else "most values are those of a line through neighbours"
        instead = "give standard errors, numbers of test items, or several seeds"
        raise SchemaError(f"{value.size} checkpoints", f"{same}, so that their errors cannot be estimated", instead)
    return value, np.full_like(value, stderr_of_one), freedom, "scatter between neighbouring checkpoints"


def _excess_scatter(clock: np.ndarray, value: np.ndarray, stderr: np.ndarray) -> str:
    """A warning if neighbouring checkpoints differ by much more than the errors explain."""
    if value.size < 8:
        return ""
    ratio = neighbours_scatter(clock, value)[0] / float(np.sqrt(np.median(stderr**2)))
    warning = f"; neighbouring checkpoints scatter {ratio:.1f} times as much, see --errors scatter"
    return warning if ratio > 1.5 else ""


def _means(curves: Sequence[MeasuredCurve]) -> Iterator[MeasuredCurve]:
    """Means over the tasks of one metric, at the checkpoints that they share; tasks count as independent."""
    groups: dict[tuple[Any, ...], list[MeasuredCurve]] = {}
    for one in curves:
        key = (one.model, one.state, one.metric, str(one.shots), one.role, one.series.unit, one.series.sign)
        groups.setdefault(key, []).append(one)
    for group in groups.values():
        length = np.array(sorted(set.intersection(*(set(one.series.length.tolist()) for one in group))))
        picked = [(one.series, np.isin(one.series.length, length)) for one in group]
        series = replace(
            group[0].series,
            length=length,
            value=np.mean([s.value[p] for s, p in picked], axis=0),
            stderr=np.sqrt(sum(s.stderr[p] ** 2 for s, p in picked)) / len(group),
            freedom=min(s.freedom for s, _ in picked),  # that of the least certain scale, to be conservative
            errors_from="; ".join(sorted({s.errors_from for s, _ in picked})),
        )
        task = f"mean of {len(group)} tasks" if len(group) > 1 else group[0].task
        yield replace(group[0], task=task, series=series)
