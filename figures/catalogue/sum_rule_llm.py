"""sum-rule-llm: sensitivity exponents predicted from fitted losses by the sum rule, and a published one (B8, F3)."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import BASE, PAGE, canvas, colour_at


def recipes() -> dict[str, Recipe]:
    """β of three training sets on four validation sets, and the published exponents of quantization."""
    return {"exponents": Recipe("overtraining.figures.llm.annealed.exponents")}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """1 − β with its interval for every fit; lines at the published exponents."""
    (one,) = data.values()
    figure, (ax,) = canvas(PAGE, 3.0)
    names = [str(name).replace("_original", "").replace("paloma_", "") for name in one.fit.values]
    drawing.intervals(ax, names, 1 - one.beta, 1 - one.beta_high, 1 - one.beta_low)
    ax.axvline(one.attrs["growth"], color=colour_at(1), label="growth of the quantization loss, published")
    ax.axvline(1 - one.attrs["base_beta"], color=BASE, linestyle="--", label="1 − β of the same paper's base loss")
    ax.set_xlabel("exponent of sensitivity in tokens: 1 − β, as the sum rule predicts it")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    (one,) = data.values()
    predicted, growth, base = 1 - one.beta.values, one.attrs["growth"], one.attrs["base_beta"]
    covered = int(np.sum((1 - one.beta_high.values <= growth) & (growth <= 1 - one.beta_low.values)))
    return (
        "The sum rule (claim B8) says that where the loss falls as D^−β, sensitivity grows as D^(1−β). Points: 1 − β "
        f"of L = E + A N^−α + B D^−β, fitted to {one.attrs['runs']} annealed runs of Gadre et al. 2024 (arXiv "
        f"2403.08540) for each training and validation set, with 95% bootstrap intervals: {predicted.min():.2f} to "
        f"{predicted.max():.2f}. Orange: the published exponent of the increase of the loss by quantization, "
        f"{growth:.3f} (arXiv 2411.17691, on Pythia; given there without an interval, and quoted from a secondary "
        f"source). Grey: 1 − β for the base loss of that paper, {1 - base:.3f}, so that its two exponents add up to "
        f"{growth + base:.2f} and not to 1. The exponents are close but not equal: {covered} of {len(predicted)} "
        "intervals contain the published exponent, the others lie above it. The runs to which β was fitted are not the "
        "models that were quantized, and the intervals include the scatter about the law but not the choice of the "
        "law. The linear theory assumes noise of the same size on all weights, features learned one at a time, and "
        "time proportional to tokens; it says nothing about numbers of bits and model size."
    )
