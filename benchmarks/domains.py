"""Where the closed forms are asked: σ ∈ [1e-6, 1e6], ε ∈ [1e-300, 10σ], t ∈ [0, 1e6], |λ| ≤ 1e6; all corners, and
log-uniform points between them.

Log-uniform lengths alone would nearly always ask before anything is learned or long after, and log-uniform starts
never near the teacher; so half of the lengths lie around the learning time, and a third of the starts within 1e-3 … 10
of the teacher, some of them within rounding of it.
"""

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np

Draw = np.random.Generator
Domain = Callable[[Draw, int], np.ndarray]

SIGMA, LONGEST = (1e-6, 1.0, 1e6), 1e6
PART = (1e-300, 1e-8, 0.5, 1 - 1e-9, 1.0, 1 + 1e-9, 10.0)  # of σ
LAMBDA = (0.0, 1e-12, -1e-12, 1.0, -1.0, 1e6, -1e6)


def between(low: np.ndarray | float, high: np.ndarray | float) -> Callable[[Draw, int], np.ndarray]:
    """Log-uniform numbers."""
    return lambda draw, n: np.exp(draw.uniform(np.log(low), np.log(high), n))


def signs(draw: Draw, n: int) -> np.ndarray:
    """±1."""
    return draw.choice([-1.0, 1.0], n)


def _rows(rows: Iterable[tuple[float, ...]]) -> np.ndarray:
    return np.array(list(rows), float)


def starts(draw: Draw, sigma: np.ndarray) -> np.ndarray:
    n = len(sigma)
    far, near = between(1e-300, 10 * sigma)(draw, n), sigma * between(1e-3, 10.0)(draw, n)
    close = sigma * (1 + signs(draw, n) * between(1e-15, 1e-2)(draw, n))
    return np.choose(draw.integers(0, 6, n), [near, close, far, far, far, far])


def lengths(draw: Draw, rate: np.ndarray, stage: np.ndarray | float = 1.0) -> np.ndarray:
    """Half anywhere, half within three times `stage/rate`."""
    n = len(rate)
    anywhere = between(1e-12, LONGEST)(draw, n)
    return np.minimum(np.where(draw.random(n) < 0.5, anywhere, 3 * draw.random(n) * stage / rate), LONGEST)


def path(draw: Draw, n: int) -> np.ndarray:
    """(t, σ, ε)."""
    sigma = between(1e-6, 1e6)(draw, n)
    start = starts(draw, sigma)
    t = lengths(draw, 2 * sigma, 1 + np.abs(np.log(sigma / start)))
    corners = ((t, s, max(p * s, 1e-300)) for t, s, p in product((0.0, 1e-9, 1.0, 360.0, LONGEST), SIGMA, PART))
    return np.vstack([_rows(corners), np.column_stack([t, sigma, start])])


def decaying(draw: Draw, n: int) -> np.ndarray:
    """(t, σ, ε, μ): no decay, weak decay, decay near σ, decay beyond it."""
    given = path(draw, n)
    size = np.choose(draw.integers(0, 3, len(given)), [
        np.zeros(len(given)), between(1e-12, 1e3)(draw, len(given)),
        1 + signs(draw, len(given)) * between(1e-14, 0.5)(draw, len(given)),
    ])  # fmt: skip
    return np.column_stack([given, size * given[:, 1]])


def unbalanced(draw: Draw, n: int) -> np.ndarray:
    """(t, σ, p₀, λ), both signs of both."""
    sigma = between(1e-6, 1e6)(draw, n)
    lam = signs(draw, n) * between(1e-12, 1e6)(draw, n) * (draw.random(n) > 0.1)
    start = starts(draw, sigma) * signs(draw, n) * (draw.random(n) > 0.1)
    t = lengths(draw, np.hypot(lam, 2 * sigma), 1 + np.abs(np.log(sigma / np.where(start, np.abs(start), sigma))))
    corners = (
        (t, s, p * s if abs(p * s) >= 1e-300 else np.sign(p) * 1e-300, x)
        for t, s, p, x in product((0.0, 1e-3, 10.0, LONGEST), SIGMA, (1e-300, -1e-300, 0.0, 1.0, 10.0, -10.0), LAMBDA)
    )
    return np.vstack([_rows(corners), np.column_stack([t, sigma, start, lam])])


def deep(depth: int) -> Domain:
    """(t, σ, ε), lengths around the learning time of that depth."""

    def points(draw: Draw, n: int) -> np.ndarray:
        sigma, q = between(1e-6, 1e6)(draw, n), 2 - 2 / depth
        start = starts(draw, sigma)
        t = lengths(draw, depth * sigma**q, np.minimum(np.maximum((start / sigma) ** (1 - q), 1), 1e290))
        corners = ((t, s, max(p * s, 1e-300)) for t, s, p in product((0.0, 1.0, LONGEST), SIGMA, PART))
        return np.vstack([_rows(corners), np.column_stack([t, sigma, start])])

    return points


def reached(draw: Draw, n: int) -> np.ndarray:
    """(s, σ, ε) with s on the way from ε to σ: anywhere, just after the start, just before the end."""
    sigma = between(1e-6, 1e6)(draw, n)
    start = starts(draw, sigma)
    start = np.where(start == sigma, sigma / 2, start)
    short = between(1e-14, 1.0)(draw, n)
    s = np.choose(draw.integers(0, 3, n), [
        start * (sigma / start) ** draw.random(n), start * (sigma / start) ** short, sigma - (sigma - start) * short
    ])  # fmt: skip
    inside = (s != sigma) & ((s - start) * (sigma - start) >= 0) & ((sigma - s) * (sigma - start) >= 0)
    return np.column_stack([s, sigma, start])[inside]


def incremental(draw: Draw, n: int) -> np.ndarray:
    """(τ, σ, ε), ε < 1, on both sides of the jump and close to it."""
    sigma = between(1e-6, 1e6)(draw, n)
    epsilon = between(1e-300, np.minimum(0.99, 0.99 * sigma))(draw, n)
    phase = np.where(draw.random(n) < 0.5, between(1e-6, 1e4)(draw, n), 1 + signs(draw, n) * between(1e-9, 1)(draw, n))
    corners = ((x / s, s, e) for x, s, e in product((0.0, 0.5, 0.999, 2.0, 1e4), (0.3, 1.0, 1e6), (1e-300, 0.2)))
    return np.vstack([_rows(corners), np.column_stack([np.maximum(phase, 0) / sigma, sigma, epsilon])])


def numbers(*ranges: tuple[float, float], signed: Iterable[int] = (), corners: bool = True) -> Domain:
    """Independent log-uniform numbers in these ranges, and all their ends; those in `signed` of either sign."""
    flips = set(signed)

    def points(draw: Draw, n: int) -> np.ndarray:
        columns = [between(*r)(draw, n) * (signs(draw, n) if i in flips else 1) for i, r in enumerate(ranges)]
        ends = _rows(product(*ranges)) if corners else np.empty((0, len(ranges)))
        return np.vstack([ends, np.column_stack(columns)])

    return points


def network(matrices: int, *scales: tuple[float, float], inputs: bool = True, last: bool = True) -> Domain:
    """Entries of 2 × 2 matrices of any size and sign, a covariance, and scales; one in ten teachers is W2 W1 itself."""

    def points(draw: Draw, n: int) -> np.ndarray:
        weights = draw.normal(size=(n, matrices, 4)) * between(1e-6, 1e6)(draw, n)[:, None, None]
        weights *= between(1e-3, 1e3)(draw, n * matrices).reshape(n, matrices, 1)
        if matrices == 3 and last:
            learned = weights[:, 1].reshape(n, 2, 2) @ weights[:, 0].reshape(n, 2, 2)
            weights[::10, 2] = learned.reshape(n, 4)[::10]
        a, c = between(1e-3, 1e3)(draw, n), between(1e-3, 1e3)(draw, n)
        covariance = [a, draw.uniform(-0.99, 0.99, n) * np.sqrt(a * c), c] if inputs else []
        return np.column_stack([weights.reshape(n, -1), *covariance, *(between(*s)(draw, n) for s in scales)])

    return points


def filtered(domain: Domain, keep: Callable[..., np.ndarray]) -> Domain:
    """Those points of a domain for which `keep` of the columns is true."""

    def points(draw: Draw, n: int) -> np.ndarray:
        found = domain(draw, n)
        return found[np.asarray(keep(*found.T), bool)]

    return points


def priced(draw: Draw, n: int) -> np.ndarray:
    """(σ, ε, c): starts below the teacher, prices of 1e-12 to 2 times the teacher; some just before the inflection."""
    sigma = between(1e-6, 1e6)(draw, n)
    start, c = np.minimum(starts(draw, sigma), 0.999 * sigma), sigma * between(1e-12, 2.0)(draw, n)
    late = (sigma - c) * (1 - between(1e-14, 1.0)(draw, n))
    start = np.where((draw.random(n) < 0.3) & (late >= 1e-300), late, start)
    corners = ((s, max(p * s, 1e-300), c * s) for s, p, c in product(SIGMA, PART[:4], (1e-12, 0.5, 1 - 1e-9, 2.0)))
    return np.vstack([_rows(corners), np.column_stack([sigma, start, c])])


def two_modes(draw: Draw, n: int) -> np.ndarray:
    """(σ₁, σ₂, ε₁, ε₂, c), each mode anywhere, starts below."""
    first, second = priced(draw, n), priced(draw, n)
    return np.column_stack([first[:, :1], second[:, :1], first[:, 1:2], second[:, 1:2], first[:, 2:]])


def two_paths(draw: Draw, n: int) -> np.ndarray:
    """(t, σ₁, σ₂, ε₁, ε₂, c), on either side of the teacher."""
    first, second = path(draw, n), path(draw, n)
    c = first[:, 1] * between(1e-12, 2.0)(draw, len(first))
    return np.column_stack([first[:, :2], second[:, 1:2], first[:, 2:], second[:, 2:], c])


def turning(draw: Draw, n: int) -> np.ndarray:
    """(σ₁, σ₂, ε, c) where the loss after noise has a minimum after the start, a factor of ten apart at most."""
    sigma, ratio = between(1e-6, 1e6)(draw, n), between(0.1, 0.97)(draw, n)
    c, start = sigma * ratio * between(1e-6, 0.8)(draw, n), sigma * between(1e-290, 1e-3)(draw, n)
    start = np.maximum(start, 1e-300)
    inside = start < 0.1 * (sigma * ratio - c)
    return np.column_stack([sigma, sigma * ratio, start, c])[inside]


def power_law(draw: Draw, n: int) -> np.ndarray:
    """(τ, α) between two steps of the staircase, from no feature learned to 10⁹."""
    alpha, count = 0.5 + between(1e-9, 5.0)(draw, n), np.floor(between(0.5, 1e9)(draw, n))
    return np.column_stack([(count + draw.uniform(0.1, 0.9, n)) ** alpha, alpha])


def segment(draw: Draw, n: int) -> np.ndarray:
    """(t₀, t₁, L₀, L₁, m), t₁ from a rounding to 200 decades beyond t₀."""
    t0 = between(1e-12, 1e6)(draw, n)
    t1 = np.maximum(t0 * (1 + between(1e-15, 1e200)(draw, n)), np.nextafter(t0, np.inf))
    loss = between(1e-9, 1e6)(draw, n)
    return np.column_stack([t0, t1, loss, loss * draw.uniform(0, 1.1, n), between(1e-3, 1e3)(draw, n)])


def matrices(d_out: int, d_in: int, k: int) -> Domain:
    """(t, λ; s; u, v, teacher): random frames, and the teacher's own with random signs, which may end in a saddle.

    Teachers of one size from 1e-6 to 1e6, two decades from their strongest to their weakest feature, some without a
    feature, some with equal ones; every mode of the start anywhere from 1e-300 to ten times the teacher; lengths up to
    150 learning times; half of the imbalances 0.
    """
    m = min(d_out, d_in)

    def point(draw: Draw) -> list[float]:
        size = float(between(1e-6, 1e6)(draw, 1)[0])
        spread = np.sort(between(0.01, 1.0)(draw, m))[::-1]
        sigma = size * draw.choice([spread, spread, np.ones(m), spread * (np.arange(m) < max(m - 1, 1))])
        frame = lambda d, n: np.linalg.qr(draw.normal(size=(d, d)))[0][:, :n]
        u, v, left, right = frame(d_out, k), frame(d_in, k), frame(d_out, m), frame(d_in, m)
        lam = 0.0 if draw.random() < 0.5 else float((signs(draw, 1) * between(1e-12, 1e6)(draw, 1))[0])
        if draw.random() < 0.3:  # exactly aligned, in frames without rounding
            left, right = np.eye(d_out, m), np.eye(d_in, m)
            u, v = left[:, :k] * signs(draw, k), right[:, :k]
        start = size * between(1e-3, 10.0)(draw, k) if draw.random() < 0.5 else between(1e-300, 10 * size)(draw, k)
        t = draw.choice([0.0, *(between(1e-3, 150.0)(draw, 5) / np.hypot(size, lam / 2))])
        return [min(t, LONGEST), lam, *start, *u.ravel(), *v.ravel(), *((left * sigma) @ right.T).ravel()]

    return lambda draw, n: _rows(tuple(point(draw)) for _ in range(n))
