"""Fine-tuning at many learning rates: the whole grid as one Response, or every checkpoint at its best rate.

A single bad rate is refused by `setting.training`.
"""

from collections.abc import Sequence
from dataclasses import replace

import jax
import numpy as np
import xarray as xr
from jaxtyping import Array, Key

from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import positive
from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import trajectory, validate
from overtraining.setting.training import GradientDescent
from overtraining.simulations import runs
from overtraining.simulations.compilation import LOOP, compiled
from overtraining.simulations.double_precision import in_double_precision
from overtraining.simulations.finetuning import is_random
from overtraining.simulations.measurements import RandomKey, as_response, response_variables, run_seeds
from overtraining.simulations.memory import check_simulation, response_memory
from overtraining.simulations.training_plan import RunNumbers, TrainingPlan, plan_training


def protocols_at_learning_rates(
    protocol: Protocol, learning_rates: Sequenced, steps: Sequence[int] | None = None
) -> list[Protocol]:
    """The protocol with every learning rate in its fine-tuning, which must be by steps of an optimizer.

    learning_rates: increasing.
    steps: the budgets as numbers of steps, the same at every rate, so that the strengths become `rate × steps`. None
    keeps the protocol's strengths, which every rate must reach by whole steps.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> from overtraining.setting.tasks import RotatedTeacher
    >>> how = FineTuning(RotatedTeacher(1.0), GradientDescent(0.1))
    >>> protocol = Protocol(PowerLaw(2), (1.0,), (1.0,), perturbation=how)
    >>> [p.strengths for p in protocols_at_learning_rates(protocol, (0.25, 0.5), steps=(4, 8))]
    [(1.0, 2.0), (2.0, 4.0)]
    """
    fine_tuning = protocol.perturbation
    if not isinstance(fine_tuning, FineTuning) or not isinstance(fine_tuning.training, GradientDescent):
        raise DomainError(
            repr(fine_tuning), "it has no learning rate", "use FineTuning(…, training=GradientDescent(…))"
        )
    grid = positive("learning_rates", learning_rates)
    if grid.ndim != 1 or grid.size == 0 or (np.diff(grid) <= 0).any():
        raise DomainError("learning_rates", "it is not an increasing list", "pass sorted(set(learning_rates))")
    protocols = []
    for rate in grid.tolist():
        training = replace(fine_tuning.training, learning_rate=rate)
        budgets = protocol.strengths if steps is None else rate * np.array(steps)
        protocols.append(replace(protocol, strengths=budgets, perturbation=replace(fine_tuning, training=training)))
    return protocols


@in_double_precision
def respond_at_learning_rates(
    protocol: Protocol, learning_rates: Sequenced, key: RandomKey, steps: Sequence[int] | None = None
) -> xr.Dataset:
    """The measured Response with a dimension `learning_rate`: the rates at which no checkpoint's fine-tuning diverges.

    steps: as in `protocols_at_learning_rates`; with them the strength counts steps. The attribute `diverged` names the
    rates that are left out. Raises NotSolved if fine-tuning diverges at every rate.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> from overtraining.setting.tasks import RotatedTeacher
    >>> how = FineTuning(RotatedTeacher(1.0), GradientDescent(0.1))
    >>> protocol = Protocol(PowerLaw(2), (0.0, 8.0), (1.0,), perturbation=how)
    >>> respond_at_learning_rates(protocol, (0.125, 0.25, 40.0), 0, steps=(200,)).learning_rate.values.tolist()
    [0.125, 0.25]
    """
    protocols = protocols_at_learning_rates(protocol, learning_rates, steps)
    measured, finite = _measure(protocols, key, steps)
    stable = [bool(rows.all()) for rows in finite]
    if not any(stable):
        raise NotSolved("fine-tuning", "it diverges at every rate", "try smaller ones")
    responses, stable_rates, diverged = [], [], []
    for i, one in enumerate(protocols):
        if not stable[i]:
            diverged.append(_learning_rate(one))
            continue
        variables = {name: values[i] for name, values in measured.items()}
        responses.append(_in_steps(as_response(one, key, variables), steps))
        stable_rates.append(_learning_rate(one))
    together = xr.concat(responses, xr.Variable("learning_rate", stable_rates), combine_attrs="override")
    return validate(together.assign_attrs(diverged=", ".join(map(str, diverged))))


@in_double_precision
def tune_learning_rate(
    protocol: Protocol, learning_rates: Sequenced, key: RandomKey, steps: Sequence[int] | None = None
) -> tuple[xr.Dataset, xr.Dataset]:
    """Every checkpoint and budget at its best rate: the Response, and the rates as a Trajectory of `learning_rate`.

    The best rate has the smallest downstream loss after fine-tuning, averaged over seeds, among the rates that do not
    diverge there. It is chosen by the losses that are reported: if these are noisy, they are too low by part of their
    error.
    steps: as in `protocols_at_learning_rates`. Raises NotSolved where every rate diverges.

    >>> from overtraining.setting.teachers import PowerLaw
    >>> from overtraining.setting.tasks import RotatedTeacher
    >>> how = FineTuning(RotatedTeacher(1.0), GradientDescent(0.1))
    >>> protocol = Protocol(PowerLaw(2), (0.0, 8.0), (1.0,), perturbation=how)
    >>> tune_learning_rate(protocol, (0.2, 0.5, 1.2), 0, steps=(20,))[1].learning_rate.values.tolist()
    [[0.5], [0.5]]
    """
    protocols = protocols_at_learning_rates(protocol, learning_rates, steps)
    measured, finite = _measure(protocols, key, steps)
    if not finite.any(axis=0).all():
        raise NotSolved("fine-tuning", "it diverges at every rate", "try smaller ones")
    losses = np.where(finite[:, None], measured["downstream_after"], 0.0).mean(axis=1)
    best = np.where(finite, losses, np.inf).argmin(axis=0)
    at_best = {
        name: values[0] if "before" in name else np.take_along_axis(values, best[None, None], axis=0)[0]
        for name, values in measured.items()
    }
    response = _in_steps(as_response(protocols[0], key, at_best), steps)
    grid = np.array([_learning_rate(one) for one in protocols])
    best_rates = trajectory(
        {"learning_rate": (("pretraining", "strength"), grid[best])},
        {"pretraining": response.pretraining.values, "strength": response.strength},
        **{name: response.attrs[name] for name in ("method", "source", "model")},
    )
    return response, best_rates


def _measure(
    protocols: Sequence[Protocol], key: RandomKey, steps: Sequence[int] | None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The variables of Responses, rates along a first axis, and where (rate, length, strength) all of them are finite.

    The protocols differ in traced numbers only: they share one compiled program.
    """
    fine_tuning = protocols[0].perturbation
    check_simulation(protocols[0], lambda one: len(protocols) * response_memory(one))
    with np.errstate(invalid="ignore"):  # what diverged: inf − inf
        if steps is not None and isinstance(fine_tuning, FineTuning) and is_random(fine_tuning):
            measured = _measure_together(protocols, key)
        else:
            by_rate = [response_variables(run_seeds(runs.measure, one, key)) for one in protocols]
            measured = {name: np.stack([one[name] for one in by_rate]) for name in by_rate[0]}
    after = [values for name, values in measured.items() if "before" not in name]
    return measured, np.all([np.isfinite(values).all(axis=1) for values in after], axis=0)


def _measure_together(protocols: Sequence[Protocol], key: RandomKey) -> dict[str, np.ndarray]:
    """The variables of Responses, rates along a first axis, by one run for all rates: they see the same batches.

    What is the same at all rates has no axis of rates, so that the random batches, most of the work, are sampled once.
    """
    by_rate = [jax.tree.flatten(plan_training(one)[1]) for one in protocols]
    stacked = [np.stack(values) for values in zip(*(leaves for leaves, _ in by_rate), strict=True)]
    axes = tuple(None if (values == values[0]).all() else 0 for values in stacked)
    leaves = [values[0] if axis is None else values for values, axis in zip(stacked, axes, strict=True)]
    numbers = jax.tree.unflatten(by_rate[0][1], leaves)
    results = run_seeds(lambda plan, _, key: _at_all_rates(plan, axes, numbers, key), protocols[0], key)
    return response_variables({name: np.moveaxis(values, 1, 0) for name, values in results.items()})


@compiled(LOOP, "plan", "axes")
def _at_all_rates(
    plan: TrainingPlan, axes: tuple[int | None, ...], numbers: RunNumbers, key: Key[Array, ""]
) -> dict[str, Array]:
    """`runs.measure` at all rates, along a first axis; axes: that of the rates in every array of the numbers."""
    leaves, structure = jax.tree.flatten(numbers)
    results = jax.vmap(lambda one: runs.measure(plan, jax.tree.unflatten(structure, one), key), (list(axes),))(leaves)
    return results | {"solved": results["solved"].all()}


def _in_steps(data: xr.Dataset, steps: Sequence[int] | None) -> xr.Dataset:
    """The Response with the number of steps as its strength, if these are given."""
    if steps is None:
        return data
    attributes = {"units": "steps", "long_name": "fine-tuning steps"}
    return data.assign_coords(strength=("strength", [float(n) for n in steps], attributes))


def _learning_rate(protocol: Protocol) -> float:
    fine_tuning = protocol.perturbation
    assert isinstance(fine_tuning, FineTuning)
    assert isinstance(fine_tuning.training, GradientDescent)
    return fine_tuning.training.learning_rate
