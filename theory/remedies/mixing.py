"""E3: downstream data mixed into pretraining: what a mode becomes, and which share is best for which loss, and when."""

import numpy as np
from scipy.optimize import elementwise

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative, normal_inverse, positive
from overtraining.setting.errors import DomainError, NotSolved
from overtraining.theory.checks import check_range
from overtraining.theory.fine_tuning.mixed_target import interpolated
from overtraining.theory.learning.balanced_mode import singular_value, unlearned


def mixed_value(
    t: Numbers, time: Numbers, sigma: Numbers, downstream: Numbers, share: Numbers, epsilon: Numbers
) -> Values:
    """A mode after pretraining for t on a mixture and fine-tuning for T: A3 twice, first toward `(1 − q)σ + qσ'` (E3).

    t, time: pretraining length and fine-tuning budget T, >= 0.  sigma, downstream: σ and σ', > 0.  share: q of the
    downstream task in pretraining, 0 <= q <= 1.  epsilon: start > 0. All broadcast. Raises DomainError and ShapeError.
    Source: ours.

    >>> mixed_value(1e6, [0.0, 1.0, 1e6], sigma=1.0, downstream=3.0, share=0.5, epsilon=1e-3).round(6).tolist()
    [2.0, 2.996286, 3.0]
    """
    mixture = interpolated(downstream, positive("sigma", sigma), share)
    start = singular_value(t, mixture, epsilon)
    return singular_value(time, positive("downstream", downstream), start)  # E3


def best_task_share(t: Numbers, sigma: Numbers, downstream: Numbers, epsilon: Numbers) -> Values:
    """The share of downstream data in pretraining that is best downstream, whatever fine-tuning follows (claim E3).

    One aligned mode. Flows do not cross: `½(σ' − p)²` after any budget is least where pretraining is nearest to σ'. A
    task that asks for more (σ' >= σ): all of it, q = 1. One that asks for less: none, q = 0, until pretraining alone
    has reached it, at `deep_mode.time_to_reach(σ', σ, ε, depth=2)`, since the stronger teacher is the faster; then q
    rises to 1 as t → ∞. For the trade between both losses: `tradeoff_task_share`.

    t: pretraining length >= 0.  sigma, downstream: σ, σ' > 0; where they are equal every share is the same, and 0 is
    returned.  epsilon: start > 0. All broadcast. Raises DomainError outside and beyond 1e±75, ShapeError, NotSolved.
    Source: ours.

    >>> best_task_share([1.0, 4.0, 10.0], sigma=1.0, downstream=0.5, epsilon=1e-3).round(6).tolist()
    [0.0, 0.237214, 0.980922]
    """
    t, sigma, task, epsilon = np.broadcast_arrays(
        *check_broadcast(
            t=nonnegative("t", t),
            sigma=positive("sigma", sigma),
            downstream=positive("downstream", downstream),
            epsilon=normal_inverse("epsilon", epsilon, "start from a small positive number; 0 is a saddle"),
        )
    )
    check_range(sigma, t=t, downstream=task, epsilon=epsilon)
    check_range(task)
    none, everything = (np.asarray(beyond(q, t, sigma, task, epsilon)) for q in (0.0, 1.0))
    side = np.sign(sigma - task)  # the stronger teacher is the faster, at every length: so signs decide, not distances
    best = np.where((side * none > 0) & (side * everything >= 0), 1.0, 0.0)
    inside = (side * none > 0) & (side * everything < 0)
    if inside.any():
        parts = tuple(x[inside] for x in (t, sigma, task, epsilon))
        found = elementwise.find_root(beyond, (np.zeros(parts[0].shape), np.ones(parts[0].shape)), args=parts)
        if not np.all(found.success):
            raise NotSolved("the best share", "its bracket was lost to rounding", "pass shorter lengths")
        best[inside] = found.x
    return best[()]  # E3


def beyond(share: Numbers, t: Numbers, sigma: Numbers, downstream: Numbers, epsilon: Numbers) -> Values:
    """By how much pretraining on the mixture is beyond the task, `s(t) − σ'`, accurate where this is small.

    >>> round(float(beyond(1.0, 1e6, sigma=2.0, downstream=0.5, epsilon=1e-3)), 12)
    0.0
    """
    mixture = interpolated(downstream, sigma, share)
    gap = (1 - np.asarray(share)) * (np.asarray(sigma) - np.asarray(downstream))
    return gap - unlearned(t, mixture, epsilon)


def tradeoff_task_share(time: Numbers, sigma: Numbers, downstream: Numbers, keep: Numbers) -> Values:
    """The share of downstream data that is best for `ρL_pre + (1 − ρ)L_ft` after tuning, at convergence (claim E3).

    Pretraining to the end on `(1 − q)σ + qσ'` and tuning for T give p; the best p is `v = ρσ + (1 − ρ)σ'`, to which the
    flow leads from `m = σ'v/(v + (σ' − v)e^{2σ'T})`: `q = (m − σ)/(σ' − σ)`, or the nearer of 0 and 1. Without tuning
    q = 1 − ρ. Tuning replaces mixing: the longer T, the smaller q, until no downstream data should be mixed in.

    time: T >= 0.  sigma, downstream: σ, σ' > 0, not equal.  keep: ρ, 0 <= ρ <= 1. All broadcast. Raises DomainError
    outside and beyond 1e±75, ShapeError.
    Source: ours.

    >>> tradeoff_task_share([0.0, 0.05, 1.0], sigma=1.0, downstream=2.0, keep=0.5).round(6).tolist()
    [0.5, 0.421328, 0.0]
    """
    time, sigma, task, keep = check_broadcast(
        time=nonnegative("time", time),
        sigma=positive("sigma", sigma),
        downstream=positive("downstream", downstream),
        keep=nonnegative("keep", keep),
    )
    check_range(sigma, time=time, downstream=task)
    if (sigma == task).any():
        raise DomainError("downstream", "the tasks are the same and every share is", "pass another value")
    best = np.asarray(interpolated(sigma, task, keep))
    decayed = np.exp(-2 * task * time)
    # q = (vE − ρσ)/(vE + σ' − v); beyond the pole, where no start ends that high, nothing but q = 0 is nearest
    reach = best * decayed + keep * (task - sigma)
    share = ((1 - keep) * task * decayed + keep * sigma * np.expm1(-2 * task * time)) / np.where(reach > 0, reach, 1)
    return np.where(keep > 0, np.where(reach > 0, np.clip(share, 0, 1), 0.0), 1.0)[()]  # E3
