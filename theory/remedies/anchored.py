"""D7: fine-tuning one aligned mode with L2 toward its pretrained weights, and where pretraining longer starts to hurt.

The loss is `½(σ' − x₁x₂)² + ½λ((x₁ − w)² + (x₂ − w)²)`, from the balanced pretrained weights `w = √s`, one of each
layer; the layers stay equal.
"""

import numpy as np
from scipy.special import exprel

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, positive
from overtraining.theory.checks import check_range
from overtraining.theory.products import refuse_overflow


def anchored_weight(w: Numbers, downstream: Numbers, anchor: Numbers) -> Values:
    """Where anchored fine-tuning ends: the one positive root of `x³ + (λ − σ')x − λw = 0` (claim D7).

    The weight of each layer, whose square is the mode's singular value. It lies between w and √σ', rises with w, and
    moves toward w as λ grows. Gradient flow from w goes there and never past it. Solved by the root's hyperbolic or
    trigonometric form and two Newton steps, stable on the whole domain: at the root the slope is `2x² + λw/x`, never 0.

    w: pretrained weight > 0.  downstream: σ', of either sign.  anchor: λ >= 0; with λ = 0 it is √σ', or 0 for σ' <= 0.
    All broadcast. Raises DomainError outside and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours; the roots of a cubic are Viète's and Cardano's.

    >>> anchored_weight(2.0, downstream=1.0, anchor=[0.0, 1.0, 1e9]).round(6).tolist()
    [1.0, 1.259921, 2.0]
    """
    w = positive("w", w, "a mode that has not started stays at 0")
    w, sigma, lam = check_broadcast(
        w=w, downstream=finite("downstream", downstream), anchor=nonnegative("anchor", anchor)
    )
    check_range(w, downstream=sigma, anchor=lam)
    w, sigma, lam = np.broadcast_arrays(w, sigma, lam)
    scale = np.sqrt(np.abs(sigma) + lam) + w  # everything below in units of its square
    p, q = (lam - sigma) / scale**2, lam / scale**2 * (w / scale)
    unit = np.sqrt(np.abs(p) / 3)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # of the forms that are not chosen
        ratio = q / unit**3 / 2
        up = 2 * unit * np.sinh(np.arcsinh(ratio) / 3)
        wide = 2 * unit * np.cosh(np.arccosh(np.maximum(ratio, 1)) / 3)
        x = np.where(p > 0, up, np.where(ratio >= 1, wide, 2 * unit * np.cos(np.arccos(np.minimum(ratio, 1)) / 3)))
        x = np.where(np.isfinite(ratio) & (ratio < 1e8), x, np.cbrt(q))
        for _ in range(3):
            x = np.where(x > 0, x - (x * (x * x + p) - q) / (3 * x * x + p), x)
    return refuse_overflow("the weight", lambda: np.where(lam == 0, np.sqrt(np.maximum(sigma, 0)), scale * x))[()]  # D7


def anchored_inflection(sigma: Numbers, downstream: Numbers, anchor: Numbers) -> Values:
    """The pretrained value beyond which pretraining hurts after anchored tuning, `σ(1 − (σ'−σ)/λ)₊²` (claim D7).

    Below it `½(σ − x²)²`, the pretraining loss after fine-tuning to the end, falls with pretraining length, beyond it
    it rises: the anchor delays the inflection, by `deep_mode.time_to_reach(s, σ, ε, depth=2)`, and never removes it. 0
    where pretraining only hurts (λ <= σ' − σ); σ, which is never reached, where the task asks for no more (σ' <= σ).

    sigma: pretraining's singular value > 0.  downstream: σ', of either sign.  anchor: λ >= 0. Raises DomainError
    outside and beyond 1e±75, ShapeError.
    Source: ours.

    >>> anchored_inflection(1.0, downstream=1.5, anchor=[0.0, 1.0, 5.0]).tolist()
    [0.0, 0.25, 0.81]
    """
    sigma, more, lam = check_broadcast(
        sigma=positive("sigma", sigma),
        downstream=finite("downstream", downstream),
        anchor=nonnegative("anchor", anchor),
    )
    check_range(sigma, downstream=more, anchor=lam)
    gap = np.maximum(more - sigma, 0)
    kept = np.where(gap < lam, (lam - gap) / np.where(lam > 0, lam, 1), np.where(gap > 0, 0.0, 1.0))
    return (sigma * kept**2)[()]  # D7


def stopped_inflection(sigma: Numbers, downstream: Numbers, time: Numbers) -> Values:
    """The same for tuning stopped after T, `σ'/(1 + (σ'/σ − 1)e^{2σ'T})` (claim D7): where the flow just reaches σ.

    With replay of share ρ the downstream value is the interpolated one, `mixed_target.interpolated`. σ where σ' <= σ.

    sigma: pretraining's singular value > 0.  downstream: σ', of either sign.  time: T >= 0, gradient-flow time.
    Raises DomainError outside and beyond 1e±75, ShapeError.
    Source: ours.

    >>> stopped_inflection(1.0, downstream=1.5, time=[0.0, 1.0, 1e6]).round(6).tolist()
    [1.0, 0.135836, 0.0]
    """
    sigma, more, time = check_broadcast(
        sigma=positive("sigma", sigma), downstream=finite("downstream", downstream), time=nonnegative("time", time)
    )
    check_range(sigma, downstream=more, time=time)
    more = np.maximum(more, sigma)
    reach, same = sigma * np.exp(-2 * more * time), more == sigma
    return np.where(same, sigma, more * (reach / np.where(same, 1, reach + (more - sigma))))[()]  # D7


def effective_budget(time: Numbers, anchor: Numbers) -> Values:
    """The budget without an anchor that moves the weights as far, `(1 − e^{−λT})/λ` (claim D7), to first order.

    While the gradient is what it is at the pretrained weights, tuning for T with the anchor λ does what tuning for
    this time does without: every statement on small budgets (claim D4) holds with it.

    time: T >= 0.  anchor: λ >= 0. Raises DomainError and ShapeError.
    Source: ours.

    >>> effective_budget(2.0, anchor=[0.0, 1.0, 1e9]).round(6).tolist()
    [2.0, 0.864665, 0.0]
    """
    time, lam = check_broadcast(time=nonnegative("time", time), anchor=nonnegative("anchor", anchor))
    check_range(np.zeros(()), time=time, anchor=lam)
    return (time * exprel(-lam * time))[()]  # D7
