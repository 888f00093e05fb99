"""label-noise: final loss of SGD on noisy labels by learning rate, and inflection point by budget (claim D5)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import listed, network, noisy_batches, protocol_of, sigma_task
from overtraining.figures.recipe import Recipe, all_but
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Spectrum, singular_values

SOURCE = "overtraining.experiments.label_noise"


def recipes() -> dict[str, Recipe]:
    """The experiment's network, from an early and a converged checkpoint; its two tasks, by budget."""
    early = Protocol(
        Spectrum((1.0, 0.8)),
        lengths=(4.0,),
        strengths=(14.0,),
        network=Network(d_in=3, h=2, d_out=3),
        start=Aligned(0.05),
        perturbation=FineTuning(SharedVectors((0.8, 1.0))),
        sampling=Sampling(draws=2048),
    )
    budgets = replace(early, strengths=np.linspace(0, 2.2, 89))
    few = replace(early, strengths=(0.1, 0.25, 0.5, 1.0, 1.5, 2.0), sampling=Sampling(draws=2**16))
    rest = all_but("sampling")  # the experiment has rates, batch, noise, networks and tasks of its own
    return {
        "turns": Recipe(f"{SOURCE}.psi_predicted", budgets, ignores=rest),
        "turned": Recipe(f"{SOURCE}.psi_measured", few, key=2, ignores=rest),
        "theory": Recipe(f"{SOURCE}.predicted", early, ignores=rest),
        "early": Recipe(f"{SOURCE}.measured", early, key=0, ignores=rest),
        "late": Recipe(f"{SOURCE}.measured", replace(early, lengths=(20.0,)), key=1, ignores=rest),
    }


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Excess against learning rate on logarithmic axes, where the first order is straight; turning point by budget."""
    figure, (ax, turn) = canvas(PAGE, 2.6, columns=2)
    drawing.against_coordinate(ax, data["theory"], "excess", "learning_rate", label="every rate")
    drawing.against_coordinate(
        ax, data["theory"], "first_order", "learning_rate", label="first order", colour=1, dashed=True
    )
    for name, colour in (("early", 0), ("late", 2)):
        label = f"pretrained for {_length(data[name]):g}"
        drawing.against_coordinate(ax, data[name], "excess", "learning_rate", label=label, colour=colour)
    ax.set(xscale="log", yscale="log", xlabel="learning rate $\\eta$", ylabel="stationary excess loss")
    ax.set_xticks([0.05, 0.1, 0.2, 0.4], ["0.05", "0.1", "0.2", "0.4"])
    ax.set_xticks([], minor=True)
    ax.legend()
    for i, name in enumerate(("wide", "square")):
        label = "→".join(map(str, data["turns"].attrs[f"{name}_widths"]))
        drawing.against_coordinate(turn, data["turns"], name, "strength", label=label, colour=i)
        drawing.against_coordinate(turn, data["turned"], name, "strength", label=None, colour=i)
    turn.axhline(0, color="0.6", linewidth=0.8)
    turn.set(xlabel="fine-tuning budget $T$", ylabel="where the loss turns, $(p - \\sigma')/\\gamma^2$")
    turn.legend()
    letter([ax, turn])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    theory = data["theory"].isel(pretraining=0)
    off = {}
    for name in ("early", "late"):
        one = data[name].isel(pretraining=0)
        exact = np.exp(np.interp(np.log(one.learning_rate), np.log(theory.learning_rate), np.log(theory.excess)))
        off[name] = float(np.abs((one.excess - exact) / one.excess_stderr).max())
    ratio = (theory.excess / theory.first_order).values
    turns, turned = data["turns"], data["turned"].isel(pretraining=0)
    lines = {n: np.interp(turned.strength, turns.strength, turns[n][0]) for n in ("wide", "square")}
    worst = max(float(np.abs((turned[n] - line) / turned[f"{n}_stderr"]).max()) for n, line in lines.items())
    setup = protocol_of(data["early"])
    turned_by = [-(d_in + d_out) / 2 for d_in, _, d_out in (turns.attrs[f"{name}_widths"] for name in lines)]
    beyond = float(turns.strength[int(np.argmax(turns["square"].values[0] > 1e-9))])
    return (
        "What noisy labels do to a task (claim D5). (a) Downstream loss that remains after fine-tuning by SGD with "
        "noisy labels has converged, against the learning rate. Line: the linearized dynamics at every learning rate; "
        "dashed: ½γ² tr H with γ² = ην²/2B, as if noise of that size were added to the weights, which is too small by "
        f"{ratio[0] - 1:.0%} at η = {float(theory.learning_rate[0]):.2f} and by a factor of {ratio[-1]:.1f} at "
        f"{float(theory.learning_rate[-1]):.2f}. Points: {data['early'].attrs['source']} each, from a checkpoint at "
        f"length {_length(data['early']):g} and a converged one at {_length(data['late']):g}, at most "
        f"{max(off.values()):.1f} standard errors from the line: once fine-tuning has converged, the excess does not "
        f"depend on the length of pretraining. {noisy_batches(setup)}, σ = {listed(singular_values(setup.teacher))} "
        f"and σ' = {listed(sigma_task(setup))} in a {network(setup)} network. (b) At a finite budget it does: the "
        "downstream loss is smallest for the pretraining length from which fine-tuning without noise would end at p = "
        "σ' + γ²ψ. Lines: ψ, to first order in γ², with the whole population of inputs in every step; points: "
        f"{data['turned'].attrs['source']} in the limit of small steps and noise, at most {worst:.1f} standard errors "
        "from the lines. Below the grey line, more pretraining hurts before it has reached the task. For a task of "
        f"full rank (σ' = {listed(turns.attrs['square_task'])}), the turning point lies beyond the task from T = "
        f"{beyond:.1f} on, so that pretraining that ends at the task then has no inflection. Noise added to the "
        "weights after fine-tuning would turn at −½(d_in + d_out), that is at "
        f"{' and '.join(f'−{-psi:g}' for psi in turned_by)}, for every budget. Limits of the theory: over times of "
        "1/γ² the layers drift (E2), and in (b) earlier: the effect of different starts falls as exp(−2σ'T), but the "
        "effect of this drift does not."
    )


def _length(one: xr.Dataset) -> float:
    return float(one.pretraining[-1])
