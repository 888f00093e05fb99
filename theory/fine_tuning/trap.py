"""D3: how much fine-tuning on a shared task costs a mode, inside a stage: never a monotone function of its learning."""

import numpy as np
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import finite, nonnegative, together
from overtraining.theory.scale import moderate


def rise_in_stage(budget: Numbers, s: Numbers, sigma: Numbers, target: Numbers) -> Values:
    """What fine-tuning adds to a balanced mode's pretraining loss, `Δ = (s − x)(σ − (s + x)/2)` (claim D3).

    x is the mode after it, `fine_tune_mode`'s. Δ is 0 at s = 0, `½(σ − x)²` where the feature is learned, and never
    monotone in between, whatever σ' and T > 0: for small T it is `2T s(σ − s)(s − σ')`, which vanishes at both ends.
    Computed without cancellation where the mode moves little, `x − s = 2Ts(σ' − s) g/(2Tsg + e)` with `y = 2σ'T`,
    `g = (1 − e^{−y})/y` and `e = e^{−y}`.

    budget: T >= 0.  s: the pretrained mode >= 0.  sigma: σ >= 0.  target: σ' of either sign. All broadcast.
    Raises DomainError outside and beyond 1e±75 (`scale.moderate`), ShapeError where arrays do not broadcast.

    >>> rise_in_stage(0.1, s=[0.0, 0.71, 1.0], sigma=1.0, target=0.0).round(4).tolist()
    [0.0, 0.0295, 0.0139]
    """
    budget, s, sigma, target = together(
        budget=nonnegative("budget", budget, "measure fine-tuning forward from the pretrained weights, T >= 0"),
        s=nonnegative("s", s, "put the sign into the singular vectors"),
        sigma=nonnegative("sigma", sigma, "put the sign into the singular vectors"),
        target=finite("target", target),
    )
    moderate(sigma, budget=budget, s=s, target=target)
    y = 2 * target * budget
    grown, left = exprel(-np.abs(y)), np.exp(-np.maximum(y, 0.0))  # both over e^{−y} where σ' < 0
    path = 2 * budget * s * grown
    moved = (target - s) * path / np.where(path + left > 0, path + left, 1.0)
    return (0.0 - moved * (sigma - s - moved / 2))[()]  # D3; 0.0 − 0.0 is no −0.0
