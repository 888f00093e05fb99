"""The accuracy benchmark counts wrong and refused answers, keeps the worst point, and writes every row."""

import csv

import numpy as np

from benchmarks.accuracy import answered, domain, measured, write_tables
from overtraining.setting.domain import positive
from overtraining.theory.precision.form import Form
from overtraining.theory.precision.forms import FORMS

POINTS = np.array([[1.0], [2.0], [3.0]])


def test_a_right_form_has_no_wrong_answer_and_a_wrong_one_has_only_wrong_ones() -> None:
    right = measured(Form("X1", "twice", lambda x: 2 * x, lambda x: 2 * x), POINTS)
    wrong = measured(Form("X1", "twice", lambda x: 2 * x * (1 + 1e-9), lambda x: 2 * x), POINTS)
    assert (right.points, right.wrong, right.refused) == (3, 0, 0)
    assert (wrong.points, wrong.wrong) == (3, 3)
    assert 0.9e-9 < wrong.largest < 1.1e-9


def test_no_number_is_a_wrong_answer() -> None:
    row = measured(Form("X1", "root", lambda x: np.where(x == 2, np.nan, x), lambda x: x), POINTS)
    assert row.wrong == 1
    assert row.inputs == (2.0,)


def test_refused_points_are_counted_and_left_out() -> None:
    form = Form("X1", "size", lambda x: positive("x", x), lambda x: x)
    points = np.array([[1.0], [-2.0], [3.0]])
    assert answered(form, points).ravel().tolist() == [1, 3]
    row = measured(form, points)
    assert (row.points, row.refused, row.wrong) == (2, 1, 0)


def test_every_form_has_a_domain_of_its_number_of_inputs() -> None:
    for form in FORMS:
        points = domain(form)(np.random.default_rng(0), 3)
        assert points.ndim == 2
        assert np.isfinite(points).all(), form.name


def test_the_tables_hold_every_row(tmp_path) -> None:
    rows = [measured(Form("X1", name, lambda x: 2 * x, lambda x: 2 * x), POINTS) for name in ("one", "other")]
    markdown, plain = write_tables(rows, tmp_path)
    assert "6 of 6 answers are right" in markdown.read_text(encoding="utf-8")
    with plain.open(encoding="utf-8") as file:
        assert [row["form"] for row in csv.DictReader(file)] == ["one", "other"]
