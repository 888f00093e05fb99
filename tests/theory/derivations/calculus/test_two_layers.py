"""The loss of the two-layer network in words, against explicit matrices."""

import numpy as np
import pytest

from overtraining.theory.derivations.calculus.shapes import integers
from overtraining.theory.derivations.calculus.trace_words import MatrixSum
from overtraining.theory.derivations.calculus.two_layers import N1, N2, W1, W2, A, Sx, loss
from tests.theory.derivations.calculus.explicit import evaluate

SIZES = {"d_in": 3, "h": 2, "d_out": 4}


@pytest.mark.parametrize("whitened", [True, False])
def test_the_loss_is_half_the_mean_squared_error(whitened):
    generator = np.random.default_rng(2)
    known = {x.name: integers(generator, SIZES[x.rows], SIZES[x.cols]) for x in (W1, W2, A, N1, N2, Sx)}
    known["Sx"] = known["Sx"] * known["Sx"].T
    w1, w2 = MatrixSum.of(W1) + MatrixSum.of(N1), MatrixSum.of(W2) + MatrixSum.of(N2)
    words = loss(w1, w2) if whitened else loss(w1, w2, MatrixSum.of(Sx))
    error = (known["W2"] + known["N2"]) * (known["W1"] + known["N1"]) - known["A"]
    weighted = error if whitened else error * known["Sx"]
    assert evaluate(words, known, SIZES) == (weighted * error.T).trace() / 2
