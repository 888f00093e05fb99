"""The sections of a page: broken derivations, and assumptions without counterexample."""

import re
from dataclasses import replace

from overtraining.figures.book import write_book
from overtraining.theory.derivations.checker.core import Assumption, CheckReport, Counterexample, Verdict, check
from tests.figures.book.samples import B1, curves, proved


def test_a_broken_derivation_still_has_its_page(tmp_path):
    def raises():
        raise ArithmeticError("no such thing")

    broken = replace(B1, assumptions=(Assumption("dense spectrum", "", Counterexample("", raises, raises)),))
    report = CheckReport("B1", Verdict.FAILED, Verdict.PROVED, (), (), (), None, ("could not be finished",), 0.0)
    page = write_book([broken], [report], tmp_path)[1].read_text(encoding="utf-8")
    assert page.count("ArithmeticError: no such thing") == 1
    assert page.count("not run") == 4  # three steps and the counterexample
    assert "could not be finished" in page


def test_a_counterexample_that_raises_is_shown_with_its_error(tmp_path):
    def raises():
        raise ArithmeticError("no such thing")

    broken = replace(B1, assumptions=(Assumption("dense spectrum", "", Counterexample("", raises)),))
    page = write_book([broken], [check(broken)], tmp_path)[1].read_text(encoding="utf-8")
    assert "raised ArithmeticError: no such thing" in page.partition("<section")[2]


def test_a_shared_counterexample_is_computed_and_drawn_once(tmp_path):
    calls = []

    def counted():
        calls.append(1)
        return curves()

    shared = tuple(Assumption(name, "", Counterexample("", proved, counted)) for name in ("one", "two"))
    shared = (shared[0], replace(shared[1], counterexample=shared[0].counterexample))
    twins = [replace(B1, claim=claim, assumptions=shared) for claim in ("B1", "B2")]
    paths = write_book(twins, [check(twin) for twin in twins], tmp_path)
    assert len(calls) == 1
    for path in paths[1:3]:
        page = path.read_text(encoding="utf-8")
        identifiers = re.findall(r'\bid="([^"]+)"', page)
        assert page.count("<figure>") == 2
        assert len(set(identifiers)) == len(identifiers)


def test_an_assumption_without_counterexample_points_to_one(reports, tmp_path):
    known, unknown = B1.assumptions[0], Assumption("dense spectrum", "A text.")
    bare = replace(B1, claim="C1", assumptions=(replace(known, counterexample=None), unknown))
    paths = write_book([B1, bare], [reports[0], replace(reports[0], claim="C1")], tmp_path)
    page = paths[2].read_text(encoding="utf-8")
    assert 'Without it:</em> see <a href="claim-B1.html"' in page
    assert page.count("no counterexample is known") == 1
    assert paths[4].read_text(encoding="utf-8").count("No counterexample is known") == 1
