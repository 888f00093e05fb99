"""Draw the answers, strongest evidence first: base model in grey, changed model in colour, and its turning point."""

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
SPAN = 30  # ratio of the longest to the shortest length from which on the axis is logarithmic


def draw_answers(answers: Sequence[Answer], length_units: str, only_found: bool = False) -> Iterator[Figure]:
    """Figures of up to twelve panels, in the order of the answers; a turning point has its interval shaded and a star.

    only_found: leave out panels without a significant decline.
    """
    answer_of = {id(answer.curve): answer for answer in answers}
    pairs = pair_with_base([answer.curve for answer in answers])
    if only_found:
        pairs = [(base, after) for base, after in pairs if answer_of[id(after or base)].significant]
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
    _length_scale(ax, data.pretraining.values)
    point = answer.point
    if answer.turns:
        ax.axvspan(point.low, min(point.high, float(base.series.length[-1])), color="0.9", zorder=0)
        series = (after or base).series
        at = int(np.flatnonzero(series.length == point.best)[0])
        ax.plot(point.best, series.sign * series.value[at], "*", color="black", markersize=9, zorder=5)
    ax.set_title(f"{in_picture(base.model)}\n{in_picture((after or base).task)}{_shots(base)}")
    unit = "" if base.series.unit in (base.metric, "1") else f" ({base.series.unit})"
    ax.set_ylabel(in_picture(base.metric + unit))
    ax.legend()


def _length_scale(ax: Axes, lengths: np.ndarray) -> None:
    """A logarithmic axis where the lengths span a factor of 30; a length of 0 has a place at its left end."""
    positive = lengths[lengths > 0]
    if not positive.size or positive[-1] <= SPAN * positive[0]:
        return
    if lengths[0] > 0:
        ax.set_xscale("log")
        return
    ax.set_xscale("symlog", linthresh=positive[0], linscale=0.5)
    decades = np.log10(positive[[0, -1]])
    every = max(1, round(float(np.ptp(decades)) / 3))
    ax.set_xticks([0, *10.0 ** np.arange(np.ceil(decades[0]), np.floor(decades[1]) + 1, every)])
    ax.set_xlim(0, None)


def _shots(curve: MeasuredCurve) -> str:
    return "" if np.isnan(curve.shots) else f", {curve.shots:.0f}-shot"


def pictures(figures: Iterator[Figure], stem: str = "curves") -> dict[str, bytes]:
    """The figures as PDF, SVG and PNG files: names, numbered from the second on, and contents."""
    contents = {}
    for i, figure in enumerate(figures):
        for suffix in ("pdf", "svg", "png"):
            with styled():
                contents[f"{stem}.{suffix}" if i == 0 else f"{stem}-{i + 1}.{suffix}"] = picture(figure, suffix)
    return contents
