"""plasticity-and-forgetting: what each learned feature makes plastic, and what it costs (claim D4)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from figures import draw as vocabulary
from figures.recipe import Recipe, simulated_response, theory_response
from figures.style import PAGE, canvas, letter
from theory.perturbations import FineTuning
from theory.protocol import Network, Protocol
from theory.starts import Aligned
from theory.tasks import Turned
from theory.teachers import PowerLaw

SOURCE = "simulations.experiments.misaligned_tasks"


def recipes() -> dict[str, Recipe]:
    """A network along its plateaus, tuned on a task turned far away; regimes over angles and budgets."""
    fine = Protocol(
        PowerLaw(4),
        lengths=np.linspace(0, 160, 321),
        strengths=(0.2, 0.5, 1.5),
        network=Network(d_in=5, h=4, d_out=5),
        start=Aligned(1e-10),
        perturbation=FineTuning(Turned(1.8, frame_seed=2)),
    )
    budgets = replace(fine, lengths=(0.0,), strengths=np.geomspace(0.05, 12.0, 24))
    return {
        "theory": theory_response(fine),
        "simulation": simulated_response(replace(fine, lengths=(0.0, 17.0, 29.0, 40.0, 120.0)), key=0),
        "regimes": Recipe(f"{SOURCE}.regimes", budgets),
    }


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """One loss against the other along pretraining; two shares over angle and budget."""
    figure, (trade, hurts, falls) = canvas(PAGE, 2.5, columns=3)
    vocabulary.trade(trade, data["theory"], label="T = {:g}")
    vocabulary.trade(trade, data["simulation"])
    trade.legend()
    for ax, name, title in ((hurts, "hurts", "last feature hurts"), (falls, "falls", "cost falls somewhere")):
        vocabulary.heat(ax, data["regimes"], name, "strength", "angle")
        ax.set_xscale("log")
        ax.set_xlabel("fine-tuning budget $T$")
        ax.set_title(title, loc="left")
    hurts.set_ylabel("angle (radians)")
    letter([trade, hurts, falls])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """What is seen, with the numbers of this run."""
    theory, regimes = data["theory"], data["regimes"].isel(pretraining=0)
    late = theory.isel(strength=-1)
    best = late.after.values.min()
    first = regimes.strength.values[(regimes.falls > 0).any("angle").values]
    return (
        "What each learned feature makes plastic and what that costs (claim D4). (a) Pretraining against downstream "
        "loss after fine-tuning, along pretraining, for three budgets: the dot is the end. Learned features let "
        "the network meet the task, with turns back inside the stages, and cost it what it knew: at T = "
        f"{float(theory.strength[-1]):g} the pretraining loss after fine-tuning ends "
        f"{float(late.after[-1]) - best:.3f} above its best. Lines: exact; points: simulation by gradient flow. σ = "
        "1/i in a 5→4→5 network from 1e-10, the task turned by 1.8. (b, c) Random tasks turned by an angle, from "
        f"plateau to plateau, in closed form ({data['regimes'].attrs['source']}, {regimes.sizes['strength']} "
        "budgets): share for which the last feature makes the loss after fine-tuning worse, and share for which the "
        "cost falls from some plateau to the next, which no small budget does (first seen at T = "
        f"{float(first.min()) if first.size else np.inf:.2g}; at most {float(regimes.falls.max()):.0%}). Where the "
        "theory ends: balanced weights on plateaus, gradient flow."
    )
