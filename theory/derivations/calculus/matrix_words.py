"""Matrix polynomials in normal form, under rules that replace one word by another, and block matrices of them."""

from collections.abc import Sequence

import sympy as sp

from overtraining.theory.derivations.calculus.trace_words import MatrixSum, Word
from overtraining.theory.derivations.checker.core import Evidence, Verdict

Rules = Sequence[tuple[Word, MatrixSum]]
"""Adjacent letters and the matrix polynomial that replaces them; an earlier rule is applied before a later one."""

Block = tuple[tuple[MatrixSum, ...], ...]

ZERO = MatrixSum(())
IDENTITY = MatrixSum(((sp.Integer(1), ()),))


def scaled(factor: sp.Expr | int, matrix: MatrixSum) -> MatrixSum:
    """A multiple of a matrix polynomial."""
    return MatrixSum(tuple((sp.sympify(factor) * c, w) for c, w in matrix.terms))


def normal_form(matrix: MatrixSum, rules: Rules = ()) -> dict[Word, sp.Expr]:
    """Coefficient of each word that remains when no rule applies any more; empty for the zero matrix.

    >>> from overtraining.theory.derivations.calculus.trace_words import Letter
    >>> U, D = Letter("U", "d", "r"), Letter("D", "r", "r", symmetric=True)
    >>> u, d = MatrixSum.of(U), MatrixSum.of(D)
    >>> normal_form(u.T @ u @ d - d, [((U.T, U), IDENTITY)])
    {}
    """
    open_terms = list(matrix.terms)
    total: dict[Word, sp.Expr] = {}
    while open_terms:
        coefficient, word = open_terms.pop()
        rewritten = _rewritten(word, rules)
        if rewritten is None:
            total[word] = total.get(word, sp.Integer(0)) + coefficient
        else:
            open_terms += [(coefficient * c, w) for c, w in rewritten.terms]
    return {word: e for word, c in total.items() if (e := sp.expand(c)) != 0}


def _rewritten(word: Word, rules: Rules) -> MatrixSum | None:
    """The word after one replacement, by the first rule that applies at its first place; None where no rule applies."""
    for pattern, replacement in rules:
        for i in range(len(word) - len(pattern) + 1):
            if word[i : i + len(pattern)] == pattern:
                return MatrixSum(tuple((c, word[:i] + w + word[i + len(pattern) :]) for c, w in replacement.terms))
    return None


def vanishes(block: Block, rules: Rules, detail: str) -> Evidence:
    """Proved where no word of a block matrix remains."""
    words = sum(len(normal_form(entry, rules)) for row in block for entry in row)
    return Evidence(words == 0, Verdict.PROVED, f"{detail}; {words} words differ, for symbolic widths")


def multiply(a: Block, b: Block) -> Block:
    """The product of two block matrices."""
    return tuple(
        tuple(sum((x @ y for x, y in zip(row, column, strict=True)), ZERO) for column in zip(*b, strict=True))
        for row in a
    )


def subtract(a: Block, b: Block) -> Block:
    """The difference of two block matrices."""
    return tuple(tuple(x - y for x, y in zip(r, s, strict=True)) for r, s in zip(a, b, strict=True))


def transpose(a: Block) -> Block:
    """The transpose of a block matrix."""
    return tuple(tuple(x.T for x in column) for column in zip(*a, strict=True))
