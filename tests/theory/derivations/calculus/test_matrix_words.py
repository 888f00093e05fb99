"""Normal forms of matrix polynomials under rules, against explicit matrices that obey the rules."""

import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.calculus.matrix_words import (
    IDENTITY,
    ZERO,
    multiply,
    normal_form,
    scaled,
    subtract,
    transpose,
    vanishes,
)
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum
from overtraining.theory.derivations.checker.core import Verdict
from tests.theory.derivations.calculus.explicit import value

U, P, X = Letter("U", "d", "r"), Letter("P", "d", "d", symmetric=True), Letter("X", "d", "d")
u, p, x = map(MatrixSum.of, (U, P, X))
ORTHONORMAL = (((U.T, U), IDENTITY),)
PROJECTOR = (((P, P), MatrixSum.of(P)),)


@pytest.fixture
def known() -> dict[str, np.ndarray]:
    """U with orthonormal columns, P the projector on them, X any."""
    generator = np.random.default_rng(3)
    frame = np.linalg.qr(generator.normal(size=(5, 5)))[0][:, :2]
    return {"U": frame, "P": frame @ frame.T, "X": generator.normal(size=(5, 5))}


@pytest.mark.parametrize(
    ("matrix", "rules"),
    [
        (u @ u.T @ x @ u @ u.T @ u, ORTHONORMAL),
        (p @ p @ x + scaled(2, x @ p @ p @ p) - x.T @ p, PROJECTOR),
        (x @ u @ u.T @ u @ u.T, ORTHONORMAL),
        (p @ x @ p @ p @ x, (*PROJECTOR, *ORTHONORMAL)),
        (p @ x + x @ p, (((P,), u @ u.T),)),
        (p @ x, (((P,), IDENTITY - (IDENTITY - u @ u.T)),)),
    ],
)
def test_rewriting_keeps_the_value_and_leaves_no_pattern(matrix, rules, known):
    form = normal_form(matrix, rules)
    rewritten = MatrixSum(tuple((c, word) for word, c in form.items()))
    before, after = (value(m, known, np.eye(5)).astype(float) for m in (matrix, rewritten))
    np.testing.assert_allclose(after, before, atol=1e-12)
    for pattern, _ in rules:
        assert not any(word[i : i + len(pattern)] == pattern for word in form for i in range(len(word)))


def test_the_zero_matrix_has_no_words():
    assert normal_form(x - x) == {}
    assert normal_form(ZERO) == {}
    assert normal_form(x @ u, [((X, U), ZERO)]) == {}
    a = sp.Symbol("a")
    assert normal_form(scaled((a + 1) ** 2, x) - scaled(a**2 + 2 * a + 1, x) + p) == {(P,): 1}


def test_a_transposed_letter_is_another_letter():
    assert normal_form(u @ u.T, ORTHONORMAL) == {(U, U.T): 1}
    assert normal_form(x - x.T) == {(X,): 1, (X.T,): -1}


def test_an_earlier_rule_comes_first():
    two, three = scaled(2, IDENTITY), scaled(3, IDENTITY)
    assert normal_form(x, [((X,), two), ((X,), three)]) == {(): 2}
    assert normal_form(x, [((X,), three), ((X,), two)]) == {(): 3}


def test_equal_words_are_collected_after_rewriting():
    a = sp.Symbol("a")
    assert normal_form(scaled(a, p @ p) + scaled(1 - a, p), PROJECTOR) == {(P,): 1}


def test_block_matrices_multiply_transpose_and_subtract():
    a = ((x, u), (u.T, IDENTITY))
    known = {"X": np.arange(9.0).reshape(3, 3), "U": np.array([[1.0], [2.0], [-1.0]])}

    def whole(block):
        units = np.eye(3), np.eye(1)
        values = [[value(e, known, units[i]) for e in row] for i, row in enumerate(block)]
        return np.block([[np.asarray(e, float) for e in row] for row in values])

    explicit = whole(a)
    np.testing.assert_allclose(whole(multiply(a, transpose(a))), explicit @ explicit.T)
    np.testing.assert_allclose(whole(subtract(a, transpose(a))), explicit - explicit.T)


def test_vanishes_counts_the_words_that_remain():
    right = vanishes(((u.T @ u - IDENTITY,),), ORTHONORMAL, "UᵀU")
    wrong = vanishes(((u.T @ u - IDENTITY, x),), (), "UᵀU")
    assert (right.holds, right.verdict) == (True, Verdict.PROVED)
    assert not wrong.holds
    assert wrong.detail.startswith("UᵀU; 3 words differ")
