"""Where the loss after a perturbation turns along pretraining, between the lengths of a protocol.

Under noise of constant scales, on balanced modes of two layers, bounds on the slope over whole intervals find every
turn (C4). Elsewhere the loss has a formula and its turns have none: those that the grid of lengths shows are located
between the lengths, by evaluating the formula there.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float
from scipy.optimize import elementwise

from overtraining.setting.arrays import Values
from overtraining.setting.responses import Objective, curve_name, objectives
from overtraining.setting.turns import Turns, uncertainty, with_turns
from overtraining.theory.inflection.turning_points import turning_lengths
from overtraining.theory.sensitivity.noise import mode_cost
from overtraining.theory.solvers.paths import EPS, BalancedModes, Path, Solution

StrengthsAt = Float[np.ndarray, "*length strength"]
Losses = Callable[[Path, StrengthsAt], Mapping[str, Values]]
"""The losses after a perturbation, by name, at strengths that are the same at every length, or others."""

PerTurn = Float[np.ndarray, " turn"]
LossBetween = Callable[[PerTurn, PerTurn], PerTurn]
"""The loss at lengths, each with a strength of its own."""

ROUNDING = 64 * EPS  # of a loss: what differs by less may be the same
MOST = 256  # turns of a Response that are located, each by some twenty evaluations


def with_turns_under_noise(
    data: xr.Dataset, solution: Solution, losses: Losses, gammas: Float[np.ndarray, "strength layer"]
) -> xr.Dataset:
    """The Response to noise of constant scales γ with all its turns, or those that its grid shows."""
    lengths, strengths = data["pretraining"].values, data["strength"].values
    every = solution.balanced_modes and _every_length(solution.balanced_modes, gammas)
    if every is None:
        return with_seen_turns(data, solution, losses)
    strength, length = every
    inside = (length > lengths[0]) & (length < lengths[-1])
    strength, length = strength[inside], length[inside]
    value = _loss_at(solution, losses, "after")(length, strengths[strength])
    return with_turns(data, {"pretraining": Turns(strength, length, value, np.zeros(length.size))}, "formula")


def with_seen_turns(data: xr.Dataset, solution: Solution, losses: Losses) -> xr.Dataset:
    """The Response with the turns that its grid of lengths shows, located between its lengths.

    If the grid shows more than `MOST`, it has none, and its grid is their resolution.
    """
    names: dict[Objective, str] = {objective: curve_name("after", objective) for objective in objectives(data)}
    error = uncertainty(data)
    shown = {objective: _shown(data[name].values, error) for objective, name in names.items()}
    if sum(len(turns) for turns in shown.values()) > MOST:
        return data
    located = {o: _located(turns, data, names[o], _loss_at(solution, losses, names[o])) for o, turns in shown.items()}
    return with_turns(data, located, "grid")


def _loss_at(solution: Solution, losses: Losses, name: str) -> LossBetween:
    def loss(lengths: PerTurn, strengths: PerTurn) -> PerTurn:
        found, done = np.empty(lengths.size), 0
        for path in solution.along(lengths):
            piece = slice(done, done + path.loss.size)
            found[piece] = np.asarray(losses(path, strengths[piece, None])[name])[:, 0]
            done = piece.stop
        return found

    return loss


def _every_length(modes: BalancedModes, gammas: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Strengths and lengths of all turns (C4); None from a start above a singular value, and where float64 ends."""
    costs, cost_of = np.unique(mode_cost(*gammas.T, d_in=modes.d_in, d_out=modes.d_out), return_inverse=True)
    noisy = costs > 0
    if modes.epsilon >= modes.sigma.min() or (costs[noisy] < 1e-290 * modes.sigma.max()).any():
        return None
    if not noisy.any():
        return np.empty(0, int), np.empty(0)
    start = np.broadcast_to(modes.epsilon, modes.sigma.shape)
    which, times, _ = turning_lengths(modes.sigma, start, costs[noisy])
    of_cost = np.split(times / modes.variance, np.searchsorted(np.flatnonzero(noisy)[which], np.arange(1, costs.size)))
    of_strength = [of_cost[i] for i in cost_of]
    strength = np.repeat(np.arange(len(of_strength)), [lengths.size for lengths in of_strength])
    return strength, np.concatenate(of_strength)


class _Seen(NamedTuple):
    """A turn on a grid: the strength, the length, and the nearest ones at which the loss differs certainly."""

    strength: int
    low: int
    place: int
    high: int


def _shown(values: Float[np.ndarray, "length strength"], error: float) -> list[_Seen]:
    """The turns of all strengths, by strength and then by length."""
    return [_Seen(i, *places) for i, column in enumerate(values.T) for places in _extrema(column, error)]


def _located(shown: list[_Seen], data: xr.Dataset, name: str, loss: LossBetween) -> Turns:
    """Each turn between its two lengths, and how far from it the loss differs certainly on both sides."""
    strength, low, place, high = np.array(shown, int).reshape(-1, 4).T
    lengths, values = data["pretraining"].values, data[name].values
    upward = np.where(values[place, strength] < values[low, strength], 1.0, -1.0)  # of a minimum
    own = (data["strength"].values[strength], upward)
    a, length, b = lengths[low], lengths[place], lengths[high]

    def turned(at: PerTurn, strengths: PerTurn, upward: PerTurn) -> PerTurn:
        return upward * loss(at, strengths)

    if not shown:
        return Turns(strength, length, length, length)
    tolerances = {"xatol": 0.0, "xrtol": 4 * EPS, "fatol": 0.0, "frtol": ROUNDING}
    solved = elementwise.find_minimum(turned, (a, length, b), args=own, tolerances=tolerances)
    length = np.where(solved.success, solved.x, length)
    value = turned(length, *own)
    same = np.asarray(_same(value, uncertainty(data)))
    rise_a, rise_b = (upward * values[side, strength] - value for side in (low, high))
    curvature = 2 * (rise_a / (length - a) + rise_b / (b - length)) / (b - a)
    distance = np.sqrt(4 * same / curvature) + 4 * EPS * length  # of a parabola that rises by twice that
    nearby = (
        lengths[i : k + 1][up * values[i : k + 1, j] <= least + apart] - at
        for i, k, j, up, least, apart, at in zip(low, high, strength, upward, value, same, length, strict=True)
    )  # two turns that differ by less than the error count as one
    distance = np.maximum(distance, [np.abs(each).max(initial=0.0) for each in nearby])
    while (close := np.flatnonzero(distance < b - a)).size:
        sides = np.clip(length[close] + np.array([[-1.0], [1.0]]) * distance[close], a[close], b[close])
        at_sides = turned(sides.ravel(), *(np.tile(each[close], 2) for each in own)).reshape(2, -1)
        close = close[at_sides.min(axis=0) <= value[close] + same[close]]
        if not close.size:
            break
        distance[close] *= 4
    return Turns(strength, length, upward * value, np.minimum(distance, b - a))


def _extrema(values: Float[np.ndarray, " length"], error: float) -> Iterator[tuple[int, int, int]]:
    """Of every extremum inside: the nearest places on both sides at which the value certainly differs, and its own.

    An extremum that differs from the next one by rounding or by the error of all values alone is none.
    """
    step = np.sign(np.diff(values))
    moves = np.flatnonzero(step)
    turns = moves[:-1][np.diff(step[moves]) != 0] + 1
    points = np.concatenate([[0], turns, [values.size - 1]])
    while points.size > 2:
        height = np.abs(np.diff(values[points]))
        small = height <= _same(values[points[1:]], error)
        least = small & (height <= np.append(np.inf, height[:-1])) & (height < np.append(height[1:], np.inf))
        if not least.any():
            break
        gone = np.append(least, False) | np.append(False, least)
        gone[[0, -1]] = False
        points = points[~gone]
    for before, place, after in zip(points[:-2], points[1:-1], points[2:], strict=True):
        differs = np.abs(values[before : after + 1] - values[place]) > _same(values[place], error)
        others = before + np.flatnonzero(differs)
        left, right = others[others < place], others[others > place]
        if left.size and right.size:
            yield int(left[-1]), int(place), int(right[0])


def _same(values: Values, error: float) -> Values:
    """By how much others may differ and be the same."""
    return ROUNDING * np.abs(values) + error
