"""numerical-error: the error of every closed form along pretraining, compared with high precision (claims A to E)."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import power
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import BASE, PAGE, canvas, letter

TITLES = {
    "A3": "balanced mode",
    "A4": "unbalanced mode",
    "A5": "matrix solution",
    "A6": "depth",
    "A7": "incremental",
    "B1, B2": "cost of noise",
    "B3": "Hessian's roots",
    "B4, B5": "growth, scatter",
    "B6": "conventions",
    "B7, B8": "power laws",
    "C1, C5": "inflection",
    "C4": "final rise",
    "D1, D2": "fine-tuning",
    "D3, D4": "its cost",
    "D5–D7": "rates, remedies",
    "E1–E3": "noise, mixing",
}
TARGET, EPS = 1e-12, float(np.finfo(float).eps)
WIDER = 100  # the target in roundings of the inputs, where they do not contain that accuracy


def recipes() -> dict[str, Recipe]:
    """Errors and condition numbers, computed when the figure is built."""
    return {"errors": Recipe("overtraining.theory.precision.along.errors")}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One panel per group of claims: errors; dashed, one rounding of the inputs; dotted, the target."""
    figure, axes = canvas(PAGE, 7.2, rows=4, columns=4, sharex=True, sharey=True)
    errors = data["errors"]
    for ax, (panel, title) in zip(axes, TITLES.items(), strict=True):
        drawing.rounding_errors(ax, errors.isel(form=np.flatnonzero(errors.panel == panel)))
        ax.axhline(TARGET, color=BASE, linestyle=":", linewidth=0.8)
        ax.set(title=f"{panel}: {title}", xlabel="", ylabel="")
        columns = 1 + (len(ax.get_legend_handles_labels()[0]) > 3)
        ax.legend(loc="upper left", borderaxespad=0.1, ncols=columns, handlelength=1.2, columnspacing=0.8)
    axes[0].set_ylim(5e-18, 1e-9)
    for ax in axes[::4]:
        ax.set_ylabel("relative error")
    figure.supxlabel(f"pretraining length ({errors.pretraining.attrs['units']})", fontsize="medium")
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    errors = data["errors"]
    worst = errors.condition.max("pretraining")
    hardest = errors.isel(form=int(worst.values.argmax()))
    allowed = np.maximum(TARGET, WIDER * EPS * errors.condition)
    beyond = int((errors.error > allowed).sum())
    return (
        f"Relative error of {errors.sizes['form']} closed forms in float64 along pretraining (claims A3–A7, B1–B8, C1, "
        "C4, C5, D1–D7, E1–E3), compared with the same formulas in mpmath at two precisions that agree. Dashed, in the "
        f"same colour: the error that rounding the inputs causes, the condition number × {EPS:.1e}; no method can "
        f"guarantee a smaller one. Dotted: the target, {power(TARGET)}; where the inputs do not contain that accuracy, "
        f"the target is {WIDER} times the dashed line. {beyond} of {errors.error.size} points lie above the target. "
        f"The hardest question is {hardest.panel.item()}, {hardest.line.item()}, with a condition number of "
        f"{float(worst.max()):.0f}: the unlearned part falls exponentially, so that the effect of an error in σ grows "
        f"with t. Model: {errors.attrs['model']}. An answer without any error is drawn at 1e-17. The table of `python "
        "-m benchmarks.accuracy` covers the whole domain with thousands of points per claim. These errors are rounding "
        "errors and differ between processors."
    )
