"""curvature: the Hessian's eigenvalues along the path, and its trace against sensitivity (claim B3)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, network, protocol_of, spectrum
from overtraining.figures.recipe import (
    NO_PERTURBATION,
    Recipe,
    simulated_response,
    simulated_trajectory,
    theory_response,
    theory_trajectory,
)
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Spectrum

SOURCE = "overtraining.experiments.curvature"
WEAK, STRONG = 0.02, 0.25


def protocol() -> Protocol:
    """Three features in a 4→5→3 network; noise so weak that only curvature matters, and stronger noise."""
    return Protocol(
        Spectrum((1.0, 0.6, 0.3)),
        lengths=np.linspace(0, 16, 17),
        strengths=(WEAK, STRONG),
        network=Network(4, 5, 3),
        start=Aligned(1e-2),
        sampling=Sampling(draws=8192, antithetic=True),
    )


def recipes() -> dict[str, Recipe]:
    """Eigenvalues, traces and sensitivities, by theory on a fine grid and by simulation on a coarse one."""
    coarse, fine = protocol(), replace(protocol(), lengths=np.linspace(0, 16, 193))
    return {
        "spectrum theory": Recipe(
            f"{SOURCE}.eigenvalues_predicted", fine, ignores=NO_PERTURBATION, fixed=("start.imbalance",)
        ),
        "spectrum simulation": Recipe(f"{SOURCE}.eigenvalues_measured", coarse, key=0, ignores=NO_PERTURBATION),
        "theory": theory_response(fine),
        "simulation": simulated_response(coarse, key=0),
        "trace theory": theory_trajectory(fine),
        "trace simulation": simulated_trajectory(coarse, key=0),
    }


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """(a) all eigenvalues, (b) half the trace, and the sensitivity divided by the variance of the noise."""
    figure, (spectrum, trace) = canvas(PAGE, 2.7, columns=2)
    drawing.against_length(spectrum, data["spectrum theory"], "eigenvalue", label="theory")
    drawing.against_length(spectrum, data["spectrum simulation"], "eigenvalue", label="autodiff", colour=1)
    spectrum.set(ylabel="eigenvalue of the Hessian", title="the whole spectrum")
    spectrum.legend(loc=(0.4, 0.14))  # below 0, where there are no curves at the end
    for name, text in (("theory", "½ tr H"), ("simulation", "½ tr H, autodiff")):
        drawing.against_length(trace, data[f"trace {name}"], "hessian_trace", unit=2.0, label=text)
    for i, gamma in enumerate(data["theory"].strength.values):
        label, weak = f"Δ/γ², γ = {gamma:g}", i == 0
        shown = ("simulation",) if weak else ("theory", "simulation")  # the line for weak noise is that of the trace
        for name in shown:
            one = data[name].isel(strength=[i])
            entry = label if name == "simulation" else None
            drawing.curves(trace, one, "sensitivity", unit=gamma**2, label=entry, colour=1 + i)
    trace.set(ylabel="rise of the loss per variance", title="its trace is what noise costs", ylim=(0, None))
    trace.legend(loc="lower right")
    letter([spectrum, trace])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    theory, measured = data["spectrum theory"].eigenvalue, data["spectrum simulation"].eigenvalue
    off = float(np.abs(theory.sel(pretraining=measured.pretraining, method="nearest").values - measured.values).max())
    top = theory.isel(index=-1)
    setup = protocol_of(data["theory"])
    weak, strong = setup.strengths[0], setup.strengths[-1]
    half = data["trace theory"].hessian_trace.values[-1] / 2
    more = data["theory"].sensitivity.values[-1] / np.square(setup.strengths) / half - 1
    return (
        f"Curvature along pretraining (claim B3). (a) All {theory.sizes['index']} eigenvalues of the Hessian of the "
        "loss: closed form (lines) and automatic differentiation at the checkpoints of gradient flow (points), which "
        f"differ by at most {off:.1g}. The largest starts at {float(top[0]):.2f}, goes down to {float(top.min()):.2f} "
        f"while the first feature is learned, and ends at 2σ₁ = {float(top[-1]):.2f}; negative eigenvalues belong to "
        "features that are not yet learned. (b) Half the trace, and the sensitivity to Gaussian noise divided by its "
        f"variance γ², {data['simulation'].attrs['source']}: the trace does not depend on the residual, so that it "
        f"measures sensitivity at every length; the γ⁴ term adds a constant, {more[0]:.1%} at the end for γ = {weak:g} "
        f"and {more[-1]:.0%} for γ = {strong:g}. σ = {spectrum(setup)} in a {network(setup)} network, aligned start at "
        "ε "
        f"= {epsilon(setup):g}. The "
        "eigenvalues in closed form hold only for balanced aligned weights; the trace is exact everywhere."
    )
