"""The formulas of B6q and B6r, the mean cost of rounding, in mpmath; of B6r for four hidden units."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
from mpmath.calculus.quadrature import GaussLegendre

from overtraining.theory.precision.form import Form, each
from overtraining.theory.sensitivity import conventions, mean_rounding

H = 4  # in four dimensions an entry of a unit vector orthogonal to the axis is uniform: sums over thresholds are exact
DEGREES = (0, 2, 4, 6, 8)
INTEGRALS = (40, 55, 80)


def mean_rounding_increase(*point: Any) -> Any:
    """The mean rise by degree 8 of `w1 = xδ₁e₁`, `w2 = δ₂(ye₁ + ze₂)` with a teacher of tδ₁δ₂ (B6r)."""
    x, y, z, t, step_1, step_2 = point
    mean, square, parts = _moments(x, y, z)
    pairs = H * (H - 1)
    # zonal harmonics are sin((ℓ + 1)φ)/sin φ, so that the eigenvalues are (−1)^{ℓ/2}/(ℓ + 1)
    alternating = mpmath.fsum((-1) ** (d // 2) * p / (d + 1) for d, p in zip(DEGREES, parts, strict=True))
    total = H * square + pairs * alternating
    return (step_1 * step_2) ** 2 * ((total - (x * y) ** 2) / 2 - t * (H * mean - x * y))


def _moments(x: Any, y: Any, z: Any) -> tuple[Any, Any, list[Any]]:
    """E F, E F², and the squared norms of F's parts, in the basis `C^{1+k}_{ℓ−k}(cos φ) sin^k φ P_k(c)`."""
    thresholds = [n + mpmath.mpf(1) / 2 for n in range(int(mpmath.floor(mpmath.hypot(y, z) + 0.5)))]
    square, sums = mpmath.mpf(0), {(d, k): mpmath.mpf(0) for d in DEGREES for k in range(d + 1)}
    for low, high in pairwise(_kinks(x, y, z, thresholds)):
        first = mpmath.ceil(abs(x) * mpmath.cos((low + high) / 2) - mpmath.mpf(1) / 2)  # [x cos φ], one number here
        if not first:
            continue
        for node, weight in _rule(mpmath.mp.prec):
            phi = low + (high - low) * (1 + node) / 2
            u, v = mpmath.cos(phi), mpmath.sin(phi)
            density = 2 / mpmath.pi * (high - low) * v**2 * weight  # of a half of the sphere: F is even
            of_c, squared = _over_c(y * u, z * v, thresholds)
            square += density * first**2 * squared
            for k, value in enumerate(of_c):
                for degree, gegenbauer in _gegenbauer(u, k):
                    sums[degree, k] += density * first * gegenbauer * v**k * value
    parts = [mpmath.fsum(sums[d, k] ** 2 / _norm(d, k) for k in range(d + 1)) for d in DEGREES]
    return sums[0, 0], square, parts


def _over_c(centre: Any, width: Any, thresholds: list[Any]) -> tuple[list[Any], Any]:
    """`E P_k(c)[centre + width c]`, k = 0 … 8, and `E [·]²`, c uniform in (−1, 1)."""
    of_c, squared = [mpmath.mpf(0)] * (DEGREES[-1] + 1), mpmath.mpf(0)
    for n, threshold in enumerate(thresholds):
        for side in (1, -1):  # c > cut for +θ, c < cut for −θ
            cut = min(max((side * threshold - centre) / width, -1), 1)
            legendre = _legendre(cut)
            squared += (2 * n + 1) * (1 - side * cut) / 2
            of_c[0] += side * (1 - side * cut) / 2
            for k in range(1, len(of_c)):  # ∫P_k above the cut, or less it below the other one
                of_c[k] += (legendre[k - 1] - legendre[k + 1]) / (2 * (2 * k + 1))
    return of_c, squared


def _legendre(c: Any) -> list[Any]:
    values = [mpmath.mpf(1), c]
    for k in range(1, DEGREES[-1] + 1):
        values.append(((2 * k + 1) * c * values[k] - k * values[k - 1]) / (k + 1))
    return values


def _gegenbauer(u: Any, k: int) -> Iterator[tuple[int, Any]]:
    """`C^{1+k}_{ℓ−k}(u)` for the even degrees ℓ >= k."""
    index, last, value = k + 1, mpmath.mpf(0), mpmath.mpf(1)
    for n in range(DEGREES[-1] - k + 1):
        if (n + k) % 2 == 0:
            yield n + k, value
        last, value = value, (2 * (n + index) * u * value - (n + 2 * index - 1) * last) / (n + 1)


@lru_cache(maxsize=64)
def _norm_at(degree: int, k: int, _: int) -> Any:
    """`E (C^{1+k}_{ℓ−k} sin^k P_k)²`."""
    a, n = k + 1, degree - k
    gegenbauer = mpmath.pi * mpmath.mpf(2) ** (1 - 2 * a) * mpmath.gamma(n + 2 * a)
    return 2 / mpmath.pi * gegenbauer / (mpmath.factorial(n) * (n + a) * mpmath.gamma(a) ** 2) / (2 * k + 1)


def _norm(degree: int, k: int) -> Any:
    return _norm_at(degree, k, mpmath.mp.prec)


def _kinks(x: Any, y: Any, z: Any, thresholds: list[Any]) -> list[Any]:
    """Angles in (0, π/2) at which x meets a threshold, or y does at c = ±1."""
    size, angle, end = mpmath.hypot(y, z), mpmath.atan2(z, y), mpmath.pi / 2
    found = [mpmath.acos((n + mpmath.mpf(1) / 2) / abs(x)) for n in range(int(mpmath.floor(abs(x) + 0.5)))]
    for at in (mpmath.acos(side * threshold / size) for threshold in thresholds for side in (1, -1)):
        found += [turn + sign * at for turn in (angle, -angle) for sign in (1, -1)]
        found += [turn + sign * at + 2 * mpmath.pi for turn in (angle, -angle) for sign in (1, -1)]
    return sorted({mpmath.mpf(0), *(phi for phi in found if 0 < phi < end), end})


@lru_cache(maxsize=8)
def _rule(precision: int) -> list[tuple[Any, Any]]:
    """48 nodes, for integrands that are trigonometric polynomials between kinks."""
    return list(GaussLegendre(mpmath.mp).calc_nodes(5, precision))


def _mean_rounding(x: float, y: float, z: float, t: float, step_1: float, step_2: float) -> float:
    w1, w2 = np.zeros((H, 1)), np.zeros((1, H))
    w1[0], w2[0, :2] = x * step_1, (y * step_2, z * step_2)
    teacher = np.array([[t * step_1 * step_2]])
    return mean_rounding.mean_rounding_increase(w1, w2, teacher, step_1, step_2).rise


FORMS = (
    Form("B6q", "conventions.rounding_model_scale", conventions.rounding_model_scale, lambda d: d / mpmath.sqrt(12)),
    Form("B6r", "mean_rounding.mean_rounding_increase", each(_mean_rounding), mean_rounding_increase, INTEGRALS),
)
