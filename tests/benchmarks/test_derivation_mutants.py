"""The table of mutants of the derivations counts each one once and shows those that no check noticed."""

from benchmarks.derivation_mutants import report_on
from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.trials import Fate, MutantReport, all_mutants


def test_every_mutant_is_counted_once_and_those_not_noticed_are_shown() -> None:
    mutants = all_mutants("D7t", CLAIMS)
    reports = [MutantReport(m, fate, f"reason {fate}", 0.1) for m, fate in zip(mutants, Fate, strict=False)]
    report = report_on(reports, {"D7t": len(mutants)}, ["A1: a stale entry"])
    one = {"noticed": 1, "could not run": 1, "equivalent": 1, "survived": 1, "undecided": 1}
    assert report.rows == [{"claim": claim, "mutants": len(mutants), "tried": 5, **one} for claim in ("D7t", "all")]
    assert [c["fate"] for c in report.curves] == ["equivalent", "survived", "undecided"]
    assert [f"reason {c['fate']}" in line for c, line in zip(report.curves, report.remarks, strict=False)] == [True] * 3
    assert report.remarks[-1] == "A1: a stale entry"
