"""Every turn of the loss after noise, for many costs of noise, by bounds on whole intervals.

`dP/dt = 2Σ w (c − u)` with `w = su`, `u = σ − s`. Neither s nor u depends on the cost c, so that all costs share one
bisection of the lengths. Over an interval s and u are monotone, which bounds w and u; the sum is then of one sign for
all costs above a limit and all below another one, and only the costs in between go on to the halves.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import elementwise

from overtraining.theory.inflection.noisy_mode import inflection_time

# u is e^{−2σt} times inputs: its relative error is that of an exponent of up to 700, in ulp
ROUNDING = 2048 * np.finfo(float).eps
AT_A_TIME = 2**20  # intervals times modes, for memory


def turning_lengths(
    sigma: np.ndarray, epsilon: np.ndarray, noise_costs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices of costs, the lengths at which `dP/dt` changes its sign, and whether P rises from there, in this order.

    The first of a cost is a minimum, perhaps at 0, then maxima and minima alternate, and the last is a minimum. None is
    missed: an interval of lengths is dropped only where bounds on `dP/dt`, or on its derivative, over the whole
    interval show that it has no further zero.  sigma, epsilon: (modes,).  noise_costs: > 0, rising strictly.
    """
    unit = 2.0 ** np.floor(np.log2(sigma.max()))  # a power of two: the change of units is exact
    end = np.max(inflection_time(sigma, epsilon, noise_costs[0]) + 1 / sigma)  # an e-fold beyond the last turn of all
    path = _Path(sigma / unit, np.log((sigma - epsilon) / epsilon))
    c = noise_costs / unit
    low, high, which = _isolated(path, c, float(end) * unit)
    rises = path.slope(high, c[which]) >= 0
    turns = (path.slope(low, c[which]) >= 0) != rises
    low, high, which, rises = low[turns], high[turns], which[turns], rises[turns]
    if which.size:
        low, high = elementwise.find_root(path.slope, (low, high), args=(c[which],)).bracket
    at_once = np.flatnonzero(path.slope(np.zeros(c.size), c) >= 0)
    which, times = np.append(at_once, which), np.append(np.zeros(at_once.size), np.maximum(low, high))
    rises = np.append(np.ones(at_once.size, bool), rises)
    order = np.lexsort((times, which))
    which, times, rises = which[order], times[order], rises[order]
    kept = _distinct(path, c, which, times, rises)
    return which[kept], times[kept] / unit, rises[kept]


@dataclass(frozen=True)
class _Path:
    """The modes along the path; start is `ln(σ/ε − 1)`."""

    sigma: np.ndarray
    start: np.ndarray

    def logs(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ln s and ln u: on plateaus both may be so small that their products vanish in float64."""
        x = self.start - 2 * self.sigma * t[:, None]  # ln(σ/s − 1)
        top = np.log(self.sigma) - np.log1p(np.exp(-np.abs(x)))
        return top - np.maximum(x, 0), top - np.maximum(-x, 0)

    def terms(self, t: np.ndarray, c: np.ndarray) -> np.ndarray:
        """Of dP/dt, su(1 − u/c) in units of the largest su."""
        log_s, log_u = self.logs(t)
        return scaled(log_s + log_u, log_s + log_u) * (1 - np.exp(log_u) / c[:, None])

    def slope(self, t: np.ndarray, c: np.ndarray) -> np.ndarray:
        """dP/dt up to a positive factor."""
        return self.terms(t, c).sum(axis=1)


def _isolated(path: _Path, c: np.ndarray, end: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intervals with at most one zero each, and the cost whose zero it is."""
    a, b, first, last = np.array([0.0]), np.array([end]), np.array([0]), np.array([c.size])
    most, found = max(1, AT_A_TIME // path.sigma.size), [np.empty((0, 3))]
    while a.size:
        now, later = slice(-most, None), slice(0, -most)
        (a, low), (b, high), (first, lo), (last, hi) = ((x[later], x[now]) for x in (a, b, first, last))
        bounds = IntervalBounds.over(path.logs(low), path.logs(high))
        lo, hi = bounds.undecided(c, lo, hi)
        open_ = lo < hi
        rises, falls = bounds.monotone(c[np.minimum(lo, c.size - 1)], c[np.maximum(hi - 1, 0)])
        middle = (low + high) / 2
        stuck = (middle <= low) | (middle >= high)  # neighbouring floats
        mine = open_ & (rises | falls | stuck)
        count = (hi - lo)[mine]
        interval = np.repeat(np.flatnonzero(mine), count)
        cost = np.arange(interval.size) - np.repeat(np.cumsum(count) - count, count) + lo[interval]
        found.append(np.column_stack([low[interval], high[interval], cost]))
        go = open_ & ~(rises | falls | stuck)
        a, b = np.concatenate([a, low[go], middle[go]]), np.concatenate([b, middle[go], high[go]])
        first, last = np.concatenate([first, lo[go], lo[go]]), np.concatenate([last, hi[go], hi[go]])
    low, high, cost = np.concatenate(found).T
    return low, high, cost.astype(int)


@dataclass(frozen=True)
class IntervalBounds:
    """Over intervals: `s0 <= s <= s1`, `u0 <= u <= u1`, and w = su, scaled, between `small` and `large`."""

    s0: np.ndarray
    s1: np.ndarray
    u0: np.ndarray
    u1: np.ndarray
    small: np.ndarray
    large: np.ndarray

    @classmethod
    def over(cls, before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray]) -> "IntervalBounds":
        """From ln s and ln u at both ends: s rises and u falls."""
        (s0, u1), (s1, u0) = before, after
        small, large = s0 + u0, s1 + u1
        return cls(np.exp(s0), np.exp(s1), np.exp(u0), np.exp(u1), scaled(small, large), scaled(large, large))

    def undecided(self, c: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of the costs lo <= k < hi, those for which `Σ w(c − u)` may be 0: both bounds rise with c."""
        return _first(lambda k: self._largest(c[k]) >= 0, lo, hi), _first(lambda k: self._least(c[k]) > 0, lo, hi)

    def _least(self, c: np.ndarray) -> np.ndarray:
        """The lower bound on `Σ w(c − u)`, one cost per interval."""
        return _sum(self.small, self.large, (1 - ROUNDING) * c[:, None] - (1 + ROUNDING) * self.u1)

    def _largest(self, c: np.ndarray) -> np.ndarray:
        """The upper bound."""
        return -_sum(self.small, self.large, (1 - ROUNDING) * self.u0 - (1 + ROUNDING) * c[:, None])

    def monotone(self, least: np.ndarray, most: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether `Σ su(c − u)` rises, or falls, all the way, for costs from least to most, in which it is linear."""
        signs = [self._derivative(c[:, None]) for c in (least, most)]
        rises, falls = ([low > r for low, _, r in signs], [high < -r for _, high, r in signs])
        return rises[0] & rises[1], falls[0] & falls[1]

    def _derivative(self, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bounds on the time derivative over 2c, `Σ su [s(2u/c − 1) + u(1 − u/c)]`, and their rounding."""
        low1, high1 = product_bounds(self.s0, self.s1, 2 * self.u0 / c - 1, 2 * self.u1 / c - 1)
        low2, high2 = product_bounds(self.u0, self.u1, 1 - self.u1 / c, 1 - self.u0 / c)
        low, high = product_bounds(self.small, self.large, low1 + low2, high1 + high2)
        return low.sum(axis=1), high.sum(axis=1), ROUNDING * np.maximum(np.abs(low), np.abs(high)).sum(axis=1)


def _first(holds, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """The first k in lo … hi − 1 for which a condition holds that holds from there on, else hi."""
    while np.any(open_ := lo < hi):
        middle = (lo + hi) // 2
        true = holds(np.where(open_, middle, 0))
        lo, hi = np.where(open_ & ~true, middle + 1, lo), np.where(open_ & true, middle, hi)
    return lo


def scaled(logs: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Exponentials in units of the largest over the modes; only the signs of their sums are needed."""
    return np.exp(logs - largest.max(axis=1, keepdims=True))


def _sum(small: np.ndarray, large: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The least `Σ wq` with `0 <= small <= w <= large`."""
    return (np.where(q < 0, large, small) * q).sum(axis=1)


def product_bounds(p0: np.ndarray, p1: np.ndarray, q0: np.ndarray, q1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds on a product pq where `0 <= p0 <= p <= p1` and `q0 <= q <= q1`."""
    return np.where(q0 < 0, p1, p0) * q0, np.where(q1 < 0, p0, p1) * q1


def _distinct(path: _Path, c: np.ndarray, which: np.ndarray, times: np.ndarray, rises: np.ndarray) -> np.ndarray:
    """All turns but the pairs into which rounding splits a double zero: P rises from a minimum to the maximum after it.

    The maximum of such a pair is dropped, with the minimum before it.
    """
    kept = np.ones(times.size, bool)
    minima = np.flatnonzero(rises)
    # rounding splits a double zero by about its root, 1e-6 of the length
    close = minima[:-1][(np.diff(which[minima]) == 0) & (np.diff(times[minima]) <= 1e-4 * times[minima[1:]])]
    if close.size:
        between = times[close, None] + (times[close + 2] - times[close])[:, None] * 2.0 ** -np.arange(1, 50)
        terms = path.terms(between.ravel(), np.repeat(c[which[close]], 49))  # however early the rise ends
        rise = (terms.sum(axis=1) > ROUNDING * np.abs(terms).sum(axis=1)).reshape(between.shape).any(axis=1)
        kept[close] = kept[close + 1] = rise
    return kept
