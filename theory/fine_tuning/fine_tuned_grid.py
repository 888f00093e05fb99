"""D1 on a grid: both losses at every checkpoint of an aligned path, every budget and any number of tasks, quickly.

The checkpoints share their frames, so that all that grows, `∫e^{2Fs}ds` and `e^{FT}` in these frames, is computed once
per task and budget; a checkpoint only weighs it with its singular values.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import finite, nonnegative
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_range
from overtraining.theory.fine_tuning.plateaus import Sigma, Tasks

FARTHEST = 100.0  # of ‖B‖T, where nothing overflows yet
LARGEST = 1e7  # the condition number of `I + √s G √s`, which makes 1e-9 of rounding


def fine_tune_grid(budgets: Numbers, s: Float[np.ndarray, "_ _"], sigma: Sigma, tasks: Tasks) -> tuple[Values, Values]:
    """Pretraining and downstream loss, `(…, length, budget)`, after fine-tuning a balanced aligned path (claim D1).

    `f(T) = Y_out K Y_inᵀ`, `K = √s (I + √s G √s)⁻¹ √s`, `G = [V; U]ᵀ(∫₀ᵀ e^{2Fs}ds)[V; U]`, `Y = e^{FT}[V; U]`.

    budgets: T >= 0, a list.  s: the student's singular values >= 0 at every checkpoint, in the order of sigma's modes.
    sigma: the teacher's, >= 0.  tasks: B in the teacher's frames, `UᵀBV`, `d_out × d_in` in the last two axes. Inputs
    white. Accurate to 1e-9 (‖A‖² + ‖B‖² + ‖s‖²), absolutely.
    Raises ShapeError where they do not fit, DomainError outside, and where `s G` exceeds 1e7, as from about ‖B‖T = 7
    on: there, or for relative accuracy, `fine_tune` takes one checkpoint at a time.

    >>> s = np.array([[0.1, 0.01], [0.9, 0.1], [1.0, 0.5]])
    >>> pretraining, downstream = fine_tune_grid([0.2, 2.0], s, np.array([1.0, 0.5]), np.diag([0.5, 1.0]))
    >>> pretraining.round(4).tolist()
    [[0.5076, 0.2387], [0.0869, 0.1738], [0.0166, 0.2237]]
    """
    budgets, s, sigma, tasks = (
        nonnegative("budgets", budgets), nonnegative("s", s), nonnegative("sigma", sigma), finite("tasks", tasks)
    )  # fmt: skip
    r = sigma.size
    lists = budgets.ndim == sigma.ndim == 1 and s.ndim == 2 and s.shape[1] == r and s.size > 0
    if not (lists and budgets.size and tasks.ndim >= 2 and r <= min(tasks.shape[-2:])):
        raise ShapeError(
            f"budgets {budgets.shape}, s {s.shape}, sigma {sigma.shape}, tasks {tasks.shape}",
            "a grid is over lists of budgets and of checkpoints", "pass (budget,), (length, r), (r,), (…, d_out, d_in)",
        )  # fmt: skip
    check_range(sigma, budgets=budgets, s=s, tasks=tasks)
    d_out, d_in = tasks.shape[-2:]
    force = np.zeros((*tasks.shape[:-2], d_in + d_out, d_in + d_out))
    force[..., d_in:, :d_in], force[..., :d_in, d_in:] = tasks, np.swapaxes(tasks, -1, -2)
    rate, basis = np.linalg.eigh(force)
    grown = rate[..., None, :] * budgets[:, None]
    if grown.max(initial=0.0) > FARTHEST:
        raise DomainError(f"‖B‖T = {grown.max():.3g}", "rounding grows with e^{2‖B‖T}", "use fine_tune")
    start = (basis[..., :r, :] + basis[..., d_in : d_in + r, :])[..., None, :, :]
    g = (start * (budgets[:, None] * exprel(2 * grown))[..., None, :]) @ np.swapaxes(start, -1, -2)
    if (largest := s.max() * np.trace(g, axis1=-2, axis2=-1).max(initial=0.0)) > LARGEST:
        raise DomainError(f"s G = {largest:.3g}", "rounding grows with it", "pass smaller budgets, or use fine_tune")
    end = (start * np.exp(grown)[..., None, :]) @ np.swapaxes(basis, -1, -2)[..., None, :, :]
    into, out = end[..., :d_in], end[..., d_in:]
    pair = lambda x, y: x @ np.swapaxes(y, -1, -2)
    sizes, on_teacher = (pair(into, into), pair(out, out)), pair(out[..., :r] * sigma, into[..., :r])
    on_task = pair(out @ tasks[..., None, :, :], into)
    rows = []
    for root in np.sqrt(s):
        weight = root[:, None] * root
        inner = np.linalg.inv(np.eye(r) + weight * g) * weight  # K
        square = ((inner @ sizes[1]) * np.swapaxes(inner @ sizes[0], -1, -2)).sum((-2, -1))
        rows.append([square / 2 - (inner * on).sum((-2, -1)) for on in (on_teacher, on_task)])
    one, other = (np.stack([row[i] for row in rows], axis=-2) for i in (0, 1))
    return one + (sigma @ sigma) / 2, other + (tasks**2).sum((-2, -1))[..., None, None] / 2  # D1
