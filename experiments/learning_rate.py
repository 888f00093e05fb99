"""learning-rate (D6): which learning rates fine-tuning bears, which one is best, and what tuning it can mend.

Measured: the largest eigenvalue of the downstream Hessian along fine-tuning, by differentiation; the largest rate at
which gradient descent fits the task, from several pretraining lengths; the best rate per checkpoint under noisy labels.
Prediction: the sharpness along the path; an edge of 1/σ' whatever the length; a best rate that falls toward the task
and rises beyond it, by which the inflection of the downstream loss is not moved.
"""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array

from overtraining.experiments import Preset
from overtraining.experiments.memoized import memoize, pretrain, respond_at_learning_rates, tune_learning_rate
from overtraining.experiments.verdict import Check, Outcome, judge_bound, map_limit
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Network, Protocol, Sampling
from overtraining.setting.responses import trajectory, validate
from overtraining.setting.starts import Aligned
from overtraining.setting.tasks import RotatedTeacher, SharedVectors, Task
from overtraining.setting.teachers import Spectrum
from overtraining.setting.training import GradientDescent
from overtraining.simulations.data import population_loss
from overtraining.simulations.finetuning import fine_tune
from overtraining.simulations.measurements import seed_key
from overtraining.simulations.training_plan import RunNumbers, plan_training
from overtraining.theory.fine_tuning.stability import path_sharpness, tuned_learning_rate, tuning_sharpness
from overtraining.theory.learning import deep_mode
from overtraining.theory.solvers.exact import follow

SIGMA, TASK, EPSILON = (1.0, 0.6), (0.7, 0.3), 0.01
TASKS: dict[str, Task] = {
    "less": SharedVectors(TASK),
    "more": SharedVectors((1.5, 0.9)),
    "turned by 0.5": RotatedTeacher(0.5),
    "turned by 1.5": RotatedTeacher(1.5),
}
LOSSES = ("tuned", "kept", "downstream_tuned", "downstream_kept")
NOISES, STEPS, GRID = (0.0, 0.5), (10, 40, 160), np.geomspace(0.005, 0.64, 11)


def flowing(preset: Preset) -> Protocol:
    """Two features in a 3→2→4 network, fine-tuned by flow on a task that asks less of both."""
    return Protocol(
        Spectrum(SIGMA),
        lengths=(1.0, 2.5, 4.0, 20.0),
        strengths=(0.0, 0.2, 1.0, 5.0),
        network=Network(d_in=3, h=2, d_out=4),
        start=Aligned(EPSILON),
        perturbation=FineTuning(SharedVectors(TASK)),
    )


def stepping(preset: Preset) -> Protocol:
    """One feature, fine-tuned by steps on more of it than most checkpoints have."""
    one = replace(flowing(preset), teacher=Spectrum((1.0,)), lengths=(1.0, 2.0, 3.0, 20.0))
    return replace(one, strengths=(1.0,), perturbation=FineTuning(SharedVectors((0.8,)), GradientDescent(0.1)))


def noisy(preset: Preset) -> Protocol:
    """The same in noisy batches of four, checkpoints around the one that fits the task already."""
    task = float(deep_mode.time_to_reach(0.8, 1.0, EPSILON, 2))
    how = FineTuning(SharedVectors((0.8,)), GradientDescent(0.1, batch=4), label_noise=0.5)
    draws = Sampling(draws=256 if preset == "quick" else 4096)
    return replace(stepping(preset), lengths=(1.5, 2.2, task, 4.0, 20.0), perturbation=how, sampling=draws)


def run(preset: Preset, key: int) -> Outcome:
    """Sharpness, edge, and the tuned rate."""
    response, rates = tuned_at(noisy(preset), key)
    classes = classified(tried(preset), key)
    checks = (_sharpness(flowing(preset), key), _edge(stepping(preset), key), *_tuned(noisy(preset), response, rates))
    return Outcome((*checks, _classes(classes)), {"tuned": response, "rates": rates, "classes": classes})


def _sharpness(setup: Protocol, key: int) -> Check:
    s, n = follow(setup).singular_value.values, setup.network
    expected = [
        tuning_sharpness(np.array(setup.strengths), one, np.array(TASK), d_in=n.d_in, h=n.h, d_out=n.d_out) for one in s
    ]
    seen = _sharpness_measured(setup, key)
    return judge_bound("sharpness along fine-tuning (D6)", expected, seen, 1e-6, "the integrator's tolerance")


@memoize
def _sharpness_measured(setup: Protocol, key: int) -> np.ndarray:
    plan, numbers = plan_training(setup)
    return np.asarray(_largest(plan.perturbation, numbers, pretrain(setup, key), seed_key(key, 0)))


@partial(jax.jit, static_argnames="how")
def _largest(how: FineTuning, numbers: RunNumbers, checkpoints, key: Array) -> Array:  # type: ignore[no-untyped-def]
    """The largest eigenvalue of the downstream loss's Hessian, at every length and budget."""
    tuning = numbers.tuning
    assert tuning is not None

    def largest(layers) -> Array:  # type: ignore[no-untyped-def]
        flat, restore = ravel_pytree(layers)
        return jnp.linalg.eigvalsh(jax.hessian(lambda x: population_loss(restore(x), tuning.task))(flat))[-1]

    def row(layers) -> Array:  # type: ignore[no-untyped-def]
        tuned = fine_tune(layers, how, tuning, numbers.strengths, "linear", lambda now, step: jnp.zeros(()), key)
        return jax.lax.map(largest, tuned)

    return jax.lax.map(row, checkpoints)


def _edge(setup: Protocol, key: int) -> Check:
    """The largest rate of a grid at which 4,000 steps fit the task, at every length."""
    grid = np.arange(1.0, 1.5, 0.01)
    seen = respond_at_learning_rates(setup, grid, key, steps=(4000,))
    fits = seen.downstream_after.isel(seed=0, strength=0).transpose("learning_rate", "pretraining").values < 1e-6
    measured = [float(seen.learning_rate[np.flatnonzero(column)[-1]]) + 0.005 for column in fits.T]
    return judge_bound("largest rate that fits the task (D6)", np.full(4, 1 / 0.8), measured, 0.01, "the grid's step")


def tuned_at(setup: Protocol, key: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Every checkpoint at its best rate after 40 steps."""
    return tune_learning_rate(setup, np.geomspace(0.005, 0.8, 16), key, steps=(40,))


def _tuned(setup: Protocol, response: xr.Dataset, rates: xr.Dataset) -> tuple[Check, Check]:
    after, error = (response[name].values.ravel() for name in ("downstream_after", "downstream_after_stderr"))
    place = int(after.argmin())
    rise = (after[-1] - after[place]) / np.hypot(error[-1], error[place])
    answer = (
        f"tuned, the downstream loss is least at length {setup.lengths[place]:.2f}, at the end {rise:.1f} σ above it"
    )
    kept = Check(
        "tuning does not move the inflection (D6)",
        bool(place == 2 and rise > 4),
        answer,
        {"rise_in_errors": float(rise)},
    )
    taken = rates.learning_rate.values.ravel()
    s = follow(setup).singular_value.values[:, 0]
    noise = (3 + 4) * 0.8 * 0.5**2 / (2 * 4)  # v = tr H ν²/2B
    expected = [float(tuned_learning_rate(0.8 - one, 0.8, 40.0, noise)) if abs(one - 0.8) > 1e-6 else 0.0 for one in s]
    listed = ", ".join(f"{r:.3f} ({p:.3f})" for r, p in zip(taken, expected, strict=True))
    found = {f"rate at s = {one:.3f}": float(r) for one, r in zip(s, taken, strict=True)}
    return kept, map_limit(
        "the best rate", f"measured, and predicted near the task, along pretraining: {listed}", found
    )


def tried(preset: Preset) -> Protocol:
    """Two features from before the first to long after the second, tuned in batches of four."""
    draws = Sampling(draws=32 if preset == "quick" else 256)
    lengths = (1.0, 2.0, 3.0, 4.0, 6.0, 20.0)
    how = FineTuning(TASKS["less"], GradientDescent(0.1, batch=4))
    return replace(flowing(preset), lengths=lengths, strengths=(1.0,), perturbation=how, sampling=draws)


def classified(setup: Protocol, key: int) -> xr.Dataset:
    """Along pretraining, for every task, noise and budget: the best rate, and both losses at it and at one kept rate.

    The kept rate is the best one of the first length. `_stderr` of losses; a Trajectory.
    """
    how = setup.perturbation
    assert isinstance(how, FineTuning)
    cases = [
        _rated(replace(setup, perturbation=replace(how, task=task, label_noise=noise)), 100 * key + 10 * i + j)
        for i, task in enumerate(TASKS.values())
        for j, noise in enumerate(NOISES)
    ]
    axes = ("task", "noise", "pretraining", "strength")
    shape = (len(TASKS), len(NOISES), len(setup.lengths), len(STEPS))
    found = trajectory(
        {name: (axes, np.reshape([one[name] for one in cases], shape)) for name in cases[0]},
        {"task": list(TASKS), "noise": list(NOISES), "pretraining": list(setup.lengths),
         "strength": ("strength", [float(n) for n in STEPS], {"units": "steps"})},
        method="simulation",
        source=f"{setup.sampling.draws:,} fine-tunings",
        model=f"{setup.network}",
    )  # fmt: skip
    turning = {f"{name}_turns": (("task", "noise", "strength"), _turns(found, name), {"units": "1"}) for name in LOSSES}
    return validate(found.assign(turning))


def _rated(setup: Protocol, key: int) -> dict[str, np.ndarray]:
    """One task and noise, (length, budget): the best rate, and the losses at it and at the one kept."""
    seen = respond_at_learning_rates(setup, GRID, key, steps=STEPS).isel(seed=0)
    every = {str(name): seen[name].transpose(..., "learning_rate").values for name in seen if "after" in str(name)}
    best = every["downstream_after"].argmin(-1)
    found = {"rate": seen.learning_rate.values[best]}
    for name, at in (("tuned", best), ("kept", np.broadcast_to(best[0], best.shape))):
        for variable, values in every.items():
            found[variable.replace("after", name)] = np.take_along_axis(values, at[..., None], -1)[..., 0]
    return found


def trend(rates: np.ndarray) -> str:
    """Of rates along pretraining, on a grid: less than two steps of it are no change."""
    places = np.log(rates / rates[0]) / np.log(GRID[1] / GRID[0])
    fall, rise = places[0] - places.min(), places[-1] - places.min()
    up, down = places.max() - places[0], places.max() - places[-1]
    if min(fall, rise) > 1.5:
        return "valley"
    if min(up, down) > 1.5:
        return "hill"
    return "falls" if fall > 1.5 else "rises" if up > 1.5 else "level"


def _turns(classes: xr.Dataset, name: str) -> np.ndarray:
    """1 where the last length is worse than the best by 4 errors and a twentieth of the loss: task × noise × budget."""
    loss, error = (classes[name + suffix].transpose(..., "pretraining").values for suffix in ("", "_stderr"))
    best = loss.argmin(-1)[..., None]
    least, its_error = (np.take_along_axis(x, best, -1)[..., 0] for x in (loss, error))
    rise = loss[..., -1] - least
    worse = (rise > 4 * np.hypot(error[..., -1], its_error)) & (rise > 0.05 * loss[..., -1])
    return np.asarray(worse, float)


def _classes(classes: xr.Dataset) -> Check:
    told, numbers = [], dict[str, float]()
    for i, task in enumerate(TASKS):
        for j, noise in enumerate(NOISES):
            each = [trend(classes.rate.values[i, j, :, k]) for k in range(len(STEPS))]
            told.append(f"{task}, ν = {noise:g}: {' / '.join(each)}")
    for loss in ("downstream", "pretraining"):
        kept, tuned = (classes[f"{'downstream_' * (loss == 'downstream')}{n}_turns"].values for n in ("kept", "tuned"))
        numbers |= {f"{loss}, turns at a kept rate": float(kept.sum()), f"{loss}, turns when tuned": float(tuned.sum())}
        numbers[f"{loss}, turn removed"] = float((kept * (1 - tuned)).sum())
    counts = ", ".join(f"{name} {number:g}" for name, number in numbers.items())
    answer = f"after {' / '.join(map(str, STEPS))} steps {'; '.join(told)}. Of {len(told) * len(STEPS)} cases: {counts}"
    return map_limit("trend of the tuned rate, and what tuning removes (D6)", answer, numbers)


def chosen(setup: Protocol, key: int) -> xr.Dataset:
    """The best rate of every checkpoint, a Trajectory."""
    return tuned_at(setup, key)[1]


def best(setup: Protocol, key: int) -> xr.Dataset:
    """The Response of every checkpoint at its best rate."""
    return tuned_at(setup, key)[0]


def near(setup: Protocol) -> xr.Dataset:
    """The predicted best rate near the task, and the largest stable one, along pretraining."""
    s, n, how = follow(setup).singular_value.values[:, 0], setup.network, setup.perturbation
    assert isinstance(how, FineTuning)
    assert isinstance(how.training, GradientDescent)
    noise = (n.d_in + n.d_out) * 0.8 * how.label_noise**2 / (2 * float(how.training.batch or 1))
    gap = np.where(np.abs(0.8 - s) > 1e-9, 0.8 - s, 1e-9)
    found = {
        "learning_rate": np.asarray(tuned_learning_rate(gap, 0.8, 40.0, noise)),
        "edge": 2 / path_sharpness(s, 0.8),
    }
    return trajectory(
        {name: (("pretraining",), np.asarray(values)) for name, values in found.items()},
        {"pretraining": list(setup.lengths)},
        method="theory",
        source="claim D6",
        model=f"{setup.network}",
    )
