"""D2: tasks that share the teacher's singular vectors: flows of a mode do not cross, and only overshoot can hurt."""

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import finite, nonnegative, normal_inverse, positive, together
from overtraining.setting.errors import DomainError
from overtraining.theory.scale import moderate


def overshoot_length(budget: Numbers, sigma: Numbers, target: Numbers, epsilon: Numbers) -> Values:
    """Pretraining length from which the pretraining loss after fine-tuning of a mode gets worse (claim D2).

    `t* = (1/2σ) ln[(σ/ε − 1) σ'/((σ' − σ)(e^{2σ'T} − 1))]` on the balanced aligned path: fine-tuning then carries the
    mode from `s* = σσ'/(σ + (σ' − σ)e^{2σ'T})` to σ exactly, and beyond it from any later s. 0 where the start is
    beyond s* already; inf where nothing overshoots, σ' <= σ or T = 0: there longer pretraining only helps. The
    downstream loss turns where s = σ', at every budget: `deep_mode.time_to_reach(target, sigma, epsilon, 2)`.

    budget: T >= 0.  sigma: teacher singular value > 0.  target: σ' of the task, of either sign.  epsilon: start, in
    0 < ε < σ. Raises DomainError outside and beyond 1e±75 (`scale.moderate`), ShapeError where arrays do not broadcast.

    >>> overshoot_length(0.2, sigma=1.0, target=[2.0, 0.5], epsilon=1e-3).round(6).tolist()
    [3.69826, inf]
    """
    budget, sigma, target, epsilon = together(
        budget=nonnegative("budget", budget, "measure fine-tuning forward from the pretrained weights, T >= 0"),
        sigma=positive("sigma", sigma, "leave out modes that the teacher does not have"),
        target=finite("target", target),
        epsilon=normal_inverse("epsilon", epsilon, "start from a small positive number; 0 is a saddle"),
    )
    moderate(sigma, budget=budget, target=target)
    if (epsilon >= sigma).any():
        raise DomainError("epsilon >= sigma", "from above the turn is another", "start below the teacher")
    beyond = target - sigma
    turns = (beyond > 0) & (budget > 0)
    twice, beyond = np.where(turns, 2 * target * budget, 1.0), np.where(turns, beyond, 1.0)
    grown = twice + np.log(-np.expm1(-twice))  # ln(e^{2σ'T} − 1)
    exponent = np.log(sigma - epsilon) - np.log(epsilon) + np.log(np.where(turns, target, 1.0) / beyond) - grown
    return np.where(turns, np.maximum(exponent, 0.0) / (2 * sigma), np.inf)[()]  # D2
