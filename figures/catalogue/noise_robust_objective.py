"""noise-robust-objective: loss after noise with plain, early-stopped and weight-decayed training (claim E1)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.experiments.setups import NOISES, unequal_costs
from overtraining.figures import drawing
from overtraining.figures.described import network, protocol_of, spectrum, word
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.perturbations import Noise
from overtraining.setting.protocol import Sampling

SOURCE = "overtraining.experiments.noise_robust"


def recipes() -> dict[str, Recipe]:
    """The experiment's network with its three pairs of noise scales."""
    by_label = {}
    for i, noise in enumerate(NOISES):
        sampling = Sampling(draws=8192, antithetic=True)
        fine = replace(unequal_costs(noise), lengths=np.linspace(0, 24, 121), sampling=sampling)
        coarse = replace(fine, lengths=np.linspace(0, 24, 13))
        by_label[f"path{i}"] = theory_response(fine)
        by_label[f"simulation{i}"] = simulated_response(coarse, key=i)
        by_label[f"optimum{i}"] = Recipe(
            f"{SOURCE}.optimum_predicted", coarse, fixed=("teacher", "strengths", "perturbation")
        )
        by_label[f"decayed{i}"] = Recipe(f"{SOURCE}.optimum_measured", coarse, key=i)
    return by_label


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One panel for each pair of noise scales, with a common loss axis."""
    figure, axes = canvas(PAGE, 2.5, columns=3, sharey=True)
    for i, (ax, noise) in enumerate(zip(axes, _scales(data), strict=True)):
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
    """The caption, with numbers computed from the data."""
    parts, setup = [], protocol_of(data["path0"])
    for i, noise in enumerate(_scales(data)):
        after, best = data[f"path{i}"].after.values.ravel(), float(data[f"optimum{i}"].after[0, 0])
        measured = data[f"decayed{i}"]
        parts.append(
            f"{after[-1]:.3f}, {after.min():.3f}, {best:.3f} at γ₁ = {noise[0]:g}, γ₂ = {noise[1]:g} (measured under "
            f"decay: {float(measured.after.squeeze()):.3f} ± {float(measured.after_stderr.squeeze()):.3f})"
        )
    return (
        f"Loss after Gaussian weight noise against pretraining length, for {word(len(parts))} pairs of noise scales in "
        "the two layers (claim E1). Blue: plain pretraining on the balanced path, exact and simulated; star: its best "
        "stop. Orange: the minimum over all weights, which is reached by weight decay a = γ₂²d_out on W1 and b = "
        "γ₁²d_in on W2, `s = (σ − κ)₊` with the geometric mean κ = √(ab) of the two layer costs, and a network trained "
        "under that decay from random weights. At the end of plain pretraining, at the best stop, and under decay: "
        f"{'; '.join(parts)}. Decay is better than the best stop even if the costs of both layers are nearly equal, "
        "since it stops every feature at its own best value, which one length cannot do. It is better by most if the "
        "costs differ, since it puts the weights into the layer where noise costs less, which no stop can do. σ = "
        f"{spectrum(setup)} in a {network(setup)} network. The theory holds for two layers, white inputs, and enough "
        "hidden units for all features."
    )


def _scales(data: Mapping[str, xr.Dataset]) -> list[Sequence[float]]:
    """The scales of the noise on both layers, one pair after another."""
    perturbations = (protocol_of(data[f"path{i}"]).perturbation for i in range(len(NOISES)))
    return [list(noise.scales) for noise in perturbations if isinstance(noise, Noise)]
