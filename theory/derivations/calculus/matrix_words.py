"""Normal forms of matrix polynomials, under rules that replace one word by another, and block matrices of them."""

from collections.abc import Sequence

import sympy as sp

from overtraining.theory.derivations.calculus.trace_words import MatrixSum, Word

Rules = Sequence[tuple[Word, MatrixSum]]
Block = tuple[tuple[MatrixSum, ...], ...]
ZERO = MatrixSum(())
IDENTITY = MatrixSum(((sp.Integer(1), ()),))


def scaled(factor: sp.Expr | int, matrix: MatrixSum) -> MatrixSum:
    """A multiple of a matrix polynomial."""
    return MatrixSum(tuple((sp.sympify(factor) * c, w) for c, w in matrix.terms))


def normal(matrix: MatrixSum, rules: Rules = ()) -> dict[Word, sp.Expr]:
    """Coefficient of each word that remains when no rule applies any more; empty for the zero matrix."""
    open_terms, total = list(matrix.terms), dict[Word, sp.Expr]()
    while open_terms:
        coefficient, word = open_terms.pop()
        for pattern, replacement in rules:
            at = next((i for i in range(len(word) - len(pattern) + 1) if word[i : i + len(pattern)] == pattern), None)
            if at is not None:
                open_terms += [
                    (coefficient * c, word[:at] + w + word[at + len(pattern) :]) for c, w in replacement.terms
                ]
                break
        else:
            total[word] = total.get(word, sp.Integer(0)) + coefficient
    return {word: c for word, c in total.items() if sp.expand(c) != 0}


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
