"""Losses of separately annealed runs as a law in model size and tokens, with bootstrap intervals (claim F2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from overtraining.setting.arrays import Numbers
from overtraining.setting.domain import positive
from overtraining.setting.errors import NotSolved, SchemaError, ShapeError

NAMES = ("E", "A", "alpha", "B", "beta")


@dataclass(frozen=True)
class ScalingLaw:
    """`L(N, D) = E + A N^−α + B D^−β`; A = α = 0 where all runs have one size, so that E contains its part."""

    E: float
    A: float
    alpha: float
    B: float
    beta: float

    def __call__(self, params: Numbers, tokens: Numbers) -> Any:
        """The loss in nats, for N parameters and D tokens, which broadcast."""
        n, d = np.asarray(params, float), np.asarray(tokens, float)
        return self.E + self.A * n**-self.alpha + self.B * d**-self.beta

    def turning(self, price: float, growth: float) -> float:
        """The D at which `L + price·D^growth` is least, `(βB / (growth·price))^{1/(β + growth)}`: where U turns.

        >>> law = ScalingLaw(E=1.0, A=0.0, alpha=0.0, B=8.0, beta=0.5)
        >>> law.turning(price=2.0, growth=0.5)
        4.0
        """
        ratio: float = self.beta * self.B / (growth * price)
        return float(ratio ** (1 / (self.beta + growth)))


@dataclass(frozen=True)
class Fit:
    """A law, its residuals' robust standard deviation in ln L, the number of runs, and bootstrap draws of NAMES."""

    law: ScalingLaw
    scatter: float
    runs: int
    draws: np.ndarray

    def interval(self, name: str, confidence: float = 0.95) -> tuple[float, float]:
        """The bootstrap interval of one constant.

        Its percentiles are those that a normal law leaves outside Student's interval, since the scatter of the runs
        is itself an estimate; without that, intervals of some 30 runs cover 91% in place of 95%.
        """
        from scipy.stats import norm, t

        constants = 5 if self.law.A else 3
        tail = float(norm.sf(t.ppf((1 + confidence) / 2, self.runs - constants)))
        low, high = np.quantile(self.draws[:, NAMES.index(name)], [tail, 1 - tail])
        return float(low), float(high)


def fit(params: np.ndarray, tokens: np.ndarray, loss: np.ndarray, draws: int = 400, seed: int = 0) -> Fit:
    """The law by robust least squares in ln L from many starts, and `draws` fits to resampled residuals.

    The Huber loss turns linear beyond 1.345 robust standard deviations of the residuals; they are resampled whole,
    whatever N and D. params, tokens, loss: one per run, > 0. With one size only, `E + B D^−β` is fitted.
    Raises SchemaError for fewer runs than constants and three more, ShapeError, NotSolved.
    Source: Hoffmann et al. 2022 (arXiv 2203.15556), eq. 10, for the law and the loss.
    """
    n, d, y = (positive(name, x) for name, x in (("params", params), ("tokens", tokens), ("loss", loss)))
    if not n.shape == d.shape == y.shape or n.ndim != 1:
        shapes = f"params {n.shape}, tokens {d.shape}, loss {y.shape}"
        raise ShapeError(shapes, "these are not three numbers per run", "pass equal rows")
    sizes, constants = np.unique(n).size, 5 if np.unique(n).size > 1 else 3
    if y.size < constants + 3 or np.unique(d).size < 3 or sizes == 2:
        why = f"{constants} constants need at least {constants + 3} of them, three lengths, and one size or three"
        raise SchemaError(f"{y.size} runs of {sizes} sizes and {np.unique(d).size} lengths", why, "add runs")
    logs = np.stack([np.log(n / np.exp(np.log(n).mean())), np.log(d / np.exp(np.log(d).mean()))])
    problem = _Problem(logs, two=sizes > 1)
    best = min((problem.solve(np.log(y), start) for start in problem.starts(np.log(y))), key=lambda s: s[1])[0]
    for _ in range(3):  # the first fit bends to outliers, and their scatter with it
        scatter = max(float(1.4826 * np.median(np.abs(np.log(y) - problem.model(best)))), 1e-12)
        best = problem.solve(np.log(y), best, scatter)[0]
    residual = (np.log(y) - problem.model(best)) * np.sqrt(y.size / (y.size - constants))
    rng, again = np.random.default_rng(seed), np.empty((draws, 5))
    for i in range(draws):
        resampled = problem.model(best) + rng.choice(residual, y.size)
        again[i] = _constants(problem.solve(resampled, best, scatter)[0], n, d, problem.two)
    return Fit(ScalingLaw(*map(float, _constants(best, n, d, problem.two))), scatter, y.size, again)


@dataclass(frozen=True)
class _Problem:
    """The law in logarithms of its three parts at the middle of the runs: (e, b, β) or (e, b, β, a, α)."""

    logs: np.ndarray
    two: bool

    def parts(self, p: np.ndarray) -> np.ndarray:
        rows = [np.full(self.logs.shape[1], p[0]), p[1] - p[2] * self.logs[1]]
        return np.stack([*rows, p[3] - p[4] * self.logs[0]] if self.two else rows)

    def model(self, p: np.ndarray) -> np.ndarray:
        value: np.ndarray = np.logaddexp.reduce(self.parts(p), axis=0)
        return value

    def slopes(self, p: np.ndarray) -> np.ndarray:
        parts = self.parts(p)
        share = np.exp(parts - self.model(p))
        columns = [share[0], share[1], -share[1] * self.logs[1]]
        return np.stack([*columns, share[2], -share[2] * self.logs[0]] if self.two else columns, axis=1)

    def starts(self, y: np.ndarray) -> Iterator[np.ndarray]:
        middle = float(np.median(y))
        for share in (0.3, 0.6, 0.9):  # of the loss that stays for ever
            for beta in (0.2, 0.5):
                for alpha in (0.2, 0.5) if self.two else (0.0,):
                    rest = middle + np.log((1 - share) / (1 + self.two))
                    start = [middle + np.log(share), rest, beta]
                    yield np.array([*start, rest, alpha] if self.two else start)

    def solve(self, y: np.ndarray, start: np.ndarray, scale: float = 0.0) -> tuple[np.ndarray, float]:
        """Constants and cost from one start; plain least squares without a scale, else Huber's."""
        from scipy.optimize import least_squares

        low = np.full(start.size, -50.0)
        low[[2, 4] if self.two else [2]] = 1e-3  # exponents that are positive
        found = least_squares(
            lambda p: self.model(p) - y, np.maximum(start, low + 1e-6), self.slopes,
            bounds=(low, np.full(start.size, 50.0)), loss="huber" if scale else "linear", method="dogbox",
            f_scale=1.345 * scale if scale else 1.0, max_nfev=2000,
        )  # fmt: skip
        if not found.success:
            why = "the least squares did not converge"
            raise NotSolved("L(N, D)", why, "leave out runs that were not trained like the others")
        return found.x, float(found.cost)


def _constants(p: np.ndarray, n: np.ndarray, d: np.ndarray, two: bool) -> np.ndarray:
    b = np.exp(p[1] + p[2] * np.log(d).mean())
    a = (np.exp(p[3] + p[4] * np.log(n).mean()), p[4]) if two else (0.0, 0.0)
    return np.array([np.exp(p[0]), *a, b, p[2]])
