"""D5t: the pretrained value from which longer pretraining hurts a task that SGD learns from noisy labels."""

import numpy as np
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative, one_nonnegative, one_positive, positive, whole
from overtraining.setting.errors import DomainError
from overtraining.theory.checks import check_range, check_task_modes, check_time
from overtraining.theory.products import refuse_overflow

LARGEST_INPUT_NOISE = 0.02  # of ησ'(d_in + 1)/B, at which the turn is off by about 5%


def noisy_task_turn(
    budget: Numbers, sigma_task: Numbers, *, d_in: int, d_out: int, learning_rate: float = 0.0, batch: float = 1.0
) -> Values:
    """How far beyond the task fine-tuning of each mode should end, in units of γ²: ψ of `p = σ' + γ²ψ` (claim D5t).

    The downstream loss after T is `½Σ(r_i² + 2γ²ψ_i r_i)`, and terms without any r_i = σ'_i − p_i, to first order in
    γ²:

        ψ_i = (1 − q_i)(1 − 2q_i) + Σ_j π_ij − ½(d_in + d_out − 2m)(1 − q_i + θ_i q_i)
        π_ij = −(θ_i + θ_j)[q_i(1 − q_j)/θ_j + q_j(1 − q_i)/θ_i]

    with `θ = 2σ'T`, `q = e^{−θ}`, and j over all m modes. As T → ∞ it is `m + 1 − ½(d_in + d_out)`: a square task of
    full rank turns beyond itself, one of low rank below. Independent noise, added to the weights after fine-tuning,
    would turn at `−½(d_in + d_out)` (C1); the noise of SGD moves only those directions of the weights on which f
    depends, and lowers f as well.

    budget: T >= 0, gradient-flow time (learning rate × steps); broadcasts against sigma_task without its last axis.
    sigma_task: singular values σ' of the task, > 0, modes on the last axis, at most min(d_in, d_out).
    learning_rate, batch: η and B of fresh inputs; by default every step has the whole population. Fresh inputs add
    noise that depends on r, and ψ moves by about 3ησ'(d_in + 1)/B of itself, whatever γ² is: with more than 0.02 of
    this the function refuses.
    Raises DomainError there, outside the domain and beyond 1e±75, ShapeError for too many modes or none.
    Source: ours.

    >>> noisy_task_turn([0.1, 2.0, 50.0], [1.0], d_in=3, d_out=3).round(3).tolist()
    [[-1.399], [-1.236], [-1.0]]
    """
    budget, sigma_task, spare = _checked_task(budget, sigma_task, d_in, d_out)
    _refuse_input_noise(learning_rate, batch, sigma_task, d_in)
    theta = 2 * sigma_task * budget[..., None]
    q = np.exp(-theta)
    learned = -np.expm1(-theta)  # 1 − e^{−θ}
    ratio = exprel(-theta)  # (1 − e^{−θ})/θ
    i, j = np.s_[..., :, None], np.s_[..., None, :]
    pairs = (theta[i] + theta[j]) * (q[i] * ratio[j] + q[j] * ratio[i])
    return (learned * (1 - 2 * q) - pairs.sum(axis=-1) - spare / 2 * (learned + theta * q))[()]  # D5t


def noisy_task_inflection(
    budget: Numbers,
    sigma_task: Numbers,
    gamma: Numbers,
    *,
    d_in: int,
    d_out: int,
    learning_rate: float = 0.0,
    batch: float = 1.0,
) -> Values:
    """The pretrained value from which longer pretraining hurts a noisy task, `σ'pq/(pq − γ²ψ)` (claim D5t).

    From this value fine-tuning without noise ends at `p = σ' + γ²ψ`, ψ of `noisy_task_turn`; to first order in γ² at a
    given T. It is infinite where no pretraining reaches so far, and 0 where p <= 0. Pretraining that ends at the task
    instead has a loss larger by `½γ⁴ψ²` a mode, which is of second order in the learning rate.

    budget: T >= 0.  sigma_task: σ' > 0, modes on the last axis.  gamma: γ >= 0 of `label_noise_scale`. Budget and gamma
    broadcast against the modes' other axes.  learning_rate, batch: of fresh inputs, as there.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where shapes do not fit.
    Source: ours.

    >>> noisy_task_inflection([0.1, 2.0], [1.0], 0.1, d_in=3, d_out=3).round(4).tolist()
    [[0.983], [0.5941]]
    """
    budget, sigma_task, _ = _checked_task(budget, sigma_task, d_in, d_out)
    budget, gamma, _ = check_broadcast(budget=budget, gamma=nonnegative("gamma", gamma), sigma_task=sigma_task[..., 0])
    check_range(np.zeros(()), gamma=gamma)
    variance = refuse_overflow("γ²", lambda: gamma[..., None] ** 2)
    fresh = {"learning_rate": learning_rate, "batch": batch}
    shift = variance * noisy_task_turn(budget, sigma_task, d_in=d_in, d_out=d_out, **fresh)
    end = np.maximum(sigma_task + shift, 0)
    reached = end * np.exp(-2 * sigma_task * budget[..., None])
    rest = reached - shift
    start = np.where(rest > 0, sigma_task * (reached / np.where(rest > 0, rest, 1)), np.inf)  # D5t
    return np.where(shift == 0, sigma_task, start)[()]  # also where q underflows


def _checked_task(budget: Numbers, sigma_task: Numbers, d_in: int, d_out: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Budget and task as arrays, and by how much the widths exceed two per mode."""
    d_in, d_out = whole("d_in", d_in), whole("d_out", d_out)
    sigma_task = positive("sigma_task", sigma_task, "pass the modes that the task has")
    budget = check_time("budget", budget)
    check_task_modes("sigma_task", sigma_task, d_in, d_out, least=1)
    check_broadcast(sigma_task=sigma_task[..., 0], budget=budget)
    check_range(sigma_task, budget=budget)
    return budget, sigma_task, d_in + d_out - 2 * sigma_task.shape[-1]


def _refuse_input_noise(learning_rate: float, batch: float, sigma_task: np.ndarray, d_in: int) -> None:
    eta, size = one_nonnegative("learning_rate", learning_rate), one_positive("batch", batch)
    noise = refuse_overflow("ησ'(d_in + 1)/B", lambda: eta * sigma_task.max() * (d_in + 1) / size)
    if noise > LARGEST_INPUT_NOISE:
        raise DomainError(
            f"ησ'(d_in + 1)/B = {noise:.2g} of fresh inputs",
            "the noise of the inputs adds to that of the labels, and has no formula here",
            f"enlarge the batch until it is {LARGEST_INPUT_NOISE:g} or less, or measure with simulations.respond",
        )
