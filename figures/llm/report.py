"""Reports on a table of results: turning points, confounding, predictions; as text and as plain data."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from overtraining.figures.llm.answers import Answer, answer_all, as_records, as_text, json_safe, pair_with_base
from overtraining.figures.llm.confounded import confounding
from overtraining.figures.llm.model_curves import (
    ErrorSource,
    Grouping,
    LengthColumn,
    MeasuredCurve,
    length_column,
    measured_curves,
)
from overtraining.figures.llm.statistics.prediction import predict
from overtraining.figures.llm.statistics.scaling_law import SYMBOLS, fit_law
from overtraining.runtime.atomic_files import write_files
from overtraining.setting.errors import Refusal, SchemaError

UNITS = {"tokens": "tokens", "step": "steps"}


@dataclass(frozen=True)
class CheckpointReport:
    """The result: text for people, plain data for JSON, and the answers, from which panels are drawn."""

    text: str
    data: dict[str, Any]
    answers: list[Answer]
    length_units: str


def checkpoint_report(
    table: pd.DataFrame,
    x: LengthColumn | None = None,
    group: Grouping = "task",
    errors: ErrorSource = "given",
    confidence: float = 0.95,
    *,
    predicted: bool = False,
    fitted: bool = False,
) -> CheckpointReport:
    """Turning points of all curves and confounding; on request B8's prediction and the scaling law.

    Raises the first curve's refusal if no curve can be answered for.
    """
    chosen = length_column(table, x)
    lines: list[str] = []
    data: dict[str, Any] = {}
    answers: list[Answer] = []
    if fitted:
        data["fits"] = fitted_laws(table)
        lines += [*map(_law_line, data["fits"]), ""]
    try:
        curves, refused = measured_curves(table, chosen, group, errors)
    except Refusal:
        if not fitted:  # runs for a law often include too few of one size for a curve along training
            raise
        curves, refused = [], []
    if curves:
        answers = answer_all(curves, confidence)
        lines += [as_text(answers, UNITS[chosen]), ""]
        lines += sorted({f"errors of {a.curve.name}: {a.curve.series.errors_from}" for a in answers})
        lines.append(
            "p-value: probability of a decline this large by chance, if the last checkpoint is really the best; "
            f"adjusted for {len(answers)} curves"
        )
    if predicted:
        data["predictions"], sentences = predictions(curves)
        lines += ["", *sentences]
    data["confounding"] = confounding(table)
    lines += ["", *(f"{model}: {sentence}" for model, sentence in data["confounding"].items())]
    lines += [f"left out: {refusal}" for refusal in refused]
    data |= {"length": chosen, "answers": as_records(answers), "left_out": [str(refusal) for refusal in refused]}
    return CheckpointReport("\n".join(lines), json_safe(data), answers, UNITS[chosen])


def predictions(curves: Sequence[MeasuredCurve]) -> tuple[list[dict[str, Any]], list[str]]:
    """B8's prediction for every base-model loss for which a changed model is known, and a sentence about each.

    Raises SchemaError if there is no such loss.
    """
    rows, sentences = [], []
    for base, after in pair_with_base(curves):
        if base.series.sign < 0 or after is None:  # a score is not a loss; without a change there is no sensitivity
            continue
        shared = np.intersect1d(base.series.length, after.series.length)
        shared = shared[shared > 0]
        b, a = (np.isin(one.series.length, shared) for one in (base, after))
        name = f"{base.model}, {base.name}, {after.state}"
        try:
            prediction = predict(
                shared,
                base.series.value[b],
                after.series.value[a] - base.series.value[b],
                np.hypot(after.series.stderr[a], base.series.stderr[b]),
            )
        except Refusal as refusal:
            sentences.append(f"{name}: {refusal}")
            continue
        numbers = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in asdict(prediction).items()}
        rows.append({"curve": name} | numbers)
        sentences.append(f"{name}: {prediction.sentence}")
    if not sentences:
        why = "B8 needs a loss of a base model and of the same model after a perturbation"
        raise SchemaError("--predict", why, "pass both, for example with --compare; accuracies are not losses")
    return rows, sentences


def fitted_laws(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The scaling law of every task's base losses over all models of the table.

    Raises SchemaError if the size or tokens of a run are not known, or a run is not annealed.
    """
    runs = table[(table["unit"] == "nats") & (table["stage"] == "base")]
    if runs.empty or runs[["params", "tokens"]].isna().any(axis=None):
        raise SchemaError("--fit", "a law needs losses with params and tokens", "give them in the plain CSV")
    if not (runs["annealed"] == "yes").all():
        why = "a law holds for the ends of annealed runs, not for checkpoints along one run"
        raise SchemaError("--fit", why, "pass annealed runs, and give annealed = yes in the plain CSV")
    rows = []
    for (task, metric), part in runs.groupby(["task", "metric"]):
        fit = fit_law(*(part[name].to_numpy(float) for name in ("params", "tokens", "value")))
        constants = {symbol: [getattr(fit.law, name), *fit.interval(name)] for name, symbol in SYMBOLS.items()}
        rows.append({"task": task, "metric": metric, "runs": fit.runs, "scatter": fit.scatter} | constants)
    return rows


def _law_line(row: dict[str, Any]) -> str:
    constants = ", ".join(f"{x} = {row[x][0]:.3g} ({row[x][1]:.3g} … {row[x][2]:.3g})" for x in SYMBOLS.values())
    return f"L(N, D) = E + A N^-alpha + B D^-beta, {row['task']}, {row['runs']} runs: {constants}"


def write_report(report: CheckpointReport, out: Path) -> list[Path]:
    """Write answers.txt and the drawn curves into a folder, all or none of them, and return their paths.

    Raises NotWritten for a full disk.
    """
    from overtraining.figures.llm.panels import draw_answers, pictures

    drawn = pictures(draw_answers(report.answers, report.length_units))
    contents = {out / name: content for name, content in {"answers.txt": f"{report.text}\n".encode(), **drawn}.items()}
    write_files(contents)
    return list(contents)
