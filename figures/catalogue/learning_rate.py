"""learning-rate: the best learning rate by checkpoint; downstream loss at the best and at fixed ones (claim D6)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.recipe import Recipe, simulated_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientDescent

SOURCE = "overtraining.experiments.learning_rate"
FIXED = (0.02, 0.2)
STEPS = 40


def recipes() -> dict[str, Recipe]:
    """One feature that passes a task asking for less of it, fine-tuned by 40 steps on noisy batches."""
    tuning = FineTuning(SharedVectors((0.8,)), GradientDescent(0.1, batch=4), label_noise=0.5)
    setup = Protocol(
        Spectrum((1.0,)),
        lengths=np.linspace(1.0, 8.0, 15),
        strengths=(4.0,),
        network=Network(d_in=3, h=2, d_out=4),
        start=Aligned(0.01),
        perturbation=tuning,
        sampling=Sampling(draws=192),
    )
    two = replace(setup, teacher=Spectrum((1.0, 0.6)), lengths=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0))
    tried = replace(two, sampling=Sampling(draws=256), perturbation=replace(tuning, task=SharedVectors((0.7, 0.3))))
    own = ("perturbation",)  # the experiment has rates, numbers of steps and tasks of its own
    by_label = {
        "theory": Recipe(f"{SOURCE}.predicted_rates", replace(setup, lengths=np.linspace(1.0, 8.0, 281)), fixed=own),
        "chosen": Recipe(f"{SOURCE}.tuned_rates", setup, key=0),
        "best": Recipe(f"{SOURCE}.tuned_response", setup, key=0),
        "classes": Recipe(f"{SOURCE}.tuned_cases", tried, key=0),
    }
    for rate in FIXED:
        training = GradientDescent(rate, batch=4)
        fixed = replace(setup, strengths=(STEPS * rate,), perturbation=replace(tuning, training=training))
        by_label[f"fixed {rate:g}"] = simulated_response(fixed, key=1)
    return by_label


def draw(data: Mapping[str, xr.Dataset]) -> Figure:
    """Learning rates against length; losses against length; learning rates on four tasks."""
    figure, (rates, losses, tasks) = canvas(PAGE, 2.6, columns=3)
    drawing.against_length(rates, data["theory"], "edge", label="largest stable", colour=6, dashed=True)
    drawing.against_length(rates, data["theory"], "learning_rate", label="best, near the task")
    drawing.against_length(rates, data["chosen"], "learning_rate", label="best of 16, measured")
    rates.set(yscale="log", ylabel="learning rate", ylim=(0.003, 2.0))
    drawing.curves(losses, data["best"], "after", "downstream", label="tuned at every checkpoint")
    for i, rate in enumerate(FIXED, start=1):
        drawing.curves(losses, data[f"fixed {rate:g}"], "after", "downstream", label=f"η = {rate:g}", colour=i)
    losses.set(yscale="log", ylabel="downstream loss after 40 steps")
    one = data["classes"].sel(noise=0.5, strength=float(STEPS))
    for i, task in enumerate(one.task.values):
        drawing.against_length(tasks, one.sel(task=task), "rate", label=str(task), colour=i)
    tasks.set(yscale="log", ylabel="best learning rate, two features", ylim=(0.015, 0.9))
    tasks.set_yticks([0.02, 0.05, 0.1, 0.2], ["0.02", "0.05", "0.1", "0.2"])
    tasks.set_yticks([], minor=True)
    for ax in (rates, losses, tasks):
        ax.legend()
    letter([rates, losses, tasks])
    return figure


def caption(data: Mapping[str, xr.Dataset]) -> str:
    """The caption, with numbers computed from the data."""
    after = {name: data[name].downstream_after.values.ravel() for name in data if "downstream_after" in data[name]}
    length = data["best"].pretraining.values
    best_rates = data["chosen"].learning_rate.values.ravel()
    classes = data["classes"]
    turning = {name: classes[f"{name}_turns"].values for name in ("downstream_kept", "downstream_tuned")}
    removed = int((turning["downstream_kept"] * (1 - turning["downstream_tuned"])).sum())
    rates = classes.rate.sel(noise=0.5, strength=float(STEPS))
    per_task = ", ".join(
        f"{task} {float(one[0]):.2g}, {float(one.min()):.2g}, {float(one[-1]):.2g}"
        for task, one in zip(classes.task.values, rates, strict=True)
    )
    losses = "; ".join(f"{x.min():.2g} at {length[int(x.argmin())]:.1f}, {x[-1]:.2g}" for x in after.values())
    return (
        "Learning rates of fine-tuning along pretraining (claim D6): SGD with noisy labels for 40 steps on a task, σ' "
        "= 0.8, that one feature, σ = 1, passes while it is learned. (a) The best of 16 learning rates at every "
        "checkpoint, the prediction near the task, and the largest learning rate at which steps without noise end at "
        "the task, which does not depend on the checkpoint here. The best one falls as pretraining approaches the "
        f"task, from {best_rates[0]:.3f} to "
        f"{best_rates.min():.3f}, and rises again to {best_rates[-1]:.3f}. (b) Downstream loss at the best learning "
        f"rate and at two fixed ones; smallest value and value at the end, for the best, η = {FIXED[0]:g} and η = "
        f"{FIXED[1]:g}: {losses}. Tuning the learning rate neither moves nor removes the inflection: it lowers the "
        "loss most at the checkpoint that fits the task and needs no step. A learning rate so large that its noise "
        "exceeds what pretraining has not learned hides the inflection under a higher loss. The loss at the best "
        "learning rate is the smallest of 16, and therefore too low by a part of its error. Batch 4, ν = 0.5, "
        f"{data['best'].attrs['source']} each; bars: standard errors. (c) The best of eleven learning rates for two "
        "features, on tasks that ask for less of both, for more, or for rotated ones; first, smallest and last: "
        f"{per_task}. It has a minimum where pretraining passes the task; it falls where pretraining only approaches "
        "the task; and it is constant where the task is far from every checkpoint, or where labels have no noise, so "
        f"that only the stability limit matters. In {turning['downstream_kept'].size} cases (four tasks, ν = 0 and "
        f"0.5, 10, 40, 160 steps; {classes.attrs['source']} each) the downstream loss turns "
        f"in {turning['downstream_kept'].sum():.0f} at the learning rate that is best for the first checkpoint, in "
        f"{turning['downstream_tuned'].sum():.0f} at the tuned one, and tuning removes the turn in {removed}. "
        "The theory does not apply far from the task, where the unlearned part does not fall exponentially."
    )
