"""annealing: features that remain under noisy labels with three schedules of the same number of steps (claim E2)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.experiments.setups import noisy_steps
from overtraining.figures import drawing
from overtraining.figures.described import features, listed, protocol_of, word
from overtraining.figures.recipe import Recipe, all_but
from overtraining.figures.style import COLUMN, canvas
from overtraining.setting.protocol import Sampling
from overtraining.setting.teachers import singular_values
from overtraining.setting.training import Schedule

SOURCE = "overtraining.experiments.annealing"
SCHEDULES = get_args(Schedule)


def recipes() -> dict[str, Recipe]:
    """The formula at every step, and runs of SGD at some; only steps and number of runs of the protocol matter."""
    end = noisy_steps()
    setup = replace(end, lengths=np.linspace(0, end.lengths[-1], 21), sampling=Sampling(draws=512))
    rest = all_but("lengths", "sampling")
    return {
        "theory": Recipe(f"{SOURCE}.predicted", end, ignores=rest),
        "simulation": Recipe(f"{SOURCE}.measured", setup, key=0, ignores=rest),
    }


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
    """The caption, with numbers computed from the data."""
    theory, measured = data["theory"], data["simulation"]
    full, steps = float(theory[SCHEDULES[0]][0]), float(theory.pretraining[-1])
    constant, _, annealed = SCHEDULES
    sigma = listed(singular_values(protocol_of(theory).teacher), fractions=True).replace(", ", " and ")
    lost = ", ".join(
        f"{full - float(measured[n][-1]):.4f} ({n}; formula {full - float(theory[n][-1]):.4f})" for n in SCHEDULES
    )
    held = full - float(measured[annealed].sel(pretraining=slice(None, 0.79 * steps))[-1])
    half, end = (measured[constant].sel(pretraining=x * steps) for x in (0.5, 1.0))
    error = float(np.linalg.norm(measured[f"{constant}_stderr"].sel(pretraining=[0.5 * steps, steps])))
    return (
        f"{word(features(protocol_of(theory))).capitalize()} learned features, σ = {sigma}, under SGD on noisy labels "
        "with three schedules of the same number of steps and the whole population of inputs in each (claim E2). Noise "
        "lowers the learned singular values by γ² of the current learning rate; over time it also makes the layers "
        "unequal, and then lowers them less. When the learning rate decays, features come back, and with them "
        f"sensitivity, which is proportional to Σs: before its decay, the schedule {annealed} is {held:.4f} below the "
        f"teacher's Σs; at the end, the schedules are below it by {lost}. Lines: closed form to first order in η and "
        "γ², as if features followed the learning rate at once, although they take a time of about 1/σ. Points: "
        f"{measured.attrs['source']}, with standard errors. The effects of tokens and of decay can be separated: at "
        f"the constant learning rate, twice the tokens ({steps / 2:,.0f} to {steps:,.0f} steps) change Σs by "
        f"{float(end - half):+.4f} ± {error:.4f}; at the same number of steps, decay to 0 changes it by "
        f"{float(measured[annealed][-1] - end):+.4f}. Here all features are learned already; while some are still to "
        "be learned, more tokens add them under any schedule (figure progressive-sensitivity). So each side of the "
        "dispute is right in its own regime: the source paper, which attributes catastrophic overtraining to tokens, "
        "in the first stages; arXiv 2604.13627 and 2510.06213, which attribute it to the decay, and 2603.16127, which "
        "fine-tunes better without decay, at the end of noisy training. Robustness by large learning rates and short "
        "annealing (2605.02105) corresponds to the constant schedule, robustness by weight decay (2602.11137) to claim "
        "E1; each learns less of its task. A linear network cannot decide which of these acts in a language model."
    )
