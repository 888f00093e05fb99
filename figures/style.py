"""The look of every figure: style file, colours and markers that can be told apart, sizes for paper and slides."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from overtraining.figures.presets import StylePreset
from overtraining.setting.errors import DomainError
from overtraining.setting.near_names import near_names

COLUMN, PAGE = 3.25, 6.75  # widths in inches of one and of two journal columns

# Okabe and Ito 2008, dark before light, without yellow, which is hard to see on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
BASE = "#666666"  # grey: always the model before any perturbation
ROUNDING = "rounding"  # beginning of the gid of lines that show rounding errors, which differ between processors

TEXT = (
    "axes.labelsize",
    "axes.titlesize",
    "xtick.labelsize",
    "ytick.labelsize",
    "legend.fontsize",
    "legend.title_fontsize",
)
"""Settings for sizes of text that our style gives in points."""

_WITHOUT_DATES = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}
"""Metadata without dates and versions: with them, equal figures would have different bytes."""


_ONE_AT_A_TIME = threading.RLock()  # Matplotlib's settings belong to the process, and not to a thread
_SETTINGS: ContextVar[dict[Any, Any] | None] = ContextVar("settings", default=None)


@contextmanager
def styled(preset: StylePreset = "paper", style: str = "") -> Iterator[None]:
    """Use the project's style inside the block; Matplotlib's settings are restored after it.

    What users have set does not change the picture. Threads wait for each other, since all share Matplotlib's settings.
    style: the text of a Matplotlib style file, whose settings go before the project's. Raises DomainError for a line of
    it that is not a setting.
    """
    own = own_settings(style)
    with only_these_settings(_in_proportion(_settings(preset), own.get("font.size")) | own):
        yield


def _in_proportion(settings: dict[Any, Any], font_size: float | None) -> dict[Any, Any]:
    """These settings with their sizes of text as much larger as this size of the font is than theirs."""
    scale = 1.0 if font_size is None else font_size / settings["font.size"]
    return settings | {name: scale * settings[name] for name in TEXT if isinstance(settings.get(name), float)}


def colour_at(place: int) -> str:
    """The colour of a curve, counted from 0, again from the first after the last.

    It is one of COLOURS, or of the colour cycle of the style in force, if that is not Matplotlib's own.

    >>> with styled(style="axes.prop_cycle: cycler('color', ['red', 'blue'])"):
    ...     colour_at(0), colour_at(3)
    ('red', 'blue')
    """
    cycle = mpl.rcParams["axes.prop_cycle"]
    own = cycle != mpl.rcParamsDefault["axes.prop_cycle"]
    colours = cycle.by_key().get("color", COLOURS) if own else COLOURS
    return str(colours[place % len(colours)])


def own_settings(style: str) -> dict[Any, Any]:
    """The settings in the text of a Matplotlib style file; a backend is left out, since it draws nothing here.

    >>> own_settings("lines.linewidth: 3  # thick")
    {'lines.linewidth': 3.0}
    """
    settings: dict[Any, Any] = {}
    for number, line in enumerate(style.splitlines(), start=1):
        name, colon, value = (part.strip() for part in _without_comment(line).partition(":"))
        if not name:
            continue
        place = f"line {number} of the style, {line.strip()!r}"
        if not colon or name not in mpl.rcParams:
            raise DomainError(place, "Matplotlib has no such setting", near_names(name, list(mpl.rcParams)))
        try:
            if name != "backend":
                settings |= mpl.RcParams({name: value.strip('"')})
        except ValueError as error:
            raise DomainError(place, str(error), "correct the value") from None
    return settings


def _without_comment(line: str) -> str:
    """The line up to a # that is not in quotes: colours are written in quotes, or without #."""
    code, inside = "", False
    for sign in line:
        inside ^= sign == '"'
        if sign == "#" and not inside:
            break
        code += sign
    return code


@contextmanager
def only_these_settings(settings: dict[Any, Any]) -> Iterator[None]:
    """Use Matplotlib's defaults and these settings inside the block, in this thread alone; restore them after it."""
    with _ONE_AT_A_TIME, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        token = _SETTINGS.set(settings)
        try:
            yield
        finally:
            _SETTINGS.reset(token)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Inside the block Matplotlib's settings are the user's: no other thread draws in a style of ours meanwhile."""
    with _ONE_AT_A_TIME:
        yield


@cache
def _settings(preset: StylePreset) -> dict[Any, Any]:
    with as_file(files("overtraining.figures") / "overtraining.mplstyle") as path:
        settings: dict[Any, Any] = dict(mpl.rc_params_from_file(path, use_default_template=False))
    if preset == "slides":
        import seaborn as sns

        settings |= sns.plotting_context("talk") | {"figure.dpi": 100, "savefig.dpi": 150}
    return settings


class StyledFigure(Figure):
    """A Matplotlib figure that keeps the style in which it was made, and shows itself in a notebook without pyplot."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._settings = _SETTINGS.get() or {}
        super().__init__(*args, **kwargs)

    def draw(self, renderer: Any) -> None:
        """Draw with the settings of the figure: Matplotlib looks up fonts only now."""
        with only_these_settings(self._settings):
            super().draw(renderer)

    def savefig(self, file: Any, **options: Any) -> None:  # type: ignore[override]  # it is called `fname`
        """Write the picture, with the settings of the figure; the same options as in Matplotlib."""
        with only_these_settings(self._settings):
            super().savefig(file, **options)

    def _repr_png_(self) -> bytes:
        with io.BytesIO() as file:
            self.savefig(file, format="png", dpi=144)
            return file.getvalue()


def canvas(width: float, height: float, rows: int = 1, columns: int = 1, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of the given size in inches, twice as large in the style for slides, and its axes, row by row."""
    scale = 2 if mpl.rcParams["font.size"] > 12 else 1
    figure = StyledFigure(figsize=(scale * width, scale * height), layout="constrained")
    axes = figure.subplots(rows, columns, **shared)
    return figure, list(np.ravel(axes))


def picture(figure: Figure, suffix: str) -> bytes:
    """A figure as the bytes of a pdf, svg or png file."""
    with io.BytesIO() as file:
        figure.savefig(file, format=suffix, metadata=_WITHOUT_DATES[suffix])
        return file.getvalue()


def letter(axes: list[Axes]) -> None:
    """Put the panel letters (a), (b), … in front of the titles."""
    for name, ax in zip("abcdefghijklmnop", axes, strict=False):
        ax.set_title(f"({name}) {ax.get_title(loc='left')}".rstrip(), loc="left")
