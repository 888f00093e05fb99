"""A5: checks of the public functions: F and QQᵀ in mpmath, and the weights by integrating Ż."""

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import mpmath
import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from overtraining.theory.derivations.calculus.trace_words import MatrixSum, Word
from overtraining.theory.derivations.claims.shared.stacked_flow import lam as symbol
from overtraining.theory.learning.matrix_rotation import matrix_weights
from overtraining.theory.learning.matrix_solution import balanced_weights

EPS = float(np.finfo(float).eps)


def compare(claim: Mapping[str, Any], function: Callable[..., Any], generator: np.random.Generator) -> float:
    """Worst error of QQᵀ relative to its norm, over the condition number: κ of what grows, and the growth σt itself."""
    return max(*(_problem(claim, function, generator, trial) for trial in range(24)), _weights(claim, generator))


def _problem(claim: Mapping[str, Any], function: Callable, generator: np.random.Generator, trial: int) -> float:
    d_in, h, d_out = generator.integers(1, 5, 3).tolist()
    m = min(d_in, d_out)
    k = min(d_in, h, d_out)
    sigma = generator.uniform(0.3, 1, m) * (np.arange(m) != m - 1 if trial % 3 == 0 else 1)  # rank-deficient
    if trial % 4 == 1:
        sigma[:] = 1.0  # repeated
    teacher = (_frame(generator, d_out, m) * sigma) @ _frame(generator, d_in, m).T
    start = (_frame(generator, d_out, k) * 10.0 ** generator.uniform(-6, 0.5, k)) @ _frame(generator, d_in, k).T
    lam = 10 ** generator.uniform(-3, 1) * ((h <= d_out) if trial % 2 else -(h <= d_in))
    w1, w2 = balanced_weights(start, h, lam)
    rate = np.hypot(sigma.max(), lam / 2)
    t = float(generator.choice([0.0, 0.1, 1.0, 10.0, 100.0, 300.0])) / max(rate, 1.0)
    flow = function(t, w1, w2, teacher, lam)
    if flow.saddle and t * rate > 10 and d_in == d_out <= h:  # rounding would leave the saddle: see the tests
        return 0.0
    stacked = np.concatenate([flow.factor_in, flow.factor_out])
    low, high = (_evaluate(claim, w1, w2, teacher, lam, t, digits) for digits in (330, 400))
    if np.abs(low - high).max() > 1e-25:
        return float("inf")
    values = np.linalg.svd(np.concatenate([w1.T, w2]), compute_uv=False)[:k]
    condition = 10 * (1 + t * rate) * values[0] / values[-1]
    exact = high.astype(float)
    return float(np.abs(stacked @ stacked.T - exact).max() / np.abs(exact).max() / condition)


def _weights(claim: Mapping[str, Any], generator: np.random.Generator) -> float:
    """The engine's weights against the claim's Q, with Y, S and Z integrated by its own Ẏ, Ṡ and Ż; 1e-9 is 1e-12."""
    worst = 0.0
    for (d_in, h, d_out), lam in (((1, 1, 1), 0.0), ((2, 3, 2), 0.0), ((3, 2, 4), -0.3), ((2, 2, 3), 0.5)):
        turn = _frame(generator, h, h)
        k = min(d_in, h, d_out)
        w1, w2 = balanced_weights(generator.normal(size=(d_out, k)) @ generator.normal(size=(k, d_in)), h, lam)
        w1 = turn @ w1
        w2 = w2 @ turn.T
        teacher = generator.normal(size=(d_out, d_in))
        start = np.concatenate([w1.T, w2])
        n = d_in + d_out
        place = {"F": _force(claim, teacher, lam)}

        def split(flat: np.ndarray, n: int = n, h: int = h) -> dict[str, np.ndarray]:
            y, s, z = np.split(flat, [n * h, n * h + h * h])
            return {
                "Y": y.reshape(n, h),
                "S": s.reshape(h, h),
                "Si": np.linalg.inv(s.reshape(h, h)),
                "Z": z.reshape(h, h),
            }

        def rate(_: float, flat: np.ndarray, place: dict = place, split: Callable = split) -> np.ndarray:
            return np.concatenate([_value(claim[name], place | split(flat)).ravel() for name in ("Ẏ", "Ṡ", "Ż")])

        t = 3 / np.linalg.norm(teacher, 2)
        begin = np.concatenate([start.ravel(), np.eye(h).ravel(), np.eye(h).ravel()])
        end = solve_ivp(rate, (0, t), begin, method="DOP853", rtol=3e-14, atol=1e-14).y[:, -1]
        exact = _value(claim["Q"], place | split(end))
        weights = matrix_weights(t, w1, w2, teacher, tolerance=1e-11)
        off = np.abs(np.concatenate([weights[0].T, weights[1]]) - exact).max() / np.abs(exact).max()
        worst = max(worst, float(off) / 1000)
    return worst


def _force(claim: Mapping[str, Any], teacher: np.ndarray, lam: float) -> np.ndarray:
    """The claim's own F: blocks of multiples of I and of A."""
    sizes = teacher.shape[::-1]

    def number(c: sp.Expr) -> float:
        return float(c.subs(symbol, lam))

    def letter(word: Word, rows: int) -> np.ndarray:
        return (teacher.T if word[0].transposed else teacher) if word else np.eye(rows)

    def block(entry: MatrixSum, rows: int) -> np.ndarray:
        return sum(number(c) * letter(word, rows) for c, word in entry.terms)  # type: ignore[return-value]

    return np.block([[block(entry, rows) for entry in row] for row, rows in zip(claim["F"], sizes, strict=True)])


def _value(matrix: MatrixSum, place: Mapping[str, np.ndarray]) -> np.ndarray:
    """A sum of words at explicit matrices."""
    total = np.zeros(())
    for coefficient, word in matrix.terms:
        letters = [place[x.name].T if x.transposed else place[x.name] for x in word]
        total = total + float(coefficient) * reduce(np.matmul, letters)
    return total


def _evaluate(
    claim: Mapping[str, Any], w1: np.ndarray, w2: np.ndarray, teacher: np.ndarray, lam: float, t: float, digits: int
) -> np.ndarray:
    """The word for QQᵀ, with Y = e^{Ft}Q₀ and S = I + ∫Ṡ for the claim's own Ẏ and Ṡ."""
    rate = claim["Ẏ"].terms[0][0]
    growth = claim["Ṡ"].terms[0][0]
    with mpmath.workdps(digits):
        start = mpmath.matrix(np.concatenate([w1.T, w2]).tolist())
        force = mpmath.matrix(_force(claim, teacher, lam).tolist())
        values, frame = mpmath.eigsy(force * int(rate))

        def integral(x: Any) -> Any:
            return mpmath.expm1(2 * x * t) / (2 * x) if abs(x) > mpmath.mpf(10) ** -150 else mpmath.mpf(t)

        y = frame * mpmath.diag([mpmath.exp(x * t) for x in values]) * frame.T * start
        over = frame * mpmath.diag([integral(x) for x in values]) * frame.T
        s = mpmath.eye(start.cols) + int(growth) * start.T * over * start
        place = {"Y": y, "Si": s**-1}
        total = mpmath.zeros(start.rows)
        for coefficient, word in claim["QQᵀ"].terms:
            product = mpmath.eye(start.rows)
            for letter in word:
                product = product * (place[letter.name].T if letter.transposed else place[letter.name])
            total += int(coefficient) * product
        return np.array(total.tolist(), dtype=object)


def _frame(generator: np.random.Generator, d: int, k: int) -> np.ndarray:
    return np.linalg.qr(generator.normal(size=(d, d)))[0][:, :k]
