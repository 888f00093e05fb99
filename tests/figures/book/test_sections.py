"""The sections of a page: broken derivations, and assumptions without counterexample."""

from dataclasses import replace

from overtraining.figures.book import write_book
from overtraining.theory.derivations.checker.core import Assumption, CheckReport, Counterexample, Verdict
from tests.figures.book.samples import B1


def test_a_broken_derivation_still_has_its_page(tmp_path):
    def raises():
        raise ArithmeticError("no such thing")

    broken = replace(B1, assumptions=(Assumption("dense spectrum", "", Counterexample("", raises, raises)),))
    report = CheckReport("B1", Verdict.FAILED, Verdict.PROVED, (), (), (), None, ("could not be finished",), 0.0)
    page = write_book([broken], [report], tmp_path)[1].read_text(encoding="utf-8")
    assert page.count("ArithmeticError: no such thing") == 2
    assert page.count("not run") == 3
    assert "could not be finished" in page


def test_an_assumption_without_counterexample_points_to_one(reports, tmp_path):
    known, unknown = B1.assumptions[0], Assumption("dense spectrum", "A text.")
    bare = replace(B1, claim="C1", assumptions=(replace(known, counterexample=None), unknown))
    paths = write_book([B1, bare], [reports[0], replace(reports[0], claim="C1")], tmp_path)
    page = paths[2].read_text(encoding="utf-8")
    assert 'Without it:</em> see <a href="claim-B1.html"' in page
    assert page.count("no counterexample is known") == 1
    assert paths[4].read_text(encoding="utf-8").count("No counterexample is known") == 1
