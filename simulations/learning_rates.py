"""Fine-tuning at many learning rates: the whole grid as one Response, or every checkpoint at the rate that suits it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from overtraining.setting.arrays import Sequenced
from overtraining.setting.domain import positive
from overtraining.setting.errors import DomainError, NotSolved
from overtraining.setting.perturbations import FineTuning
from overtraining.setting.protocol import Protocol
from overtraining.setting.responses import trajectory, validate
from overtraining.setting.training import GradientDescent
from overtraining.simulations import runs
from overtraining.simulations.measurements import RandomKey, as_response, response_variables, run_seeds


def protocols_at_learning_rates(
    protocol: Protocol, rates: Sequenced, steps: Sequence[int] | None = None
) -> list[Protocol]:
    """The protocol with every learning rate in its fine-tuning; it must fine-tune by steps.

    steps: the budgets as numbers of steps, the same at every rate, so that the strengths become `rate × steps`. None
    keeps the protocol's strengths, which every rate must reach by whole steps.

    >>> from overtraining.setting.teachers import PowerLaw

    >>> from overtraining.setting.tasks import RotatedTeacher
    >>> how = FineTuning(RotatedTeacher(1.0), GradientDescent(0.1))
    >>> asked = Protocol(PowerLaw(2), (1.0,), (1.0,), perturbation=how)
    >>> [p.strengths for p in protocols_at_learning_rates(asked, (0.25, 0.5), steps=(4, 8))]
    [(1.0, 2.0), (2.0, 4.0)]
    """
    how = protocol.perturbation
    if not isinstance(how, FineTuning) or not isinstance(how.training, GradientDescent):
        raise DomainError(repr(how), "it has no learning rate", "use FineTuning(…, training=GradientDescent(…))")
    grid = positive("rates", rates)
    if grid.ndim != 1 or grid.size == 0 or (np.diff(grid) <= 0).any():
        raise DomainError("rates", "they are no increasing list", "pass sorted(set(rates))")
    made = []
    for rate in grid.tolist():
        training = replace(how.training, learning_rate=rate)
        budgets = protocol.strengths if steps is None else rate * np.array(steps)
        made.append(replace(protocol, strengths=budgets, perturbation=replace(how, training=training)))
    return made


def respond_at_learning_rates(
    protocol: Protocol, rates: Sequenced, key: RandomKey, steps: Sequence[int] | None = None
) -> xr.Dataset:
    """The measured Response with a dimension `learning_rate`: the rates at which no checkpoint's fine-tuning diverges.

    steps: as in `protocols_at_learning_rates`; with them the strength counts steps. The attribute `diverged` names the
    rates that are left out. Raises NotSolved where that is all of them.

    >>> from overtraining.setting.teachers import PowerLaw

    >>> from overtraining.setting.tasks import RotatedTeacher
    >>> how = FineTuning(RotatedTeacher(1.0), GradientDescent(0.1))
    >>> asked = Protocol(PowerLaw(2), (8.0,), (1.0,), perturbation=how)
    >>> respond_at_learning_rates(asked, (0.125, 0.25, 40.0), 0, steps=(200,)).learning_rate.values.tolist()
    [0.125, 0.25]
    """
    protocols = protocols_at_learning_rates(protocol, rates, steps)
    seen, well = _measured(protocols, key)
    held = np.asarray(well.all(axis=(1, 2)))
    if not held.any():
        raise NotSolved("fine-tuning", "it diverges at every rate", "try smaller ones")
    each = [
        _counted(as_response(one, key, {name: values[i] for name, values in seen.items()}), steps)
        for i, one in enumerate(protocols)
        if held[i]
    ]
    kept = [_rate(one) for one, well in zip(protocols, held, strict=True) if well]
    left_out = [_rate(one) for one, well in zip(protocols, held, strict=True) if not well]
    together = xr.concat(each, xr.Variable("learning_rate", kept), combine_attrs="override")
    return validate(together.assign_attrs(diverged=", ".join(map(str, left_out))))


def tune_learning_rate(
    protocol: Protocol, rates: Sequenced, key: RandomKey, steps: Sequence[int] | None = None
) -> tuple[xr.Dataset, xr.Dataset]:
    """Every checkpoint and budget at its best rate: the Response, and the rates as a Trajectory of `learning_rate`.

    Best is the smallest downstream loss after fine-tuning, in the mean over seeds, of the rates that do not diverge
    there. It is chosen by the losses that are reported: where these are noisy, they are too low by part of their error.
    steps: as in `protocols_at_learning_rates`. Raises NotSolved where every rate diverges.

    >>> from overtraining.setting.teachers import PowerLaw

    >>> from overtraining.setting.tasks import RotatedTeacher
    >>> how = FineTuning(RotatedTeacher(1.0), GradientDescent(0.1))
    >>> asked = Protocol(PowerLaw(2), (0.0, 8.0), (1.0,), perturbation=how)
    >>> tune_learning_rate(asked, (0.2, 0.5, 1.2), 0, steps=(20,))[1].learning_rate.values.tolist()
    [[0.5], [0.5]]
    """
    protocols = protocols_at_learning_rates(protocol, rates, steps)
    seen, well = _measured(protocols, key)
    score = np.where(well, np.where(well[:, None], seen["downstream_after"], 0.0).mean(axis=1), np.inf)
    if not well.any(axis=0).all():
        raise NotSolved("fine-tuning", "it diverges at every rate", "try smaller ones")
    best = score.argmin(axis=0)
    chosen = {
        name: values[0] if "before" in name else np.take_along_axis(values, best[None, None], axis=0)[0]
        for name, values in seen.items()
    }
    response = _counted(as_response(protocols[0], key, chosen), steps)
    grid = np.array([_rate(one) for one in protocols])
    at = trajectory(
        {"learning_rate": (("pretraining", "strength"), grid[best])},
        {"pretraining": response.pretraining.values, "strength": response.strength},
        **{name: response.attrs[name] for name in ("method", "source", "model")},
    )
    return response, at


def _measured(protocols: Sequence[Protocol], key: RandomKey) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The variables of Responses, rates along a first axis, and where (rate, length, strength) all of them are numbers.

    Rates differ in traced numbers only: they share one compiled program.
    """
    with np.errstate(invalid="ignore"):  # what diverged: inf − inf
        each = [response_variables(run_seeds(runs.measure, one, key)) for one in protocols]
    seen = {name: np.stack([one[name] for one in each]) for name in each[0]}
    after = [values for name, values in seen.items() if "before" not in name]
    return seen, np.all([np.isfinite(values).all(axis=1) for values in after], axis=0)


def _counted(data: xr.Dataset, steps: Sequence[int] | None) -> xr.Dataset:
    """With the number of steps as strength, where these were given."""
    if steps is None:
        return data
    attributes = {"units": "steps", "long_name": "fine-tuning steps"}
    return data.assign_coords(strength=("strength", [float(n) for n in steps], attributes))


def _rate(protocol: Protocol) -> float:
    how = protocol.perturbation
    assert isinstance(how, FineTuning)
    assert isinstance(how.training, GradientDescent)
    return how.training.learning_rate
