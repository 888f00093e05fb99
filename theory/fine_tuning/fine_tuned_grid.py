"""D1 on a grid: both losses at every checkpoint of an aligned path, for every budget and any number of tasks.

The checkpoints share their frames, so that everything that grows, `∫e^{2Fs}ds` and `e^{FT}` in these frames, is
computed once per task and budget; a checkpoint only enters through its singular values.
"""

import numpy as np
from jaxtyping import Float
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import finite
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.theory.checks import check_range, check_singular_value, check_time
from overtraining.theory.fine_tuning.plateaus import Sigma, Tasks

FARTHEST = 100.0  # of ‖B‖T, where nothing overflows yet
LARGEST = 1e7  # the condition number of `I + √s G √s` at which rounding reaches 1e-9


def fine_tune_grid(budgets: Numbers, s: Float[np.ndarray, "_ _"], sigma: Sigma, tasks: Tasks) -> tuple[Values, Values]:
    """Pretraining and downstream loss, `(…, length, budget)`, after fine-tuning a balanced aligned path (claim D1).

    `f(T) = Y_out K Y_inᵀ`, `K = √s (I + √s G √s)⁻¹ √s`, `G = [V; U]ᵀ(∫₀ᵀ e^{2Fs}ds)[V; U]`, `Y = e^{FT}[V; U]`.

    budgets: T >= 0, a list, gradient-flow time.  s: the student's singular values >= 0 at every checkpoint, in the
    order of sigma's modes.  sigma: the teacher's, >= 0.  tasks: B in the teacher's frames, `UᵀBV`, `d_out × d_in` in
    the last two axes. Whitened inputs. Accurate to 1e-9 (‖A‖² + ‖B‖² + ‖s‖²), absolutely.
    Raises ShapeError where shapes do not fit, DomainError outside the domain, and where `s G` exceeds 1e7, which begins
    at about ‖B‖T = 7: there, or for relative accuracy, `fine_tune` takes one checkpoint at a time.

    >>> s = np.array([[0.1, 0.01], [0.9, 0.1], [1.0, 0.5]])
    >>> pretraining, downstream = fine_tune_grid([0.2, 2.0], s, np.array([1.0, 0.5]), np.diag([0.5, 1.0]))
    >>> pretraining.round(4).tolist()
    [[0.5076, 0.2387], [0.0869, 0.1738], [0.0166, 0.2237]]
    """
    budgets = check_time("budgets", budgets)
    s, sigma = check_singular_value("s", s), check_singular_value("sigma", sigma)
    tasks = finite("tasks", tasks)
    r = sigma.size
    lists = budgets.ndim == sigma.ndim == 1 and s.ndim == 2 and s.shape[1] == r and s.size > 0
    if not (lists and budgets.size and tasks.ndim >= 2 and r <= min(tasks.shape[-2:])):
        raise ShapeError(
            f"budgets {budgets.shape}, s {s.shape}, sigma {sigma.shape}, tasks {tasks.shape}",
            "a grid is over lists of budgets and of checkpoints",
            "pass (budget,), (length, r), (r,), (…, d_out, d_in)",
        )
    check_range(sigma, budgets=budgets, s=s, tasks=tasks)
    d_out, d_in = tasks.shape[-2:]
    force = np.zeros((*tasks.shape[:-2], d_in + d_out, d_in + d_out))
    force[..., d_in:, :d_in] = tasks
    force[..., :d_in, d_in:] = _transposed(tasks)
    rate, basis = np.linalg.eigh(force)
    exponent = rate[..., None, :] * budgets[:, None]
    if exponent.max(initial=0.0) > FARTHEST:
        raise DomainError(f"‖B‖T = {exponent.max():.3g}", "rounding grows with e^{2‖B‖T}", "use fine_tune")
    start = (basis[..., :r, :] + basis[..., d_in : d_in + r, :])[..., None, :, :]
    g = (start * (budgets[:, None] * exprel(2 * exponent))[..., None, :]) @ _transposed(start)
    if (largest := s.max() * np.trace(g, axis1=-2, axis2=-1).max(initial=0.0)) > LARGEST:
        raise DomainError(f"s G = {largest:.3g}", "rounding grows with it", "pass smaller budgets, or use fine_tune")
    end = (start * np.exp(exponent)[..., None, :]) @ _transposed(basis)[..., None, :, :]
    on_inputs, on_outputs = end[..., :d_in], end[..., d_in:]
    gram_inputs = on_inputs @ _transposed(on_inputs)
    gram_outputs = on_outputs @ _transposed(on_outputs)
    with_teacher = (on_outputs[..., :r] * sigma) @ _transposed(on_inputs[..., :r])
    with_task = on_outputs @ tasks[..., None, :, :] @ _transposed(on_inputs)
    pretraining, downstream = [], []
    for root in np.sqrt(s):
        weight = root[:, None] * root
        inner = np.linalg.inv(np.eye(r) + weight * g) * weight  # K
        square = ((inner @ gram_outputs) * _transposed(inner @ gram_inputs)).sum((-2, -1))  # ‖f‖²
        pretraining.append(square / 2 - (inner * with_teacher).sum((-2, -1)))
        downstream.append(square / 2 - (inner * with_task).sum((-2, -1)))
    teacher_square = sigma @ sigma
    task_square = (tasks**2).sum((-2, -1))[..., None, None]
    return np.stack(pretraining, axis=-2) + teacher_square / 2, np.stack(downstream, axis=-2) + task_square / 2  # D1


def _transposed(matrices: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrices, -1, -2)
