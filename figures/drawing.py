"""Draw Responses and Trajectories onto Matplotlib axes: curves, points with error bars, stars, maps.

Theory is a line, a simulation is points with error bars, a measurement is points joined by a thin line. No function
here knows where its data come from. `response_figure.plot` makes a whole figure from Responses.

Options that several functions share: `label` is the entry in the legend (None: no entry), `colour` the place of its
colour, counted as in `style.colour_at` (with several curves, of the first one), `unit` a number that the values are
divided by, and `dashed` draws a theory line dashed.
"""

from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, ScalarFormatter

from overtraining.figures.style import BASE, MARKERS, ROUNDING, colour_at
from overtraining.setting.inflection import Which, inflection_point
from overtraining.setting.responses import Objective, Quantity, curve, method_of, unit_of

NO_ENTRY = "_nolegend_"  # Matplotlib's label for what the legend leaves out

CHANGES = ("fine-tuning", "noise", "rounding", "quantization", "pruning")
"""What the name of a perturbation is shortened to on an axis, if it has one of these words."""

SHORT = 24
"""Letters of another name that an axis has room for."""


def curves(
    ax: Axes,
    data: xr.Dataset,
    quantity: Quantity,
    objective: Objective = "pretraining",
    *,
    label: str | None = "{symbol} = {:g}",
    colour: int = 0,
    unit: float = 1.0,
) -> list[ErrorbarContainer]:
    """Draw a quantity of a Response against pretraining length, with error bars; one colour and marker per strength.

    label: the strength replaces `{}`, and its symbol, such as γ, or its name `{symbol}`.  Returns what was drawn.
    """
    drawn = []
    pair = curve(data, quantity, objective) / unit
    for i, one in enumerate(_by_strength(pair), start=colour):
        strength = float(one.coords.get("strength", np.nan))
        entry = NO_ENTRY if label is None else label.format(strength, symbol=_symbol(data))
        look = _look(data, i)
        drawn.append(ax.errorbar(data["pretraining"], one.value, yerr=_error_bars(one), label=entry, **look))
    length_axis(ax, data)
    return drawn


def base(
    ax: Axes, data: xr.Dataset, objective: Objective = "pretraining", label: str | None = "before"
) -> ErrorbarContainer:
    """Draw the model before any perturbation, in grey.  Returns what was drawn."""
    pair = curve(data, "before", objective)
    look = _look(data, 0) | {"color": BASE}
    look |= {"linestyle": "--"} if method_of(data) == "theory" else {"mfc": "white"}
    drawn = ax.errorbar(data["pretraining"], pair.value, yerr=_error_bars(pair), label=label or NO_ENTRY, **look)
    length_axis(ax, data)
    return drawn


def inflections(
    ax: Axes, data: xr.Dataset, which: Which = "last", objective: Objective = "pretraining", *, label: str | None = None
) -> None:
    """Draw a star at the inflection point of every strength that has one, where theory knows it between two lengths."""
    for i, point in enumerate(_by_strength(inflection_point(data, objective, which))):
        if bool(point.exists):
            ax.plot(
                point.length,
                point.after,
                "*",
                color=colour_at(i),
                markeredgecolor="black",
                zorder=5,
                markersize=2.4 * mpl.rcParams["lines.markersize"],
                label=label or NO_ENTRY,
            )
            label = None  # one entry in the legend is enough


def singular_values(ax: Axes, data: xr.Dataset, *, label: str | None = "mode {}", every: int = 1) -> None:
    """Draw the student's singular values of a Trajectory against pretraining length, one colour per mode.

    Seeds are averaged; error bars show their standard deviation.  label: the mode's number replaces `{}`.
    every: draw each `every`-th length.
    """
    values = data["singular_value"]
    spread = values.std("seed", ddof=1) if values.sizes.get("seed", 1) > 1 else None
    mean = values.mean("seed") if "seed" in values.dims else values
    for i in range(mean.sizes["mode"]):
        bars = None if spread is None else spread.isel(mode=i)[::every]
        entry = NO_ENTRY if label is None else label.format(i + 1)
        x, y = data["pretraining"][::every], mean.isel(mode=i)[::every]
        ax.errorbar(x, y, yerr=bars, label=entry, **_look(data, i))
    length_axis(ax, data)
    ax.set_ylabel("singular value $s_i$")


def loss(ax: Axes, data: xr.Dataset, *, every: int = 1, label: str | None = None) -> None:
    """Draw the pretraining loss of a Trajectory in grey; every: draw each `every`-th length."""
    values = data["loss"].mean("seed") if "seed" in data["loss"].dims else data["loss"]
    look = _look(data, 0) | {"color": BASE}
    ax.errorbar(data["pretraining"][::every], values[::every], label=label, **look)
    length_axis(ax, data)
    ax.set_ylabel("loss before, $L$")


def against_length(
    ax: Axes,
    data: xr.Dataset,
    variable: str,
    *,
    by: str | None = None,
    label: str | None = None,
    colour: int = 0,
    unit: float = 1.0,
    dashed: bool = False,
) -> None:
    """Draw any variable of a Trajectory against pretraining length, with error bars.

    by: a coordinate that gets one colour per value; without it all curves have one colour.  label: the value of `by`
    replaces `{}`. Error bars are the variable's own `_stderr`, otherwise the standard deviation over several seeds.
    """
    values = _mean_over_seeds(data[variable])
    if f"{variable}_stderr" in data:
        stderr = _mean_over_seeds(data[f"{variable}_stderr"])
    elif data.sizes.get("seed", 1) > 1 and "seed" in data[variable].dims:
        stderr = data[variable].std("seed", ddof=1)
    else:
        stderr = xr.zeros_like(values)
    pair = xr.Dataset({"value": values, "stderr": stderr}) / unit
    groups = [pair] if by is None else [pair.isel({by: i}) for i in range(pair.sizes[by])]
    for i, one in enumerate(groups, start=colour):
        look = _look(data, i, dashed=dashed)
        entry = NO_ENTRY if label is None else label.format(one[by].item() if by else "")
        others = [d for d in one.dims if d != "pretraining"]
        lines = [one.isel({others[0]: j}) for j in range(one.sizes[others[0]])] if others else [one]
        for line in lines:
            ax.errorbar(data["pretraining"], line.value, yerr=_error_bars(line), label=entry, **look)
            entry = NO_ENTRY  # many lines of one colour have one entry
    length_axis(ax, data)


def against_coordinate(
    ax: Axes,
    data: xr.Dataset,
    variable: str,
    coordinate: str,
    *,
    label: str | None = None,
    colour: int = 0,
    dashed: bool = False,
) -> None:
    """Draw any variable of a Trajectory at its last length against another coordinate, with its `_stderr` as bars."""
    last = data.isel(pretraining=-1)
    bars = last.get(f"{variable}_stderr")
    look = _look(data, colour, dashed=dashed)
    ax.errorbar(last[coordinate], last[variable], yerr=bars, label=label or NO_ENTRY, **look)


def categories(
    ax: Axes,
    data: xr.Dataset,
    variable: str,
    coordinate: str,
    *,
    label: str | None = None,
    colour: int = 0,
    shift: float = 0.0,
) -> None:
    """Draw any variable of a Trajectory at its last length over a coordinate of names, with its `_stderr` as bars.

    shift: how far to the right of the name, in units of the distance between names.
    """
    last = data.isel(pretraining=-1)
    places = np.arange(data.sizes[coordinate])
    bars = last.get(f"{variable}_stderr")
    ax.errorbar(places + shift, last[variable], yerr=bars, label=label or NO_ENTRY, **_look(data, colour))
    ax.set_xticks(places, [str(x) for x in last[coordinate].values])


def change(data: xr.Dataset) -> str:
    """The perturbation of a Response in a word or two: "noise" for "Gaussian noise on every weight"."""
    said = str(data.attrs["perturbation"])
    if said == "none":
        return "no perturbation"
    known = next((change for change in CHANGES if change in said.lower()), None)
    return known or (said if len(said) <= SHORT else "perturbation")


def trade_off(ax: Axes, data: xr.Dataset, *, label: str | None = None, colour: int = 0) -> None:
    """Draw the pretraining loss after a perturbation against the downstream loss after it, along pretraining.

    One colour per strength; the last length is the end of the line, or the filled point.  label: the strength replaces
    `{}`.
    """
    pretraining = curve(data, "after", "pretraining").value
    downstream = curve(data, "after", "downstream").value
    for i in range(pretraining.sizes["strength"]):
        look = _look(data, colour + i)
        x, y = downstream.isel(strength=i), pretraining.isel(strength=i)
        entry = NO_ENTRY if label is None else label.format(float(pretraining.strength[i]))
        ax.plot(x, y, label=entry, **look)
        ax.plot(x[-1:], y[-1:], **(look | {"linestyle": "none", "marker": "o", "mfc": look["color"]}))
    ax.set_xlabel(f"downstream loss after {change(data)}")
    ax.set_ylabel(f"pretraining loss after {change(data)}")


def heat_map(ax: Axes, data: xr.Dataset, variable: str, x: str, y: str, *, top: float = 1.0) -> None:
    """Map any variable of a Trajectory at its last length over coordinates x and y, on a scale from 0 to `top`."""
    values = data[variable].isel(pretraining=-1).transpose(y, x)
    mesh = ax.pcolormesh(data[x], data[y], values, vmin=0.0, vmax=top, cmap="cividis", rasterized=True)
    ax.get_figure().colorbar(mesh, ax=ax)  # type: ignore[union-attr]


def rounding_errors(ax: Axes, data: xr.Dataset, floor: float = 1e-17) -> None:
    """Draw relative errors of closed forms, and dashed the error that rounding their inputs causes: condition × eps.

    floor: the height at which an answer without any error is drawn.
    """
    for i, name in enumerate(data["line"].values):
        one, colour = data.isel(form=i), colour_at(i)
        (line,) = ax.plot(one.pretraining, np.maximum(one.error, floor), color=colour, label=str(name))
        line.set_gid(f"{ROUNDING} {i}")
        ax.plot(one.pretraining, np.maximum(one.condition * np.finfo(float).eps, floor), color=colour, linestyle="--")
    ax.set(xscale="log", yscale="log")
    length_axis(ax, data)
    ax.set_ylabel("relative error")


def inflection_against_variance(
    ax: Axes, data: xr.Dataset, *, label: str | None = None, colour: int = 0, dashed: bool = False
) -> None:
    """Draw the inflection point of the loss after noise against the variance of the noise.

    data: a Trajectory with `turning_strength` at every length; its `length_error`, where given, becomes error bars.
    """
    look = _look(data, colour, dashed=dashed)
    bars = data.get("length_error")
    ax.errorbar(data["turning_strength"] ** 2, data["pretraining"], yerr=bars, label=label or NO_ENTRY, **look)
    ax.set_xlabel("variance of the noise, $\\gamma^2$")
    ax.set_ylabel(f"inflection point ({unit_of(data['pretraining'])})")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_formatter(NullFormatter())


def fitted_law(ax: Axes, data: xr.Dataset, *, label: str | None = None, colour: int = 0) -> None:
    """Draw measured losses as points with error bars, and the law fitted to them as a line of the same colour."""
    look = _look(data, colour) | {"linestyle": "none"}
    ax.errorbar(data["pretraining"], data["loss"], yerr=data["loss_stderr"], label=label, **look)
    ax.plot(data["pretraining"], data["law"], color=look["color"])
    length_axis(ax, data)


def intervals(ax: Axes, names: list[str], value: xr.DataArray, low: xr.DataArray, high: xr.DataArray) -> None:
    """Draw numbers with their intervals, one below the other."""
    places = np.arange(len(names))[::-1]
    middle = value.values
    bars = [middle - low.values, high.values - middle]
    ax.errorbar(middle, places, xerr=bars, linestyle="none", marker="o", color=colour_at(0))
    ax.set_yticks(places, names)


def final_decline(data: xr.Dataset, objective: Objective = "pretraining") -> tuple[float, float]:
    """How much worse the last length is than the best one, and the standard error of that (for one strength)."""
    point = inflection_point(data, objective, "best").squeeze()
    return float(point.rise), float(point.rise_stderr)


def _mean_over_seeds(values: xr.DataArray) -> xr.DataArray:
    return values.mean("seed") if "seed" in values.dims else values


def _by_strength(pair: xr.Dataset) -> list[xr.Dataset]:
    if "strength" not in pair.dims:
        return [pair]
    return [pair.isel(strength=i) for i in range(pair.sizes["strength"])]


def _error_bars(pair: xr.Dataset) -> np.ndarray | None:
    return pair.stderr.values if bool((pair.stderr > 0).any()) else None


def _look(data: xr.Dataset, colour: int, *, dashed: bool = False) -> dict[str, Any]:
    """Matplotlib's options for the lines or points of theory, simulation or measurement."""
    look: dict[str, Any] = {"color": colour_at(colour), "linestyle": "-"}
    marker = MARKERS[colour % len(MARKERS)]
    match method_of(data):
        case "theory":
            pass
        case "simulation":
            look |= {"linestyle": "none", "marker": marker, "mfc": "white", "zorder": 3}
        case _:
            look |= {"linewidth": 0.7 * mpl.rcParams["lines.linewidth"], "marker": marker}
    return look | ({"linestyle": "--"} if dashed else {})


def strength_name(data: xr.Dataset) -> str:
    """What the strength of a Response is, with its unit: "fine-tuning budget T (gradient-flow time)"."""
    attributes = data["strength"].attrs if "strength" in data.coords else {}
    units = attributes.get("units", "1")
    return attributes.get("long_name", "strength") + ("" if units == "1" else f" ({units})")


def symbol(data: xr.Dataset) -> str | None:
    """The symbol in the name of a Response's strength, a word of one letter: γ in "noise scale γ"; None without one."""
    words = strength_name(data).split()
    return next((word for word in words if len(word) == 1 and word.isalpha() and word != "a"), None)


def _symbol(data: xr.Dataset) -> str:
    return symbol(data) or strength_name(data)


def length_axis(ax: Axes, data: xr.Dataset) -> None:
    """Name the axis of pretraining lengths, with their unit."""
    units = unit_of(data["pretraining"])
    ax.set_xlabel(f"pretraining length ({units})")
    if units == "tokens":
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
