"""Aligned networks in words: put orthonormal frames around diagonal matrices, cancel them, read off one mode."""

from collections.abc import Iterable, Mapping

import sympy as sp

from overtraining.theory.derivations.calculus.matrix_expressions import Rules
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, Word


def diagonal(name: str) -> Letter:
    """r singular values on a diagonal."""
    return Letter(name, "r", "r", symmetric=True)


def orthonormal(frames: Iterable[str]) -> Rules:
    """`UᵀU = 1` for every frame."""
    return {(f"{name}'", name): () for name in frames}


def insert(total: MatrixSum, given: Mapping[str, MatrixSum]) -> MatrixSum:
    """The sum with every letter named in `given` replaced."""
    terms: list[tuple[sp.Expr, Word]] = []
    for coefficient, word in total.terms:
        made = MatrixSum(((coefficient, ()),))
        for x in word:
            part = given[x.name] if x.name in given else MatrixSum.of(x.T if x.transposed else x)
            made = made.joined(part.T if x.transposed else part)
        terms += made.terms
    return MatrixSum(tuple(terms))


def one_mode(found: Mapping[Word, sp.Expr], values: Mapping[str, sp.Expr]) -> sp.Expr:
    """One diagonal entry of what stands between the outer frames: diagonal matrices multiply like numbers."""
    return sum((c * sp.prod(values[x.name] for x in word[1:-1]) for word, c in found.items()), sp.Integer(0))
