"""The answers, strongest evidence first: for every curve, whether and where longer pretraining began to hurt."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from overtraining.figures.llm.model_curves import MeasuredCurve
from overtraining.figures.llm.statistics.decline import holm
from overtraining.figures.llm.statistics.odd import odd_checkpoints
from overtraining.figures.llm.statistics.turning_point import TurningPoint, find_turning_point
from overtraining.setting.errors import SchemaError
from overtraining.setting.responses import response

STRONGEST = 3  # curves in the headline


@dataclass(frozen=True)
class Answer:
    """A curve, its turning point, and its p-value adjusted for all the curves that were tested together."""

    curve: MeasuredCurve
    point: TurningPoint
    adjusted_p_value: float

    @property
    def odd(self) -> list[float]:
        """Lengths of the checkpoints that do not fit between their neighbours."""
        lengths: list[float] = odd_checkpoints(self.curve.series).tolist()
        return lengths

    @property
    def significant(self) -> bool:
        """Whether the decline is significant after the adjustment."""
        return self.adjusted_p_value <= 1 - self.point.confidence

    @property
    def falls_from_start(self) -> bool:
        """Whether a significant decline began at the first checkpoint: nothing was seen to improve before it."""
        return self.significant and self.point.best == float(self.curve.series.length[0])

    @property
    def turns(self) -> bool:
        """Whether the curve improved first and then declined significantly."""
        return self.significant and not self.falls_from_start

    @property
    def on_long_plateau(self) -> bool:
        """Whether the curve turns after so long a plateau that its interval is too narrow."""
        return self.turns and self.point.on_long_plateau

    @property
    def verdict(self) -> str:
        """The answer in a few words."""
        p = self.point
        if self.falls_from_start:
            return "best at the first checkpoint: a fall from the start, not a turning point"
        if self.significant and p.low <= self.curve.series.length[0]:
            return f"inflection before {p.high:.4g}, or a fall from the start"
        if self.significant:
            return f"inflection between {p.low:.4g} and {p.high:.4g}"
        if p.significant:
            return "no inflection, given how many curves were tested"
        return "no inflection in this range" + ("" if p.rise > 0 else ": best at the end")


def answer_all(curves: Sequence[MeasuredCurve], confidence: float = 0.95, key: int = 0) -> list[Answer]:
    """The turning point of every curve, the strongest evidence of a decline first.

    A progress bar is shown if that takes longer than a second.
    """
    from tqdm import tqdm

    bar = tqdm(curves, unit="curve", disable=None, delay=1)
    points = [find_turning_point(one.series, confidence, key=key) for one in bar]
    adjusted = holm(np.array([point.p_value for point in points]))
    answers = [Answer(c, p, float(a)) for c, p, a in zip(curves, points, adjusted, strict=True)]
    return sorted(answers, key=lambda a: (a.point.p_value, -a.point.rise_in_errors))


def pair_with_base(curves: Sequence[MeasuredCurve]) -> list[tuple[MeasuredCurve, MeasuredCurve | None]]:
    """Each curve of a base model, paired with each curve of the same model and task after a change, or with None.

    The pairs are in the order of the changed curves, or of the base curve where there is none.
    """
    changed = [c for c in curves if c.stage != "base"]
    pairs: list[tuple[MeasuredCurve, MeasuredCurve | None]] = []
    for base in curves:
        if base.stage != "base":
            continue
        identity = (base.model, base.task, base.metric)
        pairs += [(base, c) for c in changed if (c.model, c.task, c.metric) == identity] or [(base, None)]
    place = {id(curve): i for i, curve in enumerate(curves)}
    return sorted(pairs, key=lambda pair: place[id(pair[1] or pair[0])])


def paired_response(base: MeasuredCurve, after: MeasuredCurve | None, length_units: str) -> xr.Dataset:
    """The Response at the checkpoints that base and changed model share.

    Without a changed model, it is the Response to the perturbation "none" of strength 0.
    Raises SchemaError if they share no checkpoint.
    """
    other = after or base
    shared = np.intersect1d(base.series.length, other.series.length)
    if not shared.size:
        why = "the base model and the changed one were measured at different checkpoints"
        raise SchemaError(f"{base.model}, {base.name}", why, "measure both at the same checkpoints")
    variables: dict[str, Any] = {}
    for name, one, dims in (("before", base, ("pretraining",)), ("after", other, ("pretraining", "strength"))):
        at = np.isin(one.series.length, shared)
        for suffix, values in (("", one.series.sign * one.series.value[at]), ("_stderr", one.series.stderr[at])):
            variables[name + suffix] = (dims, values if name == "before" else values[:, None])
    strength = other.strength if after and math.isfinite(other.strength) else float(after is not None)
    return response(
        variables,
        {"pretraining": shared, "strength": [strength]},
        method="measurement",
        source=other.source,
        perturbation=other.perturbation or "none",
        model=base.model,
        units=base.series.unit,
        orientation="lower" if base.series.sign > 0 else "higher",
        length_units=length_units,
        strength_name=other.strength_name or "strength",
        extra={"task": base.task, "metric": base.metric, "errors": other.series.errors_from},
    )


def headline(answers: Sequence[Answer]) -> str:
    """Two lines: how many curves decline, and the three with the strongest evidence.

    answers: in the order of `answer_all`.
    """
    declines = sum(a.significant for a in answers)
    from_start = sum(a.falls_from_start for a in answers)
    confidence = f"{100 * answers[0].point.confidence:g}% confidence"
    first = f"{len(answers)} curve(s), {declines} with a real decline at the end ({confidence}, all curves together)"
    if from_start:
        first += f", {from_start} of them from the first checkpoint on"
    strongest = [f"{curve_title(a.curve)}: {a.verdict} (p = {a.adjusted_p_value:.2g})" for a in answers[:STRONGEST]]
    return f"{first}\nstrongest evidence: {'; '.join(strongest)}"


def as_text(answers: Sequence[Answer], length_units: str) -> str:
    """The answers as a table of text."""
    width = max(len(curve_title(a.curve)) for a in answers)
    interval_title = f"interval ({length_units})"
    lines = [f"{'':{width}}  {'n':>3}  {'best at':>9}  {interval_title:>22}  {'observed decline':>26}  {'p-value':>8}"]
    for a in answers:
        p = a.point
        low = f"{p.low:.3g}" if np.isfinite(p.low) else "end"
        interval = (
            "no turning point" if a.falls_from_start else f"{low} … {p.high:.3g}" if a.significant else f"{low} … none"
        )
        decline = f"{p.rise:.3g} ± {p.rise_stderr:.2g} ({p.rise_in_errors:.1f} s.e.)" if p.rise > 0 else "none"
        lines.append(
            f"{curve_title(a.curve):{width}}  {p.checkpoints:3}  {p.best:9.4g}  {interval:>22}  {decline:>26}  "
            f"{a.adjusted_p_value:8.2g}  {a.verdict}"
        )
    return "\n".join(lines)


def curve_title(curve: MeasuredCurve) -> str:
    """Model, task, metric, shots and what was done to the model."""
    return f"{curve.model}, {curve.name}, {curve.state}"


def as_records(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """The answers as plain data, one dictionary per curve."""
    records = []
    for a in answers:
        series = a.curve.series
        identity = {k: v for k, v in asdict(a.curve).items() if k != "series"}
        numbers = {
            "length": series.length.tolist(),
            "stderr": series.stderr.tolist(),
            "value": (series.sign * series.value).tolist(),
            "unit": series.unit,
            "errors_from": series.errors_from,
        }
        result = {
            "significant": a.significant,
            "falls_from_start": a.falls_from_start,
            "on_long_plateau": a.on_long_plateau,
            "odd_checkpoints": a.odd,
            "adjusted_p_value": a.adjusted_p_value,
            "verdict": a.verdict,
            "turning_point": asdict(a.point),
        }
        records.append({**identity, **numbers, **result})
    return records


def json_safe(value: Any) -> Any:
    """Plain data with null in place of infinities and NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {k: json_safe(v) for k, v in value.items()}
    if isinstance(value, list):
        return [json_safe(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
