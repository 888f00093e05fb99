"""olmo1b-fine-tuning: nine accuracies of OLMo-1B, base and fine-tuned, against pretraining tokens (claim F1)."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import power, word
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.inflection import inflection_point
from overtraining.setting.responses import Objective, objectives

TITLES = {
    "arc_challenge": "ARC-Challenge",
    "arc_easy": "ARC-Easy",
    "boolq": "BoolQ",
    "hellaswag": "HellaSwag",
    "openbookqa": "OpenBookQA",
    "sciq": "SciQ",
    "mean": "mean of the six",
    "mnli_matched": "MNLI, tuned on MNLI",
    "paws": "PAWS, tuned on PAWS",
}


def recipes() -> dict[str, Recipe]:
    """Six benchmarks after fine-tuning on TULU and their mean; two tasks after fine-tuning on each."""
    return {
        f"olmo1b-{name}": Recipe(f"overtraining.figures.llm.olmo1b.after_{name}") for name in ("tulu", "mnli", "paws")
    }


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One panel per task, base in grey, fine-tuned in colour; a star where a decline is larger than chance explains."""
    figure, axes = canvas(PAGE, 4.9, rows=3, columns=3, sharex=True)
    for ax, (one, objective, task) in zip(axes, _panels(data), strict=True):
        drawing.base(ax, one, objective, label="base")
        drawing.curves(ax, one, "after", objective, label="fine-tuned")
        drawing.inflections(ax, one, objective=objective)
        ax.set_title(TITLES[task])
        ax.set_xlabel("")
    for ax in axes[::3]:
        ax.set_ylabel("accuracy")
    for ax in axes[-3:]:
        ax.set_xlabel("pretraining length (tokens)")
    axes[0].legend(loc="lower right")
    letter(axes)
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the table."""
    parts = []
    for one, objective, task in _panels(data):
        fall, error = drawing.final_decline(one, objective)
        parts.append(f"{TITLES[task]} {fall:+.3f} ± {error:.3f}" if error else f"{TITLES[task]} 0 (best at the end)")
    tulu = next(iter(data.values()))
    tokens, learning_rate = tulu.pretraining.values, float(tulu.strength[0])
    confidence = inflection_point(tulu).attrs["confidence"]
    return (
        f"OLMo-1B before (grey) and after fine-tuning (colour) at {word(tokens.size)} checkpoints of one pretraining "
        f"run, {tokens[0] / 1e12:.3f} to {tokens[-1] / 1e12:.2f} T tokens; accuracies measured by Sun and Dredze 2024 "
        "(arXiv 2408.06663). (a)–(g) After instruction tuning on TULU; (h), (i) on the task used for fine-tuning. "
        "Error bars: one standard error of the test items (binomial for (a)–(g), computed by us), which includes "
        "neither the seed of fine-tuning nor that of pretraining, since there are no replicates. Decline from the best "
        f"checkpoint to the last: {'; '.join(parts)}. These are too large, since the best checkpoint was chosen after "
        "seeing the values. A star marks an inflection point whose decline is larger than chance explains for the "
        f"largest of all differences (Tukey, {confidence:.0%}). The fine-tuning learning rate is the same at every "
        f"checkpoint ({power(learning_rate)}), but the pretraining learning rate falls along the run, so that tokens "
        "and learning rate are confounded. The linear theory does not predict accuracies and is not drawn here."
    )


def _panels(data: Mapping[str, xr.Dataset]) -> list[tuple[xr.Dataset, Objective, str]]:
    return [
        (one.sel(task=task), objectives(one)[0], str(task))
        for name in ("tulu", "mnli", "paws")
        for one in [data[f"olmo1b-{name}"]]
        for task in np.atleast_1d(one.task.values)
    ]
