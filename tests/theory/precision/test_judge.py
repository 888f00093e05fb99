"""The judge: agreement of precisions, errors, condition numbers, and what counts as right."""

import mpmath
import numpy as np
import pytest

from overtraining.setting.errors import NotSolved
from overtraining.theory.precision.form import Form, each
from overtraining.theory.precision.judge import agreed, allowed, condition_number, relative_error


def test_a_value_that_cancels_to_zero_at_first_needs_more_precisions() -> None:
    difference = lambda x: (1 + x) - 1
    assert float(agreed(difference, 1e-100, precisions=(400, 800))[0]) == pytest.approx(1e-100)
    assert float(agreed(difference, 1e-100, precisions=(20, 40))[0]) == 0  # both cancel, and agree


def test_values_that_never_agree_are_not_solved() -> None:
    with pytest.raises(NotSolved, match="no two of"):
        agreed(lambda x: x * mpmath.mp.dps, 1.0)


def test_errors_are_relative_and_absolute_below_the_smallest_size() -> None:
    assert relative_error(1.5, [mpmath.mpf(1)]) == 0.5
    assert relative_error(2e-301, [mpmath.mpf("1e-301")]) == pytest.approx(0.1)
    assert np.isnan(relative_error(np.nan, [mpmath.mpf(1)]))
    assert relative_error([3.0, 0.0], [mpmath.mpf(3), mpmath.mpf(4)]) == pytest.approx(0.8)  # as one vector


def test_condition_numbers_and_what_they_allow() -> None:
    assert condition_number(lambda x: x**3, 2.0) == pytest.approx(3)
    assert condition_number(lambda x: mpmath.mpf(7), 2.0) == 1.0
    assert allowed(1.0) == 1e-12
    assert allowed(1e6) == pytest.approx(100 * 2.0**-52 * 1e6)


def test_a_form_with_a_wrong_factor_has_that_error() -> None:
    form = Form("X1", "twice", each(lambda x: 2.02 * x), lambda x: 2 * x)
    np.testing.assert_allclose(form.errors(np.array([[1.0], [3.0]])), 0.01, rtol=1e-12)
    assert form.condition([3.0]) == pytest.approx(1)
