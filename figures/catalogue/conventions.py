"""conventions: sensitivity to noise in four units, and to rounding, on one normalization (claim B6)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, network, protocol_of, spectrum
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.perturbations import Noise, Quantization, bits
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw

UNITS = {"absolute": "1 (absolute)", "relative": "the layer's size", "multiplicative": "each weight's size"}
STEPS = {"tensor": "one step per layer", "row": "one step per row"}
FINE, BITS = 97, 4
FIXED_STEP = 0.15


def protocol(convention: str) -> Protocol:
    """Four features in a 5→4→6 network, one scale; several hidden frames, which matter only in some conventions."""
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
    """Theory and simulation for every convention of noise; of rounding, both for a fixed step; many hidden frames."""
    by_label: dict[str, Recipe] = {}
    for i, unit in enumerate(UNITS):
        one = protocol(unit)
        by_label[f"theory {unit}"] = theory_response(replace(one, lengths=np.linspace(0, 16, FINE)))
        by_label[f"simulation {unit}"] = simulated_response(one, key=i)
    for i, step in enumerate(STEPS):
        quantization = Quantization(per=step)
        many = Sampling(seeds=64)
        one = replace(protocol("absolute"), perturbation=quantization, strengths=(bits(BITS),), sampling=many)
        by_label[step] = simulated_response(one, key=10 + i)
    frames = Sampling(seeds=512)
    fixed = replace(one, perturbation=Quantization(per=None), strengths=(FIXED_STEP,), sampling=frames)
    by_label["theory fixed"] = theory_response(replace(fixed, lengths=np.linspace(0, 16, FINE)))
    by_label["simulation fixed"] = simulated_response(fixed, key=12)
    return by_label


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """(a) sensitivity to noise in several units, relative to its value at the end, (b) rounding."""
    figure, (noise, rounding) = canvas(PAGE, 2.5, columns=2)
    for i, (unit, label) in enumerate(UNITS.items()):
        end = float(data[f"theory {unit}"].sensitivity[-1, 0])
        drawing.curves(noise, data[f"theory {unit}"], "sensitivity", label=label, colour=i, unit=end)
        drawing.curves(noise, data[f"simulation {unit}"], "sensitivity", label=None, colour=i, unit=end)
    for i, (step, label) in enumerate(STEPS.items(), start=3):
        drawing.curves(rounding, data[step], "sensitivity", label=label, colour=i)
    drawing.curves(rounding, data["theory fixed"], "sensitivity", label="step {:g}", colour=5)
    drawing.curves(rounding, data["simulation fixed"], "sensitivity", label=None, colour=5)
    noise.set(ylabel="Δ, relative to its value at the end", title="noise in units of", ylim=(0, None))
    rounding.axhline(0, color="black", linewidth=0.6)
    rounding.set(ylabel="rise of the loss, Δ", title=f"rounding to {_bits(data):g} bits, or to a fixed step")
    noise.legend(loc="lower right")
    rounding.legend(loc=(0.45, 0.66))
    letter([noise, rounding])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    rise = {unit: data[f"theory {unit}"].sensitivity.values[:, 0] for unit in UNITS}
    factors = ", ".join(f"{rise[unit][-1] / rise[unit][0]:.3g} ({label})" for unit, label in UNITS.items())
    falls = {step: float((data[step].sensitivity[..., 0] < 0).mean()) for step in STEPS}
    mean = {step: data[step].sensitivity.mean("seed").values[:, 0] for step in STEPS}
    setup, fixed = protocol_of(data["theory absolute"]), protocol_of(data["theory fixed"])
    bound = data["theory fixed"].attrs["approximation_bound"]
    return (
        "Sensitivity to one perturbation in several units (claim B6), against pretraining length. (a) Gaussian noise "
        f"of scale γ = {setup.strengths[0]:g} in units of 1, of the layer's root mean square weight, or of each weight "
        "itself; each curve is divided by its value at the end. (Units of the weights at the start, by secondary "
        "sources those of the source paper, are absolute units with another γ.) Sensitivity grows in all units, by "
        f"factors of {factors}. Lines: exact, for the last unit as the mean over hidden frames; points: simulation, "
        f"{data['simulation relative'].attrs['source']}, one standard error. (b) Rounding to {_bits(data):g} bits, "
        f"with steps in proportion to the largest weight, mean and standard error over {data['row'].sizes['seed']} "
        f"hidden frames: {mean['tensor'][0]:.1g} at the start and {mean['tensor'][-1]:.2g} at the end with one step "
        f"per layer, {mean['row'][0]:.1g} and {mean['row'][-1]:.2g} with one step per row. On average it grows, too; "
        f"but rounding lowers the loss in {falls['tensor']:.0%} and {falls['row']:.0%} of the single cases, and no "
        "theorem says that its cost grows: in a 2×2 network it falls while a second feature is learned. With a fixed "
        f"step of {fixed.strengths[0]:g}, most weights round to 0 at first. Line: theory, the mean over hidden frames, "
        f"with an error of at most {bound:.1g}; points: {data['simulation fixed'].sizes['seed']} frames. "
        f"{network(setup)} network, σ = {spectrum(setup)}, white inputs, ε = {epsilon(setup):g}."
    )


def _bits(data: Mapping[str, xr.Dataset]) -> float:
    """The number of bits whose `bits` is the strength of rounding, to 4 digits."""
    (strength,) = protocol_of(data["row"]).strengths
    return float(f"{np.log2(1 / strength + 1) + 1:.4g}")
