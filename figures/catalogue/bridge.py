"""bridge: theory, small network and language model in three rows; before, sensitivity, after in columns (claim F)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import protocol_of, turning, word
from overtraining.figures.recipe import Recipe, simulated_response, theory_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.inflection import inflection_point
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.teachers import PowerLaw

ROWS = {"theory": "theory", "simulation": "small network", "olmo1b": "OLMo-1B"}


def recipes() -> dict[str, Recipe]:
    """One protocol for theory and simulation; the mean of six benchmarks of OLMo-1B before and after fine-tuning."""
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
    """Rows: sources of the numbers. Columns: before, cost of the perturbation, after, with stars where that turns."""
    figure, axes = canvas(PAGE, 5.0, rows=3, columns=3)
    for i, (name, title) in enumerate(ROWS.items()):
        one = _mean(data[name])
        quantity = "accuracy" if name == "olmo1b" else "loss"
        before, cost, after = axes[3 * i : 3 * i + 3]
        drawing.base(before, one, label=None)
        drawing.curves(cost, one, "sensitivity", label="γ = {:g}" if name == "theory" else None)
        drawing.curves(after, one, "after", label=None)
        drawing.inflections(after, one)
        before.set_ylabel(f"{title}: {quantity}")
        if name == "olmo1b":
            cost.set_ylim(-0.1, 0.1)  # ten standard errors: an apparent trend is one or two
    for ax, title in zip(axes, ("before", "sensitivity Δ", "after"), strict=False):
        ax.set_title(title)
    for ax in axes[:6]:
        ax.set_xlabel("")
    letter(axes)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data, and what cannot be transferred between the rows."""
    theory, llm = inflection_point(data["theory"]), _mean(data["olmo1b"])
    where = ", ".join(
        f"{turning(float(t))} (γ = {float(g):g})" for g, t in zip(theory.strength, theory.length, strict=True)
    )
    fall, error = drawing.final_decline(llm)
    real = "more" if bool(inflection_point(llm).exists.any()) else "no more"
    draws = data["simulation"].attrs["source"]
    return (
        "The same three questions about theory, a small network and a language model: how good is the model before the "
        "perturbation, what does the perturbation cost, and how good is the model after it? Top: exact loss of a "
        f"{word(protocol_of(data['theory']).network.depth)}-layer linear network before and after weight noise of "
        f"{word(theory.sizes['strength'])} scales; the loss after it turns at {where}. Middle: the same protocol, "
        f"simulated ({draws}, with one standard error). Bottom: OLMo-1B, mean accuracy on "
        f"{word(data['olmo1b'].sizes['task'] - 1)} benchmarks before and after instruction tuning on TULU at "
        f"{word(llm.sizes['pretraining'])} checkpoints, measured by Sun and Dredze 2024 (arXiv 2408.06663); the error "
        f"bars cover only the choice of test items. From the best checkpoint to the last, it falls by {fall:.3f} ± "
        f"{error:.3f}, which is {real} than chance explains. In the bottom row, higher is better; in the others, lower "
        "is better. Theory and small network agree in every panel, and in their turning points to the spacing of the "
        "simulated lengths. Over the published lengths, the language model becomes neither measurably more sensitive "
        "nor worse. Its perturbation is fine-tuning and not noise, an accuracy is not a loss, and its learning rate "
        "falls along the run: the rows share axes and questions, but no numbers."
    )


def _mean(data: xr.Dataset) -> xr.Dataset:
    return data.sel(task="mean") if "task" in data.dims else data
