"""The reports of the checker as a table for a terminal, as JSON, and as one yes or no."""

import json
import math
import textwrap
from collections.abc import Sequence
from typing import Any

from overtraining.theory.derivations.checker.core import CheckReport, Derivation, Verdict

WIDTH = 100
HEADINGS = ("claim", "verdict", "steps", "rejected", "engine error", "seconds")


def table(reports: Sequence[CheckReport]) -> str:
    """One row per claim, then the problems of each; no line is wider than 100 columns.

    `rejected` counts the wrong variants rejected out of those tried. `engine error` is the worst relative error of the
    public function against the formula, and `-` where no function is linked or the comparison raised an error.

    >>> from overtraining.theory.derivations.checker.core import Evidence
    >>> report = CheckReport("B1", Verdict.PROVED, Verdict.PROVED, (("x", Evidence(True, Verdict.PROVED, "")),),
    ...                 ("a", "b"), (), 2e-16, (), 0.51)
    >>> print(table([report]))
    claim  verdict  steps  rejected  engine error  seconds
    B1     proved       1       2/2         2e-16      0.5
    <BLANKLINE>
    1 claim: 1 proved. 2 of 2 wrong variants rejected. No problem.
    """
    rows = [HEADINGS, *map(_row, reports)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    for report in reports:
        if report.problems:
            lines += ["", f"{report.claim}, {_count(len(report.problems), 'problem')}:"]
            lines += [line for problem in report.problems for line in _wrapped(problem)]
    return "\n".join([*lines, "", _summary(reports)])


def as_json(reports: Sequence[CheckReport], derivations: Sequence[Derivation] = ()) -> str:
    """A list of objects with the same keys for all claims: counts of steps and variants, and their texts.

    derivations: if they are passed, each claim's title, its public function and the claims it uses are filled in.
    """
    known = {derivation.claim: derivation for derivation in derivations}
    objects = [_plain(report, known.get(report.claim)) for report in reports]
    return json.dumps(objects, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def failed(reports: Sequence[CheckReport]) -> bool:
    """Whether any claim has a problem; if nothing was checked, that counts as failed."""
    return not reports or any(r.problems or r.survivors or r.verdict is Verdict.FAILED for r in reports)


def _row(report: CheckReport) -> tuple[str, ...]:
    error = "-" if report.engine_error is None else f"{report.engine_error:.2g}"
    rejected = f"{len(report.rejected)}/{report.variants}"
    return report.claim, str(report.verdict), str(len(report.steps)), rejected, error, f"{report.seconds:.1f}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    words = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
    numbers = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join(words + numbers)


def _wrapped(problem: str) -> list[str]:
    # a fault's message may hold line breaks; one problem stays one paragraph
    return textwrap.wrap(" ".join(problem.split()), WIDTH, initial_indent="  - ", subsequent_indent="    ")


def _summary(reports: Sequence[CheckReport]) -> str:
    verdicts = [r.verdict for r in reports]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in sorted(set(verdicts), reverse=True)) or "nothing checked"
    tried = sum(r.variants for r in reports)
    rejected = sum(len(r.rejected) for r in reports)
    problems = sum(len(r.problems) for r in reports)
    return (
        f"{_count(len(reports), 'claim')}: {counts}. {rejected} of {tried} wrong variants rejected. "
        f"{_count(problems, 'problem') if problems else 'No problem'}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def _plain(report: CheckReport, derivation: Derivation | None) -> dict[str, Any]:
    error = report.engine_error
    repeats = {n for n, step in enumerate(derivation.steps) if step.cross_check} if derivation else set()
    return {
        "claim": report.claim,
        "title": derivation.title if derivation else None,
        "verdict": str(report.verdict),
        "floor": str(report.floor),
        "steps": len(report.steps),
        "variants": report.variants,
        "rejected": len(report.rejected),
        "seconds": round(report.seconds, 3),
        "problems": list(report.problems),
        "engine_function": derivation.link.function if derivation and derivation.link else None,
        "engine_error": error if error is not None and math.isfinite(error) else None,
        "uses": list(derivation.uses) if derivation else None,
        "evidence": [
            {"statement": text, "holds": bool(e.holds), "verdict": str(e.outcome), "detail": str(e.detail)}
            | ({"cross_check": n in repeats} if derivation else {})
            for n, (text, e) in enumerate(report.steps)
        ],
        "rejected_variants": list(report.rejected),
        "surviving_variants": list(report.survivors),
    }
