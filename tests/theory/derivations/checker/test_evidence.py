"""The kinds of check: what each accepts, what it refuses, and how strong it says that it is."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.checker.core import Evidence, Verdict
from overtraining.theory.derivations.checker.evidence import (
    DegreeBound,
    argued,
    assumed,
    certified_positive,
    every,
    examples,
    identity,
    on_shapes,
    positive,
    tested as numbers,
    worst_relative_error,
)

x = sp.Symbol("x", positive=True)


@pytest.mark.parametrize("theorem", [("", "a book"), ("a theorem", "")])
def test_a_theorem_is_assumed_by_name_and_with_its_source(theorem):
    assert not assumed(*theorem).holds


def test_a_number_that_is_none_is_not_within_its_tolerance():
    assert not numbers(float("nan"), 1.0, "").holds


BOXES = [
    (lambda t: t * t - t + 0.3, [(0.0, 1.0)], True),  # least value 0.05: one interval is too coarse
    (lambda s, t: 2 + s * t - t, [(-1.0, 1.0), (-0.5, 0.5)], True),
    (lambda t: t * t - t + 0.2, [(0.0, 1.0)], False),
    (lambda t: t - 0.75, [(0.0, 1.0)], False),
    (lambda t: t, [(0.0, 1.0)], False),  # touches zero
]


@pytest.mark.parametrize(("function", "box", "holds"), BOXES)
def test_intervals_certify_what_is_positive_and_nothing_else(function, box, holds):
    evidence = certified_positive(function, box, most_boxes=500)
    assert (evidence.holds, evidence.verdict) == (holds, Verdict.CERTIFIED)


def test_intervals_tell_how_many_boxes_they_took():
    assert certified_positive(lambda t: t, [(1.0, 2.0)]).detail == "positive on 1 boxes"
    words = certified_positive(*BOXES[0][:2]).detail.split()
    assert int(words[2]) > 1
    assert not certified_positive(*BOXES[0][:2], most_boxes=1).holds


@pytest.mark.parametrize(("engine", "expected"), [(lambda p: p / 2, 0.0), (lambda p: 0 * p, 1.0)])
def test_the_judge_is_right_where_everything_cancels(engine, expected):
    assert worst_relative_error(sp.sqrt(1 + x) - 1, [x], engine, [np.array([1e-200])]) == pytest.approx(
        expected, abs=1e-12
    )


def test_a_comparison_on_no_points_is_refused():
    with pytest.raises(ValueError, match="point"):
        worst_relative_error(x, [x], lambda p: 3 * p, [np.array([])])


def test_a_condition_number_that_excuses_everything_is_refused():
    infinite = lambda p: np.full(p.shape, np.inf)
    assert worst_relative_error(x, [x], lambda p: 3 * p, [np.array([1.0])], condition=infinite) > 1


@pytest.mark.parametrize(("error", "tolerance"), [(-1.0, 1e-12), (1.0, float("inf"))])
def test_a_test_without_a_bound_does_not_hold(error, tolerance):
    assert not numbers(error, tolerance, "").holds


def test_a_failed_positivity_does_not_say_positive():
    assert "positive term by term" not in positive(-x).detail


@pytest.mark.parametrize(
    ("one_side", "other_side", "holds"),
    [
        ((x + 1) ** 2, x**2 + 2 * x + 1, True),
        (sp.sin(x) ** 2 + sp.cos(x) ** 2, 1, True),
        ((x, x**2), (x, x * x), True),
        (x, x + sp.Rational(1, 10**9), False),
        ((x,), x, False),
    ],
)
def test_an_identity_is_proved_by_simplification(one_side, other_side, holds):
    evidence = identity(one_side, other_side)
    assert (bool(evidence.holds), evidence.verdict) == (holds, Verdict.PROVED)


def test_every_has_the_weakest_verdict_and_names_the_first_failure():
    proved, wrong, number = identity(1, 1), identity(1, 2, "w"), numbers(0.0, 1.0, "t")
    both, failed = every([("a", proved), ("b", number)]), every([("a", number), ("b", wrong), ("c", wrong)])
    assert (both.holds, both.verdict, both.detail) == (True, Verdict.TESTED, "2 cases")
    assert (failed.holds, failed.verdict, failed.detail) == (False, Verdict.TESTED, "b: w")
    assert not every([]).holds


def test_evidence_that_a_file_outside_the_project_makes_is_asserted():
    """Alone, copied, and among the evidence of a checker; whatever verdict it is given."""
    proved, own = identity(1, 1), Evidence(True, Verdict.PROVED, "believe me")
    assert (own.holds, own.outcome, own.detail) == (True, Verdict.ASSERTED, "believe me")
    for evidence in (
        replace(proved, detail="mine"),
        every([("a", proved), ("b", own)]),
        examples([("a", own)]),
        argued("since I say so", own),
    ):
        assert evidence.outcome is Verdict.ASSERTED
    assert Evidence(False, Verdict.PROVED, "").outcome is Verdict.FAILED


def test_the_worst_relative_error_is_in_units_of_the_condition_number():
    points = [np.array([2.0, 3.0])]
    off = lambda p: p * np.array([1.0, 1 + 1e-6])
    assert worst_relative_error(x, [x], off, points) == pytest.approx(1e-6, rel=1e-6)
    assert worst_relative_error(x, [x], off, points, lambda p: np.array([1.0, 10.0])) == pytest.approx(1e-7, rel=1e-6)


m, n = sp.symbols("m n", positive=True, integer=True)
PAIRS = DegreeBound({m: 1, n: 1}, "a sum over entries")
GRID = [(i, j) for i in (1, 2, 3) for j in (1, 2, 3)]
VANISHES = (m - n) * (m - n - 1) * (m - n + 1) * (m - n - 2) * (m - n + 2)


@pytest.mark.parametrize(
    ("claimed", "shapes", "bound", "outcome"),
    [
        (m * n, GRID, PAIRS, Verdict.PROVED),
        (m * n, GRID, None, Verdict.TESTED),
        (m * n, GRID[:4], PAIRS, Verdict.TESTED),  # one value of m more than a line of n
        (m * n, [(i, i) for i in range(1, 9)], PAIRS, Verdict.TESTED),  # many shapes, but no grid
        (m * n + VANISHES, GRID, PAIRS, Verdict.FAILED),  # equal on every shape that is tried
        (m * n + VANISHES, GRID, None, Verdict.TESTED),
        (m * n + sp.sin(sp.pi * m), GRID, PAIRS, Verdict.PROVED),  # which SymPy knows to be 0
        (m * n + sp.Abs(VANISHES), GRID, PAIRS, Verdict.FAILED),  # no polynomial
        (m * n + 1, GRID, None, Verdict.FAILED),
    ],
)
def test_shapes_prove_as_much_as_their_degree_bound_says(claimed, shapes, bound, outcome):
    assert on_shapes(lambda i, j: i * j, claimed, [m, n], shapes, bound).outcome is outcome


def test_a_degree_bound_that_is_too_low_is_noticed():
    """The derived side is a cube, which meets the claimed line at 1, 2 and 3: the bound needs one value more."""
    cube = lambda i: i + (i - 1) * (i - 2) * (i - 3)
    line = DegreeBound({n: 2}, "said to be a square")
    assert not on_shapes(cube, n, [n], [(i,) for i in (1, 2, 3, 4)], line).holds
    assert on_shapes(cube, n, [n], [(i,) for i in (1, 2, 3)], line).outcome is Verdict.TESTED


def test_no_shape_is_no_evidence():
    assert not on_shapes(lambda i, j: i * j, m * n, [m, n], [], PAIRS).holds
    assert not on_shapes(lambda i, j: i * j, m * n, [m, n], []).holds


def test_examples_are_tested_however_exact_they_are():
    assert examples([("one", identity(x, x))]).outcome is Verdict.TESTED
    assert examples([("one", identity(x, 2 * x))]).outcome is Verdict.FAILED
    assert examples([("one", assumed("a theorem", "a book"))]).outcome is Verdict.ASSUMED


def test_words_are_argued_only_beside_a_check_that_holds():
    assert argued("hence the claim", positive(x)).outcome is Verdict.ARGUED
    assert argued("hence the claim", positive(-x)).outcome is Verdict.FAILED
    assert argued("", positive(x)).outcome is Verdict.FAILED


def test_a_bound_that_is_said_to_be_sharp_is_zero_where_it_says():
    y = sp.Symbol("y", positive=True)
    assert positive(x * y, zero_at={y: 0}).holds
    assert not positive(x * y + x, zero_at={y: 0}).holds
    assert not positive(x * y - x, zero_at={y: 1}).holds  # zero there, but of no sign
