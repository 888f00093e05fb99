"""Fit losses of separately annealed runs by a law in model size and tokens, with bootstrap intervals (claim F2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from overtraining.setting.arrays import Numbers
from overtraining.setting.domain import positive
from overtraining.setting.errors import NotSolved, SchemaError, ShapeError

SYMBOLS = {"irreducible": "E", "size_coefficient": "A", "alpha": "alpha", "token_coefficient": "B", "beta": "beta"}
"""The constants of the law, and their symbols in `L = E + A N^−α + B D^−β`."""


@dataclass(frozen=True)
class ScalingLaw:
    """The law `L(N, D) = E + A N^−α + B D^−β` for the loss of a model with N parameters after D tokens.

    irreducible: E.  size_coefficient: A.  token_coefficient: B. If all runs have one size, A = α = 0 and E includes the
    part that depends on the size.
    """

    irreducible: float
    size_coefficient: float
    alpha: float
    token_coefficient: float
    beta: float

    def __call__(self, params: Numbers, tokens: Numbers) -> Any:
        """The loss in nats for N = params and D = tokens, which broadcast."""
        n, d = np.asarray(params, float), np.asarray(tokens, float)
        return self.irreducible + self.size_coefficient * n**-self.alpha + self.token_coefficient * d**-self.beta

    def turning_tokens(self, cost: float, growth: float) -> float:
        """The D at which `L + cost·D^growth` is least, `(βB / (growth·cost))^{1/(β + growth)}`.

        >>> law = ScalingLaw(irreducible=1.0, size_coefficient=0.0, alpha=0.0, token_coefficient=8.0, beta=0.5)
        >>> law.turning_tokens(cost=2.0, growth=0.5)
        4.0
        """
        ratio: float = self.beta * self.token_coefficient / (growth * cost)
        return float(ratio ** (1 / (self.beta + growth)))


@dataclass(frozen=True)
class FittedLaw:
    """A fitted law, the robust standard deviation of its residuals in ln L, the number of runs, and bootstrap draws.

    draws: one row per resampled fit, one column per constant in the order of SYMBOLS.
    """

    law: ScalingLaw
    scatter: float
    runs: int
    draws: np.ndarray

    def interval(self, constant: str, confidence: float = 0.95) -> tuple[float, float]:
        """The bootstrap interval of one constant of SYMBOLS.

        Its percentiles are those at which a normal distribution has the tails of Student's t distribution, since the
        scatter of the runs is itself an estimate; without that, intervals of some 30 runs cover 91% instead of 95%.
        """
        from scipy.stats import norm, t

        constants = 5 if self.law.size_coefficient else 3
        tail = float(norm.sf(t.ppf((1 + confidence) / 2, self.runs - constants)))
        low, high = np.quantile(self.draws[:, list(SYMBOLS).index(constant)], [tail, 1 - tail])
        return float(low), float(high)


def fit_law(params: np.ndarray, tokens: np.ndarray, loss: np.ndarray, draws: int = 400, key: int = 0) -> FittedLaw:
    """Fit the law by robust least squares in ln L from many starts, and again to `draws` resamplings of the residuals.

    The Huber loss becomes linear beyond 1.345 robust standard deviations of the residuals, which are resampled
    regardless of N and D. params, tokens, loss: one per run, > 0. For runs of one size, `E + B D^−β` is fitted.
    Raises SchemaError for fewer runs than constants plus three, ShapeError, NotSolved.
    Source: Hoffmann et al. 2022 (arXiv 2203.15556), eq. 10, for the law and the loss function.
    """
    from tqdm import tqdm

    n, d, y = (positive(name, x) for name, x in (("params", params), ("tokens", tokens), ("loss", loss)))
    if not n.shape == d.shape == y.shape or n.ndim != 1:
        shapes = f"params {n.shape}, tokens {d.shape}, loss {y.shape}"
        raise ShapeError(shapes, "these are not three numbers per run", "pass arrays of equal length")
    sizes = np.unique(n).size
    constants = 5 if sizes > 1 else 3
    if y.size < constants + 3 or np.unique(d).size < 3 or sizes == 2:
        why = f"{constants} constants need at least {constants + 3} runs, three lengths, and one size or at least three"
        raise SchemaError(f"{y.size} runs of {sizes} sizes and {np.unique(d).size} lengths", why, "add runs")
    logs = np.stack([np.log(n / np.exp(np.log(n).mean())), np.log(d / np.exp(np.log(d).mean()))])
    problem = _Problem(logs, sized=sizes > 1)
    best = min((problem.solve(np.log(y), start) for start in problem.starts(np.log(y))), key=lambda s: s[1])[0]
    for _ in range(3):  # outliers affect the first fit, and with it the estimate of the scatter
        scatter = max(float(1.4826 * np.median(np.abs(np.log(y) - problem.model(best)))), 1e-12)
        best = problem.solve(np.log(y), best, scatter)[0]
    residual = (np.log(y) - problem.model(best)) * np.sqrt(y.size / (y.size - constants))
    rng = np.random.default_rng(key)
    refitted = np.empty((draws, 5))
    for i in tqdm(range(draws), desc="refits of the law", unit="draw", disable=None, delay=1):
        resampled = problem.model(best) + rng.choice(residual, y.size)
        refitted[i] = _constants(problem.solve(resampled, best, scatter)[0], n, d, problem.sized)
    return FittedLaw(ScalingLaw(*map(float, _constants(best, n, d, problem.sized))), scatter, y.size, refitted)


@dataclass(frozen=True)
class _Problem:
    """The fit in terms of the logarithms of the law's parts at the middle of the runs: (e, b, β) or (e, b, β, a, α).

    logs: logarithms of N and D, relative to their geometric means.  sized: whether the law contains the size N.
    """

    logs: np.ndarray
    sized: bool

    def parts(self, p: np.ndarray) -> np.ndarray:
        rows = [np.full(self.logs.shape[1], p[0]), p[1] - p[2] * self.logs[1]]
        return np.stack([*rows, p[3] - p[4] * self.logs[0]] if self.sized else rows)

    def model(self, p: np.ndarray) -> np.ndarray:
        value: np.ndarray = np.logaddexp.reduce(self.parts(p), axis=0)
        return value

    def slopes(self, p: np.ndarray) -> np.ndarray:
        parts = self.parts(p)
        fraction = np.exp(parts - self.model(p))
        columns = [fraction[0], fraction[1], -fraction[1] * self.logs[1]]
        return np.stack([*columns, fraction[2], -fraction[2] * self.logs[0]] if self.sized else columns, axis=1)

    def starts(self, y: np.ndarray) -> Iterator[np.ndarray]:
        middle = float(np.median(y))
        for irreducible in (0.3, 0.6, 0.9):  # fraction of the loss
            for beta in (0.2, 0.5):
                for alpha in (0.2, 0.5) if self.sized else (0.0,):
                    rest = middle + np.log((1 - irreducible) / (1 + self.sized))
                    start = [middle + np.log(irreducible), rest, beta]
                    yield np.array([*start, rest, alpha] if self.sized else start)

    def solve(self, y: np.ndarray, start: np.ndarray, scale: float = 0.0) -> tuple[np.ndarray, float]:
        """Constants and residual cost from one start, by least squares; with a scale, by Huber's loss."""
        from scipy.optimize import least_squares

        low = np.full(start.size, -50.0)
        low[[2, 4] if self.sized else [2]] = 1e-3  # exponents are positive
        solution = least_squares(
            lambda p: self.model(p) - y,
            np.maximum(start, low + 1e-6),
            self.slopes,
            bounds=(low, np.full(start.size, 50.0)),
            loss="huber" if scale else "linear",
            method="dogbox",
            f_scale=1.345 * scale if scale else 1.0,
            max_nfev=2000,
        )
        if not solution.success:
            why = "the least-squares fit did not converge"
            raise NotSolved("L(N, D)", why, "leave out runs that were not trained like the others")
        return solution.x, float(solution.cost)


def _constants(p: np.ndarray, n: np.ndarray, d: np.ndarray, sized: bool) -> np.ndarray:
    b = np.exp(p[1] + p[2] * np.log(d).mean())
    a = (np.exp(p[3] + p[4] * np.log(n).mean()), p[4]) if sized else (0.0, 0.0)
    return np.array([np.exp(p[0]), *a, b, p[2]])
