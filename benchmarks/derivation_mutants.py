"""Which changed expressions of the derivations no check notices: a fixed random sample of each claim's mutants.

The other mutants, of the functions of `theory/`, which the tests must notice, are in `benchmarks.mutants`.
"""

from collections import Counter
from collections.abc import Sequence

from benchmarks.measure import BenchmarkPreset
from benchmarks.report import BenchmarkReport
from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.equivalents import explain, recorded_reasons, stale_entries
from overtraining.theory.derivations.checker.trials import Fate, MutantReport, all_mutants, one_line, try_mutants

COUNT = {"full": 24, "tiny": 1}
CHOSEN = {"full": tuple(CLAIMS), "tiny": ("B8", "D7t")}
SEED = 0
LIMIT = 120.0
PROCESSES = 2
COLUMNS = {
    Fate.NOTICED: "noticed",
    Fate.RAISED: "could not run",
    Fate.EQUIVALENT: "equivalent",
    Fate.SURVIVED: "survived",
    Fate.UNDECIDED: "undecided",
}


def run(preset: BenchmarkPreset) -> list[BenchmarkReport]:
    """One table: a row for each claim and one for all."""
    claims, reasons = CHOSEN[preset], recorded_reasons()
    reports = explain(try_mutants(claims, CLAIMS, COUNT[preset], SEED, LIMIT, PROCESSES), reasons)
    mutants = {claim: all_mutants(claim, CLAIMS) for claim in claims}
    stale = stale_entries(reports, [m for each in mutants.values() for m in each], reasons)
    sizes = {claim: len(each) for claim, each in mutants.items()}
    return [report_on(reports, sizes, stale)]


def report_on(reports: Sequence[MutantReport], sizes: dict[str, int], stale: Sequence[str]) -> BenchmarkReport:
    """The table of what came of the mutants, and those that no check noticed.

    sizes: how many mutants each claim has.  stale: entries of the record of equivalent mutants that are not so.
    """
    rows: list[dict[str, str | int]] = []
    for claim, size in [*sizes.items(), ("all", sum(sizes.values()))]:
        fates = Counter(r.fate for r in reports if claim in ("all", r.mutant.claim))
        counts = {name: fates[fate] for fate, name in COLUMNS.items()}
        rows.append({"claim": claim, "mutants": size, "tried": fates.total(), **counts})
    shown = [r for fate in (Fate.EQUIVALENT, Fate.SURVIVED, Fate.UNDECIDED) for r in reports if r.fate is fate]
    curves = [
        {
            "claim": r.mutant.claim,
            "function": r.mutant.function,
            "change": r.mutant.change,
            "fate": str(r.fate),
            "by": r.by,
        }
        for r in shown
    ]
    title = f"Changed expressions of derivations: what the checks notice (seed {SEED}, at most {LIMIT:g} s for one)"
    return BenchmarkReport("derivation_mutants", title, rows, [*map(one_line, shown), *stale], curves)
