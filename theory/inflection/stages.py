"""C3: the limit of a small start: which of the features, learned one after another, lower the loss after noise."""

from dataclasses import dataclass

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_noise_cost, check_singular_value

LARGEST = 1e153
EQUAL = 1e-12  # relative


@dataclass(frozen=True)
class Stage:
    """What learning one feature does to the loss after noise, as the start goes to 0.

    change: by learning all of it.  stop: the singular value at which to stop, 0 if the feature only hurts.  gain: the
    decrease by learning it up to there.  bump: the increase by learning the rest of it, `change + gain`.
    """

    change: Values
    stop: Values
    gain: Values
    bump: Values


def stage(sigma: Numbers, noise_cost: Numbers) -> Stage:
    """One feature in the limit of a small start: it changes the loss after noise by `σ(c − σ/2)` (claim C3).

    Learning a feature completely lowers the loss after noise exactly if σ > 2c. If σ > c the loss after noise has a
    minimum at `σ − c`, `½(σ − c)²` below its value before the feature, and then rises by `½c²`; if σ <= c it rises all
    the way. Each value has the accuracy of its inputs; at `σ = 2c` the change is 0. One feature at a time means that
    neighbours are far apart for their start, `ε^{(σ − σ')/(σ + σ')} ≪ 1`; from any start `minima` is exact.

    sigma: teacher's singular value >= 0.  noise_cost: c >= 0, `noise.mode_cost`. Both broadcast. Unit of the loss.
    Raises DomainError outside the domain and beyond 1e153, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> one = stage([1.0, 0.25], noise_cost=0.25)
    >>> one.change.tolist(), one.stop.tolist(), one.bump.tolist()
    ([-0.25, 0.03125], [0.75, 0.0], [0.03125, 0.03125])
    """
    sigma, noise_cost = check_broadcast(
        sigma=check_singular_value("sigma", sigma), noise_cost=check_noise_cost(noise_cost)
    )
    for name, x in (("sigma", sigma), ("noise_cost", noise_cost)):
        if (x > LARGEST).any():
            raise DomainError(name, "it is beyond 1e153, where its square overflows", "rescale units")
    stop = np.maximum(sigma - noise_cost, 0.0)
    rest = np.minimum(sigma, noise_cost)
    return Stage(sigma * (noise_cost - sigma / 2), stop, stop * (stop / 2), rest * (noise_cost - rest / 2))  # C3


def overtraining_in_stages(sigma: Numbers, noise_cost: Numbers) -> Values:
    """How much overtraining on a whole spectrum raises the loss, `P(∞) − min P`, as the start goes to 0 (claim C4).

    For distinct singular values, if one exceeds 2c: `½c² + Σ_{σ_i ≤ 2c} σ_i(c − σ_i/2)`; if none does:
    `½(σ_1 − c)₊² + Σ σ_i(c − σ_i/2)`. Equal singular values are learned, and stop, together: the best of all stops
    is taken, which may then come before a feature above 2c. Equal means within 1e-12 of each other, as the SVD returns
    equal ones; no start that float64 can hold separates features closer than 1e-3. A start separates those for which
    `ε^{(σ_i − σ_j)/(σ_i + σ_j)} ≪ 1`: for σ = (1, 0.9) and c = 0.3 the limit is 0.045, and 0.087 from 1e-3, 0.053 from
    1e-12. From any start `minima(sigma, epsilon, noise_cost).increase` is exact, and `overtraining_bounds` holds.

    sigma: the spectrum, >= 0, one axis, in any order.  noise_cost: c >= 0, `noise.mode_cost`, any shape, which the
    result has. Unit of the loss. Raises DomainError outside the domain, ShapeError where sigma is not one axis.
    Source: ours.

    >>> overtraining_in_stages([1.0, 0.5, 0.25], noise_cost=[0.0, 0.1, 1.0]).round(6).tolist()
    [0.0, 0.005, 1.09375]
    """
    sigma, noise_cost = check_singular_value("sigma", sigma), check_noise_cost(noise_cost)
    if sigma.ndim != 1:
        raise ShapeError(f"sigma {sigma.shape}", "a spectrum has one axis", "pass the singular values as a list")
    ordered = np.sort(sigma)
    group = np.cumsum(np.diff(ordered, prepend=ordered[:1]) > EQUAL * ordered)
    values = ordered[np.searchsorted(group, np.unique(group))]
    copies = np.bincount(group)
    one = stage(values, noise_cost[..., None])  # weakest first: in this order everything before a stop follows it
    follows = np.cumsum(copies * one.change, axis=-1)[..., :-1]
    follows = np.concatenate([np.zeros((*noise_cost.shape, 1)), follows], axis=-1)[..., : values.size]
    return np.max(follows + copies * one.bump, axis=-1, initial=0.0)[()]  # C4
