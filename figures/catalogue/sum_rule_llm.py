"""sum-rule-llm: what the sum rule makes of fitted loss exponents, and the published sensitivity exponent (B8, F3)."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import BASE, COLOURS, PAGE, canvas


def recipes() -> dict[str, Recipe]:
    """β of three training sets on four validation sets, and the exponents that were published for quantization."""
    return {"exponents": Recipe("overtraining.figures.llm.annealed.exponents")}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """1 − β with its interval for every fit; lines at the published exponents."""
    (one,) = data.values()
    figure, (ax,) = canvas(PAGE, 3.0)
    names = [str(name).replace("_original", "").replace("paloma_", "") for name in one.fit.values]
    drawing.intervals(ax, names, 1 - one.beta, 1 - one.beta_high, 1 - one.beta_low)
    ax.axvline(one.attrs["growth"], color=COLOURS[1], label="growth of the quantization loss, published")
    ax.axvline(1 - one.attrs["base_beta"], color=BASE, linestyle="--", label="1 − β of the same paper's base loss")
    ax.set_xlabel("exponent of sensitivity in tokens: 1 − β, as the sum rule predicts it")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """What is seen, with the numbers."""
    (one,) = data.values()
    predicted, growth, base = 1 - one.beta.values, one.attrs["growth"], one.attrs["base_beta"]
    covered = int(np.sum((1 - one.beta_high.values <= growth) & (growth <= 1 - one.beta_low.values)))
    return (
        "The sum rule (claim B8) says that where the loss falls as D^−β, sensitivity grows as D^(1−β). Points: 1 − "
        f"β of L = E + A N^−α + B D^−β, fitted to {one.attrs['runs']} annealed runs of Gadre et al. 2024 (arXiv "
        f"2403.08540) by training and validation set, with 95% bootstrap intervals: {predicted.min():.2f} to "
        f"{predicted.max():.2f}. Orange: the exponent published for the loss that quantization costs, {growth:.3f} "
        "(arXiv 2411.17691, on Pythia; given there without an interval, seen second-hand). Grey: 1 − β for the base "
        f"loss of that paper, {1 - base:.3f}, so that its two exponents add up to {growth + base:.2f} and not to 1. "
        f"Near, not equal: {covered} of {len(predicted)} intervals contain the published exponent, the others lie "
        "above it. The runs on which β was fitted are not the models that were quantized, and the intervals contain "
        "the scatter about the law and not the choice of the law. The linear theory assumes noise of one size for "
        "all weights, features learned one by one and time in proportion to tokens; it says nothing about numbers "
        "of bits and model size."
    )
