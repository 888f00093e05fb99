"""annealing: what three schedules leave of the features under noisy labels, at equally many steps (claim E2)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.experiments.setups import noisy_steps
from overtraining.figures import drawing
from overtraining.figures.recipe import Recipe
from overtraining.figures.style import COLUMN, canvas
from overtraining.setting.protocol import Sampling
from overtraining.setting.training import Schedule

SOURCE = "overtraining.experiments.annealing"
SCHEDULES = get_args(Schedule)


def recipes() -> dict[str, Recipe]:
    """The formula at every step and chains of SGD at some; the protocol says steps and numbers of chains alone."""
    end = noisy_steps()
    asked = replace(end, lengths=np.linspace(0, end.lengths[-1], 21), sampling=Sampling(draws=512))
    return {"theory": Recipe(f"{SOURCE}.predicted", end), "simulation": Recipe(f"{SOURCE}.measured", asked, key=0)}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Sum of the learned singular values against steps, one colour per schedule."""
    figure, (ax,) = canvas(COLUMN, 2.7)
    for i, name in enumerate(SCHEDULES):
        drawing.against_length(ax, data["theory"], name, label=name, colour=i)
        drawing.against_length(ax, data["simulation"], name, colour=i)
    ax.set_ylabel("learned singular values, $\\Sigma s_i$")
    ax.legend(loc=(0.13, 0.74))  # beside the first steps
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """What is seen, with the numbers of this run."""
    theory, seen = data["theory"], data["simulation"]
    full, steps = float(theory[SCHEDULES[0]][0]), float(theory.pretraining[-1])
    constant, _, annealed = SCHEDULES
    lost = ", ".join(
        f"{full - float(seen[n][-1]):.4f} ({n}; formula {full - float(theory[n][-1]):.4f})" for n in SCHEDULES
    )
    held = full - float(seen[annealed].sel(pretraining=slice(None, 0.79 * steps))[-1])
    half, end = (seen[constant].sel(pretraining=x * steps) for x in (0.5, 1.0))
    error = float(np.linalg.norm(seen[f"{constant}_stderr"].sel(pretraining=[0.5 * steps, steps])))
    return (
        "Two learned features, σ = 1 and ½, under SGD on noisy labels with three schedules of equally many steps "
        "(claim E2). Noise holds what is learned down, by γ² of the present rate; the longer it lasts the more it also "
        "tilts the layers, after which it holds them less. Where the rate decays, features come back and with them, "
        f"since sensitivity follows Σs, fragility: before its decay {annealed} is {held:.4f} below the teacher's Σs, "
        f"at the end {lost}. Lines: closed form, to first order in η and γ², as if features followed the rate at once, "
        f"which takes them a time 1/σ; points: {seen.attrs['source']} with standard errors. Tokens and decay apart: at "
        f"the constant rate twice the tokens, {steps / 2:,.0f} to {steps:,.0f} steps, change Σs by "
        f"{float(end - half):+.4f} ± {error:.4f}; at equally many, decay to 0 changes it by "
        f"{float(seen[annealed][-1] - end):+.4f}. Here everything is learned; while features are still to come, tokens "
        "add them under any schedule (figure progressive-sensitivity). So both sides of the dispute have their regime: "
        "the source paper, which blames tokens, the first stages; arXiv 2604.13627 and 2510.06213, which blame decay, "
        "and 2603.16127, which fine-tunes better without it, the end of noisy training. Robustness by large rates and "
        "short annealing (2605.02105) is the constant curve, that by weight decay (2602.11137) claim E1; each learns "
        "less of its task. Which of them acts in a language model a linear network cannot decide."
    )
