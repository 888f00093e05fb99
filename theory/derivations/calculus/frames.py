"""Aligned networks as matrix words: orthonormal frames around diagonal matrices, which cancel to single modes.

Any layers can be inserted into a matrix polynomial (`insert`) and read off mode by mode (`one_mode`). The two-layer
network `W1 = R D₁ Vᵀ`, `W2 = U D₂ Rᵀ`, `A = U Σ Vᵀ`, `Σx V = V D`, with D₁, D₂, Σ and D diagonal, over any number of
modes, balanced or not, is here as a whole, for traces.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby

import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import IDENTITY, Rules
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum, Word, rotations


def diagonal(name: str) -> Letter:
    """r singular values on a diagonal."""
    return Letter(name, "r", "r", symmetric=True)


U, V, R = Letter("U", "d_out", "r"), Letter("V", "d_in", "r"), Letter("R", "h", "r")
D1, D2, SIGMA, INPUTS = DIAGONAL = tuple(diagonal(name) for name in ("D₁", "D₂", "Σ", "D"))
UNIT = Letter("e", "h", "one")
"""Selects one hidden unit."""


def orthonormal(frames: Iterable[Letter]) -> Rules:
    """`UᵀU = 1` for every frame."""
    return tuple(((frame.T, frame), IDENTITY) for frame in frames)


def insert(total: MatrixSum, matrices: Mapping[str, MatrixSum]) -> MatrixSum:
    """The sum with every letter named in `matrices` replaced."""
    terms: list[tuple[sp.Expr, Word]] = []
    for coefficient, word in total.terms:
        product = MatrixSum(((coefficient, ()),))
        for letter in word:
            part = matrices[letter.name] if letter.name in matrices else MatrixSum.of(letter)
            product = product.joined(part.T if letter.transposed and letter.name in matrices else part)
        terms += product.terms
    return MatrixSum(tuple(terms))


def one_mode(words: Mapping[Word, sp.Expr], values: Mapping[str, sp.Expr]) -> sp.Expr:
    """One diagonal entry of the product between the outer frames: diagonal matrices multiply like numbers."""
    return sum((c * sp.prod(values[x.name] for x in word[1:-1]) for word, c in words.items()), sp.Integer(0))


def network() -> tuple[MatrixSum, MatrixSum, MatrixSum, MatrixSum]:
    """W1, W2, the teacher, and Σx on the span of V, the only place where it acts."""
    u, v, r, d1, d2, sigma, inputs = map(MatrixSum.of, (U, V, R, D1, D2, SIGMA, INPUTS))
    return r @ d1 @ v.T, u @ d2 @ r.T, u @ sigma @ v.T, v @ inputs @ v.T


def reduced(scalar: TraceSum) -> TraceSum:
    """The same with UᵀU, VᵀV and RᵀR = I cancelled, also across the ends of a trace, and diagonals in order."""
    return TraceSum.collect((c, tuple(_commute(_cancel(w)) for w in words)) for words, c in scalar.terms.items())


def _cancel(word: Word) -> Word:
    for i, x in enumerate(word):
        y = word[(i + 1) % len(word)]
        if x.name in "UVR" and x.name == y.name and x.transposed and not y.transposed and len(word) > 2:
            rotated = word[i:] + word[:i]
            return _cancel(rotated[2:])
    return word


def _commute(word: Word) -> Word:
    """The least of all words with this trace, the diagonals sorted between the other letters."""
    starts = [w for w in rotations(word) if w[0] not in DIAGONAL] or rotations(word)
    return min(map(_sort_diagonals, starts), default=word)


def _sort_diagonals(word: Word) -> Word:
    runs = groupby(word, key=lambda x: x in DIAGONAL)
    return tuple(x for is_diagonal, run in runs for x in (sorted(run) if is_diagonal else run))
