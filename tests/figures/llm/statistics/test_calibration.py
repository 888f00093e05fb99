"""Calibration: a small version of the table in the README."""

from collections import Counter

import numpy as np
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


def test_series_of_all_kinds_are_tried() -> None:
    """Even and uneven spacing about as often; known errors, ties and seeds; every number of checkpoints."""
    course = calibration.SyntheticCourse("parabola", lambda u: (u - 0.5) ** 2, 0.5)
    found = [calibration.measured(course, np.random.default_rng([9, i])) for i in range(200)]
    even = sum(np.allclose(np.diff(series.clock, 2), 0) for _, series, _ in found)
    assert stats.binomtest(even, 200, 0.5).pvalue > 0.01
    kinds = Counter(errors for errors, _, _ in found)
    assert stats.chisquare([kinds[kind] for kind in ("known", "ties", "seeds")]).pvalue > 0.01
    sizes = Counter(series.value.size for _, series, _ in found)
    expected = np.array([2, 1, 1, 1, 1]) * 200 / 6
    assert stats.chisquare([sizes[n] for n in (5, 7, 10, 20, 40)], expected).pvalue > 0.01


def _agreement(covered: int) -> float:
    """p-value of this many of 100 intervals containing the truth, if 95% do."""
    return float(stats.binomtest(covered, 100, 0.95).pvalue)
