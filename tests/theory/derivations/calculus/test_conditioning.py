"""Condition numbers of formulas whose conditioning is known."""

import numpy as np
import pytest
import sympy as sp

from overtraining.theory.derivations.calculus.conditioning import condition_number

x, y = sp.symbols("x y", positive=True)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (x**3 / y, lambda a, b: 4 + 0 * a),
        (sp.exp(x), lambda a, b: a),
        (x - y, lambda a, b: (a + b) / abs(a - b)),
        (x + y, lambda a, b: 1 + 0 * a),
        (sp.sqrt(1 + x) - 1, lambda a, b: a / (2 * np.sqrt(1 + a) * (np.sqrt(1 + a) - 1))),
    ],
    ids=("quotient", "exponential", "difference", "sum", "root"),
)
def test_the_condition_number_is_the_known_one(expression, expected):
    a, b = np.array([0.5, 3.0, 40.0]), np.array([0.7, 2.0, 1e-3])
    np.testing.assert_allclose(condition_number(expression, (x, y))(a, b), expected(a, b), rtol=1e-12)


def test_cancellation_beyond_float64_is_seen():
    found = condition_number(x - y, (x, y))(1.0, np.nextafter(1.0, 2.0))
    assert float(found) == pytest.approx(2 / 2.0**-52, rel=1e-12)


def test_a_value_of_zero_counts_as_well_conditioned():
    assert float(condition_number(x - y, (x, y))(1.0, 1.0)) == 1.0
