"""Standard errors that are missing at some checkpoints of a curve."""

import numpy as np
import pytest

from overtraining.figures.llm.error_bounds import binomial_stderr, completed_stderr
from overtraining.figures.llm.model_curves import measured_curves
from overtraining.figures.llm.statistics.decline import p_value
from overtraining.figures.llm.tidy import Row, tidy_table

UNKNOWN = np.full(6, np.nan)
VALUE = np.array([0.0, 0.0, 0.3, 0.4, 0.5, 0.45])


def test_half_an_item_is_the_error_of_none_or_all() -> None:
    """The posterior standard deviation of the fraction under Jeffreys' prior, to which half an item comes close."""
    from scipy.stats import beta

    for n in (20.0, 500.0, 10_000.0):
        assert binomial_stderr(np.array([0.0, 1.0]), n) == pytest.approx(beta(0.5, n + 0.5).std(), rel=1.5 / n**0.5)


def test_errors_that_are_given_stay() -> None:
    items = np.full(6, 400.0)
    given = binomial_stderr(VALUE, items)
    some = np.where(VALUE == 0, 0.0, given)
    complete, how = completed_stderr(VALUE, given, UNKNOWN) or (None, "")
    assert complete is given  # nothing is missing
    assert how == ""
    for number, says in ((items, "2 of 6 from the test items"), (UNKNOWN, "2 of 6 from 400 test items, which the")):
        completed = completed_stderr(VALUE, some, number)
        assert completed
        assert completed[0] == pytest.approx(given)
        assert completed[1].startswith(says)


@pytest.mark.parametrize(("ratio", "by"), [(1.05, "test items, which the other"), (1.25, "the nearest checkpoints")])
def test_errors_that_imply_different_numbers_of_items_imply_none(ratio: float, by: str) -> None:
    given = binomial_stderr(VALUE, 400 * np.array([1, 1, 1, ratio, 1, ratio])) * (VALUE > 0)
    completed = completed_stderr(VALUE, given, UNKNOWN)
    assert completed
    assert by in completed[1]


def test_without_items_the_nearest_errors_are_taken() -> None:
    """Errors of losses, and fractions whose errors imply no single number of items."""
    given = np.array([0.0, 0.03, np.nan, 0.01, 0.02, 0.0])
    completed = completed_stderr(VALUE + 2, given, UNKNOWN)
    assert completed
    assert completed[0].tolist() == [0.03, 0.03, 0.03, 0.01, 0.02, 0.02]
    assert completed[1] == "3 of 6 from the nearest checkpoints"
    assert completed_stderr(VALUE, given, UNKNOWN) is not None
    assert completed_stderr(VALUE + 2, given * [0, 1, 1, 1, 0, 0], UNKNOWN) is None  # two of six are too few
    assert completed_stderr(VALUE, UNKNOWN, UNKNOWN) is None


def test_zeros_raise_no_false_alarm() -> None:
    """Accuracies that begin with some zeros and their errors of 0, then rise and never decline (400 series, 5% level).

    Errors from the scatter of neighbours, most of which do not differ at all, gave alarms in 12% of such series.
    """
    rng, alarms = np.random.default_rng(7), 0
    step = np.array([0, *2.0 ** np.arange(15)])
    for _ in range(400):
        items, zeros, top = int(rng.integers(100, 3000)), int(rng.integers(2, 10)), rng.uniform(0.05, 0.9)
        value = rng.binomial(items, np.where(step < step[zeros], 0.0, top)) / items
        stderr = np.sqrt(value * (1 - value) / (items - 1))
        table = tidy_table(
            Row("m", "t", "acc", v, step=x, stderr=s, unit="fraction", orientation="higher")
            for v, x, s in zip(value.tolist(), step.tolist(), stderr.tolist(), strict=True)
        )
        (curve,), _ = measured_curves(table, "step")
        assert "which the other errors imply" in curve.series.errors_from
        alarms += p_value(curve.series, draws=999) <= 0.05
    assert alarms <= 20 + 3 * np.sqrt(400 * 0.05 * 0.95)
