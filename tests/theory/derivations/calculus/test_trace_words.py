"""Traces of matrix words: the contraction of noise against the Gaussian expectation written out."""

import itertools

import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.calculus.shapes import integers, noise_ring, polynomial_expectation
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, constant, noise_expectation
from tests.theory.derivations.calculus.explicit import chain, evaluate, matrix

x = sp.Symbol("x", positive=True)
A = Letter("A", "h", "d")
SQUARE = Letter("N", "d", "d")

SHAPES = tuple(itertools.product((1, 2), (1, 2, 3)))


N, P = Letter("N", "h", "d"), Letter("P", "h", "d")


B, C, D, S = Letter("B", "h", "h"), Letter("C", "d", "h"), Letter("D", "d", "d"), Letter("S", "d", "d", symmetric=True)


GAUSSIAN = lambda v: (sp.Integer(0), v, sp.Integer(0), 3 * v**2)


WORDS = {  # products of traces in which noise occurs up to four times
    "NDNᵀB": [[N, D, N.T, B]],
    "NCNC": [[N, C, N, C]],
    "NNᵀNNᵀ": [[N, N.T, N, N.T]],
    "NDNᵀBNSNᵀ": [[N, D, N.T, B, N, S, N.T]],
    "NCNCNDNᵀ": [[N, C, N, C, N, D, N.T]],
    "tr(NDNᵀB)²": [[N, D, N.T, B], [N, D, N.T, B]],
    "tr(NC)⁴": [[N, C]] * 4,
    "tr(NC)² tr(NᵀBN)": [[N, C], [N, C], [N.T, B, N]],
    "tr(NCPSPᵀ) tr(NC)": [[N, C, P, S, P.T], [N, C]],
    "NPᵀNPᵀ": [[N, P.T, N, P.T], [P, C]],
    "an odd moment": [[N, C], [N, D, N.T]],
}


@pytest.mark.parametrize("name", WORDS)
def test_contraction_is_the_gaussian_expectation_written_out(name):
    words, v, w = WORDS[name], sp.Rational(4, 9), sp.Rational(1, 7)
    product = constant(1)
    for word in words:
        product = product * matrix(word).trace()
    occurring = {x.name for word in words for x in word}
    contracted = noise_expectation(product, {name: s for name, s in (("N", v), ("P", w)) if name in occurring})
    for h, d in SHAPES:
        generator = np.random.default_rng(7)
        size = {"h": h, "d": d}
        known = {x.name: integers(generator, size[x.rows], size[x.cols]) for x in (B, C, D, S)}
        known["S"] = known["S"] + known["S"].T
        ring, noise = noise_ring({"N": (h, d), "P": (h, d)})
        ground = {k: np.array([[ring(sp.QQ(int(e))) for e in row] for row in m.tolist()]) for k, m in known.items()}
        written = ring.one
        for word in words:
            written *= np.trace(chain(word, ground | noise))
        truth = polynomial_expectation(written, {"N": GAUSSIAN(v), "P": GAUSSIAN(w)})
        assert evaluate(contracted, known, size) == truth, (h, d)


def test_a_noise_matrix_that_does_not_occur_is_refused():
    with pytest.raises(ValueError, match="M"):
        noise_expectation((MatrixSum.of(SQUARE) @ MatrixSum.of(SQUARE.T)).trace(), {"M": x})


def test_symmetric_noise_is_refused():
    symmetric = MatrixSum.of(Letter("N", "d", "d", symmetric=True))
    with pytest.raises(ValueError, match="symmetric"):
        noise_expectation((symmetric @ symmetric).trace(), {"N": x})


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MatrixSum.of(A) @ MatrixSum.of(A),
        lambda: MatrixSum.of(A) + MatrixSum.of(SQUARE),
        lambda: MatrixSum.of(A).trace(),
    ],
)
def test_matrices_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="d"):
        wrong()
