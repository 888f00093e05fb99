"""Calibration: a small version of the table in the README."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from overtraining.figures.llm.statistics import calibration
from overtraining.figures.llm.statistics.calibration import SyntheticCourse, trials


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


CLOCK = np.linspace(0, 1, 20_001)


def courses(make: Callable[[np.random.Generator], SyntheticCourse]) -> dict[str, list[SyntheticCourse]]:
    found: dict[str, list[SyntheticCourse]] = {}
    for i in range(400):
        course = make(np.random.default_rng([11, i]))
        found.setdefault(course.name, []).append(course)
    return found


def test_courses_turn_where_they_say() -> None:
    """The minimum on a fine clock; a late rise and C1 are minimized in the same way by the course itself."""
    found = courses(calibration.turning_course)
    assert set(found) == {"parabola", "two powers", "kink", "late kink", "late rise", "C1"}
    for course in (course for some in found.values() for course in some):
        assert abs(CLOCK[course.course(CLOCK).argmin()] - course.turn) <= CLOCK[1]
    for name in ("parabola", "two powers", "kink"):
        assert stats.kstest([one.turn for one in found[name]], stats.uniform(0.15, 0.7).cdf).pvalue > 0.01


def test_courses_without_a_turn_fall_as_they_say() -> None:
    """Power laws of exponents 0.5 to 6; plateaus after a step at 0.1 to 0.6 of width 0.02 to 0.1; half are flat."""
    found = courses(calibration.course_without_turn)
    assert stats.binomtest(len(found["flat"]), 400, 0.5).pvalue > 0.01
    assert not any(one.course(CLOCK).any() for one in found["flat"])
    exponents = [-np.log(one.course(np.array([1.0]))[0]) for one in found["power law"]]
    assert stats.kstest(exponents, stats.uniform(0.5, 5.5).cdf).pvalue > 0.01
    logits = [np.log(1 / one.course(np.array([0.0, 1.0])) - 1) for one in found["plateau"]]  # −at/width, (1 − at)/width
    widths = np.array([1 / (end - start) for start, end in logits])
    assert stats.kstest(widths, stats.uniform(0.02, 0.08).cdf).pvalue > 0.01
    ats = [-start * width for (start, _), width in zip(logits, widths, strict=True)]
    assert stats.kstest(ats, stats.uniform(0.1, 0.5).cdf).pvalue > 0.01


def test_series_of_all_kinds_are_tried() -> None:
    """Even and uneven spacing about as often; every kind of errors; every number of checkpoints."""
    course = calibration.SyntheticCourse("parabola", lambda u: (u - 0.5) ** 2, 0.5)
    found = [calibration.measured(course, np.random.default_rng([9, i])) for i in range(200)]
    even = sum(np.allclose(np.diff(series.clock, 2), 0) for _, series, _ in found)
    assert stats.binomtest(even, 200, 0.5).pvalue > 0.01
    kinds = Counter(errors for errors, _, _ in found)
    assert stats.chisquare([kinds[kind] for kind in ("known", "ties", "seeds", "correlated")]).pvalue > 0.01
    sizes = Counter(series.value.size for _, series, _ in found)
    expected = np.array([2, 1, 1, 1, 1]) * 200 / 6
    assert stats.chisquare([sizes[n] for n in (5, 7, 10, 20, 40)], expected).pvalue > 0.01


def test_correlated_errors_are_correlated() -> None:
    """By one half between neighbours, in standard errors; the known ones are independent."""
    flat = calibration.SyntheticCourse("flat", np.zeros_like, np.inf)
    found: dict[str, list[np.ndarray]] = {"known": [], "correlated": []}
    for i in range(1200):
        errors, series, _ = calibration.measured(flat, np.random.default_rng([10, i]))
        if errors in found and series.value.size == 40:
            found[errors].append(series.value / series.stderr)
    for errors, expected in (("known", 0.0), ("correlated", 0.5)):
        pairs = np.concatenate([z[1:] * z[:-1] for z in found[errors]])
        before = np.concatenate([z[:-1] for z in found[errors]])
        slope = pairs.sum() / (before**2).sum()  # of each error on the one before it
        assert abs(slope - expected) < 4 * np.sqrt((1 - expected**2) / before.size)
        assert np.var(found[errors]) == pytest.approx(1, abs=0.1)


def _agreement(covered: int) -> float:
    """p-value of this many of 100 intervals containing the truth, if 95% do."""
    return float(stats.binomtest(covered, 100, 0.95).pvalue)


def test_the_program_tries_as_many_series_as_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    calibration.main(2)
    assert [line.split()[-5] for line in capsys.readouterr().out.splitlines() if ", all" in line] == ["2", "2"]
