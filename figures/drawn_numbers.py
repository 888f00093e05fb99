"""Read back the numbers that a figure shows, and compare them with the committed ones."""

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from overtraining.figures.style import ROUNDING
from overtraining.setting.errors import Refusal


class FiguresDiffer(Refusal):
    """A rebuilt figure does not show the numbers of the committed one."""


def numbers_in(figure: Figure) -> dict[str, list[float]]:
    """Coordinates of every line and error bar of a figure, by panel, kind and order, to 12 significant digits.

    Of lines that show rounding errors, which differ between processors, only x is returned.
    """
    shown: dict[str, list[float]] = {}
    for i, ax in enumerate(figure.axes):
        rounding = {f"line {j}" for j, line in enumerate(ax.lines) if str(line.get_gid()).startswith(ROUNDING)}
        bars = [c for c in ax.collections if isinstance(c, LineCollection)]
        arrays = [(f"line {j}", line.get_xydata()) for j, line in enumerate(ax.lines)]
        arrays += [(f"bars {j}", np.array(c.get_segments())) for j, c in enumerate(bars)]
        for name, values in arrays:
            points = np.asarray(values, float).reshape(-1, 2)
            for axis, column in zip("x" if name in rounding else "xy", points.T, strict=False):
                shown[f"panel {i}, {name}, {axis}"] = [float(f"{x:.12g}") for x in column]
    return shown


def compare(committed: dict[str, Any], rebuilt: dict[str, Any], tolerance: float = 1e-9) -> None:
    """Raise FiguresDiffer unless both hold the same numbers, to `tolerance` of each line's largest coordinate."""
    if committed.keys() != rebuilt.keys():
        changed = ", ".join(sorted(committed.keys() ^ rebuilt.keys()))
        raise FiguresDiffer(
            changed, "only one of the two figures shows this", "look at the figure, then `make gallery`"
        )
    for name, old in committed.items():
        a, b = np.array(old), np.array(rebuilt[name])
        if a.shape != b.shape or not (np.abs(a - b) <= tolerance * np.abs(a).max(initial=0)).all():
            raise FiguresDiffer(name, "the numbers have changed", "look at the figure, then `make gallery`")
