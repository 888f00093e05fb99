"""noise-robust-objective: plain, early-stopped and decayed training: their loss after noise (claim E1)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.experiments.setups import NOISES, unequal_costs
from overtraining.figures import drawing
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.protocol import Sampling

SOURCE = "overtraining.experiments.noise_robust"


def recipes() -> dict[str, Recipe]:
    """The experiment's network under its three pairs of noise scales."""
    made = {}
    for i, noise in enumerate(NOISES):
        sampling = Sampling(draws=8192, antithetic=True)
        fine = replace(unequal_costs(noise), lengths=np.linspace(0, 24, 121), sampling=sampling)
        coarse = replace(fine, lengths=np.linspace(0, 24, 13))
        made[f"path{i}"] = theory_response(fine)
        made[f"simulation{i}"] = simulated_response(coarse, key=i)
        made[f"optimum{i}"] = Recipe(f"{SOURCE}.optimum", coarse)
        made[f"decayed{i}"] = Recipe(f"{SOURCE}.decayed", coarse, key=i)
    return made


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One panel for each pair of noise scales, on one scale of the loss."""
    figure, axes = canvas(PAGE, 2.5, columns=3, sharey=True)
    for i, (ax, noise) in enumerate(zip(axes, NOISES, strict=True)):
        drawing.curves(ax, data[f"path{i}"], "after", label="plain pretraining")
        drawing.curves(ax, data[f"simulation{i}"], "after", label=None)
        drawing.inflections(ax, data[f"path{i}"], "best", label="best stop")
        drawing.curves(ax, data[f"optimum{i}"], "after", label="decay per layer", colour=1)
        drawing.curves(ax, data[f"decayed{i}"], "after", label=None, colour=1)
        ax.set_title(f"$\\gamma_1$ = {noise[0]:g}, $\\gamma_2$ = {noise[1]:g}", loc="left")
    axes[0].set_ylabel("loss after noise")
    axes[0].legend()
    for ax in (axes[0], axes[2]):
        ax.set_xlabel("")
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """What is seen, with the numbers of this run."""
    parts = []
    for i, noise in enumerate(NOISES):
        after, best = data[f"path{i}"].after.values.ravel(), float(data[f"optimum{i}"].after[0, 0])
        seen = data[f"decayed{i}"]
        parts.append(
            f"{after[-1]:.3f}, {after.min():.3f}, {best:.3f} at γ₁ = {noise[0]:g}, γ₂ = {noise[1]:g} (measured under "
            f"decay: {float(seen.after.squeeze()):.3f} ± {float(seen.after_stderr.squeeze()):.3f})"
        )
    return (
        "Loss after Gaussian weight noise against pretraining length, for three pairs of noise scales in the two "
        "layers (claim E1). Blue: plain pretraining on the balanced path, exact, and simulated; star: its best stop. "
        "Orange: the minimum over all weights, which is that of weight decay a = γ₂²d_out on W1 and b = γ₁²d_in on "
        "W2, `s = (σ − κ)₊` with the geometric mean κ = √(ab) of the two prices, and a network trained under that "
        "decay from random weights. At the end of plain pretraining, at the best stop, under decay: "
        f"{'; '.join(parts)}. Decay gains over the best stop even where both layers are priced almost alike, since "
        "it stops every feature where it should, which one length cannot; where the prices differ it gains most, by "
        "putting the weights where they are cheap, which no stop can. σ = 1, 0.6, 0.2 in a 5→4→3 network. Where the "
        "theory ends: two layers, white inputs, hidden units enough for the features."
    )
