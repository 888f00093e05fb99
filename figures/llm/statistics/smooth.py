"""Curves that are consistent with a noisy series: draws from a Gaussian process of unknown smoothness.

A curve of the process together with its slope is a Markov chain, so that passes along the places do what the matrix of
all covariances would do: time and memory grow as the number of checkpoints, not as its cube and its square.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from overtraining.figures.llm.statistics.series import Series

SCALES = np.geomspace(0.1, 3.0, 6)  # part of the range over which a curve keeps its slope
HEIGHTS = 10  # number of heights of the bends to try, from a tenth of the errors to ten times the range
GRID = 121  # places between the first and the last checkpoint
BLOCK = 2**22  # numbers in one array: 32 MiB
NUGGET = 1e-10  # relative variance: neighbouring places are nearly equal


def consistent_curves(
    series: Series, draws: int = 2000, key: int = 0, grid: int = GRID
) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """Places on the series' clock, and `draws` curves there, from their distribution given the data.

    The curves come in blocks, (curves, places), of at most BLOCK numbers. They are a line with unknown ends plus a
    Matérn-3/2 process. Its scale and height, and the scale of the errors if that was estimated, are drawn in proportion
    to their marginal likelihood, so that the spread of the curves includes their uncertainty (Rasmussen and Williams
    2006, eq. 2.45; draws by Matheron's rule, Wilson et al. 2020; passes: Hartikainen and Särkkä 2010). Series with the
    same lengths share the curves without data that this begins with: the draws of one series are independent, those of
    two series with one `key` are not.
    """
    places = np.union1d(np.linspace(0, 1, grid), series.clock)
    return places, _blocks(series, draws, key, places)


def _blocks(series: Series, draws: int, key: int, places: np.ndarray) -> Iterator[np.ndarray]:
    typical = float(np.sqrt(np.mean(series.stderr**2)))
    heights = np.geomspace(0.1 * typical, 10 * max(typical, float(np.ptp(series.value))), HEIGHTS)
    scales = _error_scales(series.freedom)
    settings = np.array([(scale, size, error) for scale in SCALES for size in heights for error in scales])
    some = -(-len(settings) // max(1, BLOCK // (4 * series.value.size)))
    evidence = np.concatenate([_evidence(series, part) for part in np.array_split(settings, min(some, len(settings)))])
    weight = np.exp(evidence - evidence.max())
    rng = np.random.default_rng(key)
    chosen = np.repeat(np.arange(len(settings)), rng.multinomial(draws, weight / weight.sum()))
    size = max(1, BLOCK // (SCALES.size * places.size))
    for block, first in enumerate(range(0, draws, size)):
        which, counts = np.unique(chosen[first : first + size], return_counts=True)
        free = _free_curves(tuple(places), min(size, draws), key, block)
        yield _draw(series, settings[which], counts, rng, places, free)


@dataclass(frozen=True)
class _Passes:
    """Passes along places for several processes side by side; arrays end in an axis of processes.

    value, slope: covariance of what comes next with the next value and slope, before that value is measured.  gain: 1
    by the variance of what is measured there; 0 where nothing is measured.  step: distance to the next place, in units
    in which value and slope have the same variance.  decay: its exponential `e^{−step}`, once per process.
    """

    value: np.ndarray
    slope: np.ndarray
    gain: np.ndarray
    step: np.ndarray
    decay: np.ndarray

    @classmethod
    def prepare(cls, places: np.ndarray, scale: np.ndarray, size: np.ndarray, noise: np.ndarray) -> "_Passes":
        """noise: variance of the error of what is measured, (places, processes); infinite if nothing is."""
        step = np.diff(places, append=places[-1])[:, None] * (np.sqrt(3) / scale)
        decay = np.exp(-step)
        value, slope = np.empty(noise.shape), np.empty(noise.shape)
        known = np.zeros((2, 2, scale.size))  # the covariance that was known to be absent, when all is measured
        for j, (x, shrink) in enumerate(zip(step, decay, strict=True)):
            value[j], slope[j] = size**2 + known[0, 0], known[0, 1]
            unseen = 1 / (1 + value[j] / noise[j])
            rest = size**2 + known[1, 1] - slope[j] ** 2 / (value[j] + noise[j])
            after = np.array([[value[j] * unseen - size**2, slope[j] * unseen], [slope[j] * unseen, rest - size**2]])
            known = _move(_move(after, x, shrink).swapaxes(0, 1), x, shrink)
        return cls(value, slope, 1 / (value + noise), step, decay)

    def errors(self, measured: np.ndarray, of: np.ndarray) -> np.ndarray:
        """By how much each value differs from what the earlier ones predict. measured: (places, …, processes)."""
        errors, state = np.empty(measured.shape), np.zeros((2, *measured.shape[1:]))
        for j, seen in enumerate(self.gain.max(axis=1) > 0):
            errors[j] = measured[j] - state[0]
            if seen:
                push = self.gain[j].take(of) * errors[j]
                state[0] += self.value[j].take(of) * push
                state[1] += self.slope[j].take(of) * push
            state = _move(state, self.step[j].take(of), self.decay[j].take(of))
        return errors

    def draws(self, normal: np.ndarray, of: np.ndarray) -> np.ndarray:
        """Values of the process with these standardized errors of prediction, (places, draws)."""
        values, state = np.empty(normal.shape), np.zeros((2, *normal.shape[1:]))
        for j in range(len(self.step)):
            root = np.sqrt(self.gain[j].take(of))
            values[j] = state[0] + normal[j] / root
            state[0] += self.value[j].take(of) * root * normal[j]
            state[1] += self.slope[j].take(of) * root * normal[j]
            state = _move(state, self.step[j].take(of), self.decay[j].take(of))
        return values

    def expected_rest(self, errors: np.ndarray, of: np.ndarray) -> np.ndarray:
        """What all measurements together add to the prediction of each value from the earlier ones, (places, draws)."""
        added, state = np.empty(errors.shape), np.zeros((2, *errors.shape[1:]))
        seen = self.gain.max(axis=1) > 0
        for j in reversed(range(len(errors))):
            value, slope = self.value[j].take(of), self.slope[j].take(of)
            added[j] = value * state[0] + slope * state[1]
            if seen[j]:
                push = self.gain[j].take(of) * (errors[j] - added[j])
                state[0] += push
                added[j] += value * push
            if j:
                state = _move(state, self.step[j - 1].take(of), self.decay[j - 1].take(of), -1)
        return added


def _move(state: np.ndarray, x: np.ndarray, decay: np.ndarray, direction: int = 1) -> np.ndarray:
    """Expected value and slope after a step; backwards, the transpose of that."""
    value, slope = state
    bend = x * (value + direction * slope)
    moved = np.empty_like(state)
    np.add(value, bend, out=moved[0])
    np.subtract(slope, direction * bend, out=moved[1])
    moved *= decay
    return moved


def _line(clock: np.ndarray) -> np.ndarray:
    return np.stack([np.ones_like(clock), clock - 0.5], axis=1)


def _evidence(series: Series, settings: np.ndarray) -> np.ndarray:
    """Logarithm of the marginal likelihood of each setting, without a constant."""
    scale, size, error = settings.T
    passes = _Passes.prepare(series.clock, scale, size, np.multiply.outer(series.stderr, error) ** 2)
    measured = np.concatenate([_line(series.clock), series.value[:, None]], axis=1)[..., None]
    of = np.arange(len(settings))
    white = passes.errors(np.broadcast_to(measured, (*measured.shape[:2], of.size)), of) * np.sqrt(passes.gain)[:, None]
    q, r = np.linalg.qr(white[:, :2].transpose(2, 0, 1))
    y = white[:, 2].T
    rest = y - (q @ (q.mT @ y[..., None]))[..., 0]
    likelihood = np.log(passes.gain).sum(axis=0) / 2 - np.log(np.abs(np.einsum("sii->si", r))).sum(axis=1)
    evidence: np.ndarray = likelihood - (rest**2).sum(axis=1) / 2
    return evidence


@lru_cache(maxsize=4)  # most measures of a folder have the same lengths; at most 32 MiB each
def _free_curves(places: tuple[float, ...], draws: int, key: int, block: int) -> np.ndarray:
    """Curves without data, of height 1: (scales, places, draws). A draw has the same random numbers at every scale."""
    count = SCALES.size
    passes = _Passes.prepare(np.array(places), SCALES, np.ones(count), np.full((len(places), count), NUGGET))
    rng = np.random.default_rng(np.random.SeedSequence(key, spawn_key=(block,)))  # independent of the noise
    normal = rng.standard_normal((draws, len(places))).T
    spread = np.broadcast_to(normal[:, None], (len(places), count, draws)).reshape(len(places), -1)
    curves = passes.draws(spread, np.repeat(np.arange(count), draws))
    free = np.ascontiguousarray(curves.reshape(len(places), count, draws).swapaxes(0, 1))
    free.flags.writeable = False
    return free


def _draw(
    series: Series,
    settings: np.ndarray,
    counts: np.ndarray,
    rng: np.random.Generator,
    places: np.ndarray,
    free: np.ndarray,
) -> np.ndarray:
    """`counts` curves of each of these settings: a draw without data, corrected by what is expected given the data."""
    here, (scale, size, error) = np.searchsorted(places, series.clock), settings.T
    of, ends = np.repeat(np.arange(len(settings)), counts), np.cumsum(counts)
    groups = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]
    kind = np.searchsorted(SCALES, scale)
    curves = np.concatenate([h * free[k, :, g] for h, k, g in zip(size, kind, groups, strict=True)], axis=1)
    noise = rng.standard_normal((of.size, here.size)).T
    variance = np.full((places.size, len(settings)), np.inf)
    variance[here] = np.multiply.outer(series.stderr, error) ** 2
    passes = _Passes.prepare(places, scale, size, variance)
    residual = np.zeros_like(curves)
    residual[here] = series.value[:, None] - curves[here] - series.stderr[:, None] * error[of] * noise
    line = np.zeros((places.size, 2, len(settings)))
    line[here] = _line(series.clock)[..., None]
    errors, line_errors = passes.errors(residual, of), passes.errors(line, np.arange(len(settings)))
    q, r = np.linalg.qr((line_errors * np.sqrt(passes.gain)[:, None]).transpose(2, 0, 1))
    for i, group in enumerate(groups):
        ends_of_line = np.linalg.solve(r[i], q[i].T @ (errors[:, group] * np.sqrt(passes.gain[:, [i]])))
        errors[:, group] -= line_errors[..., i] @ ends_of_line
        residual[here, group] -= _line(series.clock) @ ends_of_line
        curves[:, group] += _line(places) @ ends_of_line
    curves += residual - errors + passes.expected_rest(errors, of)
    return curves.T


def _error_scales(freedom: float) -> np.ndarray:
    """Five equally probable factors for the errors."""
    if np.isinf(freedom):
        return np.ones(1)
    from scipy.stats import chi2

    scales: np.ndarray = np.sqrt(freedom / chi2.ppf((np.arange(5) + 0.5) / 5, freedom))
    return scales
