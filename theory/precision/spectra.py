"""The formulas of B3, B7, B8, C1, C3, C4 and C5 in mpmath: Hessian spectra, power laws, inflection points."""

from functools import partial
from typing import Any

import mpmath
import numpy as np

from overtraining.theory.inflection import deep_stages, noisy_mode, noisy_path, scaling, stages
from overtraining.theory.precision.features import balanced_unlearned
from overtraining.theory.precision.form import Form, each
from overtraining.theory.precision.sensitivity import norm, square, symmetric, trace
from overtraining.theory.sensitivity import curvature, rates, sum_rule

PRODUCTS = (700, 1400)  # for roots of products of 1e-300


def own_root(s: Any, unlearned: Any) -> Any:
    """`3s − σ`, from s and σ − s (B3)."""
    return 2 * s - unlearned


def pair_root(family: int, sign: int, si: Any, sj: Any, ri: Any, rj: Any) -> Any:
    """The roots of a pair of modes, from s and σ − s (B3)."""
    vi, vj = si + ri, sj + rj
    if family == 0:
        return si + sj - (vi + vj) / 2 + sign * mpmath.sqrt((vi - vj) ** 2 + 4 * si * sj) / 2
    return (vi + vj) / 2 + sign * mpmath.sqrt((2 * (si - sj) - (vi - vj)) ** 2 + 4 * si * sj) / 2


def hessian_trace(*point: Any) -> Any:
    """The trace of the Hessian from three 2 × 2 layers and Σx = [[a, b], [b, c]] (B3)."""
    w1, w2, w3 = (square(*point[i : i + 4]) for i in (0, 4, 8))
    sx = symmetric(*point[12:15])
    first, second = w1 * sx * w1.T, w2 * w1 * sx * w1.T * w2.T
    return norm(w3 * w2) * trace(sx) + norm(w3) * trace(first) + 2 * trace(second)


def _count(tau: Any, alpha: Any) -> int:
    """Features learned by τ, as the engine counts them: within a rounding of a step either number is right."""
    return int(rates.features_learned(float(tau), float(alpha)))


def enough(tau: float, alpha: float) -> tuple[int, int]:
    """Digits that suffice for ζ, which mpmath computes to an absolute precision."""
    digits = 40 + int(2 * max(np.log10(tau), 0))
    return digits, digits + 20


def staircase_loss(tau: Any, alpha: Any) -> Any:
    """`½ζ(2α, n + 1)` (B7)."""
    return mpmath.zeta(2 * alpha, _count(tau, alpha) + 1) / 2


def staircase_norm(tau: Any, alpha: Any) -> Any:
    """`ζ(α) − ζ(α, n + 1)`, which by continuation is the finite sum for every α but 1 (B7)."""
    n = _count(tau, alpha)
    return mpmath.harmonic(n) if alpha == 1 else mpmath.zeta(alpha, 1) - mpmath.zeta(alpha, n + 1)


def transform(t0: Any, t1: Any, loss0: Any, loss1: Any, m: Any) -> Any:
    """`−(2/m)(L₁ − L₀)(t₁ − t₀)/ln(t₁/t₀)` (B8)."""
    return -2 / m * (loss1 - loss0) * (t1 - t0) / mpmath.log(t1 / t0)


def local_factor(sigma: Any, epsilon: Any) -> Any:
    """`1/(1 − 1/ln(σ/ε))` (B8)."""
    return 1 / (1 - 1 / mpmath.log(sigma / epsilon))


def inflection(sigma: Any, epsilon: Any, c: Any) -> Any:
    """`(1/2σ) ln[(σ/ε − 1)(σ − c)/c]`, 0 where that is negative (C1)."""
    return max(mpmath.log((sigma / epsilon - 1) * (sigma - c) / c) / (2 * sigma), 0) if c < sigma else mpmath.mpf(0)


def stage(result: str, sigma: Any, c: Any) -> Any:
    """One feature: its change of the loss, its best stop, the gain up to there, and the rise after it (C3)."""
    stop = max(sigma - c, 0)
    change = sigma * (c - sigma / 2)
    gain = stop**2 / 2
    return {"change": change, "stop": stop, "gain": gain, "bump": change + gain}[result]


def overtraining_in_stages(*point: Any) -> Any:
    """`½c² + Σ_{σ ≤ 2c} σ(c − σ/2)`, or `½(σ₁ − c)₊² + Σ σ(c − σ/2)` where no σ exceeds 2c: (σ₁, σ₂, σ₃, c) (C4)."""
    *values, c = point
    weak = mpmath.fsum(v * (c - v / 2) for v in values if v <= 2 * c)
    return weak + (c**2 if any(v > 2 * c for v in values) else max(max(values) - c, 0) ** 2) / 2


def remaining_increase(*point: Any) -> Any:
    """`Σ u(c − u/2)` of two modes: (t, σ₁, σ₂, ε₁, ε₂, c) (C4)."""
    t, v1, v2, e1, e2, c = point
    unlearned = (balanced_unlearned(t, v1, e1), balanced_unlearned(t, v2, e2))
    return mpmath.fsum(u * (c - u / 2) for u in unlearned)


def overtraining_bound(side: str, *point: Any) -> Any:
    """The lower or upper bound on the rise of the loss by overtraining: (σ₁, σ₂, ε₁, ε₂, c) (C4)."""
    v1, v2, e1, e2, c = point
    by_mode = [(m := min(c, v - e)) * (c - m / 2) for v, e in ((v1, e1), (v2, e2))]
    return max(by_mode) if side == "lower" else mpmath.fsum(by_mode)


def last_minimum(v1: Any, v2: Any, epsilon: Any, c: Any) -> Any:
    """The zero of dP/dt of two modes that is nearest to the engine's, by the secant method (C4)."""
    values = (v1, v2)

    def slope(t: Any) -> Any:
        unlearned = [balanced_unlearned(t, v, epsilon) for v in values]
        return mpmath.fsum((v - u) * u * (c - u) for v, u in zip(values, unlearned, strict=True))

    start = _minimum(*map(float, (v1, v2, epsilon, c)))
    return mpmath.findroot(slope, (start, start * (1 + mpmath.mpf(10) ** -12)), tol=mpmath.mpf(10) ** (-mpmath.mp.dps))


def _minimum(v1: float, v2: float, epsilon: float, c: float) -> float:
    return float(noisy_path.minima([v1, v2], epsilon, c).at("last"))


def dense_time(alpha: Any, epsilon: Any, c: Any) -> Any:
    """`[ln(2c/ε) − (2 − 1/α)]/(4c)` (C5)."""
    return (mpmath.log(2 * c / epsilon) - 2 + 1 / alpha) / (4 * c)


def under_way(alpha: Any, epsilon: Any, c: Any) -> Any:
    """`(2c)^{−1/α}/(α ln(2c/ε))` (C5)."""
    return (2 * c) ** (-1 / alpha) / (alpha * mpmath.log(2 * c / epsilon))


def _pair(index: int, si: np.ndarray, sj: np.ndarray, ri: np.ndarray, rj: np.ndarray) -> Any:
    s = np.stack([si, sj], axis=-1)
    unlearned = np.stack([ri, rj], axis=-1)
    return curvature.hessian_spectrum(s, unlearned, d_in=2, h=2, d_out=2).values[:, 4 + index]


def _own(s: np.ndarray, unlearned: np.ndarray) -> Any:
    return curvature.hessian_spectrum(s[:, None], unlearned[:, None], d_in=1, h=1, d_out=1).values[:, 0]


def turning_product(sigma: Any, lam: Any, c: Any) -> Any:
    """The root of `(σ − p)√(λ² + 4p²) = 2cp` in (0, σ), by bisection in its log-odds (C1)."""
    low, high = mpmath.mpf(-800), mpmath.mpf(800)
    for _ in range(int(3.4 * mpmath.mp.dps) + 12):
        z = (low + high) / 2
        p, rest = sigma / (1 + mpmath.exp(-z)), sigma / (1 + mpmath.exp(z))
        low, high = (z, high) if rest * mpmath.hypot(lam, 2 * p) > 2 * c * p else (low, z)
    return sigma / (1 + mpmath.exp(-low))


def unbalanced_inflection(sigma: Any, start: Any, lam: Any, c: Any) -> Any:
    """`ln[Ψ(p*)/Ψ(p₀)]/r`, `Ψ = (√(λ² + 4p²) + (λ² + 4σp)/r)/(σ − p)`, or 0 past the turn (C1)."""
    turn, r = turning_product(sigma, lam, c), mpmath.hypot(lam, 2 * sigma)
    if start >= turn:
        return mpmath.mpf(0)

    def clock(p: Any) -> Any:
        return (mpmath.hypot(lam, 2 * p) + (lam**2 + 4 * sigma * p) / r) / (sigma - p)

    return mpmath.log(clock(turn) / clock(start)) / r


def threshold(g1: Any, g2: Any, g3: Any) -> Any:
    """`σ* = y^{3/2}`, `y² = e₁y + e₂`, of three layers of widths 2, 3, 4, 5 (C3)."""
    ends = 2 * g1**2 + 5 * g3**2
    both = 2 * g1**2 * 3 * g2**2 + 2 * g1**2 * 5 * g3**2 + 5 * g3**2 * 4 * g2**2
    return ((ends + mpmath.sqrt(ends**2 + 4 * both)) / 2) ** (mpmath.mpf(3) / 2)


def _threshold(*gammas: np.ndarray) -> Any:
    return deep_stages.threshold_singular_value(np.stack(gammas, axis=-1), [2, 3, 4, 5])


def _deep_time(epsilon: np.ndarray, *gammas: np.ndarray) -> Any:
    return deep_stages.deep_inflection_time(epsilon, np.stack(gammas, axis=-1), [2, 3, 4, 5])


def _trace(*row: float) -> Any:
    layers = [np.array(row[i : i + 4]).reshape(2, 2) for i in (0, 4, 8)]
    return curvature.hessian_trace(layers, np.array([[row[12], row[13]], [row[13], row[14]]]))


def _stage(result: str, sigma: np.ndarray, c: np.ndarray) -> Any:
    return getattr(stages.stage(sigma, c), result)


def _grown(t0: np.ndarray, t1: np.ndarray, loss0: np.ndarray, loss1: np.ndarray, m: np.ndarray) -> Any:
    return np.diff(sum_rule.norm_growth(np.stack([t0, t1], axis=-1), np.stack([loss0, loss1], axis=-1)))[:, 0] / m


def _remaining_increase(
    t: np.ndarray, v1: np.ndarray, v2: np.ndarray, e1: np.ndarray, e2: np.ndarray, c: np.ndarray
) -> Any:
    return noisy_path.remaining_increase(
        t[:, None], np.stack([v1, v2], axis=-1), np.stack([e1, e2], axis=-1), c[:, None]
    )


def _overtraining_bound(
    side: str, v1: np.ndarray, v2: np.ndarray, e1: np.ndarray, e2: np.ndarray, c: np.ndarray
) -> Any:
    bounds = noisy_path.overtraining_bounds(np.stack([v1, v2], axis=-1), np.stack([e1, e2], axis=-1), c[:, None])
    return getattr(bounds, side)


FORMS = (
    Form("B3", "curvature.hessian_spectrum, 3s − σ", _own, own_root),
    *(
        Form(
            "B3",
            f"curvature.hessian_spectrum, pair {2 * family + lower + 1}",
            partial(_pair, 2 * family + lower),
            partial(pair_root, family, 1 - 2 * lower),
            PRODUCTS,
        )
        for family in (0, 1)
        for lower in (0, 1)
    ),
    Form("B3", "curvature.hessian_trace, L = 3", each(_trace), hessian_trace),
    Form("B7", "rates.staircase_loss", rates.staircase_loss, staircase_loss, enough),
    Form("B7", "rates.staircase_norm", rates.staircase_norm, staircase_norm, enough),
    Form("B8", "sum_rule.norm_growth", _grown, transform),
    Form("B8", "sum_rule.predicted_exponent", sum_rule.predicted_exponent, lambda beta: 1 - beta),
    Form(
        "B8",
        "sum_rule.turning_length, L = 3",
        partial(sum_rule.turning_length, depth=3),
        lambda slope: (2 * slope) ** (-mpmath.mpf(3) / 2),
    ),
    Form("B8", "sum_rule.local_factor", sum_rule.local_factor, local_factor),
    Form("C1", "noisy_mode.inflection_time", noisy_mode.inflection_time, inflection, PRODUCTS),
    Form("C1", "noisy_mode.turning_product", noisy_mode.turning_product, turning_product),
    Form(
        "C1",
        "noisy_mode.unbalanced_inflection_time",
        noisy_mode.unbalanced_inflection_time,
        unbalanced_inflection,
        (120, 240, 500),
    ),
    Form("C3", "deep_stages.threshold_singular_value", _threshold, threshold),
    Form(
        "C5",
        "deep_stages.deep_inflection_time",
        _deep_time,
        lambda epsilon, *gammas: 1 / (mpmath.cbrt(epsilon) * threshold(*gammas)),
    ),
    *(
        Form("C3", f"stages.stage, {result}", partial(_stage, result), partial(stage, result))
        for result in ("change", "stop", "gain", "bump")
    ),
    Form(
        "C4",
        "stages.overtraining_in_stages",
        each(lambda *row: stages.overtraining_in_stages(row[:-1], row[-1])),
        overtraining_in_stages,
    ),
    Form("C4", "noisy_path.remaining_increase", _remaining_increase, remaining_increase),
    *(
        Form(
            "C4",
            f"noisy_path.overtraining_bounds, {side}",
            partial(_overtraining_bound, side),
            partial(overtraining_bound, side),
        )
        for side in ("lower", "upper")
    ),
    Form("C4", "noisy_path.minima, last", each(_minimum), last_minimum, (120, 240)),
    Form("C5", "scaling.dense_inflection_time", scaling.dense_inflection_time, dense_time),
    Form("C5", "scaling.features_under_way", scaling.features_under_way, under_way),
)
