"""Plots of the files in benchmarks/results."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from results_numbers import ROOT, accuracy, calibration, result

from overtraining.figures.style import BASE, COLOURS, MARKERS, PAGE, canvas, letter, picture, styled
from overtraining.theory.precision.judge import allowed


def _benchmark(name: str) -> Callable[[], Figure]:
    """What a benchmark's own module draws of its report."""

    def draw() -> Figure:
        sys.path.append(str(ROOT))  # the benchmarks are no part of the package that is installed
        try:
            module, reports = import_module(f"benchmarks.{name}"), import_module("benchmarks.report")
        finally:
            sys.path.remove(str(ROOT))
        parts = ("name", "title", "rows", "remarks", "curves")
        figure: Figure = module.draw(reports.BenchmarkReport(*(result(name)[part] for part in parts)))
        return figure

    return draw


def errors() -> Figure:
    """The error of every form at its worst point against the condition number there, and the error allowed."""
    figure, (ax,) = canvas(PAGE, 3.2)
    condition = np.geomspace(1, max(row.condition for row in accuracy()), 200)
    ax.loglog(condition, [allowed(c) for c in condition], "-", color=BASE, label="the largest error allowed")
    ax.loglog(condition, condition * np.finfo(float).eps, ":", color=BASE, label="one rounding of the inputs")
    for i, group in enumerate(sorted({row.claim[0] for row in accuracy()})):
        rows = [row for row in accuracy() if row.claim[0] == group]
        measured = [max(row.error, 1e-17) for row in rows]
        label = f"claims {group}"
        ax.plot([r.condition for r in rows], measured, MARKERS[i], color=COLOURS[i], mfc="none", ms=4, label=label)
    ax.set(xlabel="condition number at the worst point", ylabel="relative error")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def stops() -> Figure:
    """Seconds from a signal to the end of the command, every stop of `benchmarks stops`."""
    curves = [one for one in result("stops")["curves"] if not one["ended"] and one["signal"] != "SIGKILL"]
    names = list(dict.fromkeys(one["command"] for one in curves))
    figure, (ax,) = canvas(PAGE, 0.5 + 0.22 * len(names))
    for i, signal in enumerate(dict.fromkeys(one["signal"] for one in curves)):
        chosen = [one for one in curves if one["signal"] == signal]
        rows = [names.index(one["command"]) + 0.16 * (2 * i - 1) for one in chosen]
        look = {"color": COLOURS[i], "mfc": "none", "ms": 4, "label": signal}
        ax.plot([max(one["seconds"], 0.01) for one in chosen], rows, MARKERS[i], **look)
    ax.set_xscale("log")
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set(xlabel="seconds from the signal to the end of the command")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def detected() -> Figure:
    """How often a turning point is found, and how often its interval is right, against the number of checkpoints."""
    figure, (found, right) = canvas(PAGE, 2.4, columns=2)
    for i, kind in enumerate(("with a turning point", "without")):
        rows = [row for row in calibration() if row[0].startswith(f"{kind}, ") and row[0].endswith("checkpoints")]
        sizes = [int(row[0].split()[-2]) for row in rows]
        look = {"marker": MARKERS[i], "color": COLOURS[i], "mfc": "white", "label": kind}
        found.plot(sizes, [row[5] for row in rows], **look)
        right.plot(sizes, [row[2] for row in rows], **look)
    for ax in (found, right):
        ax.set_xscale("log")
        ax.set_xticks(sizes, list(map(str, sizes)))
        ax.minorticks_off()
        ax.set(xlabel="checkpoints", ylim=(0, 103))
    found.axhline(5, color=BASE, ls=":")
    right.axhline(95, color=BASE, ls=":")
    found.set(ylabel="a decline is found (%)")
    right.set(ylabel="the interval is right (%)")
    found.legend()
    letter([found, right])
    return figure


PLOTS: dict[str, tuple[Callable[[], Figure], str]] = {
    "errors": (errors, "accuracy.csv"),
    "growth": (_benchmark("growth"), "growth.json"),
    "runs": (_benchmark("runs"), "runs.json"),
    "stops": (stops, "stops.json"),
    "detected": (detected, "calibration.txt"),
}
"""Each plot: the function that draws it, and the file of its numbers."""


def save(name: str, path: Path) -> None:
    """Draw a plot into an SVG file."""
    larger = "" if name == "growth" else "font.size: 11"  # than in print, for narrow screens; three panels have no room
    with styled(style=larger):
        path.write_bytes(picture(PLOTS[name][0](), "svg"))
