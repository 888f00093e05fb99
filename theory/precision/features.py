"""The formulas of A3, A4, A6, A7 and B4 for one mode along pretraining, in mpmath."""

from functools import lru_cache, partial
from math import log, log10
from typing import Any

import mpmath

from overtraining.theory.learning import balanced_mode, deep_mode, incremental, unbalanced_mode
from overtraining.theory.precision.form import Form
from overtraining.theory.sensitivity import growth

EXACT = (60, 120, 400, 800)
IMPLICIT = (60, 100, 400, 900)
SUBTRACTED = (700, 1000, 2000)  # enough to add squares of 1e-300 to 1


def spread(t: float, sigma: float, *sizes: float) -> tuple[int, ...]:
    """Digits that suffice to add squares of the smallest and the largest of these numbers, and a rest of e^{−rt}."""
    nonzero = [abs(x) for x in (sigma, *sizes) if x]
    decades = log10(max(nonzero) / min(nonzero)) if nonzero else 0.0
    digits = int(60 + 2 * decades + min(max(nonzero, default=0.0) * 3 * t / log(10), 350))
    return digits, digits + 100, 1000, 2000  # at the last two, a value that is exactly 0 is seen to be 0


def balanced(t: Any, sigma: Any, epsilon: Any, mu: Any = 0) -> Any:
    """`s = κ/(1 + (κ/ε − 1)e^{−2κt})` (A3)."""
    kappa = sigma - mu
    if kappa == 0:
        return epsilon / (1 + 2 * epsilon * t)
    return kappa / (1 + (kappa / epsilon - 1) * mpmath.exp(-2 * kappa * t))


def balanced_unlearned(t: Any, sigma: Any, epsilon: Any, mu: Any = 0) -> Any:
    """`σ − s`, by a form that does not subtract nearly equal numbers as t → ∞ (A3)."""
    kappa = sigma - mu
    if kappa == 0:
        return sigma - epsilon / (1 + 2 * epsilon * t)
    grown = (kappa / epsilon - 1) * mpmath.exp(-2 * kappa * t)
    return mu + kappa * grown / (1 + grown)


def unbalanced(t: Any, sigma: Any, start: Any, lam: Any) -> Any:
    """`tan((φ* − φ)/2) = e^{−rt} tan((φ* − φ₀)/2)` with `tan φ = 2p/|λ|` (A4)."""
    if lam == 0:
        grown = mpmath.exp(-2 * sigma * t)
        if start > 0:
            return start / (grown + 2 * start * t if sigma == 0 else grown + (1 - grown) * start / sigma)
        q = -start
        return -q / (1 + 2 * q * t) if sigma == 0 else -q * sigma * grown / (sigma + q * (1 - grown))
    size = abs(lam)
    end, angle = mpmath.atan(2 * sigma / size), mpmath.atan(2 * start / size)
    half_tangent = mpmath.exp(-mpmath.sqrt(lam**2 + 4 * sigma**2) * t) * mpmath.tan((end - angle) / 2)
    return size / 2 * mpmath.tan(end - 2 * mpmath.atan(half_tangent))


def unbalanced_unlearned(t: Any, sigma: Any, start: Any, lam: Any) -> Any:
    """`σ − p` (A4)."""
    return sigma - unbalanced(t, sigma, start, lam)


def layer(which: int, t: Any, sigma: Any, start: Any, lam: Any) -> Any:
    """w₁ or w₂ of `w₁w₂ = p`, `w₂² − w₁² = λ` (A4); the larger one is positive."""
    p = unbalanced(t, sigma, start, lam)
    larger = mpmath.sqrt((mpmath.sqrt(lam**2 + 4 * p**2) + abs(lam)) / 2)
    if (lam >= 0) == (which == 2):
        return larger
    return p / larger if larger else larger


def _root_sum(v: Any, rest: Any, depth: int, power: int) -> Any:
    """`−Σ ω^power ln(1 − v/ω)` over the roots of unity, `rest = 1 − v`."""
    roots = [mpmath.exp(2j * mpmath.pi * j / depth) for j in range(1, depth)]
    return -mpmath.log(rest) - mpmath.fsum((w**power * mpmath.log(1 - v / w)).real for w in roots)


def clock(odds: Any, below: bool, depth: int) -> Any:
    """Antiderivative of `ds/(s^q(σ − s))`, times `σ^q`, at `x = s/σ` or σ/s, `odds = x/(1 − x)` (A6).

    In `v = x^{1/L}` it is rational, with poles at the roots of unity.
    """
    if depth == 1:
        return mpmath.log1p(odds)  # −ln(1 − x)
    if depth == 2 and below:
        return mpmath.log(odds)
    k, log = 1 - mpmath.mpf(2) / depth, -mpmath.log1p(1 / odds)
    v, rest = mpmath.exp(log / depth), -mpmath.expm1(log / depth)
    if below:
        return -mpmath.exp(-k * log) / k + _root_sum(v, rest, depth, 2)
    first = -mpmath.exp(k * log) / k if depth > 2 else 0
    return first + _root_sum(v, rest, depth, -2)


def deep(t: Any, sigma: Any, epsilon: Any, depth: int, unlearned: bool = False) -> Any:
    """s, or σ − s if `unlearned`, when the clock has advanced by `L σ^q t`, by Newton's method (A6)."""
    if depth == 1:
        if unlearned:
            return (sigma - epsilon) * mpmath.exp(-t)
        return epsilon * mpmath.exp(-t) - sigma * mpmath.expm1(-t)
    if depth == 2:
        return balanced_unlearned(t, sigma, epsilon) if unlearned else balanced(t, sigma, epsilon)
    if epsilon == sigma:
        return mpmath.mpf(0) if unlearned else sigma
    below = bool(epsilon < sigma)
    odds = _advanced(mpmath.mp.dps, t, sigma, epsilon, depth)
    if below:
        return sigma / (1 + odds) if unlearned else sigma * odds / (1 + odds)
    return -sigma / odds if unlearned else sigma * (1 + odds) / odds


@lru_cache(maxsize=64)  # s and σ − s are computed at the same points
def _advanced(digits: int, t: Any, sigma: Any, epsilon: Any, depth: int) -> Any:
    """The odds at t, by Newton's method in ln(odds): first with few digits, then with all of them."""
    below = bool(epsilon < sigma)
    k = 1 - mpmath.mpf(2) / depth
    start = epsilon / (sigma - epsilon) if below else sigma / (epsilon - sigma)
    reading = clock(start, below, depth) + depth * sigma ** (1 + k) * t
    low = mpmath.log(start)
    with mpmath.workdps(20):
        rough = _root(low, low, reading, below, depth, k)
    return mpmath.exp(_root(low, rough, reading, below, depth, k))


def _root(low: Any, z: Any, reading: Any, below: bool, depth: int, k: Any) -> Any:
    """The ln(odds) at which the clock has this reading: Newton's steps from z, or bisection where one would leave the
    bracket.
    """

    def slope(z: Any) -> Any:
        return (1 + mpmath.exp(-z)) ** (k if below else -1 - k)

    high = max(z, mpmath.mpf(1)) if low < 0 else max(z, low + 1)
    while clock(mpmath.exp(high), below, depth) < reading:
        low, high = high, 2 * high + abs(reading)
    close = mpmath.mpf(10) ** (10 - mpmath.mp.dps)
    for _ in range(3000):
        off = clock(mpmath.exp(z), below, depth) - reading
        low, high = (max(low, z), high) if off < 0 else (low, min(high, z))
        step = off / slope(z)
        if abs(step) <= close * max(abs(z), 1):
            return z - step
        z = z - step if low < z - step < high else (low + high) / 2
    raise ArithmeticError(f"Newton's method does not converge to the reading {reading}")


def time_to_reach(s: Any, sigma: Any, epsilon: Any, depth: int) -> Any:
    """Length at which the singular value is s (A6)."""
    below = bool(epsilon < sigma)
    odds = [y / (sigma - y) if below else sigma / (y - sigma) for y in (s, epsilon)]
    if depth == 1:
        return mpmath.log((sigma - epsilon) / (sigma - s))
    q = 2 - mpmath.mpf(2) / depth
    if depth == 2:
        return mpmath.log(s * (sigma - epsilon) / (epsilon * (sigma - s))) / (2 * sigma)
    return (clock(odds[0], below, depth) - clock(odds[1], below, depth)) / (depth * sigma**q)


def feature(tau: Any, sigma: Any, epsilon: Any) -> Any:
    """`s = σ/(1 + (σ − ε)ε^{στ−1})` (A7)."""
    return sigma / (1 + (sigma - epsilon) * epsilon ** (sigma * tau - 1))


def limit_error(tau: Any, sigma: Any, epsilon: Any) -> Any:
    """The bound on the error of the limit ε → 0 at a finite ε (A7)."""
    x = sigma * tau
    order = epsilon ** abs(x - 1)
    return min(sigma, order * (sigma * (sigma - epsilon) if x > 1 else sigma / (sigma - epsilon)))


def gained(sigma: Any, lam: Any, start: Any) -> Any:
    """`√(λ² + 4σ²) − √(λ² + 4p₀²)` (B4)."""
    return mpmath.sqrt(lam**2 + 4 * sigma**2) - mpmath.sqrt(lam**2 + 4 * start**2)


def curvature_growth(t: Any, sigma: Any, epsilon: Any) -> Any:
    """`2(d_in + d_out) s(σ − s)` at d_in = 3, d_out = 2 (B4)."""
    return 10 * balanced(t, sigma, epsilon) * balanced_unlearned(t, sigma, epsilon)


def _weight(which: int, *point: Any) -> Any:
    return unbalanced_mode.weights(*point)[which - 1]


DEPTHS = (1, 2, 3, 4, 5, 6, 7, 8, 20, 50)

FORMS = (
    Form("A3", "balanced_mode.singular_value", balanced_mode.singular_value, balanced, EXACT),
    Form("A3", "balanced_mode.unlearned", balanced_mode.unlearned, balanced_unlearned, EXACT),
    Form("A4", "unbalanced_mode.product", unbalanced_mode.product, unbalanced, spread),
    Form("A4", "unbalanced_mode.unlearned", unbalanced_mode.unlearned, unbalanced_unlearned, spread),
    *(
        Form("A4", f"unbalanced_mode.weights, w{which}", partial(_weight, which), partial(layer, which), spread)
        for which in (1, 2)
    ),
    *(
        Form("A6", f"deep_mode.{engine.__name__}, L = {depth}", partial(engine, depth=depth), truth, digits)
        for depth in DEPTHS
        for engine, truth, digits in (
            (deep_mode.singular_value, partial(deep, depth=depth), IMPLICIT),
            (deep_mode.unlearned, partial(deep, depth=depth, unlearned=True), IMPLICIT),
            (deep_mode.time_to_reach, partial(time_to_reach, depth=depth), SUBTRACTED if depth < 3 else IMPLICIT),
        )
    ),
    Form("A7", "incremental.feature", incremental.feature, feature, (400, 500, 1600)),
    Form("A7", "incremental.limit_error", incremental.limit_error, limit_error, EXACT),
    Form("B4", "growth.norm_gained", growth.norm_gained, gained, SUBTRACTED),
    Form("B4", "growth.curvature_growth", partial(growth.curvature_growth, d_in=3, d_out=2), curvature_growth, EXACT),
)
