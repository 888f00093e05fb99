"""scaling-fit: losses of annealed runs, the fitted law, and the law plus the cost of quantization (claim F2)."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import millions, word
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.inflection import inflection_point

SIZES = ("6m", "53m", "125m", "360m")


def recipes() -> dict[str, Recipe]:
    """Four sizes of model with eight lengths each, and the law at the largest with quantization."""
    measured = {f"size-{size}": Recipe(f"overtraining.figures.llm.annealed.size_{size}") for size in SIZES}
    return measured | {"quantized": Recipe("overtraining.figures.llm.annealed.quantized")}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Runs and law on the left; on the right the law before and after quantization, with a star where it turns."""
    figure, (left, right) = canvas(PAGE, 2.7, columns=2)
    for i, size in enumerate(SIZES):
        drawing.fitted_law(left, data[f"size-{size}"], colour=i, label=data[f"size-{size}"].attrs["model"])
    left.set_ylabel("loss (nats)")
    drawing.base(right, data["quantized"], label="before")
    drawing.curves(right, data["quantized"], "after", label="{:g} bits")
    drawing.inflections(right, data["quantized"], label="inflection point")
    right.set_ylabel("loss after quantization (nats)")
    right.set_ylim(2.3, 4.4)
    for ax in (left, right):
        ax.set_xscale("log")
        ax.legend(loc="lower left" if ax is right else "best")
    letter([left, right])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the fit."""
    one, quantized = data[f"size-{SIZES[-1]}"].attrs, data["quantized"]
    points, law = inflection_point(quantized), quantized.attrs
    turns = ", ".join(
        f"{tokens:.2g} tokens at {bits:g} bits"
        for tokens, bits in zip(law["turning"], points.strength.values, strict=True)
    )
    return (
        f"(a) Final losses of annealed runs, one run per point: {word(len(SIZES))} of the sizes in {one['runs']} runs "
        f"trained on RefinedWeb ({millions(one['smallest'])} to {millions(one['largest'])} parameters without "
        "embeddings), on held-out text of the same kind; measured by Gadre et al. 2024 (arXiv 2403.08540). The error "
        "bars, one standard error over validation tokens, are smaller than the points. Lines: L = E + A N^−α + B D^−β "
        f"by robust least squares in ln L, E = {one['E']:.2f}, α = {one['alpha']:.2f}, β = {one['beta']:.2f} (95% "
        f"bootstrap interval {one['beta_low']:.2f} to {one['beta_high']:.2f}). The runs scatter about the law by "
        f"{100 * one['scatter']:.1f}%, many times their standard errors, so that the law is a description and not "
        f"exact. (b) The law at {quantized.attrs['model']}, and the law plus the published cost of quantization, ΔL = "
        f"{law['coefficient']:g} D^{law['growth']:g}/(N^{law['size_exponent']:g} P^{law['bits_exponent']:g}) (arXiv "
        f"2411.17691, on other models; quoted from a secondary source): the sum turns at {turns}; the weaker the "
        "perturbation, the later. This combines two empirical laws, and extrapolates them at "
        f"{points.strength.values[-1]:g} bits; the linear theory explains neither their constants nor why they are "
        "power laws."
    )
