"""What the files in benchmarks/results say, as tables and single numbers."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from overtraining.theory.precision.judge import allowed

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks/results"


@cache
def result(name: str) -> dict[str, Any]:
    """A report of a benchmark, as `benchmarks.report.write_report` wrote it."""
    report: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return report


@dataclass(frozen=True)
class Accuracy:
    """The error of one form at its worst point, relative to the larger of the truth and the inputs' scale.

    machine: what the row says of the machine on which it was measured.
    """

    claim: str
    form: str
    points: int
    refused: int
    wrong: int
    error: float
    condition: float
    machine: dict[str, str]

    @property
    def of_allowed(self) -> float:
        """The error divided by the error allowed at this condition number."""
        return self.error / allowed(self.condition)


@cache
def accuracy() -> tuple[Accuracy, ...]:
    """The rows of accuracy.csv."""
    with (RESULTS / "accuracy.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Accuracy(
                row["claim"],
                row["form"],
                *(int(row[name]) for name in ("points", "refused", "wrong")),
                float(row["error"]),
                float(row["condition"]),
                dict(list(row.items())[list(row).index("processor") :]),
            )
            for row in csv.DictReader(file)
        )


@cache
def calibration() -> list[list[Any]]:
    """The rows of calibration.txt: kind of series, their number, and four percentages.

    interval: how often the interval has the true turning point.  decline: the same of the interval of the decline.
    bootstrap: the same of the percentiles of a bootstrap.  detected: how often a turning point was found significant.
    """
    lines = (RESULTS / "calibration.txt").read_text(encoding="utf-8").splitlines()
    found = [re.fullmatch(r"(\S.*?)\s+(\d+)" + r"\s+([\d.]+)%" * 4, line.strip()) for line in lines[1:] if line.strip()]
    return [[row[1], int(row[2]), *(float(row[i]) for i in range(3, 7))] for row in found if row]


def _all(name: str, column: str) -> Any:
    """A number of the last row of a report, which sums up the others."""
    return result(name)["rows"][-1][column]


def _sum(name: str, column: str, rows: Callable[[dict[str, Any]], bool] = lambda _: True) -> Any:
    return sum(row[column] for row in result(name)["rows"] if rows(row))


def _asked_to_stop() -> list[dict[str, Any]]:
    """Of the commands that were stopped, those that could do something about it: SIGKILL leaves no choice."""
    return [row for row in result("stops")["rows"] if row["signal"] in ("SIGINT", "SIGTERM")]


def _calibrated(series: str, column: int) -> str:
    (row,) = (row for row in calibration() if row[0] == series)
    return f"{row[column]:g}%"


def _survivors(word: str) -> int:
    """Survivors of the last revision whose record begins with this word."""
    remarks = result("mutants")["remarks"]
    start = max(i for i, remark in enumerate(remarks) if remark.startswith("Survivors of "))
    return sum(f": {word}" in remark for remark in remarks[start + 1 :])


NUMBERS: dict[str, Callable[[], Any]] = {
    "accuracy points": lambda: sum(row.points for row in accuracy()),
    "accuracy right": lambda: sum(row.points - row.wrong for row in accuracy()),
    "accuracy forms": lambda: len(accuracy()),
    "answered": lambda: _sum("answered", "protocols", lambda row: row["answer"].startswith("answered")),
    "answered of": lambda: _sum("answered", "protocols"),
    "mutants": lambda: sum(_all("mutants", fate) for fate in ("killed", "hanging", "survived")),
    "mutants noticed": lambda: _all("mutants", "killed") + _all("mutants", "hanging"),
    "mutants survived": lambda: _all("mutants", "survived"),
    "mutants equivalent": lambda: _survivors("equivalent"),
    "derivation mutants": lambda: _all("derivation_mutants", "tried"),
    "derivation mutants noticed": lambda: _all("derivation_mutants", "noticed"),
    "derivation mutants not run": lambda: _all("derivation_mutants", "could not run"),
    "derivation mutants equivalent": lambda: _all("derivation_mutants", "equivalent"),
    "derivation mutants survived": lambda: _all("derivation_mutants", "survived"),
    "kills": lambda: _sum("kills", "kills"),
    "damage": lambda: _sum("damage", "trials"),
    "damage wrong": lambda: _sum("damage", "wrong") + _sum("damage", "traceback"),
    "stops": lambda: sum(row["stopped"] for row in _asked_to_stop()),
    "stops slowest": lambda: max(row["seconds"] for row in _asked_to_stop()),
    "stops left": lambda: max(row["left"] for row in _asked_to_stop()),
    "calibration true": lambda: _calibrated("with a turning point, all", 2),
    "calibration detected": lambda: _calibrated("with a turning point, all", 5),
    "calibration false": lambda: _calibrated("without, all", 5),
}
"""Numbers by the names that the role `measured` knows."""
