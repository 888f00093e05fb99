"""Where the closed forms are asked: σ ∈ [1e-6, 1e6], ε ∈ [1e-300, 10σ], t ∈ [0, 1e6], |λ| ≤ 1e6; all corners, and
log-uniform points between them.

Log-uniform lengths alone would nearly always ask before anything is learned or long after, and log-uniform starts
never near the teacher; so half of the lengths lie around the learning time, and a third of the starts within 1e-3 … 10
of the teacher, some of them within rounding of it.
"""

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np

Domain = Callable[[np.random.Generator, int], np.ndarray]

SIGMA, LONGEST = (1e-6, 1.0, 1e6), 1e6
PART = (1e-300, 1e-8, 0.5, 1 - 1e-9, 1.0, 1 + 1e-9, 10.0)  # of σ
LAMBDA = (0.0, 1e-12, -1e-12, 1.0, -1.0, 1e6, -1e6)


def between(low: np.ndarray | float, high: np.ndarray | float) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Log-uniform numbers."""
    return lambda generator, n: np.exp(generator.uniform(np.log(low), np.log(high), n))


def signs(generator: np.random.Generator, n: int) -> np.ndarray:
    """±1."""
    return generator.choice([-1.0, 1.0], n)


def _rows(rows: Iterable[tuple[float, ...]]) -> np.ndarray:
    return np.array(list(rows), float)


def starts(generator: np.random.Generator, sigma: np.ndarray) -> np.ndarray:
    n = len(sigma)
    far, near = between(1e-300, 10 * sigma)(generator, n), sigma * between(1e-3, 10.0)(generator, n)
    close = sigma * (1 + signs(generator, n) * between(1e-15, 1e-2)(generator, n))
    return np.choose(generator.integers(0, 6, n), [near, close, far, far, far, far])


def lengths(generator: np.random.Generator, rate: np.ndarray, stage: np.ndarray | float = 1.0) -> np.ndarray:
    """Half anywhere, half within three times `stage/rate`."""
    n = len(rate)
    anywhere = between(1e-12, LONGEST)(generator, n)
    return np.minimum(np.where(generator.random(n) < 0.5, anywhere, 3 * generator.random(n) * stage / rate), LONGEST)


def path(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ, ε)."""
    sigma = between(1e-6, 1e6)(generator, n)
    start = starts(generator, sigma)
    t = lengths(generator, 2 * sigma, 1 + np.abs(np.log(sigma / start)))
    corners = ((t, s, max(p * s, 1e-300)) for t, s, p in product((0.0, 1e-9, 1.0, 360.0, LONGEST), SIGMA, PART))
    return np.vstack([_rows(corners), np.column_stack([t, sigma, start])])


def decaying(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ, ε, μ): no decay, weak decay, decay near σ, decay beyond it."""
    given = path(generator, n)
    size = np.choose(
        generator.integers(0, 3, len(given)),
        [
            np.zeros(len(given)),
            between(1e-12, 1e3)(generator, len(given)),
            1 + signs(generator, len(given)) * between(1e-14, 0.5)(generator, len(given)),
        ],
    )
    return np.column_stack([given, size * given[:, 1]])


def unbalanced(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ, p₀, λ), both signs of both."""
    sigma = between(1e-6, 1e6)(generator, n)
    lam = signs(generator, n) * between(1e-12, 1e6)(generator, n) * (generator.random(n) > 0.1)
    start = starts(generator, sigma) * signs(generator, n) * (generator.random(n) > 0.1)
    t = lengths(generator, np.hypot(lam, 2 * sigma), 1 + np.abs(np.log(sigma / np.where(start, np.abs(start), sigma))))
    corners = (
        (t, s, p * s if abs(p * s) >= 1e-300 else np.sign(p) * 1e-300, x)
        for t, s, p, x in product((0.0, 1e-3, 10.0, LONGEST), SIGMA, (1e-300, -1e-300, 0.0, 1.0, 10.0, -10.0), LAMBDA)
    )
    return np.vstack([_rows(corners), np.column_stack([t, sigma, start, lam])])


def deep(depth: int) -> Domain:
    """(t, σ, ε), lengths around the learning time of that depth."""

    def points(generator: np.random.Generator, n: int) -> np.ndarray:
        sigma, q = between(1e-6, 1e6)(generator, n), 2 - 2 / depth
        start = starts(generator, sigma)
        t = lengths(generator, depth * sigma**q, np.minimum(np.maximum((start / sigma) ** (1 - q), 1), 1e290))
        corners = ((t, s, max(p * s, 1e-300)) for t, s, p in product((0.0, 1.0, LONGEST), SIGMA, PART))
        return np.vstack([_rows(corners), np.column_stack([t, sigma, start])])

    return points


def reached(generator: np.random.Generator, n: int) -> np.ndarray:
    """(s, σ, ε) with s on the way from ε to σ: anywhere, just after the start, just before the end."""
    sigma = between(1e-6, 1e6)(generator, n)
    start = starts(generator, sigma)
    start = np.where(start == sigma, sigma / 2, start)
    short = between(1e-14, 1.0)(generator, n)
    s = np.choose(
        generator.integers(0, 3, n),
        [
            start * (sigma / start) ** generator.random(n),
            start * (sigma / start) ** short,
            sigma - (sigma - start) * short,
        ],
    )
    inside = (s != sigma) & ((s - start) * (sigma - start) >= 0) & ((sigma - s) * (sigma - start) >= 0)
    return np.column_stack([s, sigma, start])[inside]


def incremental(generator: np.random.Generator, n: int) -> np.ndarray:
    """(τ, σ, ε), ε < 1, on both sides of the jump and close to it."""
    sigma = between(1e-6, 1e6)(generator, n)
    epsilon = between(1e-300, np.minimum(0.99, 0.99 * sigma))(generator, n)
    phase = np.where(
        generator.random(n) < 0.5,
        between(1e-6, 1e4)(generator, n),
        1 + signs(generator, n) * between(1e-9, 1)(generator, n),
    )
    corners = ((x / s, s, e) for x, s, e in product((0.0, 0.5, 0.999, 2.0, 1e4), (0.3, 1.0, 1e6), (1e-300, 0.2)))
    return np.vstack([_rows(corners), np.column_stack([np.maximum(phase, 0) / sigma, sigma, epsilon])])


def numbers(*ranges: tuple[float, float], signed: Iterable[int] = (), corners: bool = True) -> Domain:
    """Independent log-uniform numbers in these ranges, and all their ends; those in `signed` of either sign."""
    flips = set(signed)

    def points(generator: np.random.Generator, n: int) -> np.ndarray:
        columns = [between(*r)(generator, n) * (signs(generator, n) if i in flips else 1) for i, r in enumerate(ranges)]
        ends = _rows(product(*ranges)) if corners else np.empty((0, len(ranges)))
        return np.vstack([ends, np.column_stack(columns)])

    return points


def network(matrices: int, *scales: tuple[float, float], inputs: bool = True, last: bool = True) -> Domain:
    """Entries of 2 × 2 matrices of any size and sign, a covariance, and scales; one in ten teachers is W2 W1 itself."""

    def points(generator: np.random.Generator, n: int) -> np.ndarray:
        weights = generator.normal(size=(n, matrices, 4)) * between(1e-6, 1e6)(generator, n)[:, None, None]
        weights *= between(1e-3, 1e3)(generator, n * matrices).reshape(n, matrices, 1)
        if matrices == 3 and last:
            learned = weights[:, 1].reshape(n, 2, 2) @ weights[:, 0].reshape(n, 2, 2)
            weights[::10, 2] = learned.reshape(n, 4)[::10]
        a, c = between(1e-3, 1e3)(generator, n), between(1e-3, 1e3)(generator, n)
        covariance = [a, generator.uniform(-0.99, 0.99, n) * np.sqrt(a * c), c] if inputs else []
        return np.column_stack([weights.reshape(n, -1), *covariance, *(between(*s)(generator, n) for s in scales)])

    return points


def filtered(domain: Domain, keep: Callable[..., np.ndarray]) -> Domain:
    """Those points of a domain for which `keep` of the columns is true."""

    def points(generator: np.random.Generator, n: int) -> np.ndarray:
        found = domain(generator, n)
        return found[np.asarray(keep(*found.T), bool)]

    return points


def with_noise_cost(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ, ε, c): starts below the teacher, costs of 1e-12 to 2 times the teacher; some just before the inflection."""
    sigma = between(1e-6, 1e6)(generator, n)
    start, c = np.minimum(starts(generator, sigma), 0.999 * sigma), sigma * between(1e-12, 2.0)(generator, n)
    late = (sigma - c) * (1 - between(1e-14, 1.0)(generator, n))
    start = np.where((generator.random(n) < 0.3) & (late >= 1e-300), late, start)
    corners = ((s, max(p * s, 1e-300), c * s) for s, p, c in product(SIGMA, PART[:4], (1e-12, 0.5, 1 - 1e-9, 2.0)))
    return np.vstack([_rows(corners), np.column_stack([sigma, start, c])])


def two_modes(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ₁, σ₂, ε₁, ε₂, c), each mode anywhere, starts below."""
    first, second = with_noise_cost(generator, n), with_noise_cost(generator, n)
    return np.column_stack([first[:, :1], second[:, :1], first[:, 1:2], second[:, 1:2], first[:, 2:]])


def two_paths(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ₁, σ₂, ε₁, ε₂, c), on either side of the teacher."""
    first, second = path(generator, n), path(generator, n)
    c = first[:, 1] * between(1e-12, 2.0)(generator, len(first))
    return np.column_stack([first[:, :2], second[:, 1:2], first[:, 2:], second[:, 2:], c])


def turning(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ₁, σ₂, ε, c) where the loss after noise has a minimum after the start, a factor of ten apart at most."""
    sigma, ratio = between(1e-6, 1e6)(generator, n), between(0.1, 0.97)(generator, n)
    c, start = sigma * ratio * between(1e-6, 0.8)(generator, n), sigma * between(1e-290, 1e-3)(generator, n)
    start = np.maximum(start, 1e-300)
    inside = start < 0.1 * (sigma * ratio - c)
    return np.column_stack([sigma, sigma * ratio, start, c])[inside]


def power_law(generator: np.random.Generator, n: int) -> np.ndarray:
    """(τ, α) between two steps of the staircase, from no feature learned to 10⁹."""
    alpha, count = 0.5 + between(1e-9, 5.0)(generator, n), np.floor(between(0.5, 1e9)(generator, n))
    return np.column_stack([(count + generator.uniform(0.1, 0.9, n)) ** alpha, alpha])


def segment(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t₀, t₁, L₀, L₁, m), t₁ from a rounding to 200 decades beyond t₀."""
    t0 = between(1e-12, 1e6)(generator, n)
    t1 = np.maximum(t0 * (1 + between(1e-15, 1e200)(generator, n)), np.nextafter(t0, np.inf))
    loss = between(1e-9, 1e6)(generator, n)
    return np.column_stack([t0, t1, loss, loss * generator.uniform(0, 1.1, n), between(1e-3, 1e3)(generator, n)])


def matrices(d_out: int, d_in: int, k: int) -> Domain:
    """(t, λ; s; u, v, teacher): random frames, and the teacher's own with random signs, which may end in a saddle.

    Teachers of one size from 1e-6 to 1e6, two decades from their strongest to their weakest feature, some without a
    feature, some with equal ones; every mode of the start anywhere from 1e-300 to ten times the teacher; lengths up to
    150 learning times; half of the imbalances 0.
    """
    m = min(d_out, d_in)

    def point(generator: np.random.Generator) -> list[float]:
        size = float(between(1e-6, 1e6)(generator, 1)[0])
        spread = np.sort(between(0.01, 1.0)(generator, m))[::-1]
        sigma = size * generator.choice([spread, spread, np.ones(m), spread * (np.arange(m) < max(m - 1, 1))])
        frame = lambda d, n: np.linalg.qr(generator.normal(size=(d, d)))[0][:, :n]
        u, v, left, right = frame(d_out, k), frame(d_in, k), frame(d_out, m), frame(d_in, m)
        lam = 0.0 if generator.random() < 0.5 else float((signs(generator, 1) * between(1e-12, 1e6)(generator, 1))[0])
        if generator.random() < 0.3:  # exactly aligned, in frames without rounding
            left, right = np.eye(d_out, m), np.eye(d_in, m)
            u, v = left[:, :k] * signs(generator, k), right[:, :k]
        start = (
            size * between(1e-3, 10.0)(generator, k)
            if generator.random() < 0.5
            else between(1e-300, 10 * size)(generator, k)
        )
        t = generator.choice([0.0, *(between(1e-3, 150.0)(generator, 5) / np.hypot(size, lam / 2))])
        return [min(t, LONGEST), lam, *start, *u.ravel(), *v.ravel(), *((left * sigma) @ right.T).ravel()]

    return lambda generator, n: _rows(tuple(point(generator)) for _ in range(n))
