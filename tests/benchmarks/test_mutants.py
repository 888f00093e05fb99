"""A stopped run continues, what is gone is said, a test that fails without a mutant is left out, parts are summed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import mutants
from benchmarks.mutant_trials import Trial
from benchmarks.mutation_sites import Site, places_of, sites_below
from overtraining.theory.derivations.checker.equivalents import recorded_reasons
from tests import ROOT


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Site, str]]:
    """What was judged, in a copy of six sites, with the test that was known; the first two die, by two tests."""
    for name, text in {
        "theory/derivations/__init__.py": "CLAIMS = {}",
        "theory/learning/flow.py": "def f(x):\n    return x + 1",
        "theory/learning/mode.py": "def f(x):\n    return -x * 2.0 < 3",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    asked: list[tuple[Site, str]] = []

    @contextmanager
    def copy_of(revision: str, packages: object) -> Iterator[None]:
        monkeypatch.chdir(tmp_path)
        yield

    def judge(site: Site, tests: object, known: str) -> Trial:
        asked.append((site, known))
        return Trial("survived") if len(asked) > 2 else Trial("killed", f"test_{len(asked)}", 1.5)

    def run_tests(tests: list[str]) -> Trial:
        return Trial("killed", "test_2", 1.0) if "test_2" in tests else Trial("survived")

    monkeypatch.setattr(mutants, "copy_of", copy_of)
    monkeypatch.setattr(mutants, "judge", judge)
    monkeypatch.setattr(mutants, "run_tests", run_tests)
    monkeypatch.setattr(mutants, "stages_of", lambda *given: [])
    monkeypatch.setattr(mutants.grimp, "build_graph", lambda *names, cache_dir: None)
    return asked


def task(size: int, state: Path, earlier: Sequence[dict[str, Any]] = ()) -> mutants.MutationRun:
    return mutants.MutationRun("HEAD", size, 0, earlier, state)


def outcomes(found: list[dict[str, Any]]) -> list[str]:
    return [mutant["outcome"] for mutant in found]


def test_a_stopped_run_continues(judged: list[tuple[Site, str]], tmp_path: Path) -> None:
    state = tmp_path / "build/state.jsonl"
    first = mutants.run(task(4, state))
    assert outcomes(first) == ["killed", "invalid", "survived", "survived"]
    lines = state.read_text().splitlines(keepends=True)
    state.write_text("".join(line for line in lines if line.strip())[:-20])  # the last line is half written
    again = mutants.run(task(4, state))
    assert again == first
    assert len(judged) == 5
    assert judged[4] == judged[3]


def test_an_earlier_run_says_what_to_judge_and_by_which_test(judged: list[tuple[Site, str]], tmp_path: Path) -> None:
    earlier = mutants.run(task(6, tmp_path / "first"))
    earlier[5]["before"] = "what is no longer there"
    judged.clear()
    later = mutants.run(task(6, tmp_path / "second", earlier))
    assert [known for _, known in judged] == ["test_1", "test_2", "", "", ""]
    assert [site for site, _ in judged] == [mutants.site_of(mutant) for mutant in earlier[:5]]
    assert outcomes(later)[5] == "gone"


def test_parts_are_summed_and_survivors_named(judged: list[tuple[Site, str]], tmp_path: Path) -> None:
    found = mutants.run(task(6, tmp_path / "state"))
    found[0] |= {"file": "theory/checks.py", "outcome": "hanging"}
    known, wrong = mutants.explained(found, {mutants.place_of(found[2]): "why"})
    report = mutants.report_on([{"revision": "abc", "mutants": known}], wrong)
    assert {row["part"]: row["died"] for row in report.rows} == {
        "theory": "1 of 1",
        "theory/learning": "0 of 3",
        "all": "1 of 4",
    }
    assert (report.rows[-1]["invalid"], report.rows[-1]["equivalent"]) == (1, 1)
    assert sorted(remark.rpartition(": ")[2] for remark in report.remarks[1:]) == ["real", "real", "real", "why"]
    assert not wrong


def test_an_entry_of_the_record_that_a_test_notices_is_wrong(judged: list[tuple[Site, str]], tmp_path: Path) -> None:
    found = mutants.run(task(6, tmp_path / "state"))
    _, wrong = mutants.explained(found, {mutants.place_of(found[0]): "why"})
    assert len(wrong) == 1
    assert wrong[0].endswith("killed by test_1")


def test_every_entry_of_the_record_is_a_mutant() -> None:
    recorded = set(recorded_reasons(mutants.RECORD))
    folders = {Path(file).parent for file, _, _ in recorded}
    assert recorded <= {place for folder in folders for place in places_of(sites_below(ROOT / folder, ROOT)).values()}


def test_what_died_before_and_lives_now_is_said(judged: list[tuple[Site, str]], tmp_path: Path) -> None:
    """Even where the sum is the same, as another mutant has died instead."""
    found = mutants.run(task(6, tmp_path / "state"))
    later = [mutant | {"outcome": "survived"} if n == 0 else mutant for n, mutant in enumerate(found)]
    later[2] = found[2] | {"outcome": "killed"}
    report = mutants.report_on([{"revision": "old", "mutants": found}, {"revision": "new", "mutants": later}])
    assert [row["died"] for row in report.rows if row["part"] == "all"] == ["1 of 5", "1 of 5"]
    assert report.remarks[0] == "1 died in old and survive in new."
    assert [remark.endswith("it died before") for remark in report.remarks[2:]].count(True) == 1
