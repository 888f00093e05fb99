"""One look for every figure: the style file, colours and markers that stay apart, and sizes for paper and slides."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Preset = Literal["paper", "slides"]
PRESETS: tuple[Preset, ...] = ("paper", "slides")

COLUMN, PAGE = 3.25, 6.75  # widths in inches of one and of two journal columns

# Okabe and Ito 2008, dark before light, yellow left out: it vanishes on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
BASE = "#666666"  # the model before any perturbation, always
ROUNDING = "rounding"  # begins the gid of a line whose heights are rounding: shown, not compared, for processors differ


@contextmanager
def styled(preset: Preset = "paper") -> Iterator[None]:
    """The style in force inside the block; Matplotlib's own settings are restored after it."""
    with as_file(files("figures") / "overtraining.mplstyle") as path:
        settings: dict[Any, Any] = dict(mpl.rc_params_from_file(path, use_default_template=False))
    if preset == "slides":
        import seaborn as sns

        settings |= sns.plotting_context("talk") | {"figure.dpi": 100, "savefig.dpi": 150}
    with mpl.rc_context(settings):
        yield


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of the given size in inches and its axes, row by row; twice as large where the style is for slides."""
    scale = 2 if mpl.rcParams["font.size"] > 12 else 1
    figure = Figure(figsize=(scale * width, scale * height), layout="constrained")
    axes = figure.subplots(rows, columns, **shared)
    return figure, list(np.ravel(axes))


def letter(axes: list[Axes]) -> None:
    """Panel letters (a), (b), … in front of the titles."""
    for name, ax in zip("abcdefghijklmnop", axes, strict=False):
        ax.set_title(f"({name}) {ax.get_title(loc='left')}".rstrip(), loc="left")
