"""Calibration: a small version of the table in the README."""

from scipy import stats

from overtraining.figures.llm.statistics import calibration
from overtraining.figures.llm.statistics.calibration import trials


def test_calibration() -> None:
    """A small version of the table: intervals and decline cover 95%, a plain bootstrap does not, alarms are rare."""
    some = list(trials(calibration.turning_course, 100, draws=400, grid=41))
    assert _agreement(sum(t.covered for t in some)) > 0.01
    assert _agreement(sum(t.decline_covered for t in some)) > 0.01
    assert _agreement(sum(t.bootstrap_covered for t in some)) < 1e-4
    without = list(trials(calibration.course_without_turn, 100, draws=400, grid=21))
    assert stats.binomtest(sum(t.answer.significant for t in without), 100, 0.05, alternative="greater").pvalue > 0.01
    shown = calibration.as_text(some, without)
    assert "with a turning point, all" in shown
    assert "without, flat" in shown


def _agreement(covered: int) -> float:
    """p-value of this many of 100 intervals containing the truth, if 95% do."""
    return float(stats.binomtest(covered, 100, 0.95).pvalue)
