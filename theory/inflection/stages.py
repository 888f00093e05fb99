"""C3: the limit of a small start, where features are learned one after another: which of them pay under noise?"""

from dataclasses import dataclass

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative
from overtraining.setting.errors import DomainError, ShapeError

LARGEST = 1e153
EQUAL = 1e-12  # relative


@dataclass(frozen=True)
class Stage:
    """What learning one feature does to the loss after noise, as the start goes to 0.

    change: by learning all of it.  stop: its singular value where to stop, 0 if it only hurts.  gain: by learning it up
    to there.  bump: what the rest of it then costs, `change + gain`.
    """

    change: Values
    stop: Values
    gain: Values
    bump: Values


def stage(sigma: Numbers, c: Numbers) -> Stage:
    """One feature in the limit of a small start: it changes the loss after noise by `σ(c − σ/2)` (claim C3).

    It pays as a whole exactly if σ > 2c. If σ > c the loss after noise has a minimum at `σ − c`, `½(σ − c)²` below the
    feature's beginning, and then rises by `½c²`; if σ <= c it rises all the way. Each value has the accuracy of its
    inputs; at `σ = 2c` the change is 0.

    sigma: teacher's singular value >= 0.  c: price per singular value >= 0 (`noise.mode_cost`). Unit of the loss.
    Raises DomainError outside, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> one = stage([1.0, 0.25], c=0.25)
    >>> one.change.tolist(), one.stop.tolist(), one.bump.tolist()
    ([-0.25, 0.03125], [0.75, 0.0], [0.03125, 0.03125])
    """
    sigma, c = check_broadcast(
        sigma=nonnegative("sigma", sigma), c=nonnegative("c", c, "compute it with noise.mode_cost")
    )
    for name, x in (("sigma", sigma), ("c", c)):
        if (x > LARGEST).any():
            raise DomainError(name, "it is beyond 1e153, where its square overflows", "rescale units")
    stop, rest = np.maximum(sigma - c, 0.0), np.minimum(sigma, c)
    return Stage(sigma * (c - sigma / 2), stop, stop * (stop / 2), rest * (c - rest / 2))  # C3


def overtraining_in_stages(sigma: Numbers, c: Numbers) -> Values:
    """How much a whole spectrum loses by overtraining, `P(∞) − min P`, as the start goes to 0 (claim C4).

    For distinct singular values, if one exceeds 2c: `½c² + Σ_{σ_i ≤ 2c} σ_i(c − σ_i/2)`; if none does:
    `½(σ_1 − c)₊² + Σ σ_i(c − σ_i/2)`. Equal singular values are learned, and stop, together: the best of all stops
    is taken, which may then come before a feature that pays. Equal means within 1e-12 of each other, as the SVD returns
    equal ones; no start that float64 can hold separates features closer than 1e-3.

    sigma: the spectrum, >= 0, one axis, in any order.  c: price per singular value >= 0, any shape, which the result
    has. Raises DomainError and ShapeError.
    Source: ours.

    >>> overtraining_in_stages([1.0, 0.5, 0.25], c=[0.0, 0.1, 1.0]).round(6).tolist()
    [0.0, 0.005, 1.09375]
    """
    sigma, c = nonnegative("sigma", sigma), nonnegative("c", c, "compute it with noise.mode_cost")
    if sigma.ndim != 1:
        raise ShapeError(f"sigma {sigma.shape}", "a spectrum has one axis", "pass the singular values as a list")
    ordered = np.sort(sigma)
    group = np.cumsum(np.diff(ordered, prepend=ordered[:1]) > EQUAL * ordered)
    values, copies = ordered[np.searchsorted(group, np.unique(group))], np.bincount(group)
    one = stage(values, c[..., None])  # weakest first: what follows a stop is everything before it in this order
    follows = np.cumsum(copies * one.change, axis=-1)[..., :-1]
    follows = np.concatenate([np.zeros((*c.shape, 1)), follows], axis=-1)[..., : values.size]
    return np.max(follows + copies * one.bump, axis=-1, initial=0.0)[()]  # C4
