"""Reports as a table, as JSON, and as one yes or no."""

import json
from dataclasses import replace

import pytest

from overtraining.theory.derivations.checker.core import CheckReport, Verdict, check
from overtraining.theory.derivations.checker.report import as_json, failed, table
from overtraining.theory.derivations.claims.b1_noise import DERIVATION as B1


def report(**changes):
    found = CheckReport("B1", Verdict.PROVED, Verdict.PROVED, (), ("a",), (), 2e-16, (), 0.5)
    return replace(found, **changes)


def test_the_table_fits_a_terminal_and_tells_every_problem():
    problems = ("step failed: " + "x" * 300, "engine\noff by 0.05")
    text = table([check(B1), report(claim="a claim of mine", problems=problems, engine_error=None)])
    assert max(map(len, text.splitlines())) <= 100
    assert "8/8" in text
    assert "engine off by 0.05" in text
    assert text.replace("\n", "").replace(" ", "").count("x" * 300) == 1
    assert "2 problems" in text


def test_json_has_the_counts_and_stays_json():
    first, second = json.loads(as_json([check(B1), report(engine_error=float("inf"))], [B1]))
    assert (first["claim"], first["verdict"], first["floor"]) == ("B1", "proved", "proved")
    assert (first["steps"], first["variants"], first["rejected"]) == (3, 8, 8)
    assert first["engine_function"] == "overtraining.theory.sensitivity.noise.expected_increase"
    assert first["title"] == B1.title
    assert first["engine_error"] < 1e-15
    assert 0 < first["seconds"] < 60
    assert second["engine_error"] is None
    assert first.keys() == second.keys()


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([], True),
        ([report()], False),
        ([report(), report(problems=("x",))], True),
        ([report(survivors=("x",))], True),
        ([report(verdict=Verdict.FAILED)], True),
    ],
)
def test_failure_is_any_problem_and_nothing_checked(reports, expected):
    assert failed(reports) is expected
