"""Gauss quadrature for sums over very many modes, with an error estimate, in a few hundred evaluations.

For a block of n neighbouring modes there are m nodes, which are not whole numbers, and m weights with which the sum of
every polynomial of degree below 2m is exact: Gauss's rule for n equal masses, whose orthogonal polynomials are Gram's.
It becomes the Gauss–Legendre integral as n → ∞ and is the plain sum for n <= m, so that no correction like that of
Euler and Maclaurin is needed in between. A block on which a finer and a coarser rule differ is halved; small blocks are
summed mode by mode. The coarser rule is Lobatto's, with nodes at both ends of the block and, since their number is odd,
in the middle: two Gauss rules, both symmetric, could both miss a narrow front there.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from overtraining.setting.errors import DomainError, NotSolved

FINE, COARSE = 20, 15  # nodes
TOLERANCE = 1e-13  # of a block relative to the sum: the difference of the two rules, far above the finer one's error
FIRST = 16  # modes 1 … 15 one by one, then octaves, on each of which a power law is nearly a polynomial
ROWS = 128  # sums worked on at a time, for memory
MOST = 100_000  # blocks at a time; smooth spectra need far fewer


class ModeSums(NamedTuple):
    """Sums (quantities, rows), and estimates of their absolute errors without those of the terms themselves."""

    value: np.ndarray
    error_estimate: np.ndarray


def sum_over_modes(terms: Callable[[np.ndarray, np.ndarray], np.ndarray], stop: np.ndarray) -> ModeSums:
    """`Σ_{1 <= i < stop} f(i)` for one or several f, and for many rows (lengths of pretraining, say) at once.

    terms: of indices (blocks, nodes), numbers between 1 and stop, and of rows (blocks, 1): f (quantities, blocks,
    nodes), smooth in the index on some scale; where it is not, modes are added one by one.  stop: (rows,), whole, >= 2.
    The error is the sum over blocks of the difference of the two rules, and the rounding error of the additions.
    Raises NotSolved where f is so rough that more than 100,000 blocks are waiting, DomainError where f is not finite.
    Source: Gauss's rule from its three-term recurrence, Golub and Welsch 1969; Gram's polynomials, Abramowitz and
    Stegun 22.17. The halving is ours.

    >>> sums = sum_over_modes(lambda i, row: (1 / i**2)[None], np.array([1e15]))
    >>> round(float(sums.value[0, 0]), 12), bool(sums.error_estimate[0, 0] < 1e-13)
    (1.644934066848, True)
    """
    parts = [_some_rows(terms, stop, np.arange(i, min(i + ROWS, stop.size))) for i in range(0, stop.size, ROWS)]
    return ModeSums(*(np.concatenate(each, axis=1) for each in zip(*parts, strict=True)))


def _some_rows(terms: Callable[[np.ndarray, np.ndarray], np.ndarray], stop: np.ndarray, rows: np.ndarray) -> ModeSums:
    def add(row: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(row, v, rows.size) for v in values])

    starts = np.append(1.0, 2.0 ** np.arange(np.log2(FIRST), np.ceil(np.log2(stop[rows].max()))))
    row, k = np.nonzero(starts < stop[rows, None])
    a, b = starts[k], np.minimum(np.append(starts[1:], np.inf)[k], stop[rows][row])
    total, size, error = np.zeros((3, 1, 1))
    while a.size:
        if a.size > MOST:
            raise NotSolved("the spectrum", "it is not smooth in the index of the modes", "add the modes up one by one")
        fine = _added(terms, a, b, rows[row], gauss_rule)
        if not np.isfinite(fine).all():
            raise DomainError("a term of the sum", "it is not finite in float64", "rescale units")
        many = b - a > FINE
        difference = np.zeros_like(fine)
        difference[:, many] = np.abs(fine[:, many] - _added(terms, a[many], b[many], rows[row[many]], lobatto_rule))
        scale = size + add(row, np.abs(fine))  # at least half of the final sum
        done = (difference <= TOLERANCE * scale[:, row]).all(axis=0)
        total, size = total + add(row[done], fine[:, done]), size + add(row[done], np.abs(fine[:, done]))
        error = error + add(row[done], difference[:, done])
        a, b, row = a[~done], b[~done], row[~done]
        middle = a + np.floor((b - a) / 2)
        a, b, row = np.concatenate([a, middle]), np.concatenate([middle, b]), np.tile(row, 2)
    return ModeSums(total, error + 8 * np.finfo(float).eps * size)


def _added(
    terms: Callable[[np.ndarray, np.ndarray], np.ndarray],
    a: np.ndarray,
    b: np.ndarray,
    row: np.ndarray,
    rule: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """The sum over a <= i < b of each block by a rule."""
    sizes, which = np.unique(b - a, return_inverse=True)
    nodes, weights = rule(sizes)
    x, w = (a + (b - a - 1) / 2)[:, None] + nodes[which], weights[which]
    with np.errstate(invalid="ignore"):  # refused by the caller
        return (terms(x, row[:, None]) * w).sum(axis=-1)


def gauss_rule(n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes about the middle, and weights, for n equal masses one apart; for n <= 20 the masses themselves."""
    nodes, weights = _from_recurrence(n, _coupling(n, FINE))
    i = np.arange(FINE)
    few = n[:, None] <= FINE
    nodes = np.where(few, np.minimum(i, n[:, None] - 1) - (n[:, None] - 1) / 2, nodes)
    return nodes, np.where(few, i < n[:, None], weights)


def lobatto_rule(n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights with a node on the first and on the last mass; for n > 20."""
    coupling = _coupling(n, COARSE)
    end = ratio = (n - 1) / n / 2
    for k in range(COARSE - 2):  # of neighbouring monic polynomials at the end
        ratio = end - coupling[:, k] ** 2 / ratio
    coupling[:, -1] = np.sqrt(end * ratio)  # makes the end a root of the last one
    return _from_recurrence(n, coupling)


def _coupling(n: np.ndarray, m: int) -> np.ndarray:
    """Gram's recurrence with lengths in units of n, so that n² cannot overflow where an infinite spectrum is cut."""
    k = np.arange(1.0, m)
    return np.sqrt(np.maximum(1 - (k / n[:, None]) ** 2, 0) / (4 - k**-2.0)) / 2


def _from_recurrence(n: np.ndarray, coupling: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    m = coupling.shape[1] + 1
    jacobi = np.zeros((n.size, m, m))
    jacobi[:, np.arange(1, m), np.arange(m - 1)] = coupling
    nodes, vectors = np.linalg.eigh(jacobi)
    return n[:, None] * nodes, n[:, None] * vectors[:, 0, :] ** 2
