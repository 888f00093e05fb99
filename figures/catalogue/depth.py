"""depth: features and the cost of noise on all layers, by depth (claims A6, B2, B4)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, protocol_of
from overtraining.figures.recipe import Recipe, simulated_response, theory_response, theory_trajectory
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Spectrum

SIGMA, EPSILON = (1.0, 0.6, 0.4), 1e-2
ENDS = {1: 8.0, 2: 12.0, 3: 12.0, 4: 16.0, 8: 40.0}  # after the weakest feature is learned


def recipes() -> dict[str, Recipe]:
    """For every depth, the singular values by theory, and the cost of noise by theory and simulation."""
    by_label = {}
    for depth, end in ENDS.items():
        fine = Protocol(
            Spectrum(SIGMA),
            lengths=np.linspace(0, end, 201),
            strengths=(0.02, 0.05, 0.1),
            network=Network(d_in=5, h=4, d_out=5, depth=depth),
            start=Aligned(EPSILON),
        )
        coarse = replace(fine, lengths=np.linspace(0, end, 9)[1:], sampling=Sampling(draws=256, antithetic=True))
        by_label[f"path {depth}"] = theory_trajectory(fine)
        by_label[f"theory {depth}"] = theory_response(fine)
        by_label[f"simulation {depth}"] = simulated_response(coarse, key=depth)
    return by_label


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One column per depth: singular values above, sensitivity below."""
    figure, axes = canvas(PAGE, 3.4, rows=2, columns=len(ENDS), sharex="col", sharey="row")
    above, below = axes[: len(ENDS)], axes[len(ENDS) :]
    for depth, path, cost in zip(ENDS, above, below, strict=True):
        layers = protocol_of(data[f"theory {depth}"]).network.depth
        drawing.singular_values(path, data[f"path {depth}"])
        drawing.curves(cost, data[f"theory {depth}"], "sensitivity")
        drawing.curves(cost, data[f"simulation {depth}"], "sensitivity", label=None)
        path.set(title=f"$L = {layers}$", xlabel="", ylabel="")
        cost.set(yscale="log", xlabel="", ylabel="")
    above[0].set_ylabel("singular value $s_i$")
    below[0].set_ylabel("sensitivity Δ")
    letter(above)
    above[0].legend(loc="lower right")
    below[0].legend(loc="lower center")  # the lines of one layer leave space for it
    figure.supxlabel("pretraining length (gradient-flow time)", fontsize="medium")
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    grown = {}
    for depth in ENDS:
        sensitivity = data[f"theory {depth}"].sensitivity.isel(strength=0).values
        grown[protocol_of(data[f"theory {depth}"]).network.depth] = float(sensitivity[-1] / sensitivity[0])
    listed = ", ".join(f"{factor:.0f} (L = {depth})" for depth, factor in grown.items())
    gamma = float(data["theory 1"].strength[0])
    return (
        "Singular values (above, closed form) and sensitivity Δ to Gaussian noise on all layers (below; lines: exact, "
        f"points: simulation, {data['simulation 1'].attrs['source']}, one standard error) for L layers (claims A6, B2, "
        f"B4). All networks start aligned at s = {epsilon(protocol_of(data['theory 1'])):g}; every depth has its own "
        "range of lengths. Deeper networks wait longer and then learn a feature more abruptly. The loss of one layer "
        "is a quadratic function of its weights: its curvature, and with it Δ, does not change. From start to end, Δ "
        f"at γ = {gamma:g} grows by factors of {listed}. At larger γ, products of the noise of several layers, which "
        "do not grow, make up a larger part. The closed forms hold for balanced aligned starts."
    )
