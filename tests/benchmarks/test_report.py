"""Tables as text and as JSON, with the machine on which they were measured."""

import json
from pathlib import Path

from benchmarks.report import BenchmarkReport, write_report

REPORT = BenchmarkReport(
    "name", "Title", [{"what": "a", "n": 1_000_000, "seconds": 0.123456}], ["A remark."], [{"x": 1}]
)


def test_numbers_are_aligned_and_rounded() -> None:
    assert REPORT.text().splitlines() == [
        "Title",
        "",
        "what          n  seconds",
        "a     1,000,000    0.123",
        "",
        "A remark.",
    ]


def test_both_files_name_the_machine_and_json_keeps_all_digits(tmp_path: Path) -> None:
    write_report(REPORT, {"processor": "some"}, tmp_path / "new")
    assert (tmp_path / "new/name.txt").read_text() == f"{REPORT.text()}\n\nprocessor: some\n"
    written = json.loads((tmp_path / "new/name.json").read_text())
    assert written["machine"] == {"processor": "some"}
    assert written["rows"] == REPORT.rows
    assert written["curves"] == [{"x": 1}]
