"""Forms on dyads of singular vectors, against the same form on the weights of an explicit aligned network."""

from itertools import combinations

import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.calculus.dyads import KINDS, Dyad, Index, block, dyads_of, entry
from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, TraceSum
from tests.theory.derivations.calculus.explicit import evaluate

# a network of diagonal matrices, whose singular vectors are the axes: two learned modes, one without a hidden unit, and
# one spare direction of each space
SIZES = {"h": 3, "d_in": 4, "d_out": 4}
AXIS = {
    Index("i", "learned"): 0,
    Index("j", "learned"): 1,
    Index("k", "unlearnable"): 2,
    Index("l", "spare hidden"): 2,
    Index("m", "spare input"): 3,
    Index("n", "spare output"): 3,
}
STUDENT = {"i": 0.49, "j": 0.25}
TEACHER = {"i": 0.7, "j": 0.3, "k": 0.2}


def letters(kind: str) -> tuple[MatrixSum, MatrixSum]:
    return MatrixSum.of(Letter(f"{kind}1", "h", "d_in")), MatrixSum.of(Letter(f"{kind}2", "d_out", "h"))


def hessian() -> TraceSum:
    """The Hessian of `½‖W2W1 − A‖²` as a form in the directions X and Y."""
    (x1, x2), (y1, y2), (w1, w2) = letters("X"), letters("Y"), letters("W")
    error = w2 @ w1 - MatrixSum.of(Letter("A", "d_out", "d_in"))
    moved = (x2 @ w1 + w2 @ x1) @ (y2 @ w1 + w2 @ y1).T
    return moved.trace() + (error @ (x2 @ y1 + y2 @ x1).T).trace()


def diagonal(rows: int, cols: int, values: list[float]) -> np.ndarray:
    matrix = np.zeros((rows, cols))
    matrix[range(len(values)), range(len(values))] = values
    return matrix


def direction(kind: str, dyad: Dyad) -> dict[str, np.ndarray]:
    """Both layers of a direction: the dyad in its layer, 0 in the other."""
    matrices = {f"{kind}1": np.zeros((3, 4)), f"{kind}2": np.zeros((4, 3))}
    matrices[f"{kind}{dyad.layer}"][AXIS[dyad.row], AXIS[dyad.column]] = 1
    return matrices


def all_dyads() -> list[Dyad]:
    sets = [(index,) for index in AXIS] + list(combinations(AXIS, 2))
    return [dyad for indices in sets for dyad in dyads_of(indices)]


def test_every_entry_is_that_of_the_explicit_network():
    form = hessian()
    roots = [float(np.sqrt(s)) for s in STUDENT.values()]
    network = {"W1": diagonal(3, 4, roots), "W2": diagonal(4, 3, roots), "A": diagonal(4, 4, [*TEACHER.values()])}
    values = {index.s: STUDENT[index.name] for index in AXIS if index.name in STUDENT}
    values |= {index.sigma: TEACHER[index.name] for index in AXIS if index.name in TEACHER}
    for x in all_dyads():
        for y in all_dyads():
            explicit = evaluate(form, network | direction("X", x) | direction("Y", y), SIZES)
            assert float(entry(form, x, y).subs(values)) == pytest.approx(float(explicit), abs=1e-12), (x, y)


def test_the_dyads_are_as_many_as_the_weights():
    assert len(set(all_dyads())) == len(all_dyads()) == 3 * (4 + 4)


def test_a_pair_of_learned_modes_has_four_dyads_and_one_mode_two():
    one, two = Index("i", "learned"), Index("j", "learned")
    assert len(dyads_of((one, two))) == 4
    assert dyads_of((one,)) == [Dyad(1, one, one), Dyad(2, one, one)]
    assert dyads_of((Index("i", "spare input"), Index("j", "spare output"))) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_is_symmetric(kind):
    matrix = block(hessian(), (Index("i", "learned"), Index("j", kind)))
    assert matrix == matrix.T


def test_only_learned_modes_have_weights_and_only_modes_a_teacher():
    for kind in KINDS:
        index = Index("i", kind)
        assert bool(index.maps("W1")) is bool(index.maps("W2")) is (kind == "learned")
        assert bool(index.maps("A")) is (kind in ("learned", "unlearnable"))


def test_the_example_of_the_docstring():
    (x1, _), (_, w2), (y1, _) = letters("X"), letters("W"), letters("Y")
    i, j = Index("i", "learned"), Index("j", "learned")
    form = (w2 @ x1 @ y1.T @ w2.T).trace()
    assert entry(form, Dyad(1, i, j), Dyad(1, i, j)) == i.s
    assert entry(form, Dyad(1, i, j), Dyad(1, j, i)) == sp.Integer(0)
