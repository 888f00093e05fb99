"""The report of a benchmark: a table with remarks, written as text for readers and as JSON for comparison."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class BenchmarkReport:
    """A table with one dictionary per row, all with the same keys; `curves` are the data of its figure."""

    name: str
    title: str
    rows: list[dict[str, Any]]
    remarks: list[str] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)

    def text(self) -> str:
        """The table as text.

        >>> rows = [{"what": "small", "n": 3}, {"what": "large", "n": 1e9}]
        >>> print(BenchmarkReport("r", "Sizes", rows, ["no more"]).text())
        Sizes
        <BLANKLINE>
        what       n
        small      3
        large  1e+09
        <BLANKLINE>
        no more
        """
        table = [list(self.rows[0]), *([_cell(x) for x in row.values()] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        numeric = [not isinstance(x, str) for x in self.rows[0].values()]
        lines = [
            "  ".join(x.rjust(w) if n else x.ljust(w) for x, w, n in zip(row, widths, numeric, strict=True)).rstrip()
            for row in table
        ]
        return "\n".join([self.title, "", *lines, *(["", *self.remarks] if self.remarks else [])])


def write_report(report: BenchmarkReport, machine: dict[str, Any], out: Path) -> None:
    """Write NAME.txt and NAME.json to `out`, with the machine on which it was measured."""
    out.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f"{name}: {value}" for name, value in machine.items())
    (out / f"{report.name}.txt").write_text(f"{report.text()}\n\n{lines}\n", encoding="utf-8")
    as_json = json.dumps({"machine": machine, **asdict(report)}, indent=1)
    (out / f"{report.name}.json").write_text(as_json + "\n", encoding="utf-8")


def _cell(x: Any) -> str:
    return f"{x:.3g}" if isinstance(x, float) else f"{x:,}" if isinstance(x, int) else str(x)
