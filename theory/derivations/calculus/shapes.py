"""Explicit small matrices, to cross-check an identity that was proved with symbolic dimensions."""

from typing import Any

import numpy as np
import sympy as sp
from sympy.polys.rings import PolyElement, PolyRing

SHAPES = tuple((i, k, o) for i in (1, 2, 3) for k in (1, 2, 3) for o in (1, 2, 3))
"""Every (d_in, h, d_out), bottlenecks included."""


def integers(generator: np.random.Generator, rows: int, cols: int) -> sp.Matrix:
    """A matrix of small random integers: arithmetic with it is exact, and a wrong identity fails on it."""
    return sp.Matrix(generator.integers(-5, 6, size=(rows, cols)).tolist())


def noise_ring(sizes: dict[str, tuple[int, int]]) -> tuple[PolyRing, dict[str, np.ndarray]]:
    """The polynomials over the rationals in the entries of the named noise matrices, and those matrices."""
    entries = [f"{name}_{i}_{j}" for name, (rows, cols) in sizes.items() for i in range(rows) for j in range(cols)]
    ring = PolyRing(entries, sp.QQ)
    generators = iter(ring.gens)
    matrices = {}
    for name, (rows, cols) in sizes.items():
        matrices[name] = np.array([[next(generators) for _ in range(cols)] for _ in range(rows)], dtype=object)
    return ring, matrices


def in_ring(ring: PolyRing, matrix: sp.Matrix | np.ndarray) -> np.ndarray:
    """A matrix of rational numbers with its entries as constants of the ring."""
    return np.array([[number_in(ring, x) for x in row] for row in matrix.tolist()], dtype=object)


def number_in(ring: PolyRing, x: Any) -> PolyElement:
    """A rational number as a constant of the ring."""
    rational = sp.Rational(x)
    return ring(sp.QQ(rational.p, rational.q))


def polynomial_expectation(polynomial: PolyElement, moments: dict[str, tuple[sp.Rational, ...]]) -> sp.Rational:
    """`E` of a polynomial in independent noise entries, given each matrix's moments E[n], E[n²], … of one entry."""
    names = [str(symbol).split("_")[0] for symbol in polynomial.ring.symbols]
    exact = {name: [sp.QQ.from_sympy(moment) for moment in values] for name, values in moments.items()}
    total = sp.QQ(0)
    for powers, coefficient in polynomial.terms():
        value = sp.QQ(coefficient.numerator, coefficient.denominator)
        for name, power in zip(names, powers, strict=True):
            if power:
                value *= exact[name][power - 1]
        total += value
    return sp.QQ.to_sympy(total)
