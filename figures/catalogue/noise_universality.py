"""noise-universality: Gaussian, uniform and sign noise have the same mean cost, not the same scatter (B1, B5)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, network, protocol_of, spectrum
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.perturbations import Noise, Quantization
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import PowerLaw

SOURCE = "overtraining.experiments.noise_universality"
LAWS = {"gaussian": "Gaussian", "uniform": "uniform", "sign": "random sign"}
GAMMA = 0.2


def protocol() -> Protocol:
    """Four features in a 5→4→6 network, one noise scale."""
    return Protocol(
        PowerLaw(4),
        lengths=np.linspace(0, 16, 9),
        strengths=(GAMMA,),
        network=Network(d_in=5, h=4, d_out=6),
        start=Aligned(0.05),
        sampling=Sampling(draws=4096),
    )


def recipes() -> dict[str, Recipe]:
    """Theory on a fine grid; one simulation per distribution, and rounding with the step of equal variance."""
    coarse, fine = protocol(), replace(protocol(), lengths=np.linspace(0, 16, 65))
    fixed = ("start.imbalance", "perturbation")  # of the formula for the spread
    by_label = {
        "theory": theory_response(fine),
        "spread theory": Recipe(f"{SOURCE}.spread_predicted", fine, fixed=fixed),
    }
    for i, law in enumerate(LAWS):
        one = replace(coarse, perturbation=Noise(law=law))
        by_label[law] = Recipe("overtraining.simulations.scatter.rise_and_spread", one, key=i)
    step = float(GAMMA * np.sqrt(12))
    rounded = replace(coarse, perturbation=Quantization(per=None), strengths=(step,), sampling=Sampling(seeds=32))
    return by_label | {"rounding": replace(simulated_response(rounded, key=9), ignores=("strengths",))}


def follow(recipes: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """The step of the grid has the variance of the noise."""
    rounded, noise = recipes["rounding"].protocol, recipes["theory"].protocol
    assert rounded is not None
    assert noise is not None
    steps = tuple(float(gamma * np.sqrt(12)) for gamma in noise.strengths)
    return {**recipes, "rounding": replace(recipes["rounding"], protocol=replace(rounded, strengths=steps))}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """(a) the mean rise, (b) the standard deviation of the loss after noise."""
    figure, (mean, spread) = canvas(PAGE, 2.5, columns=2)
    drawing.curves(mean, data["theory"], "sensitivity", label="theory, any distribution")
    drawing.against_length(spread, data["spread theory"], "spread", label="theory, Gaussian")
    for i, (law, name) in enumerate(LAWS.items()):
        drawing.against_length(mean, data[law], "rise", label=name, colour=i)
        drawing.against_length(spread, data[law], "spread", label=name, colour=i)
    drawing.curves(mean, data["rounding"], "sensitivity", label="rounding to a grid", colour=3)
    mean.set(ylabel="mean rise of the loss, Δ", ylim=(0, None), title="the mean depends only on the variance")
    spread.set(ylabel="standard deviation", ylim=(0, None), title="the scatter depends on the distribution")
    mean.legend(loc="lower right")
    spread.legend(loc="lower right")
    letter([mean, spread])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    theory = data["theory"].sensitivity.isel(strength=0)
    setup, (step, *_) = protocol_of(data["theory"]), protocol_of(data["rounding"]).strengths
    at = theory.sel(pretraining=data["gaussian"].pretraining, method="nearest").values
    off = {law: np.abs(data[law].rise.values[:, 0] / at - 1).max() for law in LAWS}
    last = {law: float(data[law].spread.values[-1, 0]) for law in LAWS}
    rounding = data["rounding"].sensitivity.mean("seed").values[:, 0] / at
    return (
        "Independent noise of the same variance and three distributions on all weights (claims B1, B5), against "
        "pretraining length. (a) The mean rise of the loss is the same for all of them, since it depends only on γ² "
        f"and the norms of the weights (line: exact; points within {max(off.values()):.1%} of it, "
        f"{data['gaussian'].attrs['source']}, one standard error). Rounding to a grid of step √12 γ = "
        f"{step:.2f}, which is often modelled as such noise, gives {rounding.min():.2f} to "
        f"{rounding.max():.2f} times that, as the mean over {data['rounding'].sizes['seed']} hidden frames: it sets "
        "weights below half a step to zero. (b) The standard deviation of the loss after noise: B5's formula is for "
        "the Gaussian distribution (line, exact); with uniform and sign noise it is "
        f"{last['uniform'] / last['gaussian']:.2f} and {last['sign'] / last['gaussian']:.2f} times as large at the "
        f"end, because their fourth moments differ. γ = {setup.strengths[0]:g}, {network(setup)} network, σ = "
        f"{spectrum(setup)}, aligned start at ε = {epsilon(setup):g}."
    )
