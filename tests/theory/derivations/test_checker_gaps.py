"""Holes through which a hostile derivation could slip, each of them closed."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.calculus.trace_words import Letter, MatrixSum, noise_expectation
from overtraining.theory.derivations.checker.core import Link, SpecialCase, Step, Variant, check, same
from overtraining.theory.derivations.checker.evidence import positive, tested as numbers, worst_relative_error
from overtraining.theory.derivations.claims.b1_noise import DERIVATION as B1

x = sp.Symbol("x", positive=True)
QUICK = replace(B1, steps=B1.steps[:1], assumptions=())
N, A = Letter("N", "d", "d"), Letter("A", "h", "d")


def raises(*_):
    raise ArithmeticError("no such thing")


def problems_of(**changes):
    return check(replace(QUICK, **changes)).problems


def test_a_variant_that_raises_is_a_problem():
    assert problems_of(variants=(*B1.variants, Variant("none", raises)))


def test_a_formula_that_raises_is_a_problem():
    assert problems_of(formula=raises)


def test_a_special_case_that_raises_is_a_problem():
    assert problems_of(special_case=SpecialCase("none", raises))


@pytest.mark.parametrize("found", [None, True])
def test_a_check_that_returns_no_verdict_is_a_problem(found):
    assert problems_of(steps=(Step("x", "", lambda: found),))


def test_a_link_that_never_calls_the_engine_is_a_problem():
    assert problems_of(link=Link("overtraining.theory.sensitivity.noise.expected_increase", "nothing", lambda *_: 0.0))


def test_an_engine_error_below_zero_is_a_problem():
    assert problems_of(link=Link("overtraining.theory.sensitivity.noise.expected_increase", "", lambda *_: -1.0))


def test_five_copies_of_one_variant_are_too_few():
    assert problems_of(variants=(B1.variants[0],) * 2 + (B1.variants[1],) * 3)


def test_a_special_case_that_forgets_the_formula_is_a_problem():
    assert problems_of(special_case=SpecialCase("all are equal", lambda f: sp.Integer(0)))


def test_the_report_keeps_an_engine_error_that_is_too_large():
    report = check(
        replace(QUICK, link=Link("overtraining.theory.sensitivity.noise.expected_increase", "", lambda *_: 0.05))
    )
    assert report.engine_error == 0.05


def test_a_matrix_expression_is_the_same_as_itself():
    matrix = sp.MatrixSymbol("M", 2, 3)
    assert same(matrix + matrix, 2 * matrix)


@pytest.mark.parametrize(("left", "right"), [(x, {}), (sp.eye(2), x), (x, (x,))])
def test_formulas_of_different_kinds_differ(left, right):
    assert not same(left, right)


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


def test_a_noise_matrix_that_does_not_occur_is_refused():
    with pytest.raises(ValueError, match="M"):
        noise_expectation((MatrixSum.of(N) @ MatrixSum.of(N.T)).trace(), {"M": x})


def test_symmetric_noise_is_refused():
    symmetric = MatrixSum.of(Letter("N", "d", "d", symmetric=True))
    with pytest.raises(ValueError, match="symmetric"):
        noise_expectation((symmetric @ symmetric).trace(), {"N": x})


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: MatrixSum.of(A) @ MatrixSum.of(A),
        lambda: MatrixSum.of(A) + MatrixSum.of(N),
        lambda: MatrixSum.of(A).trace(),
    ],
)
def test_matrices_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="d"):
        wrong()
