"""C4: the loss after noise along a balanced aligned path of many modes: its minima, and what is lost beyond them."""

from dataclasses import dataclass

import numpy as np

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import check_broadcast, nonnegative, normal_inverse, positive
from overtraining.setting.errors import DomainError, ShapeError
from overtraining.setting.grid_inflection import Which
from overtraining.theory.checks import check_range
from overtraining.theory.inflection.turning_points import rising_zeros
from overtraining.theory.learning.balanced_mode import unlearned


def remaining_increase(t: Numbers, sigma: Numbers, epsilon: Numbers, c: Numbers) -> Values:
    """How much the loss after noise will have risen in the end, `P(∞) − P(t) = Σ u_i (c − u_i/2)`, `u = σ − s` (C4).

    The sum runs over the last axis, the modes; t and c broadcast against sigma, so give them a last axis of length 1
    (t[:, None]). Negative while pretraining still pays. Accurate where P itself has long converged.

    t: gradient-flow time >= 0.  sigma: teacher >= 0.  epsilon: start > 0, on either side.  c: price >= 0
    (`noise.mode_cost`). Unit of the loss. Raises DomainError outside and beyond 1e±75, ShapeError where arrays do not
    broadcast.
    Source: ours.

    >>> float(remaining_increase(0.0, [1.0, 0.5], epsilon=1e-9, c=0.5)) / 0.125
    1.0...
    """
    u, c = np.asarray(unlearned(t, sigma, epsilon)), nonnegative("c", c, "compute it with noise.mode_cost")
    check_range(np.zeros(()), c=c)
    check_broadcast(modes=u, c=c)
    _one_axis_of_modes(np.asarray(sigma), u, c)
    return np.sum(u * (c - u / 2), axis=-1)  # C4


@dataclass(frozen=True)
class OvertrainingBounds:
    """What is known without following the path: `lower <= P(∞) − min P <= upper`."""

    lower: Values
    upper: Values


def overtraining_bounds(sigma: Numbers, epsilon: Numbers, c: Numbers) -> OvertrainingBounds:
    """Bounds on what overtraining loses, `ψ(max m) <= P(∞) − min P <= Σ ψ(m)`, `ψ(u) = u(c − u/2)` (claim C4).

    `m_i = min(c, σ_i − ε_i)`. They hold at every start below the teacher, and are equal for a single mode. Modes along
    the last axis, as in `remaining_increase`. Raises DomainError where a start is not below its teacher, ShapeError.
    Source: ours.

    >>> known = overtraining_bounds([1.0, 0.5, 0.05], epsilon=1e-3, c=0.1)
    >>> float(known.lower.round(6)), float(known.upper.round(6))
    (0.005, 0.0137)
    """
    sigma, epsilon, c = _below(sigma, epsilon, c)
    _one_axis_of_modes(sigma, epsilon, c)
    if sigma.shape[-1] == 0:
        raise ShapeError(f"sigma {sigma.shape}", "there is no mode", "pass at least one singular value")
    short = np.minimum(sigma - epsilon, c)
    each = short * (c - short / 2)
    return OvertrainingBounds(each.max(axis=-1), each.sum(axis=-1))  # C4


@dataclass(frozen=True)
class Minima:
    """All local minima of the loss after noise; `lost` is `P(∞) − P` at each.

    times, lost: (…, minima), leading axes those of the prices, in order of pretraining length; where a price has fewer
    minima than another, inf and 0: at infinity nothing is lost.
    """

    times: np.ndarray
    lost: np.ndarray

    def at(self, which: Which) -> Values:
        """The length of the `first`, the `last` or the `best` (lowest) minimum; inf where there is none."""
        if which not in ("last", "first", "best"):
            raise DomainError(f"which = {which!r}", "unknown kind of minimum", "use 'last', 'first' or 'best'")
        if self.times.shape[-1] == 0:
            return np.full(self.times.shape[:-1], np.inf)[()]
        count = np.isfinite(self.times).sum(axis=-1)
        place = {"first": 0 * count, "last": np.maximum(count - 1, 0), "best": self.lost.argmax(axis=-1)}[which]
        return np.take_along_axis(self.times, place[..., None], axis=-1)[..., 0][()]


def minima(sigma: Numbers, epsilon: Numbers, c: Numbers) -> Minima:
    """Every local minimum of the loss after noise along the path, and what is lost beyond each (claim C4).

    None is missed, for no price: an interval of lengths is dropped only where bounds over the whole of it show that it
    has no further zero of `dP/dt` (`turning_points.rising_zeros`). A minimum at 0 means that pretraining hurts from the
    start. Past the last mode's turn (claim C1) the loss only rises; with c = 0 it only falls and there is no minimum.

    sigma: one axis of modes, > 0.  epsilon: start, 0 < ε < σ (from above the claim is false).  c: prices >= 0, any
    shape, say of a grid of noise scales; they share the work.
    Raises DomainError outside, ShapeError where sigma is not one axis.
    Source: ours.

    >>> found = minima([1.0, 0.5, 0.25], epsilon=1e-6, c=[0.1, 0.3])
    >>> found.times.round(3).tolist(), found.at("best").round(3).tolist()
    ([[8.048, 14.525, 25.669], [7.333, 12.716, inf]], [25.669, 7.333])
    """
    c = nonnegative("c", c, "compute it with noise.mode_cost")
    sigma, epsilon, _ = _below(sigma, epsilon, np.zeros(()))
    check_range(np.zeros(()), c=c)
    if sigma.ndim != 1 or sigma.size == 0:
        raise ShapeError(f"sigma {sigma.shape}", "the modes need one axis", "pass the singular values as a list")
    if epsilon.ndim > 1:
        raise ShapeError(f"epsilon {epsilon.shape}", "there is one start, or one per mode", "pass a number or a list")
    _one_axis_of_modes(sigma, epsilon)
    if np.any((c > 0) & (c < 1e-290 * sigma.max())) or np.any(epsilon < 1e-307 * sigma):
        raise DomainError(
            "c or epsilon", "relative to sigma it is beyond float64's range", "use c = 0, or a larger start"
        )
    prices, of = np.unique(c, return_inverse=True)
    free = int(np.any(prices == 0))
    times = np.full((prices.size, 0), np.inf)
    if prices.size > free:
        which, found = rising_zeros(sigma, np.broadcast_to(epsilon, sigma.shape), prices[free:])
        count = np.bincount(which + free, minlength=prices.size)
        times = np.full((prices.size, count.max()), np.inf)
        times[which + free, np.arange(which.size) - np.repeat(np.cumsum(count) - count, count)] = found
    there = np.isfinite(times)
    lost = np.where(
        there, remaining_increase(np.where(there, times, 0)[..., None], sigma, epsilon, prices[:, None, None]), 0
    )
    return Minima(times[of.reshape(c.shape)], lost[of.reshape(c.shape)])


def _one_axis_of_modes(sigma: np.ndarray, *others: np.ndarray) -> None:
    """A sum over the last axis must be one over modes: no other array may stretch it, say times against one mode."""
    last = np.broadcast_shapes(sigma.shape, *(a.shape for a in others))[-1:]
    if sigma.shape[-1:] != last or not last:
        shapes = f"sigma {sigma.shape} against {[a.shape for a in others]}"
        raise ShapeError(shapes, "the last axis is not sigma's modes", "give the others a last axis of 1: t[:, None]")


def _below(sigma: Numbers, epsilon: Numbers, c: Numbers) -> tuple[np.ndarray, ...]:
    sigma, epsilon, c = check_broadcast(
        sigma=positive("sigma", sigma, "leave out modes that the teacher does not have"),
        epsilon=normal_inverse("epsilon", epsilon, "start from a small positive number; 0 is a saddle"),
        c=nonnegative("c", c, "compute it with noise.mode_cost"),
    )
    check_range(sigma, c=c)
    if np.any(epsilon >= sigma):
        raise DomainError("epsilon >= sigma", "from above the loss after noise only falls", "start every mode below")
    return sigma, epsilon, c
