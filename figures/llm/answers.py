"""The answers: for every measure, whether and where longer pretraining began to hurt, and how sure that is."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from overtraining.figures.llm.measures import Measure
from overtraining.figures.llm.statistics.decline import holm
from overtraining.figures.llm.statistics.turning_point import TurningPoint, turning_point
from overtraining.setting.errors import SchemaError
from overtraining.setting.responses import response


@dataclass(frozen=True)
class Answer:
    """A measure, its turning point, and its chance adjusted for all the measures that were looked at together."""

    measure: Measure
    point: TurningPoint
    adjusted: float

    @property
    def found(self) -> bool:
        return self.adjusted <= 1 - self.point.confidence

    @property
    def verdict(self) -> str:
        """One sentence."""
        p = self.point
        if self.found:
            return f"inflection between {p.low:.4g} and {p.high:.4g}"
        if p.found:
            return "no inflection, for one of so many measures"
        return "no inflection in this range" + ("" if p.rise > 0 else ": best at the end")


def answers(measures: Sequence[Measure], confidence: float = 0.95, seed: int = 0) -> list[Answer]:
    """The turning point of every measure; with a progress bar where that takes longer than a second."""
    from tqdm import tqdm

    bar = tqdm(measures, unit="measure", disable=None, delay=1)
    points = [turning_point(one.series, confidence, seed=seed) for one in bar]
    adjusted = holm(np.array([point.chance for point in points]))
    return [Answer(m, p, float(a)) for m, p, a in zip(measures, points, adjusted, strict=True)]


def pairs(measures: Sequence[Measure]) -> list[tuple[Measure, Measure | None]]:
    """Every base measure with each measure of the same model and task after something was done to it, or with None."""
    after = [m for m in measures if m.stage != "base"]
    found: list[tuple[Measure, Measure | None]] = []
    for base in (m for m in measures if m.stage == "base"):
        same = lambda m, base=base: (m.model, m.task, m.metric) == (base.model, base.task, base.metric)
        found += [(base, m) for m in after if same(m)] or [(base, None)]
    return found


def to_response(base: Measure, after: Measure | None, length_units: str) -> xr.Dataset:
    """A Response of the checkpoints that base and changed model share.

    Without a changed model, that of the perturbation "none", of strength 0. Raises SchemaError where they share none.
    """
    other = after or base
    shared = np.intersect1d(base.series.length, other.series.length)
    if not shared.size:
        why = "the base model and the changed one were measured at different checkpoints"
        raise SchemaError(f"{base.model}, {base.name}", why, "measure both at the same ones")
    variables: dict[str, Any] = {}
    for name, one, dims in (("before", base, ("pretraining",)), ("after", other, ("pretraining", "strength"))):
        at = np.isin(one.series.length, shared)
        for suffix, values in (("", one.series.sign * one.series.value[at]), ("_stderr", one.series.stderr[at])):
            variables[name + suffix] = (dims, values if name == "before" else values[:, None])
    strength = other.strength if after and math.isfinite(other.strength) else float(after is not None)
    return response(
        variables,
        {"pretraining": shared, "strength": [strength]},
        method="measurement", source=other.source, perturbation=other.perturbation or "none", model=base.model,
        units=base.series.unit, orientation="lower" if base.series.sign > 0 else "higher", length_units=length_units,
        strength_name=other.strength_name or "strength",
        extra={"task": base.task, "metric": base.metric, "errors": other.series.errors_from},
    )  # fmt: skip


def as_table(found: Sequence[Answer], length_units: str) -> str:
    """The answers as lines of text."""
    width = max(len(_title(a.measure)) for a in found)
    lines = [f"{'':{width}}  {'n':>3}  {'best at':>9}  {'interval (' + length_units + ')':>22}  "
             f"{'decline as seen':>24}  {'chance':>7}"]  # fmt: skip
    for a in found:
        p = a.point
        low = f"{p.low:.3g}" if np.isfinite(p.low) else "end"
        interval = f"{low} … " + (f"{p.high:.3g}" if a.found else "none")
        decline = f"{p.rise:.3g} ± {p.rise_stderr:.2g} ({p.errors:.1f} s.e.)" if p.rise > 0 else "none"
        lines.append(
            f"{_title(a.measure):{width}}  {p.checkpoints:3}  {p.best:9.4g}  {interval:>22}  {decline:>24}  "
            f"{a.adjusted:7.4f}  {a.verdict}"
        )
    return "\n".join(lines)


def _title(m: Measure) -> str:
    return f"{m.model}, {m.name}, {m.state}"


def plain(found: Sequence[Answer]) -> list[dict[str, Any]]:
    """The answers as plain data."""
    rows = []
    for a in found:
        m = a.measure
        said = {k: v for k, v in asdict(m).items() if k != "series"}
        numbers = {k: getattr(m.series, k).tolist() for k in ("length", "stderr")}
        numbers["value"] = (m.series.sign * m.series.value).tolist()
        told = {"unit": m.series.unit, "errors_from": m.series.errors_from, "found": a.found, "adjusted": a.adjusted}
        rows.append({**said, **numbers, **told, "verdict": a.verdict, "turning_point": asdict(a.point)})
    return rows


def finite(value: Any) -> Any:
    """Plain data with null in place of what JSON cannot say."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
