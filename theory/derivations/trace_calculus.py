"""Gradients and rates along gradient flow of traces of matrix words, over symbolic dimensions."""

from collections.abc import Iterable, Mapping

import sympy as sp

from theory.derivations.trace_words import MatrixSum, TraceSum, Word, constant


def gradient(scalar: TraceSum, name: str) -> MatrixSum:
    """`∂/∂X` of a sum of single traces: `tr(X R)` gives `Rᵀ` and `tr(Xᵀ R)` gives `R`, at every place of X."""
    terms: list[tuple[sp.Expr, Word]] = []
    for words, coefficient in scalar.terms.items():
        if len(words) != 1:
            raise ValueError("the gradient of a product of traces is not a matrix polynomial; use rate()")
        terms += [(coefficient, rest) for rest in _rests(words[0], name)]
    return MatrixSum(tuple(terms))


def rate(scalar: TraceSum, loss: TraceSum, names: Iterable[str]) -> TraceSum:
    """`d/dt` of a scalar along `Ẋ = −∂loss/∂X` for every named X; products of traces by the product rule."""
    total = constant(0)
    for name in names:
        velocity = gradient((-1) * loss, name)
        for words, coefficient in scalar.terms.items():
            for i, word in enumerate(words):
                others = TraceSum.collect([(coefficient, words[:i] + words[i + 1 :])])
                if rests := _rests(word, name):
                    slope = MatrixSum(tuple((sp.Integer(1), rest) for rest in rests))
                    total = total + others * (slope @ velocity.T).trace()
    return total


def in_traces(candidate: sp.Expr, traces: Mapping[sp.Symbol, TraceSum]) -> TraceSum:
    """A polynomial in symbols that stand for traces, written out in these traces."""
    total = constant(0)
    for powers, coefficient in sp.Poly(candidate, *traces).terms():
        term = constant(coefficient)
        for trace, power in zip(traces.values(), powers, strict=True):
            for _ in range(power):
                term = term * trace
        total = total + term
    return total


def _rests(word: Word, name: str) -> list[Word]:
    """The derivative of one trace: what stays of the word at each place of the letter."""
    found = []
    for i, letter in enumerate(word):
        if letter.name == name:
            rest = word[i + 1 :] + word[:i]
            if not rest:
                raise ValueError(f"the gradient of tr({name}) is an identity, which a word cannot spell")
            found.append(rest if letter.transposed else tuple(x.T for x in reversed(rest)))
    return found
