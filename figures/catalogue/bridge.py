"""bridge: theory, toy and language model in three rows; base, sensitivity and after in three columns (claim F)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.grid_inflection import inflection_point
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.teachers import PowerLaw

ROWS = {"theory": "theory", "simulation": "toy", "olmo1b": "OLMo-1B"}


def recipes() -> dict[str, Recipe]:
    """One protocol for theory and toy; the mean of six benchmarks of OLMo-1B around instruction tuning."""
    fine = Protocol(
        PowerLaw(modes=24, alpha=1.0),
        lengths=np.linspace(0, 60, 601),
        strengths=(0.05, 0.07, 0.1),
        network=Network(d_in=24, h=24, d_out=24),
    )
    coarse = replace(fine, lengths=np.linspace(0, 60, 16), sampling=Sampling(draws=1024, antithetic=True))
    return {
        "theory": theory_response(fine),
        "simulation": simulated_response(coarse, key=0),
        "olmo1b": Recipe("overtraining.figures.llm.olmo1b.after_tulu"),
    }


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Rows: where the numbers come from. Columns: before, what the perturbation costs, after; stars where it turns."""
    figure, axes = canvas(PAGE, 5.0, rows=3, columns=3)
    for i, (name, title) in enumerate(ROWS.items()):
        one, what = _mean(data[name]), "accuracy" if name == "olmo1b" else "loss"
        before, cost, after = axes[3 * i : 3 * i + 3]
        drawing.base(before, one, label=None)
        drawing.curves(cost, one, "sensitivity", label="γ = {:g}" if name == "theory" else None)
        drawing.curves(after, one, "after", label=None)
        drawing.inflections(after, one)
        before.set_ylabel(f"{title}: {what}")
        if name == "olmo1b":
            cost.set_ylim(-0.1, 0.1)  # ten standard errors either way, as what looks like a trend is one or two
    for ax, title in zip(axes, ("before", "sensitivity Δ", "after"), strict=False):
        ax.set_title(title)
    for ax in axes[:6]:
        ax.set_xlabel("")
    letter(axes)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """What is seen, with the numbers, and what does not carry over."""
    theory, llm = inflection_point(data["theory"]), _mean(data["olmo1b"])
    where = ", ".join(f"{float(t):.1f} (γ = {float(g):g})" for g, t in zip(theory.strength, theory.length, strict=True))
    fall, error = drawing.final_decline(llm)
    real = "more" if bool(inflection_point(llm).exists.any()) else "no more"
    draws = data["simulation"].attrs["source"]
    return (
        "The same three questions of theory, toy and language model: how good is the model before the perturbation, "
        "what does the perturbation cost, how good is it after? Top: loss of a two-layer linear network, exact, "
        f"before and after weight noise of three scales; it turns at {where}. Middle: the same protocol on a network "
        f"in JAX, {draws}, with one standard error. Bottom: OLMo-1B, mean accuracy on six benchmarks before and "
        "after instruction tuning on TULU at seven checkpoints, measured by Sun and Dredze 2024 (arXiv 2408.06663), "
        f"error bars of the test items only; from the best checkpoint to the last it falls by {fall:.3f} ± "
        f"{error:.3f}, which is {real} than chance. Up is better in the bottom row and worse in the others. Theory "
        "and toy agree in every panel, their turns to the spacing of the toy's lengths; the language model becomes "
        "neither measurably more sensitive nor worse over the lengths that were published. Its perturbation is "
        "fine-tuning and not noise, accuracy is no loss, and its learning rate falls along the run: the rows share "
        "axes and questions, and no number."
    )


def _mean(data: xr.Dataset) -> xr.Dataset:
    return data.sel(task="mean") if "task" in data.dims else data
