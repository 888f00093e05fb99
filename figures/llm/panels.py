"""Draw the answers: one panel per task, base model in grey, changed model in colour, and its turning point."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.llm.answers import Answer, pair_with_base, paired_response
from overtraining.figures.llm.model_curves import MeasuredCurve
from overtraining.figures.plain_text import in_picture
from overtraining.figures.style import COLUMN, PAGE, canvas, letter, picture, styled

MOST = 12  # panels of one figure


def draw_answers(answers: Sequence[Answer], length_units: str) -> Iterator[Figure]:
    """Figures of up to twelve panels; a significant decline has its interval shaded and its best point starred."""
    answer_of = {id(answer.curve): answer for answer in answers}
    pairs = pair_with_base([answer.curve for answer in answers])
    with styled():
        for first in range(0, len(pairs), MOST):
            part = pairs[first : first + MOST]
            columns = min(3, len(part))
            rows = -(-len(part) // columns)
            figure, axes = canvas(COLUMN if columns == 1 else PAGE, 0.5 + 1.6 * rows, rows=rows, columns=columns)
            for ax, (base, after) in zip(axes, part, strict=False):
                _panel(ax, base, after, answer_of[id(after or base)], length_units)
            for ax in axes[len(part) :]:
                ax.remove()
            letter(axes[: len(part)])
            yield figure


def _panel(ax: Axes, base: MeasuredCurve, after: MeasuredCurve | None, answer: Answer, length_units: str) -> None:
    data = paired_response(base, after, length_units)
    drawing.base(ax, data, label="base")
    if after is not None:
        entry = in_picture(after.state).replace("{", "{{").replace("}", "}}")  # a strength would replace {}
        drawing.curves(ax, data, "after", label=entry)
    first, last = data.pretraining.values[[0, -1]]
    if first > 0 and last > 30 * first:
        ax.set_xscale("log")
    point = answer.point
    if answer.significant:
        ax.axvspan(point.low, min(point.high, float(base.series.length[-1])), color="0.9", zorder=0)
        series = (after or base).series
        at = int(np.flatnonzero(series.length == point.best)[0])
        ax.plot(point.best, series.sign * series.value[at], "*", color="black", markersize=9, zorder=5)
    ax.set_title(in_picture((after or base).task))
    unit = "" if base.series.unit in (base.metric, "1") else f" ({base.series.unit})"
    ax.set_ylabel(in_picture(base.metric + unit))
    ax.legend()


def pictures(figures: Iterator[Figure], stem: str = "curves") -> dict[str, bytes]:
    """The figures as PDF, SVG and PNG files: names, numbered from the second on, and contents."""
    contents = {}
    for i, figure in enumerate(figures):
        for suffix in ("pdf", "svg", "png"):
            with styled():
                contents[f"{stem}.{suffix}" if i == 0 else f"{stem}-{i + 1}.{suffix}"] = picture(figure, suffix)
    return contents
