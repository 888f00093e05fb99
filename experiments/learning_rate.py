"""learning-rate (D6): which learning rates are stable in fine-tuning, which is best, and what tuning improves.

Protocol: the largest eigenvalue of the downstream Hessian along fine-tuning, by autodiff; the largest learning rate at
which gradient descent fits the task, from several pretraining lengths; the best learning rate of every checkpoint under
noisy labels, and for four tasks. Prediction: the sharpness along fine-tuning; an edge of 1/σ', or of 2/(s − σ') beyond
three times the task; a best rate that falls while pretraining approaches the task and rises beyond it, without moving
the inflection point of the downstream loss. Refuted if the sharpness or the edge deviates, or if tuning moves the
inflection point. Limits: the best rate far from the task; the trends of the best rate, and the rises of both losses
that tuning removes.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

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
from overtraining.simulations.compilation import FEW_STEPS, compiled
from overtraining.simulations.data import population_loss
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.finetuning import fine_tune
from overtraining.simulations.measurements import seed_key
from overtraining.simulations.networks import Layers
from overtraining.simulations.training_plan import RunNumbers, plan_training
from overtraining.theory.fine_tuning.stability import stable_learning_rate, tuned_learning_rate, tuning_sharpness
from overtraining.theory.learning import deep_mode
from overtraining.theory.solvers.exact import follow

SIGMA, TASK, EPSILON = (1.0, 0.6), (0.7, 0.3), 0.01
ONE_TASK = 0.8  # σ' of the task of one feature
LITTLE_TASK = 0.2  # of another, which later checkpoints exceed by more than three times
TASKS: dict[str, Task] = {
    "less": SharedVectors(TASK),
    "more": SharedVectors((1.5, 0.9)),
    "rotated by 0.5": RotatedTeacher(0.5),
    "rotated by 1.5": RotatedTeacher(1.5),
}
LOSSES = ("tuned", "kept", "downstream_tuned", "downstream_kept")
NOISES, STEPS, GRID = (0.0, 0.5), (10, 40, 160), np.geomspace(0.005, 0.64, 11)
TUNED = np.geomspace(0.005, 0.8, 16)  # the learning rates tried for one feature


def by_flow(preset: Preset) -> Protocol:
    """Two features in a 3→2→4 network, fine-tuned by gradient flow on a task with smaller singular values."""
    return Protocol(
        Spectrum(SIGMA),
        lengths=(1.0, 2.5, 4.0, 20.0),
        strengths=(0.0, 0.2, 1.0, 5.0),
        network=Network(d_in=3, h=2, d_out=4),
        start=Aligned(EPSILON),
        perturbation=FineTuning(SharedVectors(TASK)),
    )


def by_descent(preset: Preset) -> Protocol:
    """One feature, fine-tuned by gradient descent on a task that is larger than it at most checkpoints."""
    fine_tuning = FineTuning(SharedVectors((ONE_TASK,)), GradientDescent(0.1))
    lengths = (1.0, 2.0, 3.0, 20.0)
    return replace(
        by_flow(preset), teacher=Spectrum((1.0,)), lengths=lengths, strengths=(1.0,), perturbation=fine_tuning
    )


def with_label_noise(preset: Preset) -> Protocol:
    """The same in batches of four with noisy labels, at checkpoints around the one that already fits the task."""
    at_task = float(deep_mode.time_to_reach(ONE_TASK, 1.0, EPSILON, 2))
    fine_tuning = FineTuning(SharedVectors((ONE_TASK,)), GradientDescent(0.1, batch=4), label_noise=0.5)
    sampling = Sampling(draws=256 if preset == "quick" else 4096)
    lengths = (1.5, 2.2, at_task, 4.0, 20.0)
    return replace(by_descent(preset), lengths=lengths, perturbation=fine_tuning, sampling=sampling)


@in_double_precision
def run(preset: Preset, key: int) -> Outcome:
    """Sharpness, the edge of stability, and the tuned learning rate."""
    noisy = with_label_noise(preset)
    response, best_rates = tuned_response_and_rates(noisy, key)
    cases = tuned_cases(many_tasks(preset), key)
    checks = (
        _sharpness(by_flow(preset), key),
        _edge(by_descent(preset), key),
        judge_inflection(noisy, response),
        _best_rates(noisy, best_rates),
        _trends(cases),
    )
    return Outcome(checks, {"tuned": response, "rates": best_rates, "classes": cases})


def _sharpness(setup: Protocol, key: int) -> Check:
    s, n = follow(setup).singular_value.values, setup.network
    budgets, task = np.array(setup.strengths), np.array(TASK)
    expected = [tuning_sharpness(budgets, start, task, d_in=n.d_in, h=n.h, d_out=n.d_out) for start in s]
    measured = _sharpness_measured(setup, key)
    return judge_bound("sharpness along fine-tuning (D6)", expected, measured, 1e-6, "the integrator's tolerance")


@memoize
def _sharpness_measured(setup: Protocol, key: int) -> np.ndarray:
    plan, numbers = plan_training(setup)
    return np.asarray(_largest_eigenvalues(plan.perturbation, numbers, pretrain(setup, key), seed_key(key, 0)))


@compiled(FEW_STEPS, "fine_tuning")
def _largest_eigenvalues(
    fine_tuning: FineTuning, numbers: RunNumbers, checkpoints: Layers, key: Array
) -> Float[Array, "length budget"]:
    """The largest eigenvalue of the downstream loss's Hessian, at every length and budget."""
    tuning = numbers.tuning
    assert tuning is not None

    def largest(layers: Layers) -> Array:
        flat, restore = ravel_pytree(layers)
        return jnp.linalg.eigvalsh(jax.hessian(lambda x: population_loss(restore(x), tuning.problem))(flat))[-1]

    def no_penalty(now: Layers, step: Array) -> Array:
        return jnp.zeros(())

    def at_budgets(layers: Layers) -> Array:
        tuned = fine_tune(layers, fine_tuning, tuning, numbers.strengths, "linear", no_penalty, key)
        return jax.lax.map(largest, tuned)

    return jax.lax.map(at_budgets, checkpoints)


def _edge(setup: Protocol, key: int) -> Check:
    """The largest learning rate of a grid at which 4,000 steps fit the task, at every length, over the predicted one.

    At a second task the later checkpoints are beyond three times the task; a rate at which one of them diverges has no
    Response, so that each is asked alone.
    """
    fine_tuning = setup.perturbation
    assert isinstance(fine_tuning, FineTuning)
    little = replace(setup, perturbation=replace(fine_tuning, task=SharedVectors((LITTLE_TASK,))))
    far = np.geomspace(2.0, 5.5, 50)
    asked = [(setup, ONE_TASK, np.arange(1.0, 1.5, 0.01))]
    asked += [(replace(little, lengths=(length,)), LITTLE_TASK, far) for length in setup.lengths[-2:]]
    expected, measured = [], []
    for protocol, task, grid in asked:
        response = respond_at_learning_rates(protocol, grid, key, steps=(4000,))
        loss = response.downstream_after.isel(seed=0, strength=0).transpose("learning_rate", "pretraining")
        last = [int(np.flatnonzero(column)[-1]) for column in (loss.values < 1e-6).T]
        measured += [float(np.sqrt(grid[i] * grid[i + 1])) for i in last]
        expected.append(np.asarray(stable_learning_rate(follow(protocol).singular_value.values[:, :1], task)))
    ratio = np.array(measured) / np.concatenate(expected)
    named = "largest rate that fits the task, over the predicted (D6)"
    return judge_bound(named, np.ones(ratio.size), ratio, 0.011, "half a step of the grids")


def tuned_response_and_rates(setup: Protocol, key: int) -> tuple[xr.Dataset, xr.Dataset]:
    """The Response of every checkpoint at its best learning rate after 40 steps, and these rates as a Trajectory."""
    response, rates = tune_learning_rate(setup, TUNED, key, steps=(40,))
    return response.assign_attrs(rates_tried=TUNED.size), rates.assign_attrs(rates_tried=TUNED.size)


def judge_inflection(setup: Protocol, response: xr.Dataset) -> Check:
    """The tuned downstream loss is least at the checkpoint that already fits the task, and rises after it."""
    after, stderr = response.downstream_after.values.ravel(), response.downstream_after_stderr.values.ravel()
    best = int(after.argmin())
    rise = float((after[-1] - after[best]) / np.hypot(stderr[-1], stderr[best]))
    answer = (
        f"the tuned downstream loss is least at length {setup.lengths[best]:.2f}, and {rise:.1f} σ higher at the end"
    )
    numbers = {"rise_in_errors": rise}
    return Check("tuning does not move the inflection (D6)", bool(best == 2 and rise > 4), answer, numbers)


def _best_rates(setup: Protocol, best_rates: xr.Dataset) -> Check:
    measured = best_rates.learning_rate.values.ravel()
    s = follow(setup).singular_value.values[:, 0]
    noise = (3 + 4) * ONE_TASK * 0.5**2 / (2 * 4)  # v = tr H ν²/2B
    gaps = ONE_TASK - s
    predicted = [float(tuned_learning_rate(gap, ONE_TASK, 40.0, noise)) if abs(gap) > 1e-6 else 0.0 for gap in gaps]
    listed = ", ".join(f"{m:.3f} ({p:.3f})" for m, p in zip(measured, predicted, strict=True))
    answer = f"measured along pretraining (in brackets, predicted near the task): {listed}"
    numbers = {f"rate at s = {value:.3f}": float(m) for value, m in zip(s, measured, strict=True)}
    return map_limit("the best rate", answer, numbers)


def many_tasks(preset: Preset) -> Protocol:
    """Two features from before the first is learned to long after the second, fine-tuned in batches of four."""
    sampling = Sampling(draws=32 if preset == "quick" else 256)
    lengths = (1.0, 2.0, 3.0, 4.0, 6.0, 20.0)
    fine_tuning = FineTuning(TASKS["less"], GradientDescent(0.1, batch=4))
    return replace(by_flow(preset), lengths=lengths, strengths=(1.0,), perturbation=fine_tuning, sampling=sampling)


def tuned_cases(setup: Protocol, key: int) -> xr.Dataset:
    """Along pretraining, for every task, noise and budget: the best learning rate, and both losses, as a Trajectory.

    Losses are given at the best rate of every checkpoint ("tuned") and at that of the first one ("kept"), with standard
    errors; `…_turns` is 1 where the loss rises again with length.
    """
    fine_tuning = setup.perturbation
    assert isinstance(fine_tuning, FineTuning)
    cases = []
    for i, task in enumerate(TASKS.values()):
        for j, noise in enumerate(NOISES):
            case = replace(setup, perturbation=replace(fine_tuning, task=task, label_noise=noise))
            cases.append(_tuned_and_kept(case, 100 * key + 10 * i + j))
    axes = ("task", "noise", "pretraining", "strength")
    shape = (len(TASKS), len(NOISES), len(setup.lengths), len(STEPS))
    rates_and_losses = trajectory(
        {name: (axes, np.reshape([case[name] for case in cases], shape)) for name in cases[0]},
        {
            "task": list(TASKS),
            "noise": list(NOISES),
            "pretraining": list(setup.lengths),
            "strength": ("strength", [float(n) for n in STEPS], {"units": "steps"}),
        },
        method="simulation",
        source=f"{setup.sampling.draws:,} fine-tunings",
        model=f"{setup.network}",
        extra={"rates_tried": GRID.size},
    )
    turns = {
        f"{name}_turns": (("task", "noise", "strength"), rises_again(rates_and_losses, name), {"units": "1"})
        for name in LOSSES
    }
    return validate(rates_and_losses.assign(turns))


def _tuned_and_kept(setup: Protocol, key: int) -> dict[str, np.ndarray]:
    """One task and noise, (length, budget): the best rate, and the losses at it and at that of the first length."""
    response = respond_at_learning_rates(setup, GRID, key, steps=STEPS).isel(seed=0)
    losses = {
        str(name): response[name].transpose(..., "learning_rate").values for name in response if "after" in str(name)
    }
    best = losses["downstream_after"].argmin(-1)
    columns = {"rate": response.learning_rate.values[best]}
    for name, place in (("tuned", best), ("kept", np.broadcast_to(best[0], best.shape))):
        for variable, values in losses.items():
            columns[variable.replace("after", name)] = np.take_along_axis(values, place[..., None], -1)[..., 0]
    return columns


def trend(learning_rates: np.ndarray) -> str:
    """The trend of learning rates of GRID along pretraining; a change of less than two steps of GRID does not count.

    >>> trend(GRID[[5, 2, 2]]), trend(GRID[[5, 2, 6]]), trend(GRID[[5, 4, 5]])
    ('falls', 'valley', 'level')
    """
    places = np.log(learning_rates / learning_rates[0]) / np.log(GRID[1] / GRID[0])
    fall, rise_at_end = places[0] - places.min(), places[-1] - places.min()
    rise, fall_at_end = places.max() - places[0], places.max() - places[-1]
    if min(fall, rise_at_end) > 1.5:
        return "valley"
    if min(rise, fall_at_end) > 1.5:
        return "hill"
    return "falls" if fall > 1.5 else "rises" if rise > 1.5 else "level"


def rises_again(cases: xr.Dataset, name: str) -> np.ndarray:
    """1 where the loss ends above its minimum by 4 standard errors and by 5% of itself: task × noise × budget.

    Not where the task is fitted at the end, up to rounding.
    """
    loss, stderr = (cases[name + suffix].transpose(..., "pretraining").values for suffix in ("", "_stderr"))
    best = loss.argmin(-1)[..., None]
    least, least_stderr = (np.take_along_axis(values, best, -1)[..., 0] for values in (loss, stderr))
    rise = loss[..., -1] - least
    rises = (rise > 4 * np.hypot(stderr[..., -1], least_stderr)) & (rise > 0.05 * loss[..., -1])
    rises &= loss[..., -1] > 1e-12 * loss.max()  # less is the rounding of the losses before, of order 1
    return np.asarray(rises, float)


def _trends(cases: xr.Dataset) -> Check:
    trends, numbers = [], dict[str, float]()
    for i, task in enumerate(TASKS):
        for j, noise in enumerate(NOISES):
            by_budget = [trend(cases.rate.values[i, j, :, k]) for k in range(len(STEPS))]
            trends.append(f"{task}, ν = {noise:g}: {' / '.join(by_budget)}")
    for loss, prefix in (("downstream", "downstream_"), ("pretraining", "")):
        kept, tuned = cases[f"{prefix}kept_turns"].values, cases[f"{prefix}tuned_turns"].values
        numbers[f"{loss}, turns at a kept rate"] = float(kept.sum())
        numbers[f"{loss}, turns when tuned"] = float(tuned.sum())
        numbers[f"{loss}, turn removed"] = float((kept * (1 - tuned)).sum())
    counts = ", ".join(f"{name} {number:g}" for name, number in numbers.items())
    answer = (
        f"after {' / '.join(map(str, STEPS))} steps {'; '.join(trends)}. Of {len(trends) * len(STEPS)} cases: {counts}"
    )
    return map_limit("trend of the tuned rate, and what tuning removes (D6)", answer, numbers)


def tuned_rates(setup: Protocol, key: int) -> xr.Dataset:
    """The measured best learning rate of every checkpoint, as a Trajectory."""
    return tuned_response_and_rates(setup, key)[1]


def tuned_response(setup: Protocol, key: int) -> xr.Dataset:
    """The measured Response of every checkpoint at its best learning rate."""
    return tuned_response_and_rates(setup, key)[0]


def predicted_rates(setup: Protocol) -> xr.Dataset:
    """The predicted best learning rate near the task, and the largest stable one, along pretraining."""
    s, n, fine_tuning = follow(setup).singular_value.values[:, 0], setup.network, setup.perturbation
    assert isinstance(fine_tuning, FineTuning)
    assert isinstance(fine_tuning.training, GradientDescent)
    noise = (n.d_in + n.d_out) * ONE_TASK * fine_tuning.label_noise**2 / (2 * float(fine_tuning.training.batch or 1))
    gap = np.where(np.abs(ONE_TASK - s) > 1e-9, ONE_TASK - s, 1e-9)
    learning_rates = {
        "learning_rate": np.asarray(tuned_learning_rate(gap, ONE_TASK, 40.0, noise)),
        "edge": np.asarray(stable_learning_rate(s[:, None], ONE_TASK)),
    }
    return trajectory(
        {name: (("pretraining",), values) for name, values in learning_rates.items()},
        {"pretraining": list(setup.lengths)},
        method="theory",
        source="claim D6",
        model=f"{setup.network}",
    )
