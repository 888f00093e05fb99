"""D6: how large a learning rate fine-tuning bears along its own path, and which one is best, by pretraining."""

import numpy as np
from jaxtyping import Float

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, finite, nonnegative, positive
from overtraining.theory.checks import check_range, check_teacher, check_weights
from overtraining.theory.fine_tuning.mixed_target import interpolated
from overtraining.theory.learning.balanced_mode import singular_value
from overtraining.theory.products import refuse_overflow
from overtraining.theory.sensitivity.curvature import hessian_spectrum


def sharpness_bound(
    w1: Float[np.ndarray, "h d_in"], w2: Float[np.ndarray, "d_out h"], task: Float[np.ndarray, "d_out d_in"]
) -> np.float64:
    """What the largest curvature cannot exceed at ANY weights, `‖W1‖² + ‖W2‖² + ‖B − f‖`, operator norms (claim D6).

    Steps of gradient descent of less than 2 over it are stable there. On balanced weights `2s₁ + ‖B − f‖`: attained by
    one mode above its task, `3s − σ'`, and where a task is fitted, `2‖B‖`.

    w1: h × d_in.  w2: d_out × h.  task: B, d_out × d_in. Whitened inputs. Raises ShapeError where the matrices do not
    fit, DomainError for bad numbers and where the result overflows.
    Source: ours.

    >>> one = np.ones((1, 1))
    >>> float(sharpness_bound(one, one, 0.5 * one))
    2.5
    """
    layers = check_weights((w1, w2))
    target = check_teacher(task, layers, "task")

    def bound() -> np.float64:
        rest = target - layers[1] @ layers[0]
        return np.float64(sum(np.linalg.norm(w, 2) ** 2 for w in layers) + np.linalg.norm(rest, 2))  # D6

    return refuse_overflow("the bound", bound)


def path_sharpness(s: Numbers, downstream: Numbers) -> Values:
    """The largest curvature that one aligned balanced mode meets in fine-tuning, `max(2σ', 3s − σ')` (claim D6).

    The first at the end of the path, the second at its start. Gradient descent with a learning rate below 2 over it is
    stable all the way: 1/σ', whatever the pretraining length, while the mode is not beyond the task, and less with
    every bit of pretraining from then on. For several modes, none of them beyond the task, it is 2‖B‖ at the end and
    at most that before; in general `tuning_sharpness`.

    s: pretrained singular value >= 0.  downstream: σ', of either sign.  Both broadcast. Raises DomainError outside and
    beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> path_sharpness([0.1, 0.5, 1.0], downstream=0.5).tolist()
    [1.0, 1.0, 2.5]
    """
    s, task = check_broadcast(s=nonnegative("s", s), downstream=finite("downstream", downstream))
    check_range(np.zeros(()), s=s, downstream=task)
    return np.maximum(2 * task, 3 * s - task)[()]  # D6


def tuning_sharpness(time: Numbers, s: Numbers, downstream: Numbers, *, d_in: int, h: int, d_out: int) -> Values:
    """The largest curvature of the downstream loss after a time of fine-tuning on an aligned task (claim D6).

    B3's spectrum along A3's flow from the pretrained singular values to the task's; a negative σ' kills its mode. The
    largest stable learning rate up to T is 2 over its maximum over [0, T].

    time: >= 0, gradient-flow time, of any shape, which the result has.  s: pretrained singular values > 0, one axis.
    downstream: σ' of each mode, of either sign.  Widths as in `hessian_spectrum`. Raises DomainError and ShapeError.
    Source: ours.

    >>> tuning_sharpness([0.0, 9.0], [1.0, 0.1], [0.5, 1.0], d_in=2, h=2, d_out=2).round(3).tolist()
    [2.5, 2.0]
    """
    time = nonnegative("time", time)
    s, task = check_broadcast(s=positive("s", s), downstream=finite("downstream", downstream))
    tuned = singular_value(time[..., None], np.maximum(task, 0), s, weight_decay=np.maximum(-task, 0))
    return np.asarray(hessian_spectrum(tuned, task - tuned, d_in=d_in, h=h, d_out=d_out).largest)[()]  # D6


def tuned_learning_rate(error: Numbers, sigma: Numbers, steps: Numbers, noise: Numbers) -> Values:
    """The learning rate that ends lowest downstream, `[ln(4σ'Ne²/v)]₊/(4σ'N)` (claim D6), near the task.

    It minimizes `½e²e^{−4σ'ηN} + ½ηv`: what N steps leave of an aligned mode's error `e = σ' − s`, and what label noise
    adds (D5, `v = tr H ν²/2B`). It falls while pretraining comes nearer to the task and rises as it departs; 0 where
    fine-tuning would add more than it can remove. The loss at the best rate rises with |e|, too: tuning the rate
    neither moves nor removes an inflection. Without noise the best rate is the largest stable one, `path_sharpness`.

    error: e, of either sign, not 0.  sigma: σ' > 0.  steps: N > 0.  noise: v > 0. All broadcast. Raises DomainError
    outside and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> tuned_learning_rate([0.5, 0.1, 0.001], sigma=1.0, steps=100, noise=0.01).round(6).tolist()
    [0.023026, 0.014979, 0.0]
    """
    e, sigma, steps, noise = check_broadcast(
        error=finite("error", error),
        sigma=positive("sigma", sigma),
        steps=positive("steps", steps),
        noise=positive("noise", noise, "without noise the best rate is the largest stable one"),
    )
    size = positive("the size of the error", np.abs(e), "leave a mode alone that is fitted")
    check_range(sigma, error=e, steps=steps, noise=noise)
    rate = 4 * sigma * steps
    gain = np.log(rate) + 2 * np.log(size) - np.log(noise)
    near = np.abs(gain) < 0.5  # where a difference of logarithms would cancel
    with np.errstate(over="ignore"):  # elsewhere
        gain = np.where(near, np.log1p(np.where(near, (rate / noise) * size * size - 1, 0)), gain)
    return (np.maximum(gain, 0) / rate)[()]  # D6


def tuned_budget(s: Numbers, sigma: Numbers, downstream: Numbers, keep: Numbers) -> Values:
    """The budget that is best for the trade `ρL_pre + (1 − ρ)L_ft`, `ln[1 + σ'(v − s)/(s(σ' − v))]/2σ'` (claim D6).

    One aligned mode; it ends at `v = ρσ + (1 − ρ)σ'`, the lowest loss of all weights, if v is on the way from s to σ'.
    0 where the flow only leads away from v, inf where it does not come as far, or where ρ = 0. A budget tuned so leaves
    no inflection: the loss does not depend on pretraining, or falls with it.

    s: pretrained singular value > 0.  sigma, downstream: σ, σ' > 0.  keep: ρ, 0 <= ρ <= 1. All broadcast.
    Gradient-flow time. Raises DomainError outside and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> tuned_budget([0.1, 1.0, 1.6], sigma=1.0, downstream=2.0, keep=0.5).round(6).tolist()
    [1.010763, 0.274653, 0.0]
    """
    s, sigma, task, keep = check_broadcast(
        s=positive("s", s, "a mode that has not started stays at 0"),
        sigma=positive("sigma", sigma),
        downstream=positive("downstream", downstream),
        keep=nonnegative("keep", keep),
    )
    for value in (s, sigma, task):
        check_range(value)
    best = np.asarray(interpolated(sigma, task, keep))
    way, rest = np.sign(task - s) * (best - s), np.sign(task - s) * keep * (task - sigma)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # rest = 0: it takes for ever
        time = np.log1p(task / s * way / rest) / (2 * task)
    time = np.where(rest > 0, time, np.inf)
    return np.where((way <= 0) | (task == s), 0.0, time)[()]  # D6
