"""E3: downstream data mixed into pretraining: the value of a mode afterwards, and the best share for each loss."""

import numpy as np
from scipy.optimize import elementwise

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, positive
from overtraining.setting.errors import DomainError, NotSolved
from overtraining.theory.checks import check_epsilon, check_range, check_share, check_time
from overtraining.theory.fine_tuning.mixed_target import interpolated
from overtraining.theory.learning.balanced_mode import singular_value, unlearned


def mixed_value(
    length: Numbers, budget: Numbers, sigma: Numbers, sigma_task: Numbers, epsilon: Numbers, task_share: Numbers
) -> Values:
    """A mode after pretraining on a mixture and fine-tuning: A3 twice, first toward `(1 − q)σ + qσ'` (claim E3).

    length: t >= 0 of pretraining.  budget: T >= 0 of fine-tuning.  sigma, sigma_task: σ, σ' > 0.  epsilon: start > 0.
    task_share: q of downstream data in pretraining, 0 <= q <= 1. All broadcast. Gradient-flow time.
    Raises DomainError outside the domain, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> mixed_value(1e6, [0.0, 1.0, 1e6], sigma=1.0, sigma_task=3.0, epsilon=1e-3, task_share=0.5).round(6).tolist()
    [2.0, 2.996286, 3.0]
    """
    sigma, sigma_task = positive("sigma", sigma), positive("sigma_task", sigma_task)
    pretrained = singular_value(check_time("length", length), _mixture(sigma, sigma_task, task_share), epsilon)
    return singular_value(check_time("budget", budget), sigma_task, pretrained)  # E3


def best_task_share(length: Numbers, sigma: Numbers, sigma_task: Numbers, epsilon: Numbers) -> Values:
    """The share of downstream data in pretraining that is best downstream, whatever fine-tuning follows (claim E3).

    One aligned mode. Flows do not cross, so that `½(σ' − p)²` after any budget is least where pretraining ends nearest
    to σ'. If the task asks for more than the teacher (σ' >= σ) that is at q = 1. If it asks for less it is at q = 0
    until pretraining alone has reached the task, at `deep_mode.time_to_reach(σ', σ, ε, depth=2)`, because the stronger
    teacher is learned faster; then q rises to 1 as t → ∞. For both losses: `tradeoff_task_share`.

    length: t >= 0, gradient-flow time.  sigma, sigma_task: σ, σ' > 0; where they are equal all shares are equally good,
    and 0 is returned.  epsilon: start > 0. All broadcast.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError, NotSolved.
    Source: ours.

    >>> best_task_share([1.0, 4.0, 10.0], sigma=1.0, sigma_task=0.5, epsilon=1e-3).round(6).tolist()
    [0.0, 0.237214, 0.980922]
    """
    length, sigma, sigma_task, epsilon = np.broadcast_arrays(
        *check_broadcast(
            length=check_time("length", length),
            sigma=positive("sigma", sigma),
            sigma_task=positive("sigma_task", sigma_task),
            epsilon=check_epsilon(epsilon),
        )
    )
    check_range(sigma, length=length, sigma_task=sigma_task, epsilon=epsilon)
    check_range(sigma_task)
    none, everything = (np.asarray(excess_over_task(length, sigma, sigma_task, epsilon, q)) for q in (0.0, 1.0))
    side = np.sign(sigma - sigma_task)  # the stronger teacher is faster at every length: signs decide, not distances
    best = np.where((side * none > 0) & (side * everything >= 0), 1.0, 0.0)
    inside = (side * none > 0) & (side * everything < 0)
    if inside.any():
        arguments = tuple(x[inside] for x in (length, sigma, sigma_task, epsilon))
        ends = (np.zeros(arguments[0].shape), np.ones(arguments[0].shape))

        def excess(
            task_share: Numbers, length: Numbers, sigma: Numbers, sigma_task: Numbers, epsilon: Numbers
        ) -> Values:
            return excess_over_task(length, sigma, sigma_task, epsilon, task_share)

        found = elementwise.find_root(excess, ends, args=arguments)
        if not np.all(found.success):
            raise NotSolved("the best share", "its bracket was lost to rounding", "pass shorter lengths")
        best[inside] = found.x
    return best[()]  # E3


def excess_over_task(
    length: Numbers, sigma: Numbers, sigma_task: Numbers, epsilon: Numbers, task_share: Numbers
) -> Values:
    """How far pretraining on the mixture ends above the task, `s(t) − σ'`, accurate where this is small (claim E3).

    Arguments and errors as in `mixed_value`.

    >>> round(float(excess_over_task(1e6, sigma=2.0, sigma_task=0.5, epsilon=1e-3, task_share=1.0)), 12)
    0.0
    """
    mixture = _mixture(sigma, sigma_task, task_share)
    gap = (1 - np.asarray(task_share)) * (np.asarray(sigma) - np.asarray(sigma_task))
    return gap - unlearned(length, mixture, epsilon)


def tradeoff_task_share(budget: Numbers, sigma: Numbers, sigma_task: Numbers, replay_share: Numbers) -> Values:
    """The share of downstream data that is best for `ρL_pre + (1 − ρ)L_ft` after tuning, at convergence (claim E3).

    Pretraining to the end on `(1 − q)σ + qσ'` and fine-tuning for T give p. The best p is `v = ρσ + (1 − ρ)σ'`, to
    which the flow leads from `m = σ'v/(v + (σ' − v)e^{2σ'T})`, so that `q = (m − σ)/(σ' − σ)`, or the nearer of 0 and
    1. Without fine-tuning q = 1 − ρ. Fine-tuning replaces mixing: q falls with T, down to 0.

    budget: T >= 0, gradient-flow time.  sigma, sigma_task: σ, σ' > 0, not equal.  replay_share: ρ, the weight of the
    pretraining loss, 0 <= ρ <= 1. All broadcast.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> tradeoff_task_share([0.0, 0.05, 1.0], sigma=1.0, sigma_task=2.0, replay_share=0.5).round(6).tolist()
    [0.5, 0.421328, 0.0]
    """
    budget, sigma, sigma_task, replay_share = check_broadcast(
        budget=check_time("budget", budget),
        sigma=positive("sigma", sigma),
        sigma_task=positive("sigma_task", sigma_task),
        replay_share=check_share("replay_share", replay_share),
    )
    check_range(sigma, budget=budget, sigma_task=sigma_task)
    if (sigma == sigma_task).any():
        raise DomainError("sigma_task", "the tasks are equal, so every share is optimal", "pass another value")
    best = np.asarray(interpolated(sigma, sigma_task, replay_share))
    decayed = np.exp(-2 * sigma_task * budget)
    # q = (vE − ρσ)/(vE + σ' − v); where the denominator is not positive, no start ends that high and q = 0 is nearest
    reach = best * decayed + replay_share * (sigma_task - sigma)
    numerator = (1 - replay_share) * sigma_task * decayed + replay_share * sigma * np.expm1(-2 * sigma_task * budget)
    share = numerator / np.where(reach > 0, reach, 1)
    return np.where(replay_share > 0, np.where(reach > 0, np.clip(share, 0, 1), 0.0), 1.0)[()]  # E3


def _mixture(sigma: Numbers, sigma_task: Numbers, task_share: Numbers) -> Values:
    """The singular value that pretraining on the mixture learns, `(1 − q)σ + qσ'`."""
    share = check_share("task_share", task_share)
    return interpolated(sigma_task, sigma, share)
