"""The aligned network over symbolic widths and any number of modes, balanced or not, Σx sharing the teacher's V.

`W1 = R D₁ Vᵀ`, `W2 = U D₂ Rᵀ`, `A = U Σ Vᵀ`, `Σx V = V D`, with D₁, D₂, Σ and D diagonal.
"""

from itertools import groupby

from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum, Word

U, V, R = (Letter(name, rows, "r") for name, rows in (("U", "d_out"), ("V", "d_in"), ("R", "h")))
D1, D2, SIGMA, INPUTS = DIAGONAL = tuple(Letter(name, "r", "r", symmetric=True) for name in ("D₁", "D₂", "Σ", "D"))
UNIT = Letter("e", "h", "one")  # selects one hidden unit


def network() -> tuple[MatrixSum, MatrixSum, MatrixSum, MatrixSum]:
    """W1, W2, the teacher, and Σx on the span of V, which is all that meets them."""
    u, v, r, d1, d2, sigma, inputs = map(MatrixSum.of, (U, V, R, D1, D2, SIGMA, INPUTS))
    return r @ d1 @ v.T, u @ d2 @ r.T, u @ sigma @ v.T, v @ inputs @ v.T


def reduced(scalar: TraceSum) -> TraceSum:
    """The same with UᵀU, VᵀV and RᵀR = I cancelled, round the corner of a trace too, and diagonals in order."""
    return TraceSum.collect((c, tuple(_commute(_cancel(w)) for w in words)) for words, c in scalar.terms.items())


def _cancel(word: Word) -> Word:
    for i, x in enumerate(word):
        y = word[(i + 1) % len(word)]
        if x.name in "UVR" and x.name == y.name and x.transposed and not y.transposed and len(word) > 2:
            turned = word[i:] + word[:i]
            return _cancel(turned[2:])
    return word


def _commute(word: Word) -> Word:
    first = next((i for i, x in enumerate(word) if x not in DIAGONAL), 0)
    runs = groupby(word[first:] + word[:first], key=lambda x: x in DIAGONAL)
    return tuple(x for diagonal, run in runs for x in (sorted(run) if diagonal else run))
