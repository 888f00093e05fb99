"""mixing: the best share of downstream data in pretraining, by loss, length and budget (claim E3)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import epsilon, listed, power, protocol_of, spectrum
from overtraining.figures.recipe import Recipe, all_but
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.protocol import Network, Protocol
from overtraining.setting.starts import Aligned
from overtraining.setting.teachers import Spectrum

SOURCE = "overtraining.experiments.mixing"


def recipes() -> dict[str, Recipe]:
    """One feature, on the experiment's grid for the simulation and a fine grid for the theory."""
    setup = Protocol(Spectrum((1.0,)), (0.0,), (0.0,), network=Network(3, 2, 2), start=Aligned(1e-3))
    fine = replace(setup, lengths=np.linspace(0.1, 30, 300), strengths=np.linspace(0, 0.6, 121))
    return {
        "theory": Recipe(f"{SOURCE}.predicted", fine, ignores=all_but("lengths", "strengths")),
        "simulation": Recipe(f"{SOURCE}.measured", setup, key=0, ignores=all_but()),
    }


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """The best share against length, and against budget; one colour per task."""
    figure, (down, both) = canvas(PAGE, 2.6, columns=2)
    for name, label in (("theory", "σ' = {:g}"), ("simulation", None)):
        drawing.against_length(down, data[name], "downstream_share", by="target", label=label)
        for i in range(data[name].sizes["target"]):
            drawing.against_coordinate(both, data[name].isel(target=i), "trade_share", "strength", colour=i)
    down.set(ylabel="best share, downstream loss", ylim=(-0.05, 1.05))
    both.set(xlabel="fine-tuning budget $T$", ylabel="best share, both losses", ylim=(-0.05, 1.05))
    down.legend()
    letter([down, both])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    setup, theory = protocol_of(data["theory"]), data["theory"]
    (more, less), shares = theory.target.values, theory.downstream_share.isel(target=1)
    starts = float(theory.pretraining[int((shares.values > 0).argmax())])
    ends = [float(theory.strength[int((one == 0).values.argmax())]) for one in theory.trade_share.isel(pretraining=-1)]
    return (
        "The best share q of downstream data in pretraining on (1 − q)L_pre + qL_ft (claim E3), for a feature, σ = "
        f"{spectrum(setup)}, of which the task asks for more, σ' = {more:g}, or less, σ' = "
        f"{listed([less], fractions=True)}. (a) For the downstream loss, with any fine-tuning afterwards: if the task "
        "asks for more, only downstream data; if it asks for less, none until pretraining alone reaches the task at t "
        f"= {starts:.1f}, since the stronger teacher is learned faster, and then a share that rises to 1. (b) For the "
        "mean of both losses after fine-tuning a converged network: half at T = 0, and less with larger budgets; none "
        "from "
        f"{' and '.join(f'T = {end:.2f} (σ′ = {t:g})' for end, t in zip(ends, theory.target.values, strict=True))} on: "
        f"fine-tuning then replaces mixing. Lines: closed form; points: {data['simulation'].attrs['source']}, the best "
        f"share by a parabola through the grid. Aligned start at {power(epsilon(setup))}. The theory holds for tasks "
        "that share the singular vectors of the teacher."
    )
