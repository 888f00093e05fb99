"""annealing: what three schedules leave of the features under noisy labels, at equally many steps (claim E2)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from figures import draw as vocabulary
from figures.recipe import Recipe
from figures.style import COLUMN, canvas
from theory.protocol import Protocol, Sampling
from theory.teachers import Spectrum

SOURCE = "simulations.experiments.annealing"
SCHEDULES = ("constant", "cosine", "warmup-stable-decay")
STEPS = 4000


def recipes() -> dict[str, Recipe]:
    """The formula at every step and chains of SGD at some; the protocol says steps and numbers of chains alone."""
    asked = Protocol(Spectrum((1.0, 0.5)), np.linspace(0, STEPS, 21), (0.0,), sampling=Sampling(draws=512))
    end = replace(asked, lengths=(0.0, float(STEPS)))
    return {"theory": Recipe(f"{SOURCE}.predicted", end), "simulation": Recipe(f"{SOURCE}.measured", asked, key=0)}


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Sum of the learned singular values against steps, one colour per schedule."""
    figure, (ax,) = canvas(COLUMN, 2.7)
    for i, name in enumerate(SCHEDULES):
        vocabulary.along(ax, data["theory"], name, label=name, colour=i)
        vocabulary.along(ax, data["simulation"], name, colour=i)
    ax.set_ylabel("learned singular values, $\\Sigma s_i$")
    ax.legend(loc=(0.13, 0.74))  # beside the first steps
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """What is seen, with the numbers of this run."""
    theory, seen = data["theory"], data["simulation"]
    full = float(theory[SCHEDULES[0]][0])
    lost = ", ".join(
        f"{full - float(seen[n][-1]):.4f} ({n}; formula {full - float(theory[n][-1]):.4f})" for n in SCHEDULES
    )
    held = full - float(seen[SCHEDULES[2]].sel(pretraining=slice(None, 0.79 * STEPS))[-1])
    return (
        "Two learned features, σ = 1 and ½, under SGD on noisy labels with three schedules of equally many steps "
        "(claim E2). Noise holds what is learned down, by γ² of the present rate; the longer it lasts the more it also "
        "tilts the layers, after which it holds them less. Where the rate decays, features come back and with them, "
        f"since sensitivity follows Σs, fragility: before its decay warmup-stable-decay is {held:.4f} below the "
        f"teacher's Σs, at the end {lost}. Steps and decay are thus two causes of one effect: without decay the same "
        "number of steps leaves a network that is less sensitive and has learned less. Lines: closed form, to first "
        "order in η and γ², as if features followed the rate at once, which takes them a time 1/σ; points: "
        f"{seen.attrs['source']} with standard errors. Which of the two causes acts in language models (arXiv "
        "2604.13627 and 2510.06213 say decay, the source paper tokens) a linear network cannot decide."
    )
