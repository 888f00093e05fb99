"""catastrophic-overtraining: loss after noise, base loss and inflection points (claims C1, C4)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, features, protocol_of, spectrum, turning
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import COLUMN, canvas
from overtraining.setting.inflection import inflection_point
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.teachers import PowerLaw


def recipes() -> dict[str, Recipe]:
    """Theory on a fine grid, simulation on a coarse one."""
    fine = Protocol(
        PowerLaw(modes=24, alpha=1.0),
        lengths=np.linspace(0, 60, 601),
        strengths=(0.05, 0.07, 0.1),
        network=Network(d_in=24, h=24, d_out=24),
    )
    coarse = replace(fine, lengths=np.linspace(0, 60, 25), sampling=Sampling(draws=1024, antithetic=True))
    return {"theory": theory_response(fine), "simulation": simulated_response(coarse, key=0)}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Loss before and after noise; a star marks each inflection point."""
    figure, (ax,) = canvas(COLUMN, 2.7)
    drawing.curves(ax, data["theory"], "after")
    drawing.curves(ax, data["simulation"], "after", label=None)
    drawing.base(ax, data["theory"], label="no noise")
    drawing.inflections(ax, data["theory"], label="inflection point")
    ax.set_ylabel("loss after noise")
    ax.set_ylim(bottom=0)
    ax.legend(ncols=2)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    points, setup = inflection_point(data["theory"]), protocol_of(data["theory"])
    where = ", ".join(
        f"{turning(float(t))} (γ = {float(g):g})" for g, t in zip(points.strength, points.length, strict=True)
    )
    best = inflection_point(data["theory"], which="best")
    deepest = ", ".join(f"{turning(float(t))}" for t in best.length)
    rises = ", ".join(f"{float(r):.2g}" for r in points.rise)
    return (
        "Loss after Gaussian weight noise of scale γ against pretraining length, and the loss without noise (dashed). "
        f"Beyond an inflection point (stars, t = {where}), longer pretraining only hurts, by {rises} in the end, while "
        "the loss without noise still falls (claims C1, C4). Lines: closed form; points: simulation, "
        f"{data['simulation'].attrs['source']}. Learning a feature lowers the loss after noise until s = σ − c, with c "
        f"= γ²d; {features(setup)} features σ = {spectrum(setup)}, d = {setup.network.d_in}, aligned start at ε = "
        f"{epsilon(setup):g}. A star is the last minimum, beyond which "
        f"longer pretraining never helps; the deepest minima lie at t = {deepest}."
    )
