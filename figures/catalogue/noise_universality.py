"""noise-universality: Gaussian, uniform, sign noise and rounding, equal in the mean, unlike in scatter (B1, B5)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
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
    """Theory on a fine grid; one simulation per law, and rounding at the step of equal variance."""
    coarse, fine = protocol(), replace(protocol(), lengths=np.linspace(0, 16, 65))
    found = {"theory": theory_response(fine), "spread theory": Recipe(f"{SOURCE}.spread_predicted", fine)}
    for i, law in enumerate(LAWS):
        one = replace(coarse, perturbation=Noise(law=law))
        found[law] = Recipe("overtraining.simulations.scatter.rise_and_spread", one, key=i)
    step = float(GAMMA * np.sqrt(12))
    rounded = replace(coarse, perturbation=Quantization(per=None), strengths=(step,), sampling=Sampling(seeds=32))
    return found | {"rounding": simulated_response(rounded, key=9)}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """(a) the mean rise, (b) the standard deviation of the loss after noise."""
    figure, (mean, spread) = canvas(PAGE, 2.5, columns=2)
    drawing.curves(mean, data["theory"], "sensitivity", label="theory, any law")
    drawing.against_length(spread, data["spread theory"], "spread", label="theory, Gaussian")
    for i, (law, name) in enumerate(LAWS.items()):
        drawing.against_length(mean, data[law], "rise", label=name, colour=i)
        drawing.against_length(spread, data[law], "spread", label=name, colour=i)
    drawing.curves(mean, data["rounding"], "sensitivity", label="rounding to a grid", colour=3)
    mean.set(ylabel="mean rise of the loss, Δ", ylim=(0, None), title="one mean for all laws of noise")
    spread.set(ylabel="standard deviation", ylim=(0, None), title="the scatter knows the law")
    mean.legend(loc="lower right")
    spread.legend(loc="lower right")
    letter([mean, spread])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """What is seen, with the numbers of this run."""
    theory = data["theory"].sensitivity.isel(strength=0)
    at = theory.sel(pretraining=data["gaussian"].pretraining, method="nearest").values
    off = {law: np.abs(data[law].rise.values[:, 0] / at - 1).max() for law in LAWS}
    last = {law: float(data[law].spread.values[-1, 0]) for law in LAWS}
    rounding = data["rounding"].sensitivity.mean("seed").values[:, 0] / at
    return (
        "Independent noise of one variance and three laws on all weights (claims B1, B5), against pretraining length. "
        "(a) The mean rise of the loss is the same for all of them, γ² and the norms of the weights being all that "
        f"enters (line: exact; points within {max(off.values()):.1%} of it, {data['gaussian'].attrs['source']}, one "
        f"standard error). Rounding to a grid of step √12 γ = {GAMMA * 12**0.5:.2f}, often modelled as such noise, "
        f"gives {rounding.min():.2f} to {rounding.max():.2f} of that, in the mean over "
        f"{data['rounding'].sizes['seed']} hidden frames: where weights are below the step it deletes them. (b) The "
        "standard deviation of the loss after noise: B5's formula is for the Gaussian law (line, exact); uniform and "
        f"sign noise scatter {last['uniform'] / last['gaussian']:.2f} and {last['sign'] / last['gaussian']:.2f} times "
        f"as much in the end, through their fourth moments. γ = {GAMMA:g}, 5→4→6 network, σ = 1/i, aligned start at "
        "ε = 0.05."
    )
