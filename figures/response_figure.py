"""A whole figure from Responses: a curve for each strength, or a map where there are many; panels along an axis."""

from contextlib import AbstractContextManager
from math import ceil, sqrt
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from overtraining.figures import drawing
from overtraining.figures.style import canvas, styled, undisturbed
from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import positive_list
from overtraining.setting.errors import DomainError, SchemaError, ShapeError
from overtraining.setting.inflection import inflection_point
from overtraining.setting.responses import (
    REAL,
    REPETITIONS,
    Objective,
    Quantity,
    curve,
    curve_name,
    method_of,
    sign,
    validate,
)

SIZE = (4.75, 2.6)
"""Inches: axes of a journal's column, and the legend beside them."""

PANEL = 1.9
"""Inches of each side of one of several panels."""

LEGEND = 1.5
"""Inches for the legend beside panels."""

WIDEST = 0.6
"""Of the width of the user's axes, for a legend beside them: what is left would be too narrow for curves."""

PANELS = 9
"""Of more values of an axis the panels would be too small."""

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
    One Response with one further dimension, such as the result of a sweep along one axis beside its repetitions: a
    panel for each of up to 9 values. With two further dimensions of numbers, at one length and strength: a map of them.

    ax: Matplotlib's axes to draw onto, in your own style and with the colours of its cycle; without it a figure of its
    own is made, in the style of this project. A legend that would hide a curve stands beside them, where axes that no
    layout moves become narrower, unless it needs more than 60% of their width.  title: above the axes.  size: width
    and height in inches.
    Returns the Matplotlib figure; `figure.savefig("u.pdf")` writes it. Raises SchemaError for anything that is not a
    Response, for different strengths, for more dimensions than that, and for several Responses of more than 7 strengths
    or with a further dimension.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> from overtraining.setting.protocol import Protocol
    >>> from overtraining.theory.solvers.exact import respond
    >>> figure = plot(respond(Protocol(PowerLaw(3), lengths=(0, 5, 50), strengths=(0.1, 0.2))))
    >>> len(figure.axes[0].lines)  # before, two strengths, and a star on each
    5
    """
    further = _check_plottable(responses)
    given = _checked_size(ax, size)
    first = responses[0]
    dense = quantity != "before" and first.sizes["strength"] > CURVES and first.sizes["pretraining"] > 1
    if dense and (further or len(responses) > 1):
        what = f"{first.sizes['strength']} strengths in more than one Response"
        raise SchemaError(what, "a map shows one Response", f"draw one, or select at most {CURVES} strengths")
    if len(further) == 1:
        if ax is not None:
            instead = f"leave ax out, or select a value: {_selection(first, further[0])}"
            raise SchemaError(f"dimension {further[0]}", "every value has a panel of its own", instead)
        return _panels(first, further[0], quantity, objective, title, given)
    style: AbstractContextManager[None] = styled() if ax is None else undisturbed()
    with style:
        place = canvas(*(given or SIZE))[1][0] if ax is None else ax
        if further:
            _axes_map(place, first, further, quantity, objective)
        elif dense:
            _map(place, first, quantity, objective)
        else:
            entries = _curves(place, responses, quantity, objective)
        if title is not None:
            place.set_title(title)
        if not (further or dense):
            legend = place.legend(**entries)
            if ax is None or (_hides(legend, ax) and _make_room(legend, ax)):
                legend.set_loc("upper left")
                legend.set_bbox_to_anchor((1, 1))
    figure = place.get_figure(root=True)
    assert figure is not None  # axes that were removed from their figure are refused above
    return figure


def _hides(legend: Legend, ax: Axes) -> bool:
    """Whether a legend covers a part of a curve, though it is at the best place inside the axes."""
    ax.autoscale_view()  # Matplotlib would wait until it draws
    if layout := ax.get_figure(root=True).get_layout_engine():  # type: ignore[union-attr]  # checked by plot
        layout.execute(ax.get_figure(root=True))  # type: ignore[arg-type]  # it moves the axes
    box = legend.get_window_extent().padded(mpl.rcParams["lines.markersize"])
    curves = [line.get_transform().transform_path(line.get_path()) for line in ax.lines]
    return any(curve.intersects_bbox(box, filled=False) for curve in curves)


def _make_room(legend: Legend, ax: Axes) -> bool:
    """Whether there is room for a legend beside the user's axes; axes that no layout moves are made narrower for it."""
    share = (legend.get_window_extent().width + mpl.rcParams["font.size"]) / ax.bbox.width
    if share > WIDEST:
        return False
    if ax.get_figure(root=True).get_layout_engine() is None:  # type: ignore[union-attr]  # checked by plot
        if cell := ax.get_subplotspec():  # of a grid, so that subplots_adjust() and tight_layout() still apply
            ax.set_subplotspec(cell.subgridspec(1, 2, width_ratios=(1 - share, share), wspace=0)[0])
        else:
            left, bottom, width, height = ax.get_position().bounds
            ax.set_position((left, bottom, (1 - share) * width, height))
    return True


def _panels(
    data: xr.Dataset,
    axis: str,
    quantity: Quantity,
    objective: Objective,
    title: str | None,
    size: tuple[float, float] | None,
) -> Figure:
    """A panel for each value of an axis, all with one scale of the loss and one legend."""
    n = data.sizes[axis]
    columns = n if n <= 3 else ceil(sqrt(n))
    rows = ceil(n / columns)
    with styled():
        figure, places = canvas(*(size or (PANEL * columns + LEGEND, PANEL * rows)), rows, columns, sharey=True)
        legends = []
        for i, place in enumerate(places[:n]):
            legends.append(_curves(place, (data.isel({axis: i}),), quantity, objective))
            value = data[axis].values[i]
            place.set_title(str(value) if isinstance(value, str) else f"{axis} = {value:g}")
            if i + columns < n:
                place.set_xlabel("")
            if i % columns:
                place.set_ylabel("")
        for place in places[n:]:
            place.remove()
        legend = max(legends, key=lambda entries: len(entries["labels"]))  # not every value has an inflection point
        figure.legend(**legend, loc="outside right upper")
        if title is not None:
            figure.suptitle(title)
    return figure


def _curves(ax: Axes, responses: tuple[xr.Dataset, ...], quantity: Quantity, objective: Objective) -> dict[str, Any]:
    """Draw a curve for each strength; what its legend is made of."""
    by_strength: dict[str, list[Any]] = {}  # what stands for a strength, a line and points, has one entry together
    before = []
    size = mpl.rcParams["lines.markersize"]
    label = "{symbol} = {:g}" if drawing.symbol(responses[0]) else "{:g}"
    for data in responses:
        if quantity != "sensitivity":  # below the strengths, which it may coincide with
            before.append(drawing.base(ax, data, objective))
            theory = method_of(data) == "theory"
            before[-1][0].set(**({"linestyle": ":"} if theory else {"marker": "+", "markersize": BEFORE * size}))
        if quantity != "before":
            for i, drawn in enumerate(drawing.curves(ax, data, quantity, objective, label=label)):
                by_strength.setdefault(str(drawn.get_label()), []).append(drawn)
                if method_of(data) == "theory":
                    drawn[0].set_linestyle(DASHES[i % len(DASHES)])
    entries = by_strength | ({"before": before} if before else {})
    if quantity == "after":
        for data in responses:
            if method_of(data) == "theory":
                drawing.inflections(ax, data, objective=objective, label="inflection point")
        stars = [line for line in ax.lines if line.get_label() == "inflection point"]
        entries |= {"inflection point": stars[:1]} if stars else {}
    ax.set_ylabel(_name(responses, quantity, objective))
    return {
        "handles": [tuple(drawn) for drawn in entries.values()],
        "labels": list(entries),
        "title": drawing.strength_name(responses[0]) if by_strength else None,
        "handlelength": 3,
        "alignment": "left",
    }


def _axes_map(ax: Axes, data: xr.Dataset, axes: list[str], quantity: Quantity, objective: Objective) -> None:
    """A map over two axes of numbers, at the one length and strength that the data have."""
    x, y = axes
    values = curve(data, quantity, objective).value.squeeze().transpose(y, x).sortby([x, y])
    mesh = ax.pcolormesh(_edges(values[x].values), _edges(values[y].values), values, cmap="cividis", rasterized=True)
    ax.get_figure(root=True).colorbar(mesh, ax=ax, label=_name((data,), quantity, objective))  # type: ignore[union-attr]  # checked by plot
    for axis, name in (("x", x), ("y", y)):
        scale = "log" if _geometric(values[name].values) else "linear"
        ax.set(**{f"{axis}scale": scale, f"{axis}label": name})
    strength = "" if quantity == "before" else f", {drawing.strength_name(data)} = {data.strength.item():g}"
    ax.set_title(f"pretraining length {data.pretraining.item():g}{strength}")


def _map(ax: Axes, data: xr.Dataset, quantity: Quantity, objective: Objective) -> None:
    values = curve(data, quantity, objective).value.transpose("strength", "pretraining")
    lengths, strengths = data["pretraining"].values, data["strength"].values
    low, high = float(values.quantile(DARKEST)), float(values.max())
    norm = (LogNorm if 0 < 10 * low < high else Normalize)(low, high)
    mesh = ax.pcolormesh(_edges(lengths), _edges(strengths), values, norm=norm, cmap="cividis", rasterized=True)
    extend = "min" if float(values.min()) < low else "neither"
    bar = ax.get_figure(root=True).colorbar(mesh, ax=ax, extend=extend)  # type: ignore[union-attr]  # checked by plot
    bar.set_label(_name((data,), quantity, objective))
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


def _name(responses: tuple[xr.Dataset, ...], quantity: Quantity, objective: Objective) -> str:
    changes = " or ".join(dict.fromkeys(map(drawing.change, responses)))
    measured = "loss" if sign(responses[0][curve_name("after", objective)]) > 0 else "score"
    name = "sensitivity Δ to" if quantity == "sensitivity" else f"{measured} {quantity}"
    return f"{'' if objective == 'pretraining' else f'{objective} '}{name} {changes}"


def _geometric(grid: np.ndarray) -> bool:
    return bool(grid.size > 2 and grid[0] > 0 and np.ptp(np.diff(np.log(grid))) < 1e-3 * np.log(grid[1] / grid[0]))


def _edges(grid: np.ndarray) -> np.ndarray:
    """The borders of cells around these values, half way between them, also on a logarithmic axis."""
    if _geometric(grid):
        return np.exp(_edges(np.log(grid)))
    middle = (grid[1:] + grid[:-1]) / 2
    return np.concatenate([[2 * grid[0] - middle[0]], middle, [2 * grid[-1] - middle[-1]]])


def _checked_size(ax: Any, size: Any) -> tuple[float, float] | None:
    if ax is not None and (not isinstance(ax, Axes) or ax.get_figure() is None):
        raise DomainError(f"ax = {type(ax).__name__}", "these are no axes of a figure", "pass one of Matplotlib's Axes")
    if size is None:
        return None
    if ax is not None:
        raise DomainError("size and ax", "the figure of these axes has its size", "pass one of them")
    both = positive_list("size", size)
    if both.size != 2:
        raise ShapeError(f"size of {both.size} numbers", "it is a width and a height", "pass two numbers, in inches")
    return float(both[0]), float(both[1])


def _check_plottable(responses: tuple[xr.Dataset, ...]) -> list[str]:
    """The dimensions beside length, strength and repetitions: none, one of few values, or two for a map."""
    if not responses:
        raise SchemaError("no Response", "there is nothing to draw", "pass what respond() returned")
    for data in map(validate, responses):
        if data.attrs["kind"] != "Response":
            raise SchemaError(f"a {data.attrs['kind']}", "plot() draws Responses only", "pass what respond() returned")
        further = [str(name) for name in data.dims if name not in ("pretraining", "strength", "turn", *REPETITIONS)]
        if further:
            _check_further(data, further, len(responses))
        if not np.array_equal(data.strength, responses[0].strength):
            raise SchemaError("Responses of different strengths", "colours stand for strengths", "plot them separately")
    return further


def _check_further(data: xr.Dataset, further: list[str], responses: int) -> None:
    what = f"dimension{'s' * (len(further) > 1)} {', '.join(further)}"
    if responses > 1:
        raise SchemaError(what, "of several Responses it has no room", f"select a value: {_selection(data, *further)}")
    if len(further) == 1:
        if data.sizes[further[0]] > PANELS:
            why = f"its {data.sizes[further[0]]} values would need as many panels"
            raise SchemaError(what, why, f"select at most {PANELS}: data.isel({{{further[0]!r}: [0, -1]}})")
        return
    numeric = all(data[name].dtype.kind in REAL and data.sizes[name] > 1 for name in further)
    if len(further) > 2 or not numeric or data.sizes["pretraining"] > 1 or data.sizes["strength"] > 1:
        one = f"data.sel(pretraining=[{data.pretraining.values[-1]:g}], strength=[{data.strength.values[-1]:g}])"
        instead = f"select values: {_selection(data, *further[1:])}; or, for a map of two axes of numbers, {one}"
        raise SchemaError(what, "a figure has panels for one axis", instead)


def _selection(data: xr.Dataset, *names: str) -> str:
    """Code that selects the first value of these dimensions."""
    return f"data.sel({ {name: data[name].values[:1].tolist()[0] for name in names} })"
