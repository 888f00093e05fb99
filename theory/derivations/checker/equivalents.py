"""Mutants that leave the statement of a claim true: the record of them, with a reason for each, and its use.

The record names a mutant by its claim, its function and its change, never by a line. It can go stale: the code changes,
or a stronger check notices what it did not notice before. `stale_entries` finds both.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from overtraining.setting.errors import Refusal
from overtraining.theory.derivations.checker.mutants import Mutant, Place
from overtraining.theory.derivations.checker.trials import Fate, MutantReport

RECORD = Path(__file__).parents[1] / "equivalent_mutants.toml"
KEYS = {"function", "changes", "reason"}


def recorded_reasons(path: Path = RECORD) -> dict[Place, str]:
    """Place of each mutant in the record → why it leaves the statement true.

    Raises Refusal for an entry without a function, changes and a reason, and for a mutant with two entries.
    """
    reasons: dict[Place, str] = {}
    for claim, entries in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for entry in entries:
            if entry.keys() != KEYS or not entry["changes"] or not entry["reason"].strip():
                why = f"an entry has {', '.join(entry)}"
                raise Refusal(f"{path.name}, [[{claim}]]", why, f"give {', '.join(sorted(KEYS))}, none of them empty")
            for change in entry["changes"]:
                place = claim, entry["function"], change
                if place in reasons:
                    raise Refusal(f"{path.name}, {' '.join(place)}", "it has two entries", "remove one of them")
                reasons[place] = entry["reason"]
    return reasons


def explain(reports: Iterable[MutantReport], reasons: Mapping[Place, str]) -> list[MutantReport]:
    """The reports, in which a survivor that the record explains is equivalent."""
    return [
        replace(r, fate=Fate.EQUIVALENT, by=reasons[r.mutant.place])
        if r.fate is Fate.SURVIVED and r.mutant.place in reasons
        else r
        for r in reports
    ]


def stale_entries(
    reports: Iterable[MutantReport], mutants: Sequence[Mutant], reasons: Mapping[Place, str]
) -> list[str]:
    """What the record says of these claims and is not so; one line for each.

    mutants: all mutants of the claims that were tried.
    """
    claims, places = {m.claim for m in mutants}, {m.place for m in mutants}
    fates = {r.mutant.place: r for r in reports}
    lines = []
    for place in reasons:
        if place[0] in claims and place not in places:
            lines.append(f"{_shown(place)}: recorded as equivalent, but there is no such mutant any more")
        elif place in fates and fates[place].fate in (Fate.NOTICED, Fate.RAISED):
            lines.append(f"{_shown(place)}: recorded as equivalent, but {fates[place].fate} by {fates[place].by}")
    return lines


def _shown(place: Place) -> str:
    claim, function, change = place
    return f"{claim}, {function or 'module'}: {change}"
