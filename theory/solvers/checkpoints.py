"""One Response from the user's own checkpoints, each at the length at which it was saved."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from overtraining.setting.domain import increasing_list, instance, nonnegative
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.inputs import Inputs
from overtraining.setting.perturbations import Noise, Perturbation
from overtraining.setting.protocol import Protocol
from overtraining.setting.weights import Weights
from overtraining.theory.solvers.exact import respond


def respond_at(
    checkpoints: Mapping[Any, Weights],
    teacher: Any,
    strengths: Any,
    perturbation: Perturbation = Noise(),
    inputs: Inputs = Inputs(),
) -> xr.Dataset:
    """The Response of your own checkpoints of one network: `respond` at length 0 of each, over all their lengths.

    Under noise, rounding and pruning it is exact for any weights; fine-tuning is as in `respond`, to the largest
    `imbalance_error`. Turns are known to the lengths between which they are.

    checkpoints: by length, in gradient-flow time: steps times learning rate.
    teacher, strengths, perturbation, inputs: as of a `Protocol`.
    Raises DomainError without checkpoints, and for noise in units of the start, which no checkpoint is; ShapeError for
    checkpoints of different networks; else what `Protocol` and `respond` raise.

    >>> from overtraining.setting.teachers import Spectrum
    >>> saved = {0: Weights([[0.1]], [[0.1]]), 5: Weights([[0.9]], [[0.8]]), 9: Weights([[1.0]], [[0.9]])}
    >>> respond_at(saved, Spectrum((1.0,)), (0.5,)).after.values.ravel().round(4).tolist()
    [0.5238, 0.2517, 0.2625]
    """
    instance("checkpoints", checkpoints, Mapping)
    if not checkpoints:
        raise DomainError("no checkpoints", "a Response has at least one length", "pass {length: Weights(W1, W2), …}")
    if isinstance(perturbation, Noise) and perturbation.convention == "initialization":
        raise DomainError(repr(perturbation), "no checkpoint is the start", "use convention='absolute' or 'relative'")
    lengths = increasing_list("lengths", np.sort(nonnegative("lengths", list(checkpoints)), axis=0))
    starts = [checkpoints[length] for length in lengths]
    for start in starts:
        instance("a checkpoint", start, Weights)
    if len(shapes := {start.shapes for start in starts}) > 1:
        told = " and ".join(map(str, sorted(shapes)))
        raise ShapeError(f"checkpoints of shapes {told}", "one network has one", "pass those of one network")
    first = Protocol(teacher, (0.0,), strengths, start=starts[0], perturbation=perturbation, inputs=inputs)
    found = [respond(replace(first, start=start)).drop_dims("turn", errors="ignore") for start in starts]
    most = {name: max(each.attrs[name] for each in found) for name in found[0].attrs if "imbalance" in name}
    whole = xr.concat(found, "pretraining", data_vars="minimal", combine_attrs="drop_conflicts")
    whole.attrs.pop("protocol", None)  # of one checkpoint
    return whole.assign_coords(pretraining=("pretraining", lengths, found[0]["pretraining"].attrs)).assign_attrs(most)
