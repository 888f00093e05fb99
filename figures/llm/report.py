"""All answers about a table of results, as text for people and as plain data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from overtraining.figures.llm.answers import Answer, answers, as_table, finite, pairs, plain
from overtraining.figures.llm.confounded import confounding
from overtraining.figures.llm.measures import Axis, Errors, Group, Measure, axis, measures
from overtraining.figures.llm.statistics.prediction import predict
from overtraining.figures.llm.statistics.scaling_law import NAMES, fit
from overtraining.setting.errors import Refusal, SchemaError

UNITS = {"tokens": "tokens", "step": "steps"}


@dataclass(frozen=True)
class Report:
    """What was found: lines for people, plain data for JSON, and the answers to be drawn."""

    text: str
    data: dict[str, Any]
    found: list[Answer]
    length_units: str


def report(
    table: pd.DataFrame, x: Axis | None = None, group: Group = "task", errors: Errors = "given",
    confidence: float = 0.95, *, predicted: bool = False, fitted: bool = False,
) -> Report:  # fmt: skip
    """Turning points of all measures, confounding, and on request B8's prediction and the scaling law.

    Raises the refusal of the first measure where there is none that can be answered for.
    """
    chosen, lines, data = axis(table, x), list[str](), dict[str, Any]()
    found: list[Answer] = []
    if fitted:
        data["fits"] = fits(table)
        lines += [*map(_fit_line, data["fits"]), ""]
    try:
        some, refused = measures(table, chosen, group, errors)
    except Refusal:
        if not fitted:  # runs to fit a law to are often too few of one size for a curve along training
            raise
        some, refused = [], []
    if some:
        found = answers(some, confidence)
        lines += [as_table(found, UNITS[chosen]), ""]
        lines += sorted({f"errors of {a.measure.name}: {a.measure.series.errors_from}" for a in found})
        lines.append(f"chance: of so large a decline if the last checkpoint were the best, for {len(found)} measures")
    if predicted:
        data["predictions"], said = predictions(some)
        lines += ["", *said]
    data["confounding"] = confounding(table)
    lines += ["", *(f"{model}: {sentence}" for model, sentence in data["confounding"].items())]
    lines += [f"left out: {error}" for error in refused]
    data |= {"length": chosen, "answers": plain(found), "left_out": [str(error) for error in refused]}
    return Report("\n".join(lines), finite(data), found, UNITS[chosen])


def predictions(some: Sequence[Measure]) -> tuple[list[dict[str, Any]], list[str]]:
    """B8's prediction for every loss of a base model of which a changed one is known, and a sentence about each."""
    rows, said = [], []
    for base, after in pairs(some):
        if base.series.sign < 0 or after is None:  # a score is no loss; without a change there is no sensitivity
            continue
        shared = np.intersect1d(base.series.length, after.series.length)
        shared = shared[shared > 0]
        b, a = (np.isin(one.series.length, shared) for one in (base, after))
        name = f"{base.model}, {base.name}, {after.state}"
        try:
            made = predict(
                shared, base.series.value[b], after.series.value[a] - base.series.value[b],
                np.hypot(after.series.stderr[a], base.series.stderr[b]),
            )  # fmt: skip
        except Refusal as error:
            said.append(f"{name}: {error}")
            continue
        rows.append({"measure": name} | {k: v.tolist() if hasattr(v, "tolist") else v for k, v in asdict(made).items()})
        said.append(f"{name}: {made.sentence}")
    if not said:
        why = "B8 needs a loss of a base model and of the same model after a perturbation"
        raise SchemaError("--predict", why, "pass both, as by --compare; accuracies are no losses")
    return rows, said


def fits(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The scaling law of every task's base losses over all models of the table.

    Raises SchemaError where the runs do not say their size and tokens, or are not annealed.
    """
    runs = table[(table["unit"] == "nats") & (table["stage"] == "base")]
    if runs.empty or runs[["params", "tokens"]].isna().any(axis=None):
        raise SchemaError("--fit", "a law needs losses with params and tokens", "write them into the plain CSV")
    if not (runs["annealed"] == "yes").all():
        why = "a law holds for ends of annealed runs, not for checkpoints along one"
        raise SchemaError("--fit", why, "pass such runs, and say annealed = yes in the plain CSV")
    rows = []
    for (task, metric), part in runs.groupby(["task", "metric"]):
        found = fit(*(part[name].to_numpy(float) for name in ("params", "tokens", "value")))
        constants = {name: [getattr(found.law, name), *found.interval(name)] for name in NAMES}
        rows.append({"task": task, "metric": metric, "runs": found.runs, "scatter": found.scatter} | constants)
    return rows


def _fit_line(row: dict[str, Any]) -> str:
    constants = ", ".join(f"{name} = {row[name][0]:.3g} ({row[name][1]:.3g} … {row[name][2]:.3g})" for name in NAMES)
    return f"L(N, D) = E + A N^-alpha + B D^-beta, {row['task']}, {row['runs']} runs: {constants}"


def write(found: Report, out: Path) -> list[Path]:
    """answers.txt and the curves, into a folder."""
    from overtraining.figures.llm.panels import panels, save

    (out / "answers.txt").write_text(found.text + "\n", encoding="utf-8")
    return [out / "answers.txt", *save(panels(found.found, found.length_units), out)]
