"""Tables and plots of what was measured, made from the files in benchmarks/results whenever the site is built.

    ```{benchmark} growth            the table of growth.json, where and when it was measured, and how to repeat it
    :again: growth                   the name for `python -m benchmarks`, if another; `.growth`: its own module
    :columns: what; exponent; ±      some of the columns
    :last: 1                         only the last rows
    :remarks: 0                      at most so many of its remarks
    ```

`accuracy`, `calibration` and `verdicts` are tables of their own files; `results-plot` draws (`results_plots.py`), and
the role {measured}`NAME` is a number in a sentence (`results_numbers.py`).
"""

import os
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import results_plots
from built_parts import checks
from docutils import nodes
from docutils.parsers.rst import directives
from results_numbers import NUMBERS, RESULTS, ROOT, Accuracy, accuracy, calibration, result
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import OptionSpec

DRAWN = ROOT / "build/results"
COMMAND = ".venv/bin/python -m benchmarks"


def shown(value: Any) -> str:
    """A cell as text.

    >>> shown(0.00123456), shown(12345), shown("a word")
    ('0.00123', '12,345', 'a word')
    """
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def table(head: list[str], rows: list[list[Any]], title: str) -> nodes.table:
    """A table whose columns of numbers are set to the right."""
    made = nodes.table("", nodes.title("", title), classes=["results"])
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    numeric = [all(not isinstance(row[i], str) for row in rows) for i in range(len(head))]

    def line(cells: list[Any]) -> nodes.row:
        entries = [
            nodes.entry("", nodes.paragraph("", shown(cell), support_smartquotes=False), classes=["number"] * right)
            for cell, right in zip(cells, numeric, strict=True)
        ]
        return nodes.row("", *entries)

    group += nodes.thead("", line(list(head)))
    group += nodes.tbody("", *map(line, rows))
    made += group
    return made


def where_measured(machine: dict[str, Any]) -> str:
    """The machine and the day, in a sentence."""
    versions = ", ".join(f"{name} {machine[name]}" for name in ("numpy", "scipy", "jax", "mpmath") if name in machine)
    load = machine.get("load at start")
    return (
        f"Measured on {machine['date']}: {machine['processor']}, {machine['cores']} cores, {machine['system']}, "
        f"Python {machine['python']}, {versions}"
        + (f"; load of the machine at the start {load}. " if load is not None else ". ")
    )


class FromResults(SphinxDirective):
    """What all directives share: the note below a table that says where its numbers are from."""

    def note(self, words: str, file: str, command: str) -> nodes.paragraph:
        """Words; the file of the numbers, to download; the command that measures them again."""
        path = RESULTS / file
        self.env.note_dependency(path)
        page = Path(self.env.doc2path(self.env.docname)).parent
        below = nodes.paragraph("", words, classes=["measured"])
        below += nodes.Text("File: ")
        parsed, messages = self.parse_inline(f"[`{file}`](path:{os.path.relpath(path, page)})")
        below += [*parsed, *messages, nodes.Text(". Again: "), nodes.literal("", command), nodes.Text(".")]
        return below


class Benchmark(FromResults):
    """The table of a report of `python -m benchmarks`."""

    required_arguments = 1
    option_spec: ClassVar[OptionSpec] = {
        "again": directives.unchanged,
        "columns": directives.unchanged,
        "last": directives.positive_int,
        "remarks": directives.nonnegative_int,
    }

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        report = result(name)
        columns = self.options.get("columns")
        head = [c.strip() for c in columns.split(";")] if columns else list(report["rows"][0])
        rows = report["rows"][-self.options.get("last", 0) :]
        made = table(head, [[row[c] for c in head] for row in rows], report["title"])
        remarks = report["remarks"][: self.options.get("remarks", len(report["remarks"]))]
        words = " ".join([*remarks, where_measured(report["machine"])])
        again = self.options.get("again", name)
        command = f"{COMMAND}{again if again.startswith('.') else f' {again}'}"
        return [made, self.note(words, f"{name}.json", command)]


class AccuracyTable(FromResults):
    """The worst point of every claim's worst form."""

    def run(self) -> list[nodes.Node]:
        worst: dict[str, Accuracy] = {}
        for row in accuracy():
            if row.claim not in worst or row.of_allowed > worst[row.claim].of_allowed:
                worst[row.claim] = row
        rows = [
            [row.claim, row.form, row.wrong, row.error, row.condition, row.of_allowed]
            for _, row in sorted(worst.items())
        ]
        head = ["claim", "form", "wrong", "error", "κ", "of allowed"]
        made = table(head, rows, "The form of every claim that comes nearest to the error allowed, at its worst point")
        return [made, self.note(where_measured(accuracy()[0].machine), "accuracy.csv", f"{COMMAND}.accuracy")]


class Calibration(FromResults):
    """How often intervals and tests of turning points are right, on series whose answer is known."""

    def run(self) -> list[nodes.Node]:
        head = ["series", "n", "interval", "decline", "bootstrap", "detected"]
        made = table(head, calibration(), "Answers about synthetic series, in per cent")
        command = ".venv/bin/python -m overtraining.figures.llm.statistics.calibration"
        return [
            made,
            self.note("Random numbers with a fixed seed: the same on every machine. ", "calibration.txt", command),
        ]


class Verdicts(SphinxDirective):
    """How many derivations have each verdict, and which, as `make check` found when the site was built."""

    def run(self) -> list[nodes.Node]:
        by_verdict: dict[str, list[str]] = {}
        for report in checks().values():
            by_verdict.setdefault(report["verdict"], []).append(report["claim"])
        rows = [[verdict, len(claims), ", ".join(claims)] for verdict, claims in by_verdict.items()]
        return [table(["verdict", "derivations", "which"], rows, "Derivations, by the verdict of the weakest step")]


class ResultsPlot(FromResults):
    """A plot of results, drawn when the site is built."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[OptionSpec] = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        path = drawn(name)
        self.env.note_dependency(RESULTS / results_plots.PLOTS[name][1])
        page = Path(self.env.doc2path(self.env.docname)).parent
        figure = nodes.figure("", nodes.image(uri=os.path.relpath(path, page), alt=self.options["alt"]))
        caption = nodes.caption()
        caption += self.parse_inline(" ".join(self.content))[0]
        figure += caption
        return [figure]


@cache
def drawn(name: str) -> Path:
    """The file of a plot."""
    DRAWN.mkdir(parents=True, exist_ok=True)
    path = DRAWN / f"{name}.svg"
    results_plots.save(name, path)
    return path


def _measured(_name: str, raw: str, text: str, line: int, inliner: Any, *_: Any, **__: Any) -> Any:
    """A number of the results in a sentence."""
    if text not in NUMBERS:
        message = inliner.reporter.error(f"no number is called {text}: there are {', '.join(NUMBERS)}", line=line)
        return [nodes.problematic(raw, raw)], [message]
    return [nodes.inline(raw, shown(NUMBERS[text]()), classes=["measured-number"])], []


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_css_file("results.css")
    app.add_directive("benchmark", Benchmark)
    app.add_directive("accuracy", AccuracyTable)
    app.add_directive("calibration", Calibration)
    app.add_directive("verdicts", Verdicts)
    app.add_directive("results-plot", ResultsPlot)
    app.add_role("measured", _measured)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
