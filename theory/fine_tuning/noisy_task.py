"""D5t: from which pretrained value on a longer pretraining hurts a task that SGD learns from noisy labels."""

import numpy as np
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative, positive, whole
from overtraining.setting.errors import ShapeError
from overtraining.theory.checks import check_range
from overtraining.theory.products import refuse_overflow


def noisy_task_turn(s: Numbers, time: Numbers, *, d_in: int, d_out: int) -> Values:
    """Where fine-tuning of every mode should end, beyond the task, in units of γ²: ψ of `p = σ' + γ²ψ` (claim D5t).

    The downstream loss after T is `½Σ(r_i² + 2γ²ψ_i r_i)` and what no r_i = σ'_i − p_i changes, to first order in γ²:

        ψ_i = (1 − q_i)(1 − 2q_i) + Σ_j π_ij − ½(d_in + d_out − 2m)(1 − q_i + θ_i q_i)
        π_ij = −(θ_i + θ_j)[q_i(1 − q_j)/θ_j + q_j(1 − q_i)/θ_i]

    with `θ = 2σ'T`, `q = e^{−θ}`, j over all m modes. As T → ∞ it is `m + 1 − ½(d_in + d_out)`: a square task of full
    rank turns beyond itself, one of low rank below. Independent noise, added to the weights after fine-tuning, would
    turn at `−½(d_in + d_out)` (C1); SGD's own moves only what f sees, and holds f down as well.

    s: singular values σ' of the task, > 0, modes on the last axis, at most min(d_in, d_out).  time: budget T >= 0 of
    fine-tuning (learning rate × steps); broadcasts against s without its last axis.
    Raises DomainError outside and beyond 1e±75, ShapeError for too many modes or none.
    Source: ours.

    >>> noisy_task_turn([1.0], [0.1, 2.0, 50.0], d_in=3, d_out=3).round(3).tolist()
    [[-1.399], [-1.236], [-1.0]]
    """
    s, time, missing = _checked(s, time, d_in, d_out)
    theta = 2 * s * time[..., None]
    q, gone, share = np.exp(-theta), -np.expm1(-theta), exprel(-theta)  # e^{−θ}, 1 − e^{−θ}, (1 − e^{−θ})/θ
    i, j = np.s_[..., :, None], np.s_[..., None, :]
    pairs = (theta[i] + theta[j]) * (q[i] * share[j] + q[j] * share[i])
    return (gone * (1 - 2 * q) - pairs.sum(axis=-1) - missing / 2 * (gone + theta * q))[()]  # D5t


def noisy_task_inflection(downstream: Numbers, noise: Numbers, time: Numbers, *, d_in: int, d_out: int) -> Values:
    """The pretrained value from which a longer pretraining hurts a noisy task, `σ'pq/(pq − γ²ψ)` (claim D5t).

    From it fine-tuning without noise ends at `p = σ' + γ²ψ`, ψ of `noisy_task_turn`; to first order in γ² at a given T.
    Infinite where no pretraining reaches so far, 0 where p <= 0. What is lost by pretraining to the task instead is
    `½γ⁴ψ²` a mode: second order in the learning rate.

    downstream: σ' > 0, modes on the last axis.  noise: γ >= 0 of `label_noise_scale`.  time: T >= 0; both broadcast
    against the modes' other axes.
    Raises DomainError outside and beyond 1e±75, ShapeError.
    Source: ours.

    >>> noisy_task_inflection([1.0], 0.1, [0.1, 2.0], d_in=3, d_out=3).round(4).tolist()
    [[0.983], [0.5941]]
    """
    s, time, _ = _checked(downstream, time, d_in, d_out)
    noise, time, _ = check_broadcast(noise=nonnegative("noise", noise), time=time, s=s[..., 0])
    check_range(np.zeros(()), noise=noise)
    shift = refuse_overflow("γ²", lambda: noise[..., None] ** 2) * noisy_task_turn(s, time, d_in=d_in, d_out=d_out)
    end = np.maximum(s + shift, 0)
    reached = end * np.exp(-2 * s * time[..., None])
    left = reached - shift
    reached = np.where(left > 0, s * (reached / np.where(left > 0, left, 1)), np.inf)  # D5t
    return np.where(shift == 0, s, reached)[()]  # also where q underflows


def _checked(s: Numbers, time: Numbers, d_in: int, d_out: int) -> tuple[np.ndarray, np.ndarray, int]:
    d_in, d_out = whole("d_in", d_in), whole("d_out", d_out)
    s, time = positive("s", s, "pass the modes that the task asks for"), nonnegative("time", time)
    if s.ndim == 0 or s.shape[-1] == 0:
        raise ShapeError(
            f"modes of shape {s.shape}", "they are listed on the last axis, one at least", "pass [σ'] for one"
        )
    if s.shape[-1] > min(d_in, d_out):
        raise ShapeError(f"{s.shape[-1]} modes", f"these widths have room for {min(d_in, d_out)}", "pass no more")
    check_broadcast(s=s[..., 0], time=time)
    check_range(s, time=time)
    return s, time, d_in + d_out - 2 * s.shape[-1]
