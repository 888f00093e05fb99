"""Reports on a table of results: turning points, confounding, predictions; as text and as plain data."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from overtraining.figures.llm.answers import (
    Answer,
    answer_all,
    as_records,
    as_text,
    curve_title,
    headline,
    json_safe,
    pair_with_base,
)
from overtraining.figures.llm.confounded import confounding
from overtraining.figures.llm.model_curves import (
    ErrorSource,
    Grouping,
    LengthColumn,
    MeasuredCurve,
    length_column,
    measured_curves,
)
from overtraining.figures.llm.replicates import pool_replicates
from overtraining.figures.llm.statistics.power_laws import PowerLaws, fit_power_laws
from overtraining.figures.llm.statistics.prediction import Prediction, predict
from overtraining.figures.llm.statistics.scaling_law import SYMBOLS, fit_law
from overtraining.runtime.atomic_files import write_files
from overtraining.setting.errors import Refusal, SchemaError

UNITS = {"tokens": "tokens", "step": "steps"}
NAMED = 6  # measures that a note names
SHOWN = 20  # answers on the screen, and lines of each kind of note


@dataclass(frozen=True)
class CheckpointReport:
    """The result: the answers, from which panels are drawn, lines of notes by kind, and plain data for JSON."""

    answers: list[Answer]
    notes: list[list[str]]
    data: dict[str, Any]
    length_units: str

    @property
    def text(self) -> str:
        """The whole report: two lines of summary, all answers, all notes."""
        return self._text(self.answers, most=sys.maxsize)

    def screen(self, only_found: bool = False) -> str:
        """The report for a screen: at most 20 answers and notes of a kind; on request only those of real declines."""
        return self._text(found(self.answers) if only_found else self.answers, SHOWN)

    def _text(self, answers: Sequence[Answer], most: int) -> str:
        parts = [headline(self.answers)] if self.answers else []
        if answers:
            parts.append(_first(as_text(answers, self.length_units).split("\n"), most + 1))  # and the title
        return "\n\n".join(parts + [_first(lines, most) for lines in self.notes if lines])


def found(answers: Sequence[Answer]) -> list[Answer]:
    """The answers with a significant decline."""
    return [a for a in answers if a.significant]


def _first(lines: Sequence[str], most: int) -> str:
    rest = len(lines) - most
    return "\n".join(
        [*lines[:most], *([f"… and {rest} more: --out FOLDER writes all to answers.txt"] if rest > 0 else [])]
    )


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
    """Turning points of all curves and confounding; on request predictions and the scaling law.

    Raises the first curve's refusal if no curve can be answered for.
    """
    table, pooled = pool_replicates(table)
    chosen = length_column(table, x)
    notes: list[list[str]] = []
    data: dict[str, Any] = {}
    if fitted:
        data["fits"] = fitted_laws(table)
        notes.append([_law_line(row) for row in data["fits"]])
    try:
        curves, refused = measured_curves(table, chosen, group, errors)
    except Refusal:
        if not fitted:  # runs for a law often include too few of one size for a curve along training
            raise
        curves, refused = [], []
    answers = answer_all(curves, confidence)
    if answers:
        notes.append([f"repetitions of {model}, pooled: {', '.join(names)}" for model, names in pooled.items()])
        notes.append([_plateau_sentence(a) for a in answers if a.on_long_plateau])
        notes.append([sentence for a in answers for sentence in _odd_sentence(a, UNITS[chosen])])
        notes.append(_error_sources(curves))
        meaning = "p-value: probability of a decline this large by chance, if the last checkpoint is really the best"
        notes.append([meaning + (f"; adjusted for {len(answers)} curves" if len(answers) > 1 else "")])
    if predicted:
        data["predictions"], sentences = predictions(curves)
        notes.append(sentences)
    data["confounding"] = confounding(table)
    notes.append([f"{model}: {sentence}" for model, sentence in data["confounding"].items()])
    notes.append([f"left out: {refusal}" for refusal in refused])
    data |= {
        "length": chosen,
        "pooled": pooled,
        "answers": as_records(answers),
        "left_out": [str(refusal) for refusal in refused],
    }
    return CheckpointReport(answers, notes, json_safe(data), UNITS[chosen])


def _plateau_sentence(answer: Answer) -> str:
    return (
        f"warning: {curve_title(answer.curve)}: a plateau over {answer.point.plateau:.0%} of the logarithmic range of "
        "lengths; the interval of its turning point is too narrow and may end too early"
    )


def _odd_sentence(answer: Answer, length_units: str) -> Iterator[str]:
    if answer.odd:
        where = ", ".join(f"{length:.4g}" for length in answer.odd)
        yield (
            f"{curve_title(answer.curve)}: the value at {where} {length_units} does not fit between its neighbours; "
            "was a file swapped, or did the run diverge there?"
        )


def _error_sources(curves: Sequence[MeasuredCurve]) -> list[str]:
    """One line per source of errors, with the curves that have it, or their number where they are many."""
    names: dict[str, set[str]] = {}
    for curve in curves:
        names.setdefault(curve.series.errors_from, set()).add(curve.name)
    return [
        f"errors of {', '.join(sorted(some)) if len(some) <= NAMED else f'{len(some)} measures'}: {source}"
        for source, some in sorted(names.items())
    ]


def predictions(curves: Sequence[MeasuredCurve]) -> tuple[list[dict[str, Any]], list[str]]:
    """Predictions for every base-model loss for which a changed model is known, by B8 and by power laws, and sentences.

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
        stderr = np.hypot(after.series.stderr[a], base.series.stderr[b])
        try:
            prediction = predict(shared, base.series.value[b], after.series.value[a] - base.series.value[b], stderr)
        except Refusal as refusal:
            sentences.append(f"{name}: {refusal}")
            continue
        sentences.append(f"{name}: {prediction.sentence}")
        try:
            rival = fit_power_laws(
                prediction.length, base.series.value[b], prediction.sensitivity, stderr, prediction.fitted
            )
            sentences.append(f"{name}: {rival.sentence}")
            rival_numbers = _plain(rival) | {"inflection": rival.inflection}
        except Refusal as refusal:  # of fewer than twelve checkpoints the first half is too short for three constants
            sentences.append(f"{name}: no power law plus power law to compare with: {refusal}")
            rival_numbers = None
        rows.append({"curve": name} | _plain(prediction) | {"power_laws": rival_numbers})
    if not sentences:
        why = "B8 needs a loss of a base model and of the same model after a perturbation"
        raise SchemaError("--predict", why, "pass both, for example with --compare; accuracies are not losses")
    return rows, sentences


def _plain(result: Prediction | PowerLaws) -> dict[str, Any]:
    return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in asdict(result).items()}


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


def write_report(
    report: CheckpointReport, out: Path, only_found: bool = False, notes: Sequence[str] = ()
) -> list[Path]:
    """Write answers.txt and the drawn curves into a folder, all or none of them, and return their paths.

    only_found: draw only the curves with a significant decline; answers.txt has all of them.  notes: what the readers
    of the files said, which answers.txt begins with.
    Raises NotWritten for a full disk.
    """
    from overtraining.figures.llm.panels import draw_answers, pictures

    drawn = pictures(draw_answers(report.answers, report.length_units, only_found))
    text = "\n".join([*notes, report.text, ""])
    contents = {out / name: content for name, content in {"answers.txt": text.encode(), **drawn}.items()}
    write_files(contents)
    return list(contents)
