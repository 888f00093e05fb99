"""The balanced aligned network over symbolic widths and any number of modes: W1 = R√S Vᵀ, W2 = U√S Rᵀ, A = UΣVᵀ."""

from theory.derivations.trace_words import Letter, MatrixSum, TraceSum, Word

U, V, R = (Letter(name, rows, "r") for name, rows in (("U", "d_out"), ("V", "d_in"), ("R", "h")))
ROOT, SIGMA = (Letter(name, "r", "r", symmetric=True) for name in ("S^½", "Σ"))  # diagonal, so they commute


def network() -> tuple[MatrixSum, MatrixSum, MatrixSum]:
    """W1, W2 and the teacher."""
    u, v, r, root, sigma = map(MatrixSum.of, (U, V, R, ROOT, SIGMA))
    return r @ root @ v.T, u @ root @ r.T, u @ sigma @ v.T


def reduced(scalar: TraceSum) -> TraceSum:
    """The same with UᵀU, VᵀV and RᵀR = I cancelled, round the corner of a trace too."""
    return TraceSum.collect((c, tuple(map(_cancel, words))) for words, c in scalar.terms.items())


def _cancel(word: Word) -> Word:
    for i, x in enumerate(word):
        y = word[(i + 1) % len(word)]
        if x.name in "UVR" and x.name == y.name and x.transposed and not y.transposed and len(word) > 2:
            turned = word[i:] + word[:i]
            return _cancel(turned[2:])
    return word
