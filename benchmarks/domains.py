"""Domains of the closed forms of claims A to C: the points at which their accuracy is measured.

σ ∈ [1e-6, 1e6], ε ∈ [1e-300, 10σ], t ∈ [0, 1e6], |λ| ≤ 1e6: all corners, and log-uniform points between them. Nearly
all log-uniform lengths would lie before anything is learned or long after it, and no log-uniform start near the
teacher. So half of the lengths are chosen around the learning time, and a third of the starts within a factor of 1e-3 …
10 of the teacher, some of them equal to it up to rounding.
"""

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np

Domain = Callable[[np.random.Generator, int], np.ndarray]

SIGMA = (1e-6, 1.0, 1e6)
LONGEST = 1e6
START = (1e-300, 1e-8, 0.5, 1 - 1e-9, 1.0, 1 + 1e-9, 10.0)  # in units of σ
IMBALANCE = (0.0, 1e-12, -1e-12, 1.0, -1.0, 1e6, -1e6)


def between(low: np.ndarray | float, high: np.ndarray | float) -> Callable[[np.random.Generator, int], np.ndarray]:
    """Sample log-uniform numbers between these bounds."""

    def sample(generator: np.random.Generator, n: int) -> np.ndarray:
        return np.exp(generator.uniform(np.log(low), np.log(high), n))

    return sample


def signs(generator: np.random.Generator, n: int) -> np.ndarray:
    """Random signs, ±1."""
    return generator.choice([-1.0, 1.0], n)


def _rows(rows: Iterable[tuple[float, ...]]) -> np.ndarray:
    return np.array(list(rows), float)


def starts(generator: np.random.Generator, sigma: np.ndarray) -> np.ndarray:
    """Starts for these teachers: two thirds of any size, a sixth of the teacher's size, a sixth next to the teacher."""
    n = len(sigma)
    far = between(1e-300, 10 * sigma)(generator, n)
    near = sigma * between(1e-3, 10.0)(generator, n)
    close = sigma * (1 + signs(generator, n) * between(1e-15, 1e-2)(generator, n))
    return np.choose(generator.integers(0, 6, n), [near, close, far, far, far, far])


def lengths(generator: np.random.Generator, rate: np.ndarray, stage: np.ndarray | float = 1.0) -> np.ndarray:
    """Lengths, half of them anywhere and half up to three times `stage/rate`."""
    n = len(rate)
    anywhere = between(1e-12, LONGEST)(generator, n)
    return np.minimum(np.where(generator.random(n) < 0.5, anywhere, 3 * generator.random(n) * stage / rate), LONGEST)


def path(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ, ε): starts on either side of the teacher."""
    sigma = between(1e-6, 1e6)(generator, n)
    start = starts(generator, sigma)
    t = lengths(generator, 2 * sigma, 1 + np.abs(np.log(sigma / start)))
    corners = ((t, s, max(p * s, 1e-300)) for t, s, p in product((0.0, 1e-9, 1.0, 360.0, LONGEST), SIGMA, START))
    return np.vstack([_rows(corners), np.column_stack([t, sigma, start])])


def decaying(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ, ε, μ): no weight decay, or μ far from σ, or μ close to σ on either side."""
    undecayed = path(generator, n)
    size = np.choose(
        generator.integers(0, 3, len(undecayed)),
        [
            np.zeros(len(undecayed)),
            between(1e-12, 1e3)(generator, len(undecayed)),
            1 + signs(generator, len(undecayed)) * between(1e-14, 0.5)(generator, len(undecayed)),
        ],
    )
    return np.column_stack([undecayed, size * undecayed[:, 1]])


def tuned_random_starts(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ, v, k, T, σ'): the same, with budgets of up to 3/σ on tasks of either sign."""
    pretrained = random_starts(generator, n)
    sigma, count = pretrained[:, 1], len(pretrained)
    task = sigma * generator.choice([-1, 1], count) * between(0.1, 3.0)(generator, count)
    return np.column_stack([pretrained, generator.uniform(0, 3, count) / sigma, task])


def random_starts(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ, v, k): variances below the teacher, and lengths up to three times that of the mean start."""
    sigma = between(1e-6, 1e6)(generator, n)
    variance = sigma * between(1e-15, 1.0)(generator, n)
    t = lengths(generator, 2 * sigma, 1 + np.log(sigma / variance))
    freedom = generator.choice([1.0, 2.0, 3.0, 5.0, 12.0, 100.0], n)
    corners = ((t, s, p * s, k) for t, s, p, k in product((0.0, 1.0, LONGEST), SIGMA, (1e-15, 1.0), (1.0, 40.0)))
    return np.vstack([_rows(corners), np.column_stack([t, sigma, variance, freedom])])


def unbalanced(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ, p₀, λ): p₀ and λ of either sign."""
    sigma = between(1e-6, 1e6)(generator, n)
    lam = signs(generator, n) * between(1e-12, 1e6)(generator, n) * (generator.random(n) > 0.1)
    start = starts(generator, sigma) * signs(generator, n) * (generator.random(n) > 0.1)
    t = lengths(generator, np.hypot(lam, 2 * sigma), 1 + np.abs(np.log(sigma / np.where(start, np.abs(start), sigma))))
    corners = (
        (t, s, p * s if abs(p * s) >= 1e-300 else np.sign(p) * 1e-300, x)
        for t, s, p, x in product(
            (0.0, 1e-3, 10.0, LONGEST), SIGMA, (1e-300, -1e-300, 0.0, 1.0, 10.0, -10.0), IMBALANCE
        )
    )
    return np.vstack([_rows(corners), np.column_stack([t, sigma, start, lam])])


def deep(depth: int) -> Domain:
    """(t, σ, ε): lengths around the learning time at this depth."""

    def points(generator: np.random.Generator, n: int) -> np.ndarray:
        sigma = between(1e-6, 1e6)(generator, n)
        q = 2 - 2 / depth
        start = starts(generator, sigma)
        t = lengths(generator, depth * sigma**q, np.minimum(np.maximum((start / sigma) ** (1 - q), 1), 1e290))
        corners = ((t, s, max(p * s, 1e-300)) for t, s, p in product((0.0, 1.0, LONGEST), SIGMA, START))
        return np.vstack([_rows(corners), np.column_stack([t, sigma, start])])

    return points


def reached(generator: np.random.Generator, n: int) -> np.ndarray:
    """(s, σ, ε): s between ε and σ, either anywhere, or just after the start, or just before the end."""
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
    """(τ, σ, ε): ε < 1, and τ on both sides of the jump and close to it."""
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
    """Independent log-uniform numbers in these ranges, and all corners; the columns in `signed` have either sign."""
    with_sign = set(signed)

    def points(generator: np.random.Generator, n: int) -> np.ndarray:
        columns = [
            between(*r)(generator, n) * (signs(generator, n) if i in with_sign else 1) for i, r in enumerate(ranges)
        ]
        all_corners = _rows(product(*ranges)) if corners else np.empty((0, len(ranges)))
        return np.vstack([all_corners, np.column_stack(columns)])

    return points


def network(matrices: int, *scales: tuple[float, float], inputs: bool = True, last: bool = True) -> Domain:
    """Entries of 2 × 2 matrices of any size and sign, a covariance, and scales of noise.

    The last of three matrices is the teacher; in every tenth point it is W2 W1 itself, unless `last` is false.
    """

    def points(generator: np.random.Generator, n: int) -> np.ndarray:
        weights = generator.normal(size=(n, matrices, 4)) * between(1e-6, 1e6)(generator, n)[:, None, None]
        weights *= between(1e-3, 1e3)(generator, n * matrices).reshape(n, matrices, 1)
        if matrices == 3 and last:
            learned = weights[:, 1].reshape(n, 2, 2) @ weights[:, 0].reshape(n, 2, 2)
            weights[::10, 2] = learned.reshape(n, 4)[::10]
        a = between(1e-3, 1e3)(generator, n)
        c = between(1e-3, 1e3)(generator, n)
        covariance = [a, generator.uniform(-0.99, 0.99, n) * np.sqrt(a * c), c] if inputs else []
        return np.column_stack([weights.reshape(n, -1), *covariance, *(between(*s)(generator, n) for s in scales)])

    return points


def filtered(domain: Domain, condition: Callable[..., np.ndarray]) -> Domain:
    """The points of a domain whose columns fulfil a condition."""

    def points(generator: np.random.Generator, n: int) -> np.ndarray:
        candidates = domain(generator, n)
        return candidates[np.asarray(condition(*candidates.T), bool)]

    return points


def with_noise_cost(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ, ε, c): starts below the teacher, some just before the inflection; c from 1e-12 σ to 2σ."""
    sigma = between(1e-6, 1e6)(generator, n)
    start = np.minimum(starts(generator, sigma), 0.999 * sigma)
    c = sigma * between(1e-12, 2.0)(generator, n)
    late = (sigma - c) * (1 - between(1e-14, 1.0)(generator, n))
    start = np.where((generator.random(n) < 0.3) & (late >= 1e-300), late, start)
    corners = ((s, max(p * s, 1e-300), c * s) for s, p, c in product(SIGMA, START[:4], (1e-12, 0.5, 1 - 1e-9, 2.0)))
    return np.vstack([_rows(corners), np.column_stack([sigma, start, c])])


def unbalanced_turn(*start: tuple[float, float]) -> Domain:
    """(σ, λ, c), or with a range of starts (σ, p₀, λ, c): all in units of σ, p₀ and λ of either sign."""

    def sample(generator: np.random.Generator, n: int) -> np.ndarray:
        sigma = between(1e-6, 1e6)(generator, n)
        signed = [sigma * between(*span)(generator, n) * signs(generator, n) for span in (*start, (1e-6, 1e6))]
        return np.column_stack([sigma, *signed, sigma * between(1e-9, 1e3)(generator, n)])

    return sample


def two_modes(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ₁, σ₂, ε₁, ε₂, c): two independent modes, starts below the teacher."""
    first, second = with_noise_cost(generator, n), with_noise_cost(generator, n)
    return np.column_stack([first[:, :1], second[:, :1], first[:, 1:2], second[:, 1:2], first[:, 2:]])


def two_paths(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t, σ₁, σ₂, ε₁, ε₂, c): two modes, starts on either side of the teacher."""
    first, second = path(generator, n), path(generator, n)
    c = first[:, 1] * between(1e-12, 2.0)(generator, len(first))
    return np.column_stack([first[:, :2], second[:, 1:2], first[:, 2:], second[:, 2:], c])


def with_minimum(generator: np.random.Generator, n: int) -> np.ndarray:
    """(σ₁, σ₂, ε, c): the loss after noise has a minimum after the start; σ₁/σ₂ is 10 at most."""
    sigma = between(1e-6, 1e6)(generator, n)
    ratio = between(0.1, 0.97)(generator, n)
    c = sigma * ratio * between(1e-6, 0.8)(generator, n)
    start = np.maximum(sigma * between(1e-290, 1e-3)(generator, n), 1e-300)
    inside = start < 0.1 * (sigma * ratio - c)
    return np.column_stack([sigma, sigma * ratio, start, c])[inside]


def power_law(generator: np.random.Generator, n: int) -> np.ndarray:
    """(τ, α): τ between two steps of the staircase, from no learned feature to 10⁹."""
    alpha = 0.5 + between(1e-9, 5.0)(generator, n)
    count = np.floor(between(0.5, 1e9)(generator, n))
    return np.column_stack([(count + generator.uniform(0.1, 0.9, n)) ** alpha, alpha])


def segment(generator: np.random.Generator, n: int) -> np.ndarray:
    """(t₀, t₁, L₀, L₁, m): t₁ is larger than t₀ by one rounding at least and by 200 decades at most."""
    t0 = between(1e-12, 1e6)(generator, n)
    t1 = np.maximum(t0 * (1 + between(1e-15, 1e200)(generator, n)), np.nextafter(t0, np.inf))
    loss = between(1e-9, 1e6)(generator, n)
    return np.column_stack([t0, t1, loss, loss * generator.uniform(0, 1.1, n), between(1e-3, 1e3)(generator, n)])


def matrices(d_out: int, d_in: int, k: int) -> Domain:
    """(t, λ; s; u, v, teacher): frames of the start are random, or the teacher's own with random signs.

    With those signs, the flow may end in a saddle. The norms of teachers are from 1e-6 to 1e6, and their features
    within two decades; some lack a feature, some have equal ones. Every mode of the start is from 1e-300 to ten times
    the teacher. Lengths are up to 150 learning times. Half of the imbalances are 0.
    """
    m = min(d_out, d_in)

    def point(generator: np.random.Generator) -> list[float]:
        size = float(between(1e-6, 1e6)(generator, 1)[0])
        spread = np.sort(between(0.01, 1.0)(generator, m))[::-1]
        sigma = size * generator.choice([spread, spread, np.ones(m), spread * (np.arange(m) < max(m - 1, 1))])
        u, v, left, right = (_frame(generator, d, n) for d, n in ((d_out, k), (d_in, k), (d_out, m), (d_in, m)))
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

    def points(generator: np.random.Generator, n: int) -> np.ndarray:
        return _rows(tuple(point(generator)) for _ in range(n))

    return points


def _frame(generator: np.random.Generator, d: int, n: int) -> np.ndarray:
    """n orthonormal vectors in d dimensions."""
    return np.linalg.qr(generator.normal(size=(d, d)))[0][:, :n]
