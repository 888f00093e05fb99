"""D6: the largest learning rate at which fine-tuning is stable, and a checkpoint's best learning rate and budget."""

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, positive
from overtraining.setting.errors import ShapeError
from overtraining.theory.checks import (
    WeightMatrix,
    check_range,
    check_share,
    check_singular_value,
    check_teacher,
    check_time,
    check_weights,
)
from overtraining.theory.fine_tuning.mixed_target import interpolated
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.products import refuse_overflow
from overtraining.theory.sensitivity.curvature import hessian_spectrum


def sharpness_bound(w1: WeightMatrix, w2: WeightMatrix, task: WeightMatrix) -> np.float64:
    """Upper bound on the largest curvature at ANY weights, `‖W1‖² + ‖W2‖² + ‖B − f‖`, operator norms (claim D6).

    Steps of gradient descent smaller than 2 over it lower the loss there; larger ones may, too, as in
    `stable_learning_rate`. On balanced weights it is `2s₁ + ‖B − f‖`,
    attained by one mode above its task, `3s − σ'`, and where a task is fitted, `2‖B‖`.

    w1: h × d_in.  w2: d_out × h.  task: B, d_out × d_in. Whitened inputs.
    Raises ShapeError where the matrices do not fit, DomainError for numbers that are not finite and where the result
    overflows.
    Source: ours.

    >>> one = np.ones((1, 1))
    >>> float(sharpness_bound(one, one, 0.5 * one))
    2.5
    """
    layers = check_weights((w1, w2))
    task = check_teacher(task, layers, "task")

    def bound() -> np.float64:
        unlearned = task - layers[1] @ layers[0]
        return np.float64(sum(np.linalg.norm(w, 2) ** 2 for w in layers) + np.linalg.norm(unlearned, 2))  # D6

    return refuse_overflow("the bound", bound)


def path_sharpness(s: Numbers, sigma_task: Numbers) -> Values:
    """The largest curvature that one aligned balanced mode meets in fine-tuning, `max(2σ', 3s − σ')` (claim D6).

    The first is that at the end of the path, the second that at its start. With a learning rate below 2 over it no step
    of gradient descent is too long for the curvature that it meets: a sufficient bound, which falls with pretraining
    once a mode is beyond its task. The rates at which fine-tuning still ends at the task are larger there:
    `stable_learning_rate`. For several modes, none of them beyond the task, the curvature is 2‖B‖ at the end and at
    most that before; in general `tuning_sharpness`.

    s: pretrained singular value >= 0.  sigma_task: σ', of either sign. Both broadcast.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> path_sharpness([0.1, 0.5, 1.0], sigma_task=0.5).tolist()
    [1.0, 1.0, 2.5]
    """
    s, sigma_task = check_broadcast(s=check_singular_value("s", s), sigma_task=finite("sigma_task", sigma_task))
    check_range(np.zeros(()), s=s, sigma_task=sigma_task)
    return np.maximum(2 * sigma_task, 3 * s - sigma_task)[()]  # D6


def stable_learning_rate(s: Numbers, sigma_task: Numbers) -> Values:
    """The largest learning rate at which gradient descent ends at the task, `min(1/‖B‖, 2/(s_i − σ'_i)₊)` (claim D6).

    From balanced weights on an aligned task a step is the map `w → w(1 + ησ' − ηw²)` of each mode. Above 1/‖B‖ it does
    not stay at the task; with `η(s − σ') > 2` every step is longer than the one before; at all rates below both, almost
    all starts end at the task. So pretraining lowers the stable rate only once a mode is three times its task. A mode
    whose σ' is negative counts with ‖B‖ for the time after it has left the saddle at 0.

    s: pretrained singular values >= 0.  sigma_task: σ' of each mode, of either sign. Both broadcast, modes on the last
    axis. inf where nothing limits it.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast or have no modes.
    Source: ours; that almost all starts converge: Singer 1978.

    >>> stable_learning_rate([[3.0, 0.1], [6.0, 0.1]], sigma_task=[1.0, 0.5]).tolist()
    [1.0, 0.4]
    """
    s = np.atleast_1d(check_singular_value("s", s))
    s, sigma_task = check_broadcast(s=s, sigma_task=finite("sigma_task", sigma_task))
    check_range(np.zeros(()), s=s, sigma_task=sigma_task)
    if np.broadcast(s, sigma_task).shape[-1] == 0:
        raise ShapeError(f"s {s.shape}, sigma_task {sigma_task.shape}", "there is no mode", "pass at least one")
    slowest = np.maximum(np.abs(sigma_task), (s - sigma_task) / 2).max(axis=-1)  # D6
    return np.where(slowest > 0, 1 / np.where(slowest > 0, slowest, 1), np.inf)[()]


def tuning_sharpness(budget: Numbers, s: Numbers, sigma_task: Numbers, *, d_in: int, h: int, d_out: int) -> Values:
    """The largest curvature of the downstream loss after a budget of fine-tuning on an aligned task (claim D6).

    B3's spectrum along A3's flow from the pretrained singular values to the task's; a mode with a negative σ' goes to
    0. Rates below 2 over its maximum over [0, T] are stable up to T; so are, where a mode is beyond its task, larger
    ones (`stable_learning_rate`).

    budget: T >= 0, gradient-flow time, of any shape, which the result has.  s: pretrained singular values > 0, one
    axis.
    sigma_task: σ' of each mode, of either sign.  Widths as in `hessian_spectrum`.
    Raises DomainError outside the domain, ShapeError where shapes do not fit.
    Source: ours.

    >>> tuning_sharpness([0.0, 9.0], [1.0, 0.1], [0.5, 1.0], d_in=2, h=2, d_out=2).round(3).tolist()
    [2.5, 2.0]
    """
    budget = check_time("budget", budget)
    s, sigma_task = check_broadcast(s=positive("s", s), sigma_task=finite("sigma_task", sigma_task))
    decay = np.maximum(-sigma_task, 0)
    tuned = singular_value(budget[..., None], np.maximum(sigma_task, 0), s, weight_decay=decay)
    return np.asarray(hessian_spectrum(tuned, sigma_task - tuned, d_in=d_in, h=h, d_out=d_out).largest)[()]  # D6


def tuned_learning_rate(unlearned: Numbers, sigma_task: Numbers, steps: Numbers, noise_excess: Numbers) -> Values:
    """The learning rate with the lowest downstream loss, `[ln(4σ'Ne²/v)]₊/(4σ'N)` (claim D6), near the task.

    It minimizes `½e²e^{−4σ'ηN} + ½ηv`: the loss that N steps leave of an aligned mode's unlearned part `e = σ' − s`,
    and the excess by label noise (D5, `v = tr H ν²/2B`). The best rate falls while pretraining comes nearer to the task
    and rises as it departs; it is 0 where fine-tuning would add more than it can remove. The loss at the best rate
    rises with |e|, too: tuning the rate neither moves nor removes an inflection. Without noise the best rate is of the
    size of the largest stable one, `stable_learning_rate`.

    unlearned: e, of either sign, not 0.  sigma_task: σ' > 0.  steps: N > 0.  noise_excess: v > 0, the excess loss per
    learning rate, times 2. All broadcast.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> tuned_learning_rate([0.5, 0.1, 0.001], sigma_task=1.0, steps=100, noise_excess=0.01).round(6).tolist()
    [0.023026, 0.014979, 0.0]
    """
    unlearned, sigma_task, steps, noise_excess = check_broadcast(
        unlearned=finite("unlearned", unlearned),
        sigma_task=positive("sigma_task", sigma_task),
        steps=positive("steps", steps),
        noise_excess=positive("noise_excess", noise_excess, "without noise the best rate is the largest stable one"),
    )
    size = positive("the size of unlearned", np.abs(unlearned), "leave out a mode that is fitted")
    check_range(sigma_task, unlearned=unlearned, steps=steps, noise_excess=noise_excess)
    rate = 4 * sigma_task * steps
    gain = np.log(rate) + 2 * np.log(size) - np.log(noise_excess)
    near = np.abs(gain) < 0.5  # where a difference of logarithms would cancel
    with np.errstate(over="ignore"):  # elsewhere
        excess = (rate / noise_excess) * size * size - 1
        gain = np.where(near, np.log1p(np.where(near, excess, 0)), gain)
    return (np.maximum(gain, 0) / rate)[()]  # D6


def tuned_budget(s: Numbers, sigma: Numbers, sigma_task: Numbers, replay_share: Numbers) -> Values:
    """The best budget for the weighted sum `ρL_pre + (1 − ρ)L_ft`, `ln[1 + σ'(v − s)/(s(σ' − v))]/2σ'` (claim D6).

    One aligned mode. It ends at `v = ρσ + (1 − ρ)σ'`, the value of the lowest loss, if v lies between s and σ'. The
    budget is 0 where the flow only leads away from v, and inf where it does not come as far, or where ρ = 0. With the
    best budget there is no inflection: the loss does not depend on pretraining, or falls with it.

    s: pretrained singular value > 0.  sigma, sigma_task: σ, σ' > 0.  replay_share: ρ, the weight of the pretraining
    loss, 0 <= ρ <= 1. All broadcast. Gradient-flow time.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> tuned_budget([0.1, 1.0, 1.6], sigma=1.0, sigma_task=2.0, replay_share=0.5).round(6).tolist()
    [1.010763, 0.274653, 0.0]
    """
    s, sigma, sigma_task, replay_share = check_broadcast(
        s=positive("s", s, "a mode that has not started stays at 0"),
        sigma=positive("sigma", sigma),
        sigma_task=positive("sigma_task", sigma_task),
        replay_share=check_share("replay_share", replay_share),
    )
    for value in (s, sigma, sigma_task):
        check_range(value)
    best = np.asarray(interpolated(sigma, sigma_task, replay_share))
    direction = np.sign(sigma_task - s)
    way = direction * (best - s)
    rest = direction * replay_share * (sigma_task - sigma)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # rest = 0: v is never reached
        budget = np.log1p(sigma_task / s * way / rest) / (2 * sigma_task)
    budget = np.where(rest > 0, budget, np.inf)
    return np.where((way <= 0) | (sigma_task == s), 0.0, budget)[()]  # D6
