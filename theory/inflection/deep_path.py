"""The loss after noise along the balanced aligned path of any depth (claims A6, B2): its value, slope and minima.

With `x = s^{2/L}` and B2's cost D a polynomial with positive coefficients in the sums `M_j = Σ x^j`, the slope is
`dP/dt = Σ s u [2 Σ_j j D_j x^{j−1} − L s^{1−2/L} u]`, `u = σ − s`, `D_j = ∂D/∂M_j`: the increase because the
weights grow, less the decrease by learning. s, x and D_j rise along the path and u falls, so that each factor is
bounded over an interval of lengths by its values at the ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import elementwise

from overtraining.setting.arrays import Numbers, Values
from overtraining.setting.domain import listed, nonnegative, whole
from overtraining.setting.errors import DomainError, NotSolved, ShapeError
from overtraining.theory.checks import check_epsilon, check_range, check_sigma, check_start_below, check_time
from overtraining.theory.inflection.noisy_path import Minima
from overtraining.theory.inflection.turning_points import ROUNDING, product_bounds, scaled
from overtraining.theory.learning import deep_mode
from overtraining.theory.sensitivity.deep_noise import deep_increase, segment_norms_on_path

RESOLUTION = 2.0**-16  # of the fastest mode's e-fold: two minima closer than that are one
MOST = 100_000  # intervals at a time


@dataclass(frozen=True)
class DeepPath:
    """The modes, their starts, the noise and the widths, checked; s and u of the methods are (…, modes)."""

    sigma: np.ndarray
    epsilon: np.ndarray
    gammas: np.ndarray
    widths: tuple[int, ...]

    @classmethod
    def checked(cls, sigma: Numbers, epsilon: Numbers, gammas: Numbers, widths: Sequence[int]) -> "DeepPath":
        sigma, epsilon = check_sigma(sigma), check_epsilon(epsilon)
        gammas = nonnegative("gammas", gammas)
        sizes = tuple(whole("width", n) for n in listed("widths", widths))
        if sigma.ndim != 1 or sigma.size == 0 or epsilon.shape not in ((), sigma.shape):
            shapes = f"sigma {sigma.shape}, epsilon {epsilon.shape}"
            raise ShapeError(shapes, "the modes need one axis", "pass sigma as a list, and one epsilon or one per mode")
        if sigma.size > min(sizes, default=0):
            raise ShapeError(f"{sigma.size} modes, widths {sizes}", "a layer is narrower than that", "pass fewer modes")
        if gammas.shape != (len(sizes) - 1,):
            raise ShapeError(f"gammas {gammas.shape}", f"there are {len(sizes) - 1} layers", "pass one per layer")
        check_range(sigma, epsilon=epsilon, gammas=gammas)
        return cls(sigma, np.broadcast_to(epsilon, sigma.shape), gammas, sizes)

    @property
    def depth(self) -> int:
        return len(self.gammas)

    def modes(self, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """s and σ − s."""
        s, unlearned = deep_mode.learned_and_unlearned(length[..., None], self.sigma, self.epsilon, self.depth)
        return np.asarray(s), np.asarray(unlearned)

    def loss(self, s: np.ndarray, u: np.ndarray) -> Values:
        return (u**2).sum(axis=-1) / 2 + deep_increase(segment_norms_on_path(s, self.widths), self.gammas)

    def cost(self, s: np.ndarray) -> np.ndarray:
        """`2 Σ_j j D_j x^{j−1}`: B2's sum over chains of noisy layers, each chain cut at a segment of j layers."""
        L, square, norms = self.depth, self.gammas**2, segment_norms_on_path(s, self.widths)
        one = np.ones(s.shape[:-1])
        before, after = [one], {L + 1: one}
        for b in range(1, L + 1):
            before.append(square[b - 1] * sum(before[a] * norms[..., a, b - 1] for a in range(b)))
        for a in range(L, 0, -1):
            after[a] = square[a - 1] * sum(norms[..., a, b - 1] * after[b] for b in range(a + 1, L + 2))
        x, total = s ** (2 / L), np.zeros_like(s)
        for j in range(1, L):
            cut = np.sum([before[a] * after[a + j + 1] for a in range(L + 1 - j)], axis=0)
            total = total + j * cut[..., None] * x ** (j - 1)  # D is half the sum over chains
        return total

    def gain(self, s: np.ndarray, u: np.ndarray) -> np.ndarray:
        return self.depth * s ** (1 - 2 / self.depth) * u

    def slope(self, length: np.ndarray) -> np.ndarray:
        """dP/dt up to a positive factor."""
        s, u = self.modes(length)
        logs = _log(s) + _log(u)
        return (scaled(logs, logs) * (self.cost(s) - self.gain(s, u))).sum(axis=-1)

    def end(self) -> float:
        """A length beyond which every mode only raises the loss: there each u is below the cost of its growth."""
        most = self.depth * self.sigma ** (1 - 2 / self.depth)
        unlearned = np.minimum(self.cost(self.sigma / 2) / most, self.sigma - self.epsilon) / 2
        return float(np.max(deep_mode.time_to_reach(self.sigma - unlearned, self.sigma, self.epsilon, self.depth)))

    def decided(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Whether the slope has one sign on these intervals."""
        (s0, u1), (s1, u0) = self.modes(a), self.modes(b)
        small, large = _log(s0) + _log(u0), _log(s1) + _log(u1)
        factors = (self.cost(s0) - self.gain(s1, u1), self.cost(s1) - self.gain(s0, u0))
        low, high = product_bounds(scaled(small, large), scaled(large, large), *factors)
        rounding = ROUNDING * np.maximum(np.abs(low), np.abs(high)).sum(axis=-1)
        return (low.sum(axis=-1) > rounding) | (high.sum(axis=-1) < -rounding)

    def turns(self) -> np.ndarray:
        """Where the slope turns from falling to rising, at lengths above 0."""
        a, b = np.array([0.0]), np.array([self.end()])
        undecided: list[np.ndarray] = []
        least = RESOLUTION / (self.depth * self.sigma.max() ** (2 - 2 / self.depth))
        while a.size:
            if a.size > MOST:
                raise NotSolved("the minima", "too many lengths at which the slope nearly vanishes", "use fewer modes")
            middle = (a + b) / 2
            open_ = ~self.decided(a, b)
            short = (b - a <= least) | (middle <= a) | (middle >= b)
            undecided.append(np.column_stack([a, b])[open_ & short])
            go = open_ & ~short
            a, b = np.concatenate([a[go], middle[go]]), np.concatenate([middle[go], b[go]])
        low, high = np.sort(np.concatenate(undecided), axis=0).T
        first = np.append(True, low[1:] > high[:-1])[: low.size]  # neighbours hold one zero between them
        low, high = low[first], high[np.append(first[1:], True)[: low.size]]
        rising = (self.slope(low) < 0) & (self.slope(high) >= 0)
        low, high = low[rising], high[rising]
        return elementwise.find_root(self.slope, (low, high)).x if low.size else low


def _log(x: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):  # converged
        return np.log(x)


def loss_after_noise(
    length: Numbers, sigma: Numbers, epsilon: Numbers, gammas: Numbers, widths: Sequence[int]
) -> Values:
    """Expected loss after noise on every layer, `P_L(t) = ½Σ(σ − s)² + D(s)`, on the path of depth L (claims A6, B2).

    D is `deep_noise.deep_increase`, exact in the noise, of any law. At depth 2 it is `½Σ(σ − s)² + cΣs` and a constant.

    length: t >= 0, (…), gradient-flow time.  sigma: (modes,), > 0, at most as many as the narrowest width; the loss of
    other modes of the teacher is not included.  epsilon: start > 0, one or (modes,).  gammas: (L,), >= 0, from the
    input's layer.  widths: d_in, h_1, …, h_{L−1}, d_out. Unit of the loss.
    Raises DomainError outside the domain, ShapeError where the shapes do not fit.
    Source: ours.

    >>> loss_after_noise([0.0, 20.0, 1e3], [1.0, 0.5], 1e-3, gammas=[0.1] * 3, widths=[2] * 4).round(4).tolist()
    [0.6235, 0.0416, 0.0422]
    """
    path = DeepPath.checked(sigma, epsilon, gammas, widths)
    return path.loss(*path.modes(check_time("length", length)))  # A6, B2


def deep_minima(sigma: Numbers, epsilon: Numbers, gammas: Numbers, widths: Sequence[int]) -> Minima:
    """Every local minimum of the loss after noise along the path of depth L, and the increase beyond each (claim C4).

    As `noisy_path.minima`, for noise of any scale on each layer: no interval of lengths is dropped before bounds show
    that the slope has one sign on it; minima closer together than 2⁻¹⁶ of the fastest mode's e-fold count as one.
    From three layers on a mode grows slowly before it grows fast, and the cost of its first growth may come before the
    gain: then t = 0 is a minimum too, and only the `best` one says how long to train.

    Arguments as in `loss_after_noise`, with 0 < ε < σ. Raises DomainError outside the domain, also where stages are too
    short beside their delay for lengths in float64 (`(ε/σ)^{1−2/L}` below 1e-11), ShapeError, NotSolved.
    Source: ours.

    >>> found = deep_minima([1.0, 0.3], 1e-4, gammas=[0.1] * 3, widths=[4] * 4)
    >>> found.times.round(2).tolist(), found.increase.round(4).tolist()
    ([21.7, 70.58], [-0.0285, 0.0013])
    """
    path = DeepPath.checked(sigma, epsilon, gammas, widths)
    check_start_below(path.epsilon, path.sigma)
    if np.any((path.epsilon / path.sigma) ** (1 - 2 / path.depth) < 1e-11):
        raise DomainError("epsilon", "stages are too short for float64 beside their delay", "use a larger start")
    if path.depth == 1 or not np.any(path.gammas):  # the cost of noise does not change with training
        return Minima(np.empty(0), np.empty(0))
    times = np.append([0.0] if path.slope(np.zeros(1))[0] >= 0 else [], path.turns())
    end = path.loss(path.sigma, np.zeros_like(path.sigma))
    return Minima(times, np.asarray(end - path.loss(*path.modes(times))))
