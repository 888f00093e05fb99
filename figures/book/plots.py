"""Draw a counterexample's curves as a small SVG for a page; the same numbers give the same bytes."""

import io
import re
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from overtraining.figures.style import only_these_settings
from overtraining.theory.derivations.checker.core import Curves

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito
DASHES = ("-", "--", "-.", ":")
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "book",
    "svg.fonttype": "path",  # so that the reader's machine does not need the font
    "font.family": ["STIXGeneral", "DejaVu Sans"],
    "mathtext.fontset": "stix",
    "font.size": 10,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.6,
}
METADATA = ("Creator", "Date", "Format", "Type")
DECADES = 1e3  # a positive axis that spans a larger factor is logarithmic


def small_plot(curves: Curves) -> str:
    """The curves as an SVG element; see `identified` before it is put on a page beside others."""
    with only_these_settings(STYLE):
        figure = Figure(figsize=(3.6, 2.3), layout="constrained")
        axes = figure.add_subplot()
        x = np.asarray(curves.x, float)
        for i, y in enumerate(curves.y.values()):
            axes.plot(x, np.asarray(y, float), color=COLOURS[i % 7], linestyle=DASHES[i % 4])
        axes.set_xscale(_scale(x))
        axes.set_yscale(_scale(np.concatenate([np.ravel(y) for y in curves.y.values()]) if curves.y else x))
        axes.set_xlabel(curves.x_label, parse_math=False)
        axes.set_ylabel(curves.y_label, parse_math=False)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata=dict.fromkeys(METADATA))
    return _for_a_page(file.getvalue())


def identified(svg: str, name: str) -> str:
    """The same SVG element with identifiers that begin with `name`, to be different from others on a page."""
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    return re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", svg)


def swatch(i: int) -> tuple[str, str]:
    """Colour and SVG dash pattern of the i-th curve, for a legend in the font of the page."""
    return COLOURS[i % 7], ("", "6 3", "7 2 2 2", "2 2")[i % 4]


def _scale(values: np.ndarray) -> str:
    """Logarithmic if all values are positive and span at least three decades, otherwise linear.

    >>> _scale(np.array([1e-3, 1, np.nan])), _scale(np.array([0, 1e6])), _scale(np.array([1, 100]))
    ('log', 'linear', 'linear')
    """
    finite = np.asarray(values, float)[np.isfinite(values)]
    return "log" if finite.size and finite.min() > 0 and finite.max() / finite.min() >= DECADES else "linear"


def _for_a_page(svg: str) -> str:
    """Only the svg element, without namespaces, which a page does not need."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    return re.sub(r"\s*\n\s*", "\n", svg)
