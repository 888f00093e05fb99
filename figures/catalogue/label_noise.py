"""label-noise: the stationary excess loss of SGD on noisy labels against the learning rate (claim D5)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from figures import draw as vocabulary
from figures.recipe import Recipe
from figures.style import COLUMN, canvas
from theory.perturbations import FineTuning
from theory.protocol import Network, Protocol, Sampling
from theory.starts import Aligned
from theory.tasks import Shared
from theory.teachers import Spectrum

SOURCE = "simulations.experiments.label_noise"


def recipes() -> dict[str, Recipe]:
    """The experiment's network, from a checkpoint in mid-course and from a converged one."""
    early = Protocol(
        Spectrum((0.8, 1.0)),
        lengths=(4.0,),
        strengths=(14.0,),
        network=Network(d_in=3, h=2, d_out=3),
        start=Aligned(0.05),
        perturbation=FineTuning(Shared((1.0, 0.8))),
        sampling=Sampling(draws=2048),
    )
    return {
        "theory": Recipe(f"{SOURCE}.predicted", early),
        "early": Recipe(f"{SOURCE}.measured", early, key=0),
        "late": Recipe(f"{SOURCE}.measured", replace(early, lengths=(20.0,)), key=1),
    }


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Both axes logarithmic: the first order is straight."""
    figure, (ax,) = canvas(COLUMN, 2.6)
    vocabulary.across(ax, data["theory"], "excess", "learning_rate", label="every rate")
    vocabulary.across(ax, data["theory"], "first_order", "learning_rate", label="first order", colour=1, dashed=True)
    vocabulary.across(ax, data["early"], "excess", "learning_rate", label="pretrained for 4", colour=0)
    vocabulary.across(ax, data["late"], "excess", "learning_rate", label="pretrained for 20", colour=2)
    ax.set(xscale="log", yscale="log", xlabel="learning rate $\\eta$", ylabel="stationary excess loss")
    ax.set_xticks([0.05, 0.1, 0.2, 0.4], ["0.05", "0.1", "0.2", "0.4"])
    ax.set_xticks([], minor=True)
    ax.legend()
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """What is seen, with the numbers of this run."""
    theory = data["theory"].isel(pretraining=0)
    off = {}
    for name in ("early", "late"):
        one = data[name].isel(pretraining=0)
        exact = np.exp(np.interp(np.log(one.learning_rate), np.log(theory.learning_rate), np.log(theory.excess)))
        off[name] = float(np.abs((one.excess - exact) / one.excess_stderr).max())
    ratio = (theory.excess / theory.first_order).values
    return (
        "Downstream loss that remains after fine-tuning by SGD with noisy labels has fitted the task, against the "
        "learning rate (claim D5). Line: the linearized dynamics at every rate; dashed: ½γ² tr H with γ² = ην²/2B, as "
        f"if noise of that size were added to the weights; it falls short by {ratio[0] - 1:.0%} at η = "
        f"{float(theory.learning_rate[0]):.2f} and by a factor {ratio[-1]:.1f} at "
        f"{float(theory.learning_rate[-1]):.2f}. Points: {data['early'].attrs['source']} each, from a checkpoint at "
        f"length 4 and a converged one at 20, at most {max(off.values()):.1f} standard errors from the line: at "
        "convergence downstream the excess does not know how long the pretraining was, so that an inflection of the "
        "downstream loss needs a finite budget. Batch 4, ν = 0.05, σ' = 1, 0.8 in a 3→2→3 network. Where the theory "
        "ends: over times of 1/γ² the layers drift (E2)."
    )
