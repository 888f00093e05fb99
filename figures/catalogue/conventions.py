"""conventions: sensitivity to noise in four units, and to rounding, on one normalization (claim B6)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.perturbations import Noise, Quantization, bits
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw

UNITS = {"absolute": "1 (absolute)", "relative": "the layer's size", "multiplicative": "each weight's size"}
SHARES = {"tensor": "one step per layer", "row": "one step per row"}
FINE, BITS = 97, 4


def protocol(convention: str) -> Protocol:
    """Four features in a 5→4→6 network, one scale; several hidden frames, which only some conventions see."""
    return Protocol(
        PowerLaw(4),
        lengths=np.linspace(0, 16, 9),
        strengths=(0.1,),
        network=Network(d_in=5, h=4, d_out=6),
        start=Aligned(0.02),
        perturbation=Noise(convention=convention),
        sampling=Sampling(draws=256, seeds=16, antithetic=True),
    )


def recipes() -> dict[str, Recipe]:
    """Theory and simulation of every convention of noise; rounding by simulation, from many hidden frames."""
    found: dict[str, Recipe] = {}
    for i, unit in enumerate(UNITS):
        one = protocol(unit)
        found[f"theory {unit}"] = theory_response(replace(one, lengths=np.linspace(0, 16, FINE)))
        found[f"simulation {unit}"] = simulated_response(one, key=i)
    for i, share in enumerate(SHARES):
        how, many = Quantization(per=share), Sampling(seeds=64)
        one = replace(protocol("absolute"), perturbation=how, strengths=(bits(BITS),), sampling=many)
        found[share] = simulated_response(one, key=10 + i)
    return found


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """(a) noise in several units, over its sensitivity in the end, (b) rounding to 4 bits."""
    figure, (noise, rounding) = canvas(PAGE, 2.5, columns=2)
    for i, (unit, label) in enumerate(UNITS.items()):
        end = float(data[f"theory {unit}"].sensitivity[-1, 0])
        drawing.curves(noise, data[f"theory {unit}"], "sensitivity", label=label, colour=i, unit=end)
        drawing.curves(noise, data[f"simulation {unit}"], "sensitivity", label=None, colour=i, unit=end)
    for i, (share, label) in enumerate(SHARES.items(), start=3):
        drawing.curves(rounding, data[share], "sensitivity", label=label, colour=i)
    noise.set(ylabel="Δ, over its value in the end", title="noise in units of", ylim=(0, None))
    rounding.axhline(0, color="black", linewidth=0.6)
    rounding.set(ylabel="rise of the loss, Δ", title=f"rounding to {BITS} bits")
    noise.legend(loc="lower right")
    rounding.legend(loc=(0.5, 0.12))
    letter([noise, rounding])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """What is seen, with the numbers of this run."""
    rise = {unit: data[f"theory {unit}"].sensitivity.values[:, 0] for unit in UNITS}
    factors = ", ".join(f"{rise[unit][-1] / rise[unit][0]:.3g} ({label})" for unit, label in UNITS.items())
    falls = {share: float((data[share].sensitivity[..., 0] < 0).mean()) for share in SHARES}
    mean = {share: data[share].sensitivity.mean("seed").values[:, 0] for share in SHARES}
    return (
        "Sensitivity to one perturbation in several units (claim B6), against pretraining length. (a) Gaussian noise "
        f"of scale γ = {protocol('absolute').strengths[0]:g} in units of 1, of the layer's root mean square weight, or "
        "of each weight itself, every one divided by its sensitivity in the end (units of the start's weights, the "
        f"source paper's, are absolute ones of another γ). It grows in all of them, by factors of {factors}. Lines: "
        "exact, for the last one in the mean over hidden frames; points: simulation, "
        f"{data['simulation relative'].attrs['source']}, one standard error. (b) Rounding to {BITS} bits with steps in "
        f"proportion to the largest weight, mean and standard error over {data['row'].sizes['seed']} hidden frames: "
        f"{mean['tensor'][0]:.1g} at the start and {mean['tensor'][-1]:.2g} in the end per layer, {mean['row'][0]:.1g} "
        f"and {mean['row'][-1]:.2g} per row. In the mean it grows too; rounding lowers the loss in "
        f"{falls['tensor']:.0%} and {falls['row']:.0%} of single cases, and no theorem says that it grows: in a 2×2 "
        "network it costs less as a second feature is learned. 5→4→6 network, σ = 1/i, white inputs, ε = 0.02."
    )
