"""Aligned networks in words, against the same networks of explicit orthonormal frames."""

import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.calculus import frames
from overtraining.theory.derivations.calculus.frames import diagonal, insert, one_mode, orthonormal, reduced
from overtraining.theory.derivations.calculus.matrix_words import normal_form
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
from tests.theory.derivations.calculus.explicit import evaluate, value

SIZES = {"d_in": 5, "h": 4, "d_out": 3, "r": 2}


@pytest.fixture
def known() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(6)
    made = {
        x.name: np.linalg.qr(generator.normal(size=(SIZES[x.rows], SIZES[x.rows])))[0][:, :2]
        for x in (frames.U, frames.V, frames.R)
    }
    return made | {x.name: np.diag(generator.normal(size=2)) for x in frames.DIAGONAL}


def test_the_network_has_the_modes_as_singular_values(known):
    w1, w2, teacher, covariance = (value(m, known) for m in frames.network())
    d1, d2, sigma, inputs = (known[x.name] for x in frames.DIAGONAL)
    u, v, r = known["U"], known["V"], known["R"]
    np.testing.assert_allclose((r.T @ w1 @ v).astype(float), d1, atol=1e-12)
    np.testing.assert_allclose((u.T @ w2 @ r).astype(float), d2, atol=1e-12)
    np.testing.assert_allclose((u.T @ teacher @ v).astype(float), sigma, atol=1e-12)
    np.testing.assert_allclose((covariance @ v).astype(float), v @ inputs, atol=1e-12)


def test_reduced_traces_keep_their_value_and_lose_their_frames(known):
    w1, w2, teacher, covariance = frames.network()
    f = w2 @ w1
    for scalar in (
        ((teacher - f) @ covariance @ f.T).trace(),
        ((teacher - f) @ covariance @ covariance @ f.T).trace() * (w1 @ w1.T).trace(),
        (w2.T @ w2 - w1 @ w1.T).trace(),
    ):
        short = reduced(scalar)
        assert not any(x.name in "UVR" for words in short.terms for word in words for x in word)
        assert np.isclose(float(evaluate(short, known, SIZES)), float(evaluate(scalar, known, SIZES)))


def test_diagonals_commute_and_nothing_else_does():
    d1, d2 = map(MatrixSum.of, frames.DIAGONAL[:2])
    x, y = (MatrixSum.of(Letter(name, "r", "r")) for name in "xy")
    assert (reduced((x @ d1 @ d2).trace()) - reduced((x @ d2 @ d1).trace())).is_zero()
    assert not (reduced((x @ y @ d1).trace()) - reduced((y @ x @ d1).trace())).is_zero()


def test_insert_replaces_letters_and_their_transposes():
    w, a = MatrixSum.of(Letter("W", "h", "d")), MatrixSum.of(Letter("A", "d", "d"))
    b, c = MatrixSum.of(Letter("B", "h", "k")), MatrixSum.of(Letter("C", "k", "d"))
    inserted = insert(w @ a @ w.T - w @ w.T, {"W": b @ c})
    assert normal_form(inserted - (b @ c @ a @ c.T @ b.T - b @ c @ c.T @ b.T)) == {}


def test_one_mode_multiplies_diagonals_like_numbers():
    outer, d, e = Letter("F", "h", "r"), diagonal("D"), diagonal("E")
    f = MatrixSum.of(outer)
    total = f @ MatrixSum.of(d) @ MatrixSum.of(e) @ f.T - f @ MatrixSum.of(d) @ f.T
    x, y = sp.symbols("x y")
    assert one_mode(normal_form(total), {"D": x, "E": y}) == x * y - x


def test_frames_cancel_only_from_the_side_of_their_columns():
    f = MatrixSum.of(Letter("F", "h", "r"))
    rules = orthonormal([Letter("F", "h", "r")])
    assert normal_form(f.T @ f, rules) == {(): 1}
    assert len(next(iter(normal_form(f @ f.T, rules)))) == 2
