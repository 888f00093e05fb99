"""The record of equivalent mutants: what it explains, when it is stale, and that it fits today's derivations."""

from dataclasses import replace
from pathlib import Path

import pytest

from overtraining.setting.errors import Refusal
from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.equivalents import explain, recorded_reasons, stale_entries
from overtraining.theory.derivations.checker.mutants import Mutant
from overtraining.theory.derivations.checker.trials import Fate, MutantReport, all_mutants

MUTANTS = all_mutants("D7t", CLAIMS)
ONE, OTHER = MUTANTS[:2]
REASONS = {ONE.place: "It has no sign."}


def report(mutant: Mutant, fate: Fate) -> MutantReport:
    return MutantReport(mutant, fate, "", 0.1)


def test_a_recorded_survivor_is_equivalent_and_nothing_else_is() -> None:
    one, other, noticed = (report(ONE, Fate.SURVIVED), report(OTHER, Fate.SURVIVED), report(ONE, Fate.NOTICED))
    assert explain([one, other, noticed], REASONS) == [
        replace(one, fate=Fate.EQUIVALENT, by="It has no sign."),
        other,
        noticed,
    ]


def test_an_entry_without_a_mutant_and_an_entry_that_a_check_notices_are_stale() -> None:
    assert stale_entries([report(ONE, Fate.EQUIVALENT)], MUTANTS, REASONS) == []
    assert stale_entries([], MUTANTS, REASONS) == []
    (gone,) = stale_entries([], MUTANTS, {("D7t", ONE.function, "a → b"): "It is gone."})
    assert "there is no such mutant" in gone
    (noticed,) = stale_entries([replace(report(ONE, Fate.NOTICED), by="step 2")], MUTANTS, REASONS)
    assert noticed.endswith("but noticed by step 2")
    assert stale_entries([], MUTANTS, {("A1", "f", "a → b"): "Of a claim that is not tried."}) == []


def test_places_name_one_mutant_each_and_no_line() -> None:
    assert len({m.place for m in MUTANTS}) == len(MUTANTS)
    assert replace(ONE, line=ONE.line + 7).place == ONE.place
    assert replace(ONE, nth=2).change == f"{ONE.change} [2]"


@pytest.mark.parametrize(
    "entry",
    [
        'function = "f"\nchanges = ["a → b"]',
        'function = "f"\nchanges = []\nreason = "None."',
        'function = "f"\nchanges = ["a → b"]\nreason = " "',
        'function = "f"\nchanges = ["a → b", "a → b"]\nreason = "Twice."',
    ],
)
def test_an_incomplete_or_double_entry_is_refused(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "record.toml"
    path.write_text(f"[[A1]]\n{entry}\n", encoding="utf-8")
    with pytest.raises(Refusal, match="A1"):
        recorded_reasons(path)


def test_every_entry_of_the_record_is_a_mutant_of_today() -> None:
    reasons = recorded_reasons()
    claims = dict.fromkeys(claim for claim, _, _ in reasons)
    assert set(claims) <= set(CLAIMS)
    assert stale_entries([], [m for claim in claims for m in all_mutants(claim, CLAIMS)], reasons) == []
