"""The plotting vocabulary: everything that is ever drawn from a Response or a Trajectory, wherever that came from.

Theory is a line, a simulation is points with error bars, a measurement is points joined by a thin line.
"""

from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, ScalarFormatter

from overtraining.figures.style import BASE, COLOURS, MARKERS, ROUNDING
from overtraining.setting.grid_inflection import Which, inflection_point
from overtraining.setting.responses import Objective, Quantity, curve


def curves(
    ax: Axes,
    data: xr.Dataset,
    quantity: Quantity,
    objective: Objective = "pretraining",
    *,
    label: str | None = "γ = {:g}",
    colour: int = 0,
    unit: float = 1.0,
) -> None:
    """A quantity of a Response against pretraining length, one colour and marker per strength.

    label: for the legend, with the strength in place of `{}`; None for no entry.  colour: of the first strength.
    unit: what the quantity is divided by.
    """
    pair = curve(data, quantity, objective) / unit
    for i, one in enumerate(_split(pair), start=colour):
        look = _look(data, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
        name = "_nolegend_" if label is None else label.format(float(one.coords.get("strength", np.nan)))
        ax.errorbar(data["pretraining"], one.value, yerr=_bars(one), label=name, **look)
    _length_axis(ax, data)


def base(ax: Axes, data: xr.Dataset, objective: Objective = "pretraining", label: str = "before") -> None:
    """The model before any perturbation, in grey."""
    pair = curve(data, "before", objective)
    look = _look(data, BASE, "o") | ({"linestyle": "--"} if data.attrs["method"] == "theory" else {"mfc": "white"})
    ax.errorbar(data["pretraining"], pair.value, yerr=_bars(pair), label=label, **look)
    _length_axis(ax, data)


def inflections(
    ax: Axes, data: xr.Dataset, which: Which = "last", objective: Objective = "pretraining", *, label: str | None = None
) -> None:
    """A star at the inflection point of every strength that has one."""
    pair = curve(data, "after", objective)
    points = inflection_point(data, objective, which)
    for i, one in enumerate(_split(pair)):
        point = points if "strength" not in points.dims else points.isel(strength=i)
        if bool(point.exists):
            at = one.value.sel(pretraining=float(point.length))
            ax.plot(
                point.length, at, "*", color=COLOURS[i % len(COLOURS)], markeredgecolor="black", zorder=5,
                markersize=2.4 * mpl.rcParams["lines.markersize"], label=label or "_nolegend_",
            )  # fmt: skip
            label = None  # one entry in the legend is enough


def singular_values(ax: Axes, data: xr.Dataset, *, labels: bool = True, every: int = 1) -> None:
    """Student singular values of a Trajectory against pretraining length, one colour per mode; seeds are averaged."""
    values = data["singular_value"]
    spread = values.std("seed", ddof=1) if values.sizes.get("seed", 1) > 1 else None
    mean = values.mean("seed") if "seed" in values.dims else values
    for i in range(mean.sizes["mode"]):
        look = _look(data, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
        bars = None if spread is None else spread.isel(mode=i)[::every]
        x, y = data["pretraining"][::every], mean.isel(mode=i)[::every]
        ax.errorbar(x, y, yerr=bars, label=f"mode {i + 1}" if labels else "_nolegend_", **look)
    _length_axis(ax, data)
    ax.set_ylabel("singular value $s_i$")


def loss(ax: Axes, data: xr.Dataset, *, every: int = 1, label: str | None = None) -> None:
    """The pretraining loss of a Trajectory."""
    values = data["loss"].mean("seed") if "seed" in data["loss"].dims else data["loss"]
    ax.errorbar(data["pretraining"][::every], values[::every], label=label, **_look(data, BASE, "o"))
    _length_axis(ax, data)
    ax.set_ylabel("loss before, $L$")


def along(
    ax: Axes,
    data: xr.Dataset,
    name: str,
    *,
    by: str | None = None,
    label: str | None = None,
    colour: int = 0,
    unit: float = 1.0,
    dashed: bool = False,
) -> None:
    """Any variable of a Trajectory against pretraining length, one colour per value of `by`, else one colour for all.

    label: for the legend, with the value of `by` in place of `{}`.  unit: what the variable is divided by.
    Bars: the variable's own `_stderr`; without it the spread over several seeds.
    """
    values = _mean(data[name])
    if f"{name}_stderr" in data:
        error = _mean(data[f"{name}_stderr"])
    elif data.sizes.get("seed", 1) > 1 and "seed" in data[name].dims:
        error = data[name].std("seed", ddof=1)
    else:
        error = xr.zeros_like(values)
    pair = xr.Dataset({"value": values, "stderr": error}) / unit
    for i, one in enumerate(
        [pair] if by is None else [pair.isel({by: i}) for i in range(pair.sizes[by])], start=colour
    ):
        look = _look(data, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]) | (
            {"linestyle": "--"} if dashed else {}
        )
        text = "_nolegend_" if label is None else label.format(one[by].item() if by else "")
        rest = [d for d in one.dims if d != "pretraining"]
        for lone in [one] if not rest else [one.isel({rest[0]: j}) for j in range(one.sizes[rest[0]])]:
            ax.errorbar(data["pretraining"], lone.value, yerr=_bars(lone), label=text, **look)
            text = "_nolegend_"  # many lines of one colour have one entry
    _length_axis(ax, data)


def across(
    ax: Axes, data: xr.Dataset, name: str, axis: str, *, label: str | None = None, colour: int = 0, dashed: bool = False
) -> None:
    """Any variable of a Trajectory at its last length, against another coordinate."""
    look = _look(data, COLOURS[colour], MARKERS[colour]) | ({"linestyle": "--"} if dashed else {})
    last = data.isel(pretraining=-1)
    ax.errorbar(last[axis], last[name], yerr=last.get(f"{name}_stderr"), label=label or "_nolegend_", **look)


def trade(ax: Axes, data: xr.Dataset, *, label: str | None = None, colour: int = 0) -> None:
    """The pretraining loss after a perturbation against the downstream loss after it, along pretraining.

    One colour per strength; the last length is the end of the line, or the filled point.
    """
    base, down = (curve(data, "after", objective).value for objective in ("pretraining", "downstream"))
    for i in range(base.sizes["strength"]):
        look = _look(data, COLOURS[(colour + i) % len(COLOURS)], MARKERS[(colour + i) % len(MARKERS)])
        x, y = down.isel(strength=i), base.isel(strength=i)
        name = "_nolegend_" if label is None else label.format(float(base.strength[i]))
        ax.plot(x, y, label=name, **look)
        ax.plot(x[-1:], y[-1:], **(look | {"linestyle": "none", "marker": "o", "mfc": look["color"]}))
    ax.set_xlabel("downstream loss after")
    ax.set_ylabel("pretraining loss after")


def heat(ax: Axes, data: xr.Dataset, name: str, x: str, y: str, *, top: float = 1.0) -> None:
    """Any variable of a Trajectory at its last length over two other coordinates, from 0 to `top`, with its scale."""
    values = data[name].isel(pretraining=-1).transpose(y, x)
    mesh = ax.pcolormesh(data[x], data[y], values, vmin=0.0, vmax=top, cmap="cividis", rasterized=True)
    ax.get_figure().colorbar(mesh, ax=ax)  # type: ignore[union-attr]


def rounding(ax: Axes, data: xr.Dataset, floor: float = 1e-17) -> None:
    """Relative errors of the forms in a Trajectory, and dashed what one rounding of their inputs does: condition × eps.

    An answer that is right to the last digit is drawn at the floor.
    """
    for i, name in enumerate(data["line"].values):
        one, colour = data.isel(form=i), COLOURS[i % len(COLOURS)]
        (line,) = ax.plot(one.pretraining, np.maximum(one.error, floor), color=colour, label=str(name))
        line.set_gid(f"{ROUNDING} {i}")
        ax.plot(one.pretraining, np.maximum(one.condition * np.finfo(float).eps, floor), color=colour, linestyle="--")
    ax.set(xscale="log", yscale="log")
    _length_axis(ax, data)
    ax.set_ylabel("relative error")


def turning(ax: Axes, data: xr.Dataset, *, colour: int, label: str, dashed: bool = False) -> None:
    """Where the loss after noise turns, against the noise's variance; a Trajectory of `turning_strength`."""
    look = _look(data, COLOURS[colour], MARKERS[colour]) | ({"linestyle": "--"} if dashed else {})
    error = data.get("length_error")
    ax.errorbar(data["turning_strength"] ** 2, data["pretraining"], yerr=error, label=label, **look)
    ax.set_xlabel("variance of the noise, $\\gamma^2$")
    ax.set_ylabel(f"inflection point ({data['pretraining'].attrs['units']})")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_formatter(NullFormatter())


def law(ax: Axes, data: xr.Dataset, place: int, *, label: str | None = None) -> None:
    """Losses of a Trajectory as points with their errors, and the law fitted to them as a line, in the same colour."""
    colour, marker = COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
    look = _look(data, colour, marker) | {"linestyle": "none"}
    ax.errorbar(data["pretraining"], data["loss"], yerr=data["loss_stderr"], label=label, **look)
    ax.plot(data["pretraining"], data["law"], color=colour)
    _length_axis(ax, data)


def intervals(ax: Axes, names: list[str], value: xr.DataArray, low: xr.DataArray, high: xr.DataArray) -> None:
    """Numbers with their intervals, one below the other."""
    at, middle = np.arange(len(names))[::-1], value.values
    ax.errorbar(
        middle, at, xerr=[middle - low.values, high.values - middle], linestyle="none", marker="o", color=COLOURS[0]
    )
    ax.set_yticks(at, names)


def categories(
    ax: Axes, data: xr.Dataset, name: str, axis: str, *, label: str | None = None, colour: int = 0, shift: float = 0.0
) -> None:
    """Any variable of a Trajectory at its last length over names, `shift` of a place to the right."""
    last, at = data.isel(pretraining=-1), np.arange(data.sizes[axis])
    look = _look(data, COLOURS[colour], MARKERS[colour])
    ax.errorbar(at + shift, last[name], yerr=last.get(f"{name}_stderr"), label=label or "_nolegend_", **look)
    ax.set_xticks(at, [str(x) for x in last[axis].values])


def fall_in_errors(data: xr.Dataset, objective: Objective = "pretraining") -> tuple[float, float]:
    """Size of the final worsening after the best length, and its standard error (one strength)."""
    point = inflection_point(data, objective, "best").squeeze()
    return float(point.rise), float(point.rise_stderr)


def _mean(values: xr.DataArray) -> xr.DataArray:
    return values.mean("seed") if "seed" in values.dims else values


def _split(pair: xr.Dataset) -> list[xr.Dataset]:
    if "strength" not in pair.dims:
        return [pair]
    return [pair.isel(strength=i) for i in range(pair.sizes["strength"])]


def _bars(pair: xr.Dataset) -> np.ndarray | None:
    return pair.stderr.values if bool((pair.stderr > 0).any()) else None


def _look(data: xr.Dataset, colour: str, marker: str) -> dict[str, Any]:
    match data.attrs["method"]:
        case "theory":
            return {"color": colour, "linestyle": "-"}
        case "simulation":
            return {"color": colour, "linestyle": "none", "marker": marker, "mfc": "white", "zorder": 3}
        case _:
            return {
                "color": colour,
                "linestyle": "-",
                "linewidth": 0.7 * mpl.rcParams["lines.linewidth"],
                "marker": marker,
            }


def _length_axis(ax: Axes, data: xr.Dataset) -> None:
    units = data["pretraining"].attrs["units"]
    ax.set_xlabel(f"pretraining length ({units})")
    if units == "tokens":
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
