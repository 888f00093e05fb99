"""C4: the loss after noise along a balanced aligned path of many modes: its minima, and what is lost beyond them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from theory.arrays import Numbers, Values
from theory.balanced_mode import unlearned
from theory.domain import nonnegative, normal_inverse, positive, together
from theory.errors import DomainError, ShapeError
from theory.noisy_mode import inflection_time
from theory.scale import moderate

Which = Literal["last", "first", "best"]


def still_to_lose(t: Numbers, sigma: Numbers, epsilon: Numbers, c: Numbers) -> Values:
    """How much the loss after noise will have risen in the end, `P(∞) − P(t) = Σ u_i (c − u_i/2)`, `u = σ − s` (C4).

    The sum runs over the last axis, the modes; t and c broadcast against sigma, so give them a last axis of length 1
    (t[:, None]). Negative while pretraining still pays. Accurate where P itself has long converged.

    t: gradient-flow time >= 0.  sigma: teacher >= 0.  epsilon: start > 0, on either side.  c: price >= 0
    (`noise.mode_cost`). Unit of the loss. Raises DomainError outside and beyond 1e±75, ShapeError where arrays do not
    broadcast.
    Source: ours.

    >>> float(still_to_lose(0.0, [1.0, 0.5], epsilon=1e-9, c=0.5)) / 0.125
    1.0...
    """
    u, c = np.asarray(unlearned(t, sigma, epsilon)), nonnegative("c", c, "compute it with noise.mode_cost")
    moderate(np.zeros(()), c=c)
    together(modes=u, c=c)
    _one_axis_of_modes(np.asarray(sigma), u, c)
    return np.sum(u * (c - u / 2), axis=-1)  # C4


@dataclass(frozen=True)
class Lost:
    """What is known without following the path: `lower <= P(∞) − min P <= upper`."""

    lower: Values
    upper: Values


def lost_bounds(sigma: Numbers, epsilon: Numbers, c: Numbers) -> Lost:
    """Bounds on what overtraining loses, `ψ(max m) <= P(∞) − min P <= Σ ψ(m)`, `ψ(u) = u(c − u/2)` (claim C4).

    `m_i = min(c, σ_i − ε_i)`. They hold at every start below the teacher, and are equal for a single mode. Modes along
    the last axis, as in `still_to_lose`. Raises DomainError where a start is not below its teacher, ShapeError.
    Source: ours.

    >>> known = lost_bounds([1.0, 0.5, 0.05], epsilon=1e-3, c=0.1)
    >>> float(known.lower.round(6)), float(known.upper.round(6))
    (0.005, 0.0137)
    """
    sigma, epsilon, c = _below(sigma, epsilon, c)
    _one_axis_of_modes(sigma, epsilon, c)
    if sigma.shape[-1] == 0:
        raise ShapeError(f"sigma {sigma.shape}", "there is no mode", "pass at least one singular value")
    short = np.minimum(sigma - epsilon, c)
    each = short * (c - short / 2)
    return Lost(each.max(axis=-1), each.sum(axis=-1))  # C4


@dataclass(frozen=True)
class Minima:
    """All local minima of the loss after noise, in order of pretraining length; `lost` is `P(∞) − P` at each."""

    times: np.ndarray
    lost: np.ndarray

    def at(self, which: Which) -> float:
        """The length of the `first`, the `last` or the `best` (lowest) minimum; inf where there is none."""
        if which not in ("last", "first", "best"):
            raise DomainError(f"which = {which!r}", "unknown kind of minimum", "use 'last', 'first' or 'best'")
        if self.times.size == 0:
            return np.inf
        return float(self.times[{"first": 0, "last": -1, "best": int(np.argmax(self.lost))}[which]])


def minima(sigma: Numbers, epsilon: Numbers, c: float) -> Minima:
    """Every local minimum of the loss after noise along the path, and what is lost beyond each (claim C4).

    None is missed: an interval of lengths is dropped only where bounds on `dP/dt`, or on its derivative, over the whole
    interval show that it has no further zero. A minimum at 0 means that pretraining hurts from the start. Past the
    last mode's turn (claim C1) the loss only rises; with c = 0 it only falls and there is no minimum.

    sigma: one axis of modes, > 0.  epsilon: start, 0 < ε < σ (from above the claim is false).  c: price >= 0.
    Raises DomainError outside, ShapeError where sigma is not one axis.
    Source: ours.

    >>> found = minima([1.0, 0.5, 0.25], epsilon=1e-6, c=0.1)
    >>> found.times.round(3).tolist(), found.at("best") == found.at("last")
    ([8.048, 14.525, 25.669], True)
    """
    price = nonnegative("c", c, "compute it with noise.mode_cost")
    if price.ndim:
        raise ShapeError(f"c {price.shape}", "the minima are those for one price", "pass one number c at a time")
    c = float(price)
    sigma, epsilon, _ = _below(sigma, epsilon, c)
    if sigma.ndim != 1 or sigma.size == 0:
        raise ShapeError(f"sigma {sigma.shape}", "the modes need one axis", "pass the singular values as a list")
    _one_axis_of_modes(sigma, epsilon)
    if 0 < c < 1e-290 * sigma.max() or np.any(epsilon < 1e-307 * sigma):
        raise DomainError(
            "c or epsilon", "relative to sigma it is beyond float64's range", "use c = 0, or a larger start"
        )
    if c == 0:
        return Minima(np.empty(0), np.empty(0))
    times = _rising_zeros(sigma, np.broadcast_to(epsilon, sigma.shape), c)
    return Minima(times, np.atleast_1d(still_to_lose(times[:, None], sigma, epsilon, c)))


def _one_axis_of_modes(sigma: np.ndarray, *others: np.ndarray) -> None:
    """A sum over the last axis must be one over modes: no other array may stretch it, say times against one mode."""
    last = np.broadcast_shapes(sigma.shape, *(a.shape for a in others))[-1:]
    if sigma.shape[-1:] != last or not last:
        shapes = f"sigma {sigma.shape} against {[a.shape for a in others]}"
        raise ShapeError(shapes, "the last axis is not sigma's modes", "give the others a last axis of 1: t[:, None]")


def _below(sigma: Numbers, epsilon: Numbers, c: Numbers) -> tuple[np.ndarray, ...]:
    sigma, epsilon, c = together(
        sigma=positive("sigma", sigma, "leave out modes that the teacher does not have"),
        epsilon=normal_inverse("epsilon", epsilon, "start from a small positive number; 0 is a saddle"),
        c=nonnegative("c", c, "compute it with noise.mode_cost"),
    )
    moderate(sigma, c=c)
    if np.any(epsilon >= sigma):
        raise DomainError("epsilon >= sigma", "from above the loss after noise only falls", "start every mode below")
    return sigma, epsilon, c


def _rising_zeros(sigma: np.ndarray, epsilon: np.ndarray, c: float) -> np.ndarray:
    """Where `dP/dt` turns from falling to rising, 0 included, by bisection of intervals with bounds on each."""
    turns = inflection_time(sigma, epsilon, c)
    if not np.any(turns):
        return np.zeros(1)
    unit = 2.0 ** np.floor(np.log2(sigma.max()))  # a power of two: the change of units is exact
    end = float(np.max(turns + 1 / sigma)) * unit  # an e-fold beyond the last turn, so that the zero there is inside
    sigma, c, start = sigma / unit, c / unit, np.log((sigma - epsilon) / epsilon)

    def modes(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ln s and ln u: on plateaus both may be so small that their products vanish in float64."""
        x = start - 2 * sigma * t[:, None]  # ln(σ/s − 1)
        return np.log(sigma) - np.logaddexp(0, x), np.log(sigma) - np.logaddexp(0, -x)

    def terms(t: np.ndarray) -> np.ndarray:
        """Of dP/dt, su(1 − u/c) in units of the largest su."""
        log_s, log_u = modes(t)
        return _weights(log_s + log_u, log_s + log_u) * (1 - np.exp(log_u) / c)

    def slope(t: np.ndarray) -> np.ndarray:
        """The sign of dP/dt."""
        return terms(t).sum(axis=1)

    a, b = np.array([0.0]), np.array([end])
    isolated: list[np.ndarray] = [np.empty((0, 2))]
    while a.size:
        decided, single = _judge(modes(a), modes(b), c)
        middle = (a + b) / 2
        stuck = (middle <= a) | (middle >= b)  # neighbouring floats
        isolated.append(np.column_stack([a, b])[~decided & (single | stuck)])
        go = ~(decided | single | stuck)
        a, b = np.concatenate([a[go], middle[go]]), np.concatenate([middle[go], b[go]])
    low, high = np.concatenate(isolated).T
    rising = (slope(low) < 0) & (slope(high) >= 0)
    low, high = low[rising], high[rising]
    while np.any((low < (middle := (low + high) / 2)) & (middle < high)):
        falls = slope(middle) < 0
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
    at_once = [0.0] if slope(np.zeros(1))[0] >= 0 else []
    zeros = np.unique(np.concatenate([at_once, high]))
    # about a double zero the sign is rounding: two minima are told apart by a rise in between, however early it ends
    between = zeros[:-1, None] + np.diff(zeros)[:, None] * 2.0 ** -np.arange(1, 50)
    rises = terms(between.ravel())
    told = ((rises.sum(axis=1) > 0) & _one_sign(rises, rises)).reshape(between.shape).any(axis=1)
    return zeros[np.append(told, True)[: zeros.size]] / unit


def _judge(before: tuple[np.ndarray, ...], after: tuple[np.ndarray, ...], c: float) -> tuple[np.ndarray, np.ndarray]:
    """Over intervals, given ln s and ln u at both ends: is `Σ su(1 − u/c)` of one sign? is it monotone in time?"""
    (log_s0, log_u1), (log_s1, log_u0) = before, after  # s rises and u falls
    small, large = log_s0 + log_u0, log_s1 + log_u1
    small, large = _weights(small, large), _weights(large, large)
    s0, s1, u0, u1 = np.exp(log_s0), np.exp(log_s1), np.exp(log_u0), np.exp(log_u1)
    price = 1 - u1 / c, 1 - u0 / c
    decided = _one_sign(*_times(small, large, *price))
    # d/dt of su(1 − u/c) is 2su · [s(2u/c − 1) + u(1 − u/c)]
    low1, high1 = _times(s0, s1, 2 * u0 / c - 1, 2 * u1 / c - 1)
    low2, high2 = _times(u0, u1, *price)
    return decided, _one_sign(*_times(small, large, low1 + low2, high1 + high2))


def _weights(logs: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Exponentials in units of the largest over the modes; only signs of sums are asked for."""
    return np.exp(logs - largest.max(axis=1, keepdims=True))


def _times(p0: np.ndarray, p1: np.ndarray, q0: np.ndarray, q1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on a product pq where `0 <= p0 <= p <= p1` and `q0 <= q <= q1`."""
    return np.where(q0 < 0, p1, p0) * q0, np.where(q1 < 0, p0, p1) * q1


def _one_sign(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Do the bounds' sums over the modes show one sign, by more than the sums' rounding?"""
    # u is e^{−2σt} times inputs: its relative error is that of an exponent of up to 700, in ulp
    rounding = 2048 * np.finfo(float).eps * np.maximum(np.abs(low), np.abs(high)).sum(axis=1)
    return (low.sum(axis=1) > rounding) | (high.sum(axis=1) < -rounding)
