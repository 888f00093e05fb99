"""Trials of mutants: time limit, order of the reports, table, JSON, and the exit code of the command."""

import json
from dataclasses import replace

from typer.testing import CliRunner

from overtraining.commands.app import app
from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.mutants import mutants_of
from overtraining.theory.derivations.checker.trials import (
    Fate,
    MutantReport,
    _loaded,
    mutant_table,
    mutants_as_json,
    try_mutants,
)

MUTANT = mutants_of(*_loaded("D7t", CLAIMS))[0]


def test_a_mutant_that_takes_too_long_is_undecided_and_the_others_go_on() -> None:
    """Not even a check of a millisecond is done after no time."""
    reports = try_mutants(["D7t"], CLAIMS, count=2, seed=0, limit=1e-9, processes=1)
    assert [r.fate for r in reports] == [Fate.UNDECIDED] * 2
    assert all("not done after" in r.by for r in reports)
    assert "undecided" in mutant_table(reports)


def test_processes_change_nothing_but_the_time() -> None:
    told: list[int] = []
    one, two = (try_mutants(["D7t"], CLAIMS, 6, 0, 60.0, n, lambda total, report: told.append(total)) for n in (1, 2))
    assert [replace(r, seconds=0.0) for r in one] == [replace(r, seconds=0.0) for r in two]
    assert told == [6] * 14


def test_the_table_counts_and_shows_what_was_not_noticed() -> None:
    reports = [MutantReport(MUTANT, fate, "", 0.1) for fate in Fate]
    table = mutant_table(reports)
    assert "5 mutants: 1 noticed, 1 raised, 1 equivalent, 1 survived, 1 undecided." in table
    assert table.count(f"({MUTANT.kind})") == 3
    assert all(len(line) <= 100 for line in table.splitlines())
    assert [r["fate"] for r in json.loads(mutants_as_json(reports))] == [str(fate) for fate in Fate]


def test_the_command_fails_where_a_mutant_survives(tmp_path) -> None:
    path = tmp_path / "mutants.json"
    found = CliRunner().invoke(app, ["check", "D7t", "D7t", "--mutate", "--mutants", "6", "--json", str(path)])
    fates = [r["fate"] for r in json.loads(path.read_text())]
    assert len(fates) == 6
    assert found.exit_code == int("survived" in fates or "undecided" in fates)
    assert CliRunner().invoke(app, ["check", "D7t", "--mutate", "--html", "book"]).exit_code != 0
    assert CliRunner().invoke(app, ["check", "D9", "--mutate"]).exit_code != 0
    own = CliRunner().invoke(app, ["check", "my.py", "--mutate"])
    assert "only the project's own claims" in str(own.exception)
