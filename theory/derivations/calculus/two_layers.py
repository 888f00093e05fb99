"""The two-layer network over symbolic widths: its symbols and its loss."""

import sympy as sp

from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum

d_in, h, d_out = sp.symbols("d_in h d_out", positive=True, integer=True)

W1, W2, A = Letter("W1", "h", "d_in"), Letter("W2", "d_out", "h"), Letter("A", "d_out", "d_in")
"""The weights of both layers, and the teacher."""

N1, N2 = Letter("N1", "h", "d_in"), Letter("N2", "d_out", "h")
"""Noise on the weights."""

Sx = Letter("Sx", "d_in", "d_in", symmetric=True)
"""The covariance of the inputs."""


def loss(w1: MatrixSum, w2: MatrixSum, input_covariance: MatrixSum | None = None) -> TraceSum:
    """`½ tr((W2W1 − A) Σx (W2W1 − A)ᵀ)`, whitened where no Σx is given."""
    error = w2 @ w1 - MatrixSum.of(A)
    weighted = error if input_covariance is None else error @ input_covariance
    return sp.Rational(1, 2) * (weighted @ error.T).trace()
