"""A whole figure from Responses: a curve for each strength, or a map where there are many strengths."""

from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.style import canvas, styled, undisturbed
from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import positive_list
from overtraining.setting.errors import DomainError, SchemaError, ShapeError
from overtraining.setting.grid_inflection import inflection_point
from overtraining.setting.responses import Objective, Quantity, curve, validate

SIZE = (4.75, 2.6)
"""Inches: axes of a journal's column, and the legend beside them."""

CURVES = 7
"""Of more strengths a map is drawn: there are as many colours and markers."""

BEFORE = 1.8
"""Size of the crosses of the model before, in those of other markers: they are seen behind a coinciding strength."""

DARKEST = 0.05
"""Share of a map's lowest values that have one colour: the loss of an exact minimum would take up the whole scale."""

DASHES: tuple[Any, ...] = (
    "solid",
    (0, (6, 1.5)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (3, 1)),
    (0, (6, 1.5, 1, 1.5, 1, 1.5)),
    (0, (10, 2)),
    (0, (8, 1.5, 3, 1.5)),
)
"""Lines of theory, one for each strength, that can be told apart in print without colours; dots are the base model."""


def plot(
    *responses: xr.Dataset,
    quantity: Quantity = "after",
    objective: Objective = "pretraining",
    ax: Axes | None = None,
    title: str | None = None,
    size: Sequenced | None = None,
) -> Figure:
    """Draw a quantity of one or more Responses that have the same strengths, as a figure that a notebook shows.

    Up to 7 strengths: lines are theory, points a simulation, joined points a measurement; grey is the model before any
    perturbation; a star marks the inflection points of theory. Dashes and markers tell the strengths apart in
    greyscale. More strengths, of one Response: a map of length × strength (for fine-tuning: × budget), on which a line
    joins the inflection points. The lowest 5% of its values share one colour.

    ax: Matplotlib's axes to draw onto, in your own style; without it a figure of its own is made, in the style of this
    project.  title: above the axes.  size: width and height in inches.
    Returns the Matplotlib figure; `figure.savefig("u.pdf")` writes it. Raises SchemaError for anything that is not a
    Response, for different strengths, for dimensions other than length, strength and seed (select one task first), and
    for several Responses of more than 7 strengths.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> from overtraining.setting.protocol import Protocol
    >>> from overtraining.theory.solvers.exact import respond
    >>> figure = plot(respond(Protocol(PowerLaw(3), lengths=(0, 5, 50), strengths=(0.1, 0.2))))
    >>> len(figure.axes[0].lines)
    3
    """
    _check_plottable(responses)
    width, height = _checked_size(ax, size)
    grid = responses[0].sizes
    dense = quantity != "before" and grid["strength"] > CURVES and grid["pretraining"] > 1
    if dense and len(responses) > 1:
        what = f"{len(responses)} Responses of {grid['strength']} strengths"
        raise SchemaError(what, "a map shows one Response", f"draw one, or select at most {CURVES} strengths")
    style: AbstractContextManager[None] = styled() if ax is None else undisturbed()
    with style:
        place = canvas(width, height)[1][0] if ax is None else ax
        if dense:
            _map(place, responses[0], quantity, objective)
        else:
            beside = {"loc": "upper left", "bbox_to_anchor": (1, 1)} if ax is None else {}  # covers no curve
            _curves(place, responses, quantity, objective, beside)
        if title is not None:
            place.set_title(title)
    figure = place.get_figure(root=True)
    assert figure is not None  # axes that were removed from their figure are refused above
    return figure


def _curves(
    ax: Axes, responses: tuple[xr.Dataset, ...], quantity: Quantity, objective: Objective, place: dict[str, Any]
) -> None:
    by_strength: dict[str, list[Any]] = {}  # what stands for a strength, a line and points, has one entry together
    before = []
    size = mpl.rcParams["lines.markersize"]
    label = "{symbol} = {:g}" if drawing.symbol(responses[0]) else "{:g}"
    for data in responses:
        if quantity != "sensitivity":  # below the strengths, which it may coincide with
            before.append(drawing.base(ax, data, objective))
            theory = data.attrs["method"] == "theory"
            before[-1][0].set(**({"linestyle": ":"} if theory else {"marker": "+", "markersize": BEFORE * size}))
        if quantity != "before":
            for i, drawn in enumerate(drawing.curves(ax, data, quantity, objective, label=label)):
                by_strength.setdefault(str(drawn.get_label()), []).append(drawn)
                if data.attrs["method"] == "theory":
                    drawn[0].set_linestyle(DASHES[i % len(DASHES)])
    entries = by_strength | ({"before": before} if before else {})
    if quantity == "after":
        for data in responses:
            if data.attrs["method"] == "theory":
                drawing.inflections(ax, data, objective=objective, label="inflection point")
        stars = [line for line in ax.lines if line.get_label() == "inflection point"]
        entries |= {"inflection point": stars[:1]} if stars else {}
    ax.set_ylabel(_name(quantity, objective))
    ax.legend(
        [tuple(drawn) for drawn in entries.values()],
        list(entries),
        title=drawing.strength_name(responses[0]) if by_strength else None,
        handlelength=3,
        alignment="left",
        **place,
    )


def _map(ax: Axes, data: xr.Dataset, quantity: Quantity, objective: Objective) -> None:
    values = curve(data, quantity, objective).value.transpose("strength", "pretraining")
    lengths, strengths = data["pretraining"].values, data["strength"].values
    low, high = float(values.quantile(DARKEST)), float(values.max())
    norm = (LogNorm if 0 < 10 * low < high else Normalize)(low, high)
    mesh = ax.pcolormesh(_edges(lengths), _edges(strengths), values, norm=norm, cmap="cividis", rasterized=True)
    extend = "min" if float(values.min()) < low else "neither"
    bar = ax.get_figure(root=True).colorbar(mesh, ax=ax, extend=extend)  # type: ignore[union-attr]  # checked by plot
    bar.set_label(_name(quantity, objective))
    if quantity == "after":
        points = inflection_point(data, objective)
        ridge = points.length.where(points.exists)  # NaN interrupts the line where there is none
        if bool(points.exists.any()):
            for width, colour, label in ((3, "black", drawing.NO_ENTRY), (1.5, "white", "inflection point")):
                ax.plot(ridge, strengths, color=colour, linewidth=width, label=label, solid_capstyle="butt")
            ax.legend(facecolor="0.5", frameon=True, framealpha=0.8, labelcolor="white")
    for axis, grid in (("x", lengths), ("y", strengths)):
        ax.set(**{f"{axis}scale": "log" if _geometric(grid) else "linear"})
    drawing.length_axis(ax, data)
    ax.set_ylabel(drawing.strength_name(data))


def _name(quantity: Quantity, objective: Objective) -> str:
    name = "sensitivity Δ" if quantity == "sensitivity" else f"loss {quantity}"
    return name if objective == "pretraining" else f"{objective} {name}"


def _geometric(grid: np.ndarray) -> bool:
    return bool(grid.size > 2 and grid[0] > 0 and np.ptp(np.diff(np.log(grid))) < 1e-3 * np.log(grid[1] / grid[0]))


def _edges(grid: np.ndarray) -> np.ndarray:
    """The borders of cells around these values, half way between them, also on a logarithmic axis."""
    if _geometric(grid):
        return np.exp(_edges(np.log(grid)))
    middle = (grid[1:] + grid[:-1]) / 2
    return np.concatenate([[2 * grid[0] - middle[0]], middle, [2 * grid[-1] - middle[-1]]])


def _checked_size(ax: Any, size: Any) -> tuple[float, float]:
    if ax is not None and (not isinstance(ax, Axes) or ax.get_figure() is None):
        raise DomainError(f"ax = {type(ax).__name__}", "these are no axes of a figure", "pass one of Matplotlib's Axes")
    if size is None:
        return SIZE
    if ax is not None:
        raise DomainError("size and ax", "the figure of these axes has its size", "pass one of them")
    both = positive_list("size", size)
    if both.size != 2:
        raise ShapeError(f"size of {both.size} numbers", "it is a width and a height", "pass two numbers, in inches")
    return float(both[0]), float(both[1])


def _check_plottable(responses: tuple[xr.Dataset, ...]) -> None:
    if not responses:
        raise SchemaError("no Response", "there is nothing to draw", "pass what respond() returned")
    for data in map(validate, responses):
        if data.attrs["kind"] != "Response":
            raise SchemaError(f"a {data.attrs['kind']}", "plot() draws Responses only", "pass what respond() returned")
        if further := set(map(str, data.dims)) - {"pretraining", "strength", "seed"}:
            raise SchemaError(
                ", ".join(sorted(further)), "a figure shows one value of this dimension", "select it with data.sel(...)"
            )
        if not np.array_equal(data.strength, responses[0].strength):
            raise SchemaError("Responses of different strengths", "colours stand for strengths", "plot them separately")
