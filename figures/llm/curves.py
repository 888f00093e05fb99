"""From the tidy table to measures: what was measured of which model, as a Series along training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from overtraining.figures.llm.statistics.series import Series, neighbours_scatter, pooled
from overtraining.setting.errors import Refusal, SchemaError

Axis = Literal["tokens", "step"]
Group = Literal["task", "model"]
Errors = Literal["given", "scatter"]


@dataclass(frozen=True)
class Measure:
    """One curve along training: of which model, after what was done to it, on which task; and the numbers."""

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
        """Task and metric, with the number of shots where it is known."""
        shots = "" if np.isnan(self.shots) else f", {self.shots:.0f}-shot"
        return f"{self.task} ({self.metric}{shots})"

    @property
    def state(self) -> str:
        """What was done to the model: `base`, or the perturbation with its strength."""
        if self.stage == "base":
            return "base"
        return self.perturbation + ("" if np.isnan(self.strength) else f", {self.strength:g}")


_KEY = ("model", "stage", "perturbation", "strength", "strength_name", "task", "metric", "shots", "role")


def axis(table: pd.DataFrame, wanted: Axis | None = None) -> Axis:
    """Tokens where every row has them, else steps; SchemaError where the wanted one is missing somewhere."""
    if wanted is None:
        wanted = "tokens" if table["tokens"].notna().all() else "step"
    if table[wanted].notna().all():
        return wanted
    missing = table[table[wanted].isna()].iloc[0]
    instead = "use --x step, or pass --tokens-per-step" if wanted == "tokens" else "use --x tokens, or read them apart"
    raise SchemaError(f"{missing.source}, {missing.task}", f"its {wanted} is not known", instead)


def measures(
    table: pd.DataFrame, x: Axis, group: Group = "task", errors: Errors = "given"
) -> tuple[list[Measure], list[Refusal]]:
    """One measure per model, state, task, metric and shots, and why others could not be had.

    Perplexities are taken as logarithms. With `group="model"` the tasks of one metric are averaged. errors: the best
    that the files give, or in any case the scatter between neighbouring checkpoints, which contains what test items do
    not: the course of training itself.
    Raises the refusal where there is no measure at all.
    """
    found, refused = list[Measure](), list[Refusal]()
    for key, rows in _logarithmic(table).groupby(list(_KEY), dropna=False):
        said = dict(zip(_KEY, key, strict=True))
        try:
            source = "; ".join(sorted(rows["source"].unique())[:3])
            found.append(Measure(**said, source=source, series=_series(rows, x, errors)))
        except Refusal as error:
            what = f"{said['model']}, {said['task']}, {said['metric']}: {error.what}"
            refused.append(SchemaError(what, error.why, error.instead))
    if group == "model":
        found = list(_means(found))
    if not found and refused:
        raise refused[0]
    return found, refused


def _logarithmic(table: pd.DataFrame) -> pd.DataFrame:
    """Perplexities as their logarithms: they fall over orders of magnitude, and their errors are relative."""
    ppl = (table["unit"] == "perplexity") & (table["value"] > 0)
    return table.assign(
        stderr=table["stderr"].where(~ppl, table["stderr"] / table["value"]),
        value=table["value"].where(~ppl, np.log(table["value"].where(ppl, 1.0))),
        unit=table["unit"].where(~ppl, "log perplexity"),
    )


def _series(rows: pd.DataFrame, x: Axis, errors: Errors) -> Series:
    said = {name: sorted(rows[name].unique()) for name in ("unit", "orientation")}
    for name, values in said.items():
        if len(values) > 1:
            raise SchemaError(name, f"the rows say {' and '.join(values)}", "let all rows say the same")
    if said["orientation"] == ["unknown"]:
        why = "is a higher or a lower value better?"
        raise SchemaError("orientation", why, "say it in the column orientation of the plain CSV")
    sign = 1 if said["orientation"] == ["lower"] else -1
    parts = [part for _, part in rows.groupby(x)]
    length = np.array([float(part[x].iloc[0]) for part in parts])
    value, stderr, freedom, errors_from = _errors(parts, length, errors)
    return Series(length, sign * value, stderr, freedom, errors_from, said["unit"][0], sign)


def _errors(
    parts: Sequence[pd.DataFrame], length: np.ndarray, errors: Errors
) -> tuple[np.ndarray, np.ndarray, float, str]:
    """Values, standard errors, degrees of freedom of their scale, and what they contain.

    Repetitions tell most; then the file's own errors; then the binomial error of a share of test items; last, the
    scatter between neighbouring checkpoints.
    """
    values = [part["value"].to_numpy(float) for part in parts]
    if errors == "given" and any(v.size > 1 for v in values):
        mean, stderr, freedom = pooled(values)
        return mean, stderr, freedom, f"scatter of {sum(v.size for v in values)} repetitions"
    value = np.array([v.mean() for v in values])
    given, items = (np.array([part[name].iloc[0] for part in parts], float) for name in ("stderr", "items"))
    clock = np.log1p(length / length[length > 0].min(initial=np.inf))
    if errors == "given" and (given > 0).all():
        return value, given, np.inf, "as given" + _excess(clock, value, given)
    if errors == "given" and (parts[0]["unit"] == "fraction").all() and np.isfinite(items).all():
        share = np.clip(value, 0.5 / items, 1 - 0.5 / items)  # no answer right, or none wrong, is not certainty
        given = np.sqrt(share * (1 - share) / items)
        return value, given, np.inf, "binomial, from the test items" + _excess(clock, value, given)
    one, freedom = neighbours_scatter(clock, value)
    return value, np.full_like(value, one), freedom, "scatter between neighbouring checkpoints"


def _excess(clock: np.ndarray, value: np.ndarray, given: np.ndarray) -> str:
    """A warning where neighbouring checkpoints differ by much more than the errors say."""
    if value.size < 8:
        return ""
    ratio = neighbours_scatter(clock, value)[0] / float(np.sqrt(np.median(given**2)))
    told = "; neighbouring checkpoints scatter {:.1f} times as much, see --errors scatter"
    return told.format(ratio) if ratio > 1.5 else ""


def _means(found: Sequence[Measure]) -> Iterator[Measure]:
    """Means over the tasks of one metric, at the checkpoints that they share; tasks count as independent."""
    together: dict[tuple[Any, ...], list[Measure]] = {}
    for one in found:
        said = (one.model, one.state, one.metric, str(one.shots), one.role, one.series.unit, one.series.sign)
        together.setdefault(said, []).append(one)
    for some in together.values():
        length = np.array(sorted(set.intersection(*(set(one.series.length.tolist()) for one in some))))
        picked = [(one.series, np.isin(one.series.length, length)) for one in some]
        stderr = np.sqrt(sum(s.stderr[p] ** 2 for s, p in picked)) / len(some)
        series = replace(
            some[0].series, length=length, value=np.mean([s.value[p] for s, p in picked], axis=0), stderr=stderr,
            freedom=min(s.freedom for s, _ in picked),  # the least certain of the scales: on the safe side
            errors_from="; ".join(sorted({s.errors_from for s, _ in picked})),
        )  # fmt: skip
        yield replace(some[0], task=f"mean of {len(some)} tasks" if len(some) > 1 else some[0].task, series=series)
