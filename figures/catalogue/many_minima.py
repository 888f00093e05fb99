"""many-minima: a spectrum whose loss after noise has several minima (claim C4)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, listed, power, protocol_of
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import COLUMN, canvas
from overtraining.setting.inflection import inflection_point
from overtraining.setting.protocol import Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Spectrum, singular_values


def recipes() -> dict[str, Recipe]:
    """Three features, each half of the one before, and noise cost c = γ²d = 0.1."""
    fine = Protocol(
        Spectrum((1.0, 0.5, 0.25)),
        lengths=np.linspace(0, 50, 1001),
        strengths=(float(np.sqrt(0.1 / 3)),),
        start=Aligned(1e-6),
    )
    draws = Sampling(draws=200_000, antithetic=True)
    coarse = replace(fine, lengths=np.linspace(0, 50, 26), sampling=draws)
    return {"theory": theory_response(fine), "simulation": simulated_response(coarse, key=0)}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The whole curve, and the part after its first minimum magnified."""
    figure, (whole, near) = canvas(COLUMN, 3.6, rows=2, sharex=True)
    for ax in (whole, near):
        drawing.curves(ax, data["theory"], "after", label="theory")
        drawing.curves(ax, data["simulation"], "after", label="simulation")
        ax.set_ylabel("loss after noise")
    drawing.inflections(whole, data["theory"], "first", label="first minimum")
    drawing.inflections(near, data["theory"], "best", label="deepest and last minimum")
    low = float(data["theory"].after.min())
    near.set_ylim(low - 0.003, low + 0.04)
    whole.legend()
    near.legend(*([x[:1] for x in near.get_legend_handles_labels()]))
    whole.set_xlabel("")
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    points = {which: inflection_point(data["theory"], which=which) for which in ("first", "best", "last")}
    after = data["theory"].after.isel(strength=0)
    inner = after.values[1:-1]
    count = int(((inner < after.values[:-2]) & (inner < after.values[2:])).sum())
    where = {which: float(point.length[0]) for which, point in points.items()}
    setup = protocol_of(data["theory"])
    cost = setup.strengths[0] ** 2 * (setup.network.d_in + setup.network.d_out) / 2
    lost = float(points["best"].rise[0])
    return (
        "Loss after Gaussian weight noise against pretraining length, for a teacher with σ = "
        f"{listed(singular_values(setup.teacher), fractions=True)} and noise cost c "
        f"= γ²d = {cost:g} (claim C4); below, the last part of the fall. It has {count} minima, one for every feature "
        "above "
        f"c, each followed by a rise of ½c². The first lies at t = {where['first']:.1f}; the deepest, which is also "
        f"the last, at t = {where['best']:.1f}. Beyond that, the loss rises by {lost:.4f} and does not fall again. "
        "Each minimum looks like an inflection point to somebody whose checkpoints end there. Lines: closed form; "
        f"points: simulation, {data['simulation'].attrs['source']}. Aligned start at ε = {power(epsilon(setup))}; from "
        "a start above the "
        "teacher there is no minimum."
    )
