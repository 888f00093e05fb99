"""learning-rate: the best learning rate by checkpoint; downstream loss at the best and at fixed ones (claim D6)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from overtraining.figures import drawing
from overtraining.figures.described import features, listed, noisy_batches, protocol_of, sigma_task, word
from overtraining.figures.recipe import Recipe, simulated_response
from overtraining.figures.style import PAGE, canvas, letter
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import SharedVectors
from overtraining.setting.teachers import Spectrum, singular_values
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
    tried = data["chosen"].attrs["rates_tried"]
    drawing.against_length(rates, data["chosen"], "learning_rate", label=f"best of {tried}, measured")
    rates.set(yscale="log", ylabel="learning rate", ylim=(0.003, 2.0))
    drawing.curves(losses, data["best"], "after", "downstream", label="tuned at every checkpoint")
    for i, (name, rate) in enumerate(_fixed_rates(data).items(), start=1):
        drawing.curves(losses, data[name], "after", "downstream", label=f"η = {rate:g}", colour=i)
    losses.set(yscale="log", ylabel=f"downstream loss after {float(data['best'].strength[0]):g} steps")
    one = _same_steps(data)
    for i, task in enumerate(one.task.values):
        drawing.against_length(tasks, one.sel(task=task), "rate", label=str(task), colour=i)
    count = word(features(protocol_of(data["classes"])))
    tasks.set(yscale="log", ylabel=f"best learning rate, {count} features", ylim=(0.015, 0.9))
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
    same, tried = _same_steps(data), word(int(classes.attrs["rates_tried"]))
    per_task = ", ".join(
        f"{task} {float(one[0]):.2g}, {float(one.min()):.2g}, {float(one[-1]):.2g}"
        for task, one in zip(same.task.values, same.rate, strict=True)
    )
    losses = "; ".join(f"{x.min():.2g} at {length[int(x.argmin())]:.1f}, {x[-1]:.2g}" for x in after.values())
    setup, fixed = protocol_of(data["best"]), _fixed_rates(data).values()
    noises, steps = (listed(map(float, classes[axis].values)) for axis in ("noise", "strength"))
    return (
        "Learning rates of fine-tuning along pretraining (claim D6): SGD with noisy labels for "
        f"{float(data['best'].strength[0]):g} steps on a task, σ' = {listed(sigma_task(setup))}, that one feature, σ = "
        f"{listed(singular_values(setup.teacher))}, passes while it is learned. (a) The best of "
        f"{data['chosen'].attrs['rates_tried']} learning rates at every checkpoint, the prediction near the task, and "
        "the largest learning rate at which steps without noise end at the task, which does not depend on the "
        f"checkpoint here. The best one falls as pretraining approaches the task, from {best_rates[0]:.3f} to "
        f"{best_rates.min():.3f}, and rises again to {best_rates[-1]:.3f}. (b) Downstream loss at the best learning "
        "rate and at two fixed ones; smallest value and value at the end, for the best, "
        f"{' and '.join(f'η = {rate:g}' for rate in fixed)}: {losses}. Tuning the learning rate neither moves nor "
        "removes the inflection: it lowers the loss most at the checkpoint that fits the task and needs no step. A "
        "learning rate so large that its noise exceeds what pretraining has not learned hides the inflection under a "
        f"higher loss. The loss at the best learning rate is the smallest of {data['best'].attrs['rates_tried']}, and "
        f"therefore too low by a part of its error. {noisy_batches(setup)}, {data['best'].attrs['source']} each; bars: "
        f"standard errors. (c) The best of {tried} learning rates for {word(features(protocol_of(classes)))} features, "
        f"on tasks that ask for less of both, for more, or for rotated ones; first, smallest and last: {per_task}. It "
        "has a minimum where pretraining passes the task; it falls where pretraining only approaches the task; and it "
        "is constant where the task is far from every checkpoint, or where labels have no noise, so that only the "
        f"stability limit matters. In {turning['downstream_kept'].size} cases ({word(classes.sizes['task'])} tasks, ν "
        f"= {noises}; {steps} steps; {classes.attrs['source']} each) the downstream loss turns in "
        f"{turning['downstream_kept'].sum():.0f} at the learning rate that is best for the first checkpoint, in "
        f"{turning['downstream_tuned'].sum():.0f} at the tuned one, and tuning removes the turn in {removed}. The "
        "theory does not apply far from the task, where the unlearned part does not fall exponentially."
    )


def _fixed_rates(data: Mapping[str, xr.Dataset]) -> dict[str, float]:
    """The learning rates that are the same at every checkpoint, by the label of their data."""
    rates = {}
    for name in (f"fixed {rate:g}" for rate in FIXED):
        tuning = protocol_of(data[name]).perturbation
        assert isinstance(tuning, FineTuning)
        assert isinstance(tuning.training, GradientDescent)
        rates[name] = tuning.training.learning_rate
    return rates


def _same_steps(data: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The rates of all tasks with the strongest noise, after as many steps as in the other panels."""
    return data["classes"].isel(noise=-1).sel(strength=float(data["best"].strength[0]), method="nearest")
