"""The values of matrix words at explicit matrices, against which the calculus is tested."""

from typing import Any

import sympy as sp

from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum


def matrix(word: list[Letter]) -> MatrixSum:
    product, *rest = map(MatrixSum.of, word)
    for factor in rest:
        product = product @ factor
    return product


def explicit(letter: Letter, known: dict[str, Any]) -> Any:
    return known[letter.name].T if letter.transposed else known[letter.name]


def chain(word: Any, known: dict[str, Any]) -> Any:
    first, *rest = (explicit(letter, known) for letter in word)
    for factor in rest:
        first = first @ factor
    return first


def evaluate(scalar: TraceSum, known: dict[str, sp.Matrix], size: dict[str, int]) -> sp.Expr:
    dimensions = {sp.Symbol(name, positive=True, integer=True): n for name, n in size.items()}
    total = sp.Integer(0)
    for words, coefficient in scalar.terms.items():
        traces = [chain(word, known).trace() for word in words]
        total += coefficient.subs(dimensions) * sp.prod(traces)
    return total


def value(total: MatrixSum, known: dict[str, Any], unit: Any = None) -> Any:
    """A matrix polynomial at explicit matrices; `unit` is the identity of its shape, for empty words."""
    first, *rest = (c * (chain(word, known) if word else unit) for c, word in total.terms)
    return sum(rest, first)
