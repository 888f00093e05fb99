"""A formula gives t(s), the engine s(t): how wrong is the engine's s?"""

import math
from collections.abc import Callable

import mpmath


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
