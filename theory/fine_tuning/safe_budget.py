"""D4: budgets of fine-tuning below which one more learned feature cannot make it cheaper, whatever the task."""

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import nonnegative
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.fine_tuning.plateaus import Sigma
from overtraining.theory.scale import moderate

CERTAIN = 0.25  # κ of the claim: as far as interval arithmetic certifies the condition


def safe_budget(sigma: Sigma, strength: Numbers) -> Values:
    """The budget T up to which feature n + 1 = 1 … r cannot lower the cost, `Δ_{n+1} >= Δ_n` for every task (claim D4).

    `‖B‖T(1 + σ₁T) <= κ√((σ_{n+1} − σ_{n+2})/σ₁)`, `κ = ¼`, `σ_{r+1} = 0`: sufficient, and its root is the right one: as
    the gap goes to 0 there are tasks with `‖B‖T = 2.2√((σ_{n+1} − σ_{n+2})/σ₁)` for which Δ falls. The first feature
    never lowers the cost, at any budget, and what equals the next feature has no safe budget but 0. From plateau to
    plateau Δ is monotone up to the smallest of these budgets.

    sigma: the teacher's singular values > 0, not rising.  strength: ‖B‖, the operator norm of the task, >= 0; the
    result has sigma's axis last. Balanced weights on plateaus, whitened inputs, any widths. Gradient-flow time.
    Raises DomainError outside and beyond 1e±75 (`scale.moderate`), ShapeError where sigma is no list.
    Source: ours.

    >>> safe_budget(np.array([1.0, 0.5, 0.25]), [1.0, 4.0]).round(6).tolist()
    [[inf, 0.112372, 0.112372], [inf, 0.03033, 0.03033]]
    """
    sigma, strength = nonnegative("sigma", sigma), nonnegative("strength", strength)
    if sigma.ndim != 1 or not sigma.size:
        raise ShapeError(f"sigma {sigma.shape}", "plateaus are those of a list of features", "pass a 1-d array")
    if (sigma == 0).any() or (np.diff(sigma) > 0).any():
        raise DomainError("sigma", "plateaus come in the order of strength", "sort it, leave out what is not there")
    moderate(sigma, strength=strength)
    gap = sigma - np.append(sigma[1:], 0.0)
    reach, b = CERTAIN * np.sqrt(gap / sigma[0]), strength[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        budget = 2 * reach / (b + np.sqrt(b * (b + 4 * sigma[0] * reach)))  # D4
    first = np.arange(sigma.size) == 0
    return np.where(first | (b == 0), np.inf, budget)[()]
