"""C4: the loss after noise along a balanced aligned path of many modes: its minima, and the increase beyond them."""

from dataclasses import dataclass

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, one_of
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.inflection import Which
from overtraining.theory.checks import (
    check_epsilon,
    check_last_axis,
    check_noise_cost,
    check_range,
    check_sigma,
    check_start_below,
    check_time,
)
from overtraining.theory.inflection.turning_points import turning_lengths
from overtraining.theory.learning.balanced_mode import unlearned


def remaining_increase(length: Numbers, sigma: Numbers, epsilon: Numbers, noise_cost: Numbers) -> Values:
    """How much the loss after noise will still rise, `P(∞) − P(t) = Σ u_i (c − u_i/2)`, `u = σ − s` (claim C4).

    The sum runs over the last axis, the modes. Length and noise_cost broadcast against sigma, so that they need a last
    axis of length 1: `lengths[:, None]`. The result is negative where P ends below P(t), and accurate where P itself
    has long converged.

    length: t >= 0, gradient-flow time.  sigma: teacher's singular values >= 0.  epsilon: start > 0, below or above
    sigma.  noise_cost: c >= 0, `noise.mode_cost`. Unit of the loss.
    Raises DomainError outside the domain and beyond 1e±75, ShapeError where arrays do not broadcast.
    Source: ours.

    >>> float(remaining_increase(0.0, [1.0, 0.5], epsilon=1e-9, noise_cost=0.5)) / 0.125
    1.0...
    """
    u = np.asarray(unlearned(check_time("length", length), sigma, epsilon))
    noise_cost = check_noise_cost(noise_cost)
    check_range(np.zeros(()), noise_cost=noise_cost)
    check_broadcast(modes=u, noise_cost=noise_cost)
    check_last_axis(np.asarray(sigma), u, noise_cost)
    return np.sum(u * (noise_cost - u / 2), axis=-1)  # C4


@dataclass(frozen=True)
class OvertrainingBounds:
    """What is known without following the path: `lower <= P(∞) − min P <= upper`."""

    lower: Values
    upper: Values


def overtraining_bounds(sigma: Numbers, epsilon: Numbers, noise_cost: Numbers) -> OvertrainingBounds:
    """Bounds on the increase by overtraining, `ψ(max m) <= P(∞) − min P <= Σ ψ(m)`, `ψ(u) = u(c − u/2)` (claim C4).

    `m_i = min(c, σ_i − ε_i)`. The bounds hold at every start below the teacher, and are equal for a single mode. Modes
    stand on the last axis, as in `remaining_increase`.

    sigma: > 0.  epsilon: start, 0 < ε < σ.  noise_cost: c >= 0. Unit of the loss.
    Raises DomainError outside the domain, ShapeError where arrays do not broadcast or there is no mode.
    Source: ours.

    >>> bounds = overtraining_bounds([1.0, 0.5, 0.05], epsilon=1e-3, noise_cost=0.1)
    >>> float(bounds.lower.round(6)), float(bounds.upper.round(6))
    (0.005, 0.0137)
    """
    sigma, epsilon, noise_cost = check_broadcast(
        sigma=check_sigma(sigma), epsilon=check_epsilon(epsilon), noise_cost=check_noise_cost(noise_cost)
    )
    check_range(sigma, noise_cost=noise_cost)
    check_start_below(epsilon, sigma)
    check_last_axis(sigma, epsilon, noise_cost)
    if sigma.shape[-1] == 0:
        raise ShapeError(f"sigma {sigma.shape}", "there is no mode", "pass at least one singular value")
    turn = np.minimum(sigma - epsilon, noise_cost)
    each = turn * (noise_cost - turn / 2)
    return OvertrainingBounds(each.max(axis=-1), each.sum(axis=-1))  # C4


@dataclass(frozen=True)
class Minima:
    """All local minima of the loss after noise; `increase` is `P(∞) − P` at each.

    times, increase: (…, minima), leading axes those of noise_cost, in order of pretraining length. Where a cost has
    fewer minima than another one the rows end with inf and 0: nothing rises from infinity on.
    """

    times: np.ndarray
    increase: np.ndarray

    def at(self, which: Which) -> Values:
        """The length of the `first`, the `last` or the `best` (lowest) minimum; inf where there is none."""
        one_of("which", which, Which)
        if self.times.shape[-1] == 0:
            return np.full(self.times.shape[:-1], np.inf)[()]
        count = np.isfinite(self.times).sum(axis=-1)
        places = {"first": 0 * count, "last": np.maximum(count - 1, 0), "best": self.increase.argmax(axis=-1)}
        return np.take_along_axis(self.times, places[which][..., None], axis=-1)[..., 0][()]


def minima(sigma: Numbers, epsilon: Numbers, noise_cost: Numbers) -> Minima:
    """Every local minimum of the loss after noise along the path, and the increase beyond each (claim C4).

    None is missed, for no cost: an interval of lengths is dropped only where bounds over the whole of it show that it
    has no further zero of `dP/dt` (`turning_points.turning_lengths`). A minimum at 0 means that pretraining hurts from
    the start. Past the last mode's turn (claim C1) the loss only rises; with c = 0 it only falls, without a minimum.

    sigma: one axis of modes, > 0.  epsilon: start, 0 < ε < σ (from above the claim is false); one, or one per mode.
    noise_cost: c >= 0, any shape, for example a grid of noise scales, which share the work. Gradient-flow time.
    Raises DomainError outside the domain, ShapeError where sigma is not one axis.
    Source: ours.

    >>> found = minima([1.0, 0.5, 0.25], epsilon=1e-6, noise_cost=[0.1, 0.3])
    >>> found.times.round(3).tolist(), found.at("best").round(3).tolist()
    ([[8.048, 14.525, 25.669], [7.333, 12.716, inf]], [25.669, 7.333])
    """
    noise_cost = check_noise_cost(noise_cost)
    sigma, epsilon = check_broadcast(sigma=check_sigma(sigma), epsilon=check_epsilon(epsilon))
    check_range(sigma, noise_cost=noise_cost)
    check_start_below(epsilon, sigma)
    if sigma.ndim != 1 or sigma.size == 0:
        raise ShapeError(f"sigma {sigma.shape}", "the modes need one axis", "pass the singular values as a list")
    if epsilon.ndim > 1:
        raise ShapeError(f"epsilon {epsilon.shape}", "there is one start, or one per mode", "pass a number or a list")
    check_last_axis(sigma, epsilon)
    if np.any((noise_cost > 0) & (noise_cost < 1e-290 * sigma.max())) or np.any(epsilon < 1e-307 * sigma):
        raise DomainError(
            "noise_cost or epsilon",
            "relative to sigma it is beyond float64's range",
            "use noise_cost = 0, or a larger start",
        )
    costs, inverse = np.unique(noise_cost, return_inverse=True)
    free = int(np.any(costs == 0))  # the first of them, if it is 0, has no minimum
    times = np.full((costs.size, 0), np.inf)
    if costs.size > free:
        which, zeros, rises = turning_lengths(sigma, np.broadcast_to(epsilon, sigma.shape), costs[free:])
        which, zeros = which[rises], zeros[rises]
        count = np.bincount(which + free, minlength=costs.size)
        times = np.full((costs.size, count.max()), np.inf)
        column = np.arange(which.size) - np.repeat(np.cumsum(count) - count, count)
        times[which + free, column] = zeros
    there = np.isfinite(times)
    increase = remaining_increase(np.where(there, times, 0)[..., None], sigma, epsilon, costs[:, None, None])
    increase = np.where(there, increase, 0)
    return Minima(times[inverse.reshape(noise_cost.shape)], increase[inverse.reshape(noise_cost.shape)])
