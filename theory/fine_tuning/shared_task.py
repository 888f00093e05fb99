"""D2, D3: a task that shares the teacher's singular vectors, mode by mode: what fine-tuning costs, and when it turns.

Flows of one mode do not cross, so that only a task that asks for more than the teacher can make a longer pretraining
hurt (D2). Inside a stage the cost is never a monotone function of how much is learned (D3).
"""

import numpy as np
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite
from overtraining.theory.checks import (
    check_epsilon,
    check_range,
    check_sigma,
    check_singular_value,
    check_start_below,
    check_time,
)


def overshoot_length(budget: Numbers, sigma: Numbers, sigma_task: Numbers, epsilon: Numbers) -> Values:
    """Pretraining length from which the pretraining loss after fine-tuning of a mode rises (claim D2).

    `t* = (1/2σ) ln[(σ/ε − 1) σ'/((σ' − σ)(e^{2σ'T} − 1))]` on the balanced aligned path. At t* fine-tuning carries the
    mode from `s* = σσ'/(σ + (σ' − σ)e^{2σ'T})` exactly to σ, and from any later s beyond it. The result is 0 where the
    start is already beyond s*, and inf where nothing overshoots (σ' <= σ or T = 0): there longer pretraining only
    helps. The downstream loss turns where s = σ', at every budget: `deep_mode.time_to_reach(sigma_task, sigma, epsilon,
    depth=2)`.

    budget: T >= 0.  sigma: teacher's singular value > 0.  sigma_task: σ' of the task, of either sign.  epsilon: start,
    0 < ε < σ. All broadcast. Gradient-flow time.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.

    >>> overshoot_length(0.2, sigma=1.0, sigma_task=[2.0, 0.5], epsilon=1e-3).round(6).tolist()
    [3.69826, inf]
    """
    budget, sigma, sigma_task, epsilon = check_broadcast(
        budget=check_time("budget", budget),
        sigma=check_sigma(sigma),
        sigma_task=finite("sigma_task", sigma_task),
        epsilon=check_epsilon(epsilon),
    )
    check_range(sigma, budget=budget, sigma_task=sigma_task)
    check_start_below(epsilon, sigma)
    gap = sigma_task - sigma
    turns = (gap > 0) & (budget > 0)
    gap = np.where(turns, gap, 1.0)
    exponent = np.where(turns, 2 * sigma_task * budget, 1.0)
    growth = exponent + np.log(-np.expm1(-exponent))  # ln(e^{2σ'T} − 1)
    ratio = np.where(turns, sigma_task, 1.0) / gap
    log_odds = np.log(sigma - epsilon) - np.log(epsilon) + np.log(ratio) - growth
    return np.where(turns, np.maximum(log_odds, 0.0) / (2 * sigma), np.inf)[()]  # D2


def forgetting_cost(budget: Numbers, s: Numbers, sigma: Numbers, sigma_task: Numbers) -> Values:
    """How much fine-tuning raises a balanced mode's pretraining loss, `Δ = (s − x)(σ − (s + x)/2)` (claim D3).

    x is the mode after fine-tuning, `tuned_flow.fine_tune_mode`. Δ is 0 at s = 0, `½(σ − x)²` where the feature is
    learned, and never monotone in between, whatever σ' and T > 0: for small T it is `2T s(σ − s)(s − σ')`, which
    vanishes at both ends.

    budget: T >= 0, gradient-flow time.  s: the pretrained mode >= 0.  sigma: σ >= 0.  sigma_task: σ', of either sign.
    All broadcast. Unit of the loss.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.

    >>> forgetting_cost(0.1, s=[0.0, 0.71, 1.0], sigma=1.0, sigma_task=0.0).round(4).tolist()
    [0.0, 0.0295, 0.0139]
    """
    budget, s, sigma, sigma_task = check_broadcast(
        budget=check_time("budget", budget),
        s=check_singular_value("s", s),
        sigma=check_singular_value("sigma", sigma),
        sigma_task=finite("sigma_task", sigma_task),
    )
    check_range(sigma, budget=budget, s=s, sigma_task=sigma_task)
    # With y = 2σ'T, g = (1 − e^{−y})/y and e = e^{−y} the mode moves by x − s = 2Ts(σ' − s) g/(2Tsg + e), which loses
    # no digits where it moves little. Where σ' < 0, g and e are both divided by e^{−y}.
    y = 2 * sigma_task * budget
    path = 2 * budget * s * exprel(-np.abs(y))
    decay = np.exp(-np.maximum(y, 0.0))
    moved = (sigma_task - s) * path / np.where(path + decay > 0, path + decay, 1.0)
    return (0.0 - moved * (sigma - s - moved / 2))[()]  # D3; 0.0 − 0.0 is not −0.0
