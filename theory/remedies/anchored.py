"""D7: fine-tuning one aligned mode with L2 toward its pretrained weights, and where longer pretraining starts to hurt.

The loss is `½(σ' − x₁x₂)² + ½λ((x₁ − w)² + (x₂ − w)²)`, from the balanced pretrained weights `w = √s` of both
layers, which stay equal.
"""

from typing import Any

import numpy as np
from scipy.optimize import elementwise
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, positive
from overtraining.setting.errors import DomainError, NotSolved
from overtraining.theory.checks import check_range, check_time
from overtraining.theory.learning import balanced_mode
from overtraining.theory.products import refuse_overflow

ROUNDING = 1e-15  # of w, by which no weight moves
LONG = 1e5  # of the scaled time, after which nothing moves


def anchored_weight(w: Numbers, sigma_task: Numbers, anchor: Numbers) -> Values:
    """Where anchored fine-tuning ends: the one positive root of `x³ + (λ − σ')x − λw = 0` (claim D7).

    It is the weight of each layer, whose square is the mode's singular value. It lies between w and √σ', rises with w,
    and moves toward w as λ grows. Gradient flow from w goes there and never past it. The root is computed by its
    hyperbolic or trigonometric form and three Newton steps, accurately on the whole domain: at the root the slope is
    `2x² + λw/x`, never 0.

    w: pretrained weight > 0.  sigma_task: σ', of either sign.  anchor: λ >= 0; with λ = 0 the result is √σ', or 0 for
    σ' <= 0. All broadcast.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours; the roots of a cubic are Viète's and Cardano's.

    >>> anchored_weight(2.0, sigma_task=1.0, anchor=[0.0, 1.0, 1e9]).round(6).tolist()
    [1.0, 1.259921, 2.0]
    """
    w, sigma_task, anchor = np.broadcast_arrays(
        *check_broadcast(
            w=positive("w", w, "a mode that has not started stays at 0"),
            sigma_task=finite("sigma_task", sigma_task),
            anchor=nonnegative("anchor", anchor),
        )
    )
    check_range(w, sigma_task=sigma_task, anchor=anchor)
    scale = np.sqrt(np.abs(sigma_task) + anchor) + w  # everything below is in units of its square
    p = (anchor - sigma_task) / scale**2
    q = anchor / scale**2 * (w / scale)
    unit = np.sqrt(np.abs(p) / 3)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # of the forms that are not chosen
        ratio = q / unit**3 / 2
        hyperbolic = 2 * unit * np.sinh(np.arcsinh(ratio) / 3)
        one_root = 2 * unit * np.cosh(np.arccosh(np.maximum(ratio, 1)) / 3)
        three_roots = 2 * unit * np.cos(np.arccos(np.minimum(ratio, 1)) / 3)
        x = np.where(p > 0, hyperbolic, np.where(ratio >= 1, one_root, three_roots))
        x = np.where(np.isfinite(ratio) & (ratio < 1e8), x, np.cbrt(q))
        for _ in range(3):
            x = np.where(x > 0, x - (x * (x * x + p) - q) / (3 * x * x + p), x)
    without_anchor = np.sqrt(np.maximum(sigma_task, 0))
    return refuse_overflow("the weight", lambda: np.where(anchor == 0, without_anchor, scale * x))[()]  # D7


def anchored_weight_after(budget: Numbers, w: Numbers, sigma_task: Numbers, anchor: Numbers) -> Values:
    """The weight of each layer after anchored fine-tuning for a time T, on the way from w to `anchored_weight` (D7).

    With that end r, the flow is `ẋ = −(x − r)q(x)`, `q = x² + rx + c`, `rc = λw`, and the time in closed form

        (2r² + c)T = ln((w − r)/(x − r)) + ½ln(q(x)/q(w)) + (3r/2)∫_w^x du/q(u).

    It is inverted in `z = ln((w − r)/(x − r))`, between bounds on both sides; above r in a form without the difference
    of the first two terms.

    budget: T >= 0, gradient-flow time.  w: pretrained weight > 0.  sigma_task: σ', of either sign.  anchor: λ >= 0.
    All broadcast.
    Raises DomainError outside the domain, beyond 1e±75, and where `3wr > 1e6 (2r² + c)`, where rounding would cost more
    than six digits; ShapeError where arrays do not broadcast.
    Source: ours.

    >>> anchored_weight_after([0.0, 0.3, 50.0], w=2.0, sigma_task=1.0, anchor=1.0).round(6).tolist()
    [2.0, 1.378762, 1.259921]
    """
    end = np.asarray(anchored_weight(w, sigma_task, anchor))
    check_broadcast(budget=check_time("budget", budget), end=end)
    budget, w, sigma_task, anchor, end = np.broadcast_arrays(
        *(np.asarray(x, float) for x in (budget, w, sigma_task, anchor, end))
    )
    check_range(np.zeros(()), budget=budget)
    with np.errstate(divide="ignore", invalid="ignore"):  # without an anchor there is A3
        scale = np.sqrt(np.abs(sigma_task) + anchor) + w
        r, start, time = end / scale, w / scale, budget * scale * scale
        c = np.where(anchor > 0, anchor / scale / scale * (start / r), np.maximum(-sigma_task, 0) / scale / scale)
    moves = (anchor > 0) & (budget > 0) & (np.abs(w - end) > ROUNDING * w)
    if (moves & (3 * start * r > 1e6 * (2 * r * r + c))).any():
        raise DomainError("w", "it is so far beyond the task that rounding costs six digits", "rescale w or the anchor")
    decay = np.maximum(-sigma_task, 0)
    x = np.sqrt(balanced_mode.singular_value(budget, np.maximum(sigma_task, 0), w * w, decay))
    x = np.where(anchor > 0, w, x)
    if moves.any():
        x[moves] = scale[moves] * _anchored_flow(*(y[moves] for y in (time, start, r, c)))
    return x[()]  # D7


def _anchored_flow(time: np.ndarray, w: np.ndarray, r: np.ndarray, c: np.ndarray) -> np.ndarray:
    """x after the time, from w, in units in which no number overflows."""
    slope, gap, rises = 2 * r * r + c, np.abs(w - r), r > w
    first = w * (w + r) + c  # q(w)
    target = np.minimum(time * slope, LONG)

    def clock(y: np.ndarray, w: Any, r: Any, c: Any, gap: Any, rises: Any, first: Any, target: Any) -> np.ndarray:
        """The scaled time at `z = e^y`, less the given one."""
        z = np.exp(y)
        moved, left = -gap * np.expm1(-z), gap * np.exp(-z)
        x = np.where(rises, w + moved, r + left)
        signed = np.where(rises, moved, -moved)
        integral = signed * _mean_inverse(signed, w, x, r, c)
        plain = z + np.log1p(signed * (w + x + r) / first) / 2
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # where it is not chosen
            drop = moved * (3 * r * left * gap + (2 * r * r + c) * (left + gap)) / (left * left * first)
            early = np.log1p(drop) / 2
        return np.where(rises | (z > 1), plain, early) + 1.5 * r * integral - target

    ends = target * np.array([np.ones_like(first), first / slope])
    low, high = np.log(ends.min(axis=0)), np.log(np.minimum(ends.max(axis=0), target + 1000))
    bracket = (low - 1e-9, high + 1e-9)
    found = elementwise.find_root(clock, bracket, args=(w, r, c, gap, rises, first, target))
    if not np.all(found.success):
        raise NotSolved("the anchored flow", "its bracket was lost to rounding", "pass other units")
    z = np.exp(found.x)
    return np.where(rises, w - gap * np.expm1(-z), r + gap * np.exp(-z))


def _mean_inverse(signed: Any, w: Any, x: Any, r: Any, c: Any) -> np.ndarray:
    """The mean of 1/q between w and x = w + signed: `arctan(y)/(yK)`, or arctanh where q has two roots."""
    mean = c + w * x + r * (w + x) / 2  # K
    square = (c - r * r / 4) * (signed / mean) ** 2
    y = np.sqrt(np.abs(square))
    safe = np.where(y > 0, y, 1.0)
    ends = np.sqrt((w * (w + r) + c) * (x * (x + r) + c))  # K²(1 − y²) is their product
    hyperbolic = np.where(y < 0.5, np.arctanh(np.minimum(y, 0.5)), np.log((1 + y) * (mean / ends)))
    factor = np.where(square > 0, np.arctan(y), hyperbolic) / safe
    return np.where(y > 0, factor, 1.0) / mean


def anchored_inflection(sigma: Numbers, sigma_task: Numbers, anchor: Numbers) -> Values:
    """The pretrained value from which pretraining hurts after anchored tuning, `σ(1 − (σ'−σ)/λ)₊²` (claim D7).

    Below it `½(σ − x²)²`, the pretraining loss after fine-tuning to the end, falls with pretraining length, beyond it
    the loss rises: the anchor delays the inflection, by `deep_mode.time_to_reach(s, σ, ε, depth=2)`, and never removes
    it. The result is 0 where pretraining only hurts (λ <= σ' − σ), and σ, which is never reached, where the task asks
    for no more than the teacher (σ' <= σ).

    sigma: teacher's singular value > 0.  sigma_task: σ', of either sign.  anchor: λ >= 0. All broadcast.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> anchored_inflection(1.0, sigma_task=1.5, anchor=[0.0, 1.0, 5.0]).tolist()
    [0.0, 0.25, 0.81]
    """
    sigma, sigma_task, anchor = check_broadcast(
        sigma=positive("sigma", sigma),
        sigma_task=finite("sigma_task", sigma_task),
        anchor=nonnegative("anchor", anchor),
    )
    check_range(sigma, sigma_task=sigma_task, anchor=anchor)
    gap = np.maximum(sigma_task - sigma, 0)
    remaining = (anchor - gap) / np.where(anchor > 0, anchor, 1)
    fraction = np.where(gap < anchor, remaining, np.where(gap > 0, 0.0, 1.0))
    return (sigma * fraction**2)[()]  # D7


def stopped_inflection(budget: Numbers, sigma: Numbers, sigma_task: Numbers) -> Values:
    """The same for tuning stopped after T, `σ'/(1 + (σ'/σ − 1)e^{2σ'T})` (claim D7): there the flow just reaches σ.

    With a replay_share ρ the task is the interpolated one, `mixed_target.interpolated`. The result is σ where σ' <= σ.

    budget: T >= 0, gradient-flow time.  sigma: teacher's singular value > 0.  sigma_task: σ', of either sign.
    All broadcast.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> stopped_inflection([0.0, 1.0, 1e6], sigma=1.0, sigma_task=1.5).round(6).tolist()
    [1.0, 0.135836, 0.0]
    """
    budget, sigma, sigma_task = check_broadcast(
        budget=check_time("budget", budget), sigma=positive("sigma", sigma), sigma_task=finite("sigma_task", sigma_task)
    )
    check_range(sigma, sigma_task=sigma_task, budget=budget)
    larger = np.maximum(sigma_task, sigma)
    reach = sigma * np.exp(-2 * larger * budget)
    same = larger == sigma
    return np.where(same, sigma, larger * (reach / np.where(same, 1, reach + (larger - sigma))))[()]  # D7


def effective_budget(budget: Numbers, anchor: Numbers) -> Values:
    """The budget without an anchor that moves the weights as far, `(1 − e^{−λT})/λ` (claim D7), to first order.

    As long as the gradient is the one at the pretrained weights, fine-tuning for T with the anchor λ is the same as
    fine-tuning for this budget without one: every statement on small budgets (claim D4) holds with it.

    budget: T >= 0, gradient-flow time.  anchor: λ >= 0. Both broadcast.
    Raises DomainError outside the domain and beyond 1e75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> effective_budget(2.0, anchor=[0.0, 1.0, 1e9]).round(6).tolist()
    [2.0, 0.864665, 0.0]
    """
    budget, anchor = check_broadcast(budget=check_time("budget", budget), anchor=nonnegative("anchor", anchor))
    check_range(np.zeros(()), budget=budget, anchor=anchor)
    return (budget * exprel(-anchor * budget))[()]  # D7
