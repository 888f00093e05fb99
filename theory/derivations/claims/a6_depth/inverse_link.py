"""A formula gives t(s), the engine s(t): how wrong is the engine's s?"""

import math
from collections.abc import Callable, Sequence

import mpmath
import numpy as np

from overtraining.theory.learning.deep_mode import unlearned


def inverse_link(clocks: Sequence[Callable], singular_value: Callable, generator: np.random.Generator) -> float:
    """Worst error over L 3 … 100, σ 1e-6 … 1e6, ε 1e-300 … 10σ, and times 0, around learning, and up to 1e6.

    clocks: `t(s, σ, ε, L)` for ε < σ and for ε > σ.
    """
    worst = 0.0
    for depth in (3, 4, 5, 10, 100):
        for _ in range(12):
            top, q = 10 ** generator.uniform(-6, 6), 2 - 2 / depth
            start = max(top * 10 ** generator.choice([generator.uniform(-294, 0), generator.uniform(-3, 1)]), 1e-300)
            stage = max((start / top) ** (1 - q), 1) / (depth * top**q) * 10 ** generator.choice([-3, -1, 0, 0.2, 1])
            point = (float(min(stage, 1e6)) * bool(generator.random() > 0.1), top, start, depth)
            found = float(singular_value(*point)), float(unlearned(*point))
            worst = max(worst, inverse_error(clocks[int(start > top)], found, *point))
    return worst


def inverse_error(
    clock: Callable, found: tuple[float, float], t: float, sigma: float, epsilon: float, depth: int
) -> float:
    """Relative error of the engine's `(s, σ − s)`, judged by the time `clock(s, σ, ε, L)` that the formula gives back.

    An error δt of the time is an error `ṡ δt` of s. Where s is nearer to σ than to 0, that of σ − s is judged, and s
    only for agreeing with it. Per unit of the condition number, which is bounded by `1 + (1 + q)X + 2Y` with
    `X = t ∂ln s/∂t`, `Y = ∂ln s/∂ln ε`, since s scales as `λ s(λ^q t; σ, ε)` when σ and ε do.
    """
    with mpmath.workdps(60 + int(-math.log10(max(abs(found[1]) / sigma, 1e-300)))):  # 1 − s/σ needs its own digits
        T, S, E, q = mpmath.mpf(t), mpmath.mpf(sigma), mpmath.mpf(epsilon), 2 - mpmath.mpf(2) / depth
        value, gap = map(mpmath.mpf, found)
        if abs(gap) < 1e-300:  # judged absolutely
            return float(abs(value - S) / S)
        late = abs(gap) < S / 2
        s = S - gap if late else value
        size = abs(gap) if late else value
        pace, pace_at_start = (depth * x**q * (S - x) for x in (s, E))
        condition = 1 + ((1 + q) * T * abs(pace) + 2 * abs(pace / pace_at_start) * E) / size
        error = abs((clock(s, S, E, depth) - T) * pace) / size / condition
        return float(max(error, abs(value - s) / s))
