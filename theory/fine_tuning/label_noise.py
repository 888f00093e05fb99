"""D5: stochastic gradient descent on noisy labels amounts to noise on the weights; its size and the excess loss."""

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, truth, whole
from overtraining.setting.errors import DomainError
from overtraining.theory.checks import check_noisy_steps, check_singular_value, check_task_modes
from overtraining.theory.products import product, refuse_overflow


def label_noise_scale(learning_rate: Numbers, label_noise: Numbers, batch: Numbers) -> Values:
    """The noise on the weights that noisy labels amount to, `γ = ν√(η/2B)` (claim D5), to first order in η.

    Where the loss without noise is 0 the noise of the gradient has the covariance `(ν²/B)H`, and the weights have the
    variance γ² in every direction on which H acts: the loss is higher by `½γ² tr H`, which is `noise.expected_increase`
    to order γ².

    learning_rate: η > 0.  label_noise: ν >= 0, standard deviation on every output.  batch: B >= 1. All broadcast.
    Raises DomainError and ShapeError.
    Source: ours; the covariance of the noise: Blanc, Gupta, Valiant, Valiant 2020 (arXiv 1904.09080).

    >>> float(label_noise_scale(0.5, label_noise=0.5, batch=4))
    0.125
    """
    eta, nu, batch = check_noisy_steps(learning_rate, label_noise, batch)
    return refuse_overflow("the noise", lambda: product(nu, np.sqrt(eta), 1 / np.sqrt(2 * batch)))[()]  # D5


def label_noise_excess(
    s: Numbers, learning_rate: Numbers, label_noise: Numbers, batch: Numbers, *, d_in: int, d_out: int, online: bool
) -> Values:
    """Stationary excess loss of SGD on noisy labels where a task is fitted, `½ν²Σ_i G_i/(1 − G_i)` (claim D5).

    `G_i = Σ_j ηK_ij/(B(2 − ηK_ij(1 + 1/B)))`, `K_ij = s_i + s_j` over all outputs i and inputs j: the linearized
    dynamics, at every η. To first order it is `½γ² tr H = ½γ²(d_in + d_out)Σs`, whatever the pretraining was. With the
    whole population of inputs in every step (online=False) it is `½ν²Σ ηK_ij/(B(2 − ηK_ij))`.

    s: singular values of the fitted task, >= 0, modes on the last axis, at most min(d_in, d_out); balanced weights.
    learning_rate: η > 0.  label_noise: ν >= 0.  batch: B >= 1; these three broadcast against s without its last axis.
    online: whether new inputs (whitened, Gaussian) are drawn for every batch.
    Raises DomainError where η is so large that the variance has no stationary value; ShapeError for too many modes.
    The state is metastable: over times of 1/γ² the weights drift (claim E2).
    Source: ours.

    >>> given = dict(learning_rate=0.1, label_noise=1.0, batch=5, d_in=2, d_out=2)
    >>> [float(label_noise_excess([1.0, 1.0], **given, online=o).round(6)) for o in (False, True)]
    [0.044444, 0.047619]
    """
    d_in, d_out = whole("d_in", d_in), whole("d_out", d_out)
    truth("online", online)
    s = np.atleast_1d(check_singular_value("s", s))
    check_task_modes("s", s, d_in, d_out)
    eta, nu, batch = check_noisy_steps(learning_rate, label_noise, batch)
    check_broadcast(learning_rate=eta, label_noise=nu, batch=batch, s=s[..., 0])
    on_outputs, on_inputs = (np.pad(s, [(0, 0)] * (s.ndim - 1) + [(0, d - s.shape[-1])]) for d in (d_out, d_in))
    k = eta[..., None, None] * (on_outputs[..., :, None] + on_inputs[..., None, :])
    _, each = settled_directions(k, batch, online)
    terms = each / (1 - each) if online else each
    return refuse_overflow("the excess", lambda: nu**2 / 2 * terms.sum(axis=-1))[()]  # D5


def settled_directions(k: np.ndarray, batch: np.ndarray, online: bool) -> tuple[np.ndarray, np.ndarray]:
    """`2 − ηK(1 + 1/B)` of every direction, and G of every row, from ηK; DomainError where nothing settles.

    Without fresh inputs `2 − ηK`.  k: (…, d_out, d_in).  batch: (…).
    """
    size = batch[..., None, None]
    rest = 2 - k * (1 + 1 / size if online else 1)
    if (rest <= 0).any():
        raise DomainError("learning_rate", "steps of this size are unstable at this task", "pass less than 1/max(s)")
    each = (k / rest / size).sum(axis=-1)
    if online and (each >= 1).any():
        raise DomainError("learning_rate", "the variance grows without bound", "lower it, or enlarge the batch")
    return rest, each
