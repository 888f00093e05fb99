"""Tables, plots and numbers of the site's pages of results come from the files in benchmarks/results."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, ONLY_BY_NAME
from tests import ROOT
from tests.docs.extensions import results, results_numbers, results_plots

PAGES = sorted((ROOT / "docs/project").glob("*.md"))
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
NOT_SHOWN = {"builds_causes": "where the time of each figure goes: for those who make builds faster"}


def test_every_result_is_shown() -> None:
    shown = set(re.findall(r"^```\{benchmark\} (\S+)$", TEXT, re.MULTILINE))
    there = {path.stem for path in (ROOT / "benchmarks/results").glob("*.json")}
    assert shown | set(NOT_SHOWN) == there
    assert "```{accuracy}\n" in TEXT
    assert "```{calibration}\n" in TEXT


def test_commands_that_measure_again_exist() -> None:
    for name, options in re.findall(r"^```\{benchmark\} (\S+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        again = re.search(r":again: (\S+)", options)
        command = again[1] if again else name
        if command.startswith("."):
            assert "__main__" in (ROOT / f"benchmarks/{command[1:]}.py").read_text(encoding="utf-8")
        else:
            assert command in {*BENCHMARKS, *ONLY_BY_NAME}, name


def test_numbers_in_sentences_exist_and_are_used() -> None:
    used = set(re.findall(r"\{measured\}`([^`]+)`", TEXT))
    assert used == set(results_numbers.NUMBERS)


def test_numbers_are_those_of_the_files() -> None:
    """A few, read in another way."""
    folder = ROOT / "benchmarks/results"
    numbers = results_numbers.NUMBERS
    right, points = re.search(r"(\d+) of (\d+) answers are right", (folder / "accuracy.md").read_text()).groups()  # type: ignore[union-attr]
    assert numbers["accuracy points"]() == int(points)
    assert numbers["accuracy right"]() == int(right)
    answered = json.loads((folder / "answered.json").read_text())
    assert f"answers {numbers['answered']()} of {numbers['answered of']():,} random" in answered["title"]
    damage = json.loads((folder / "damage.json").read_text())
    assert damage["title"].startswith(f"{numbers['damage']()} damaged files")
    assert json.loads((folder / "kills.json").read_text())["title"].startswith(f"{numbers['kills']()} kills")
    fates = [numbers[f"derivation mutants{fate}"]() for fate in (" noticed", " not run", " equivalent", " survived")]
    assert sum(fates) == numbers["derivation mutants"]()
    assert numbers["mutants noticed"]() + numbers["mutants survived"]() == numbers["mutants"]()
    assert numbers["mutants equivalent"]() <= numbers["mutants survived"]()


def test_rows_of_the_calibration_are_read() -> None:
    text = (ROOT / "benchmarks/results/calibration.txt").read_text(encoding="utf-8")
    rows = results_numbers.calibration()
    assert len(rows) == sum("%" in line for line in text.splitlines())
    assert rows[0][:2] == ["with a turning point, all", 1000]
    assert all(0 <= number <= 100 for row in rows for number in row[2:])


def test_a_table_has_the_report() -> None:
    report = results_numbers.result("kills")
    head = list(report["rows"][0])
    table = results.table(head, [list(row.values()) for row in report["rows"]], report["title"])
    words = table.astext()
    for row in report["rows"]:
        for value in row.values():
            assert results.shown(value) in words
    told = results.where_measured(report["machine"])
    assert report["machine"]["date"] in told
    assert report["machine"]["processor"] in told


@pytest.mark.parametrize("name", list(results_plots.PLOTS))
def test_plots_are_drawn(name: str, tmp_path: Path) -> None:
    results_plots.save(name, tmp_path / "plot.svg")
    assert "<svg" in (tmp_path / "plot.svg").read_text(encoding="utf-8")
    assert (ROOT / "benchmarks/results" / results_plots.PLOTS[name][1]).exists()
    assert f"{{results-plot}} {name}\n" in TEXT
