"""Write the book of derivations: one static page per claim, a table of contents, and indexes.

The pages contain no scripts and load nothing from a network; all texts are escaped; the same derivations and reports
give the same bytes.
"""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby
from pathlib import Path

from overtraining.figures.book.formulas import display, inline, prose
from overtraining.figures.book.index import index_of_assumptions, index_of_symbols
from overtraining.figures.book.sections import (
    anchor,
    assumption_section,
    badge,
    drawn,
    engine,
    engine_error,
    figure,
    problems,
    steps,
    symbol_table,
    variants,
)
from overtraining.runtime.atomic_files import write_files
from overtraining.setting.errors import Refusal
from overtraining.theory.derivations.checker.core import CheckReport, Derivation, Verdict

GROUPS = {
    "A": "Pretraining: how features are learned",
    "B": "Sensitivity: how it grows with pretraining length",
    "C": "Catastrophic overtraining under noise",
    "D": "Fine-tuning",
    "E": "Remedies and disputed questions",
}
KNOWN_BY = {
    Verdict.PROVED: "a symbolic identity that holds for all values of its symbols",
    Verdict.CERTIFIED: "verified by interval arithmetic on a stated domain",
    Verdict.TESTED: "checked on numerical examples, or on some shapes of the matrices, only",
    Verdict.ASSUMED: "a theorem from the literature, cited and not derived here",
    Verdict.ARGUED: "an inference in words that no machine has checked",
    Verdict.ASSERTED: "what a file outside the project says of itself; no checker of the project has judged it",
    Verdict.FAILED: "the check did not pass",
}


def write_book(derivations: Iterable[Derivation], reports: Iterable[CheckReport], directory: str | Path) -> list[Path]:
    """Write the book into `directory`, which is created if necessary, and return its files, the index first.

    derivations: in the order of the book.  reports: the results of checking them, in any order.
    Raises Refusal if a derivation has no report, or two derivations have the same identifier; NotWritten, and the old
    pages stay, for a full disk.
    """
    derivations, known = list(derivations), {report.claim: report for report in reports}
    for derivation in derivations:
        if derivation.claim not in known:
            raise Refusal(f"claim {derivation.claim!r}", "it has no report", "check it first")
    if len({d.claim for d in derivations}) < len(derivations):
        raise Refusal("the derivations", "two of them have the same identifier", "rename one of them")
    book = _Book(derivations, known)
    pages = {
        "index.html": book.contents(),
        **{book.address[d.claim]: book.claim(d) for d in derivations},
        "symbols.html": book.symbols(),
        "assumptions.html": book.assumptions(),
        "book.css": files("overtraining.figures.book").joinpath("book.css").read_text(encoding="utf-8"),
    }
    contents = {Path(directory) / name: text.encode() for name, text in pages.items()}
    write_files(contents)
    return list(contents)


class _Book:
    """The pages of a book, which need each other's addresses."""

    def __init__(self, derivations: Sequence[Derivation], reports: Mapping[str, CheckReport]) -> None:
        self.derivations, self.reports = derivations, reports
        self.drawn = functools.cache(drawn)  # once, as counterexamples share curves
        self.address: dict[str, str] = {}
        for derivation in derivations:
            name = "claim-" + (re.sub(r"[^A-Za-z0-9]+", "-", derivation.claim).strip("-") or "unnamed")
            taken = sum(a.casefold().startswith(f"{name.casefold()}.") for a in self.address.values())
            self.address[derivation.claim] = f"{name}.{taken + 1}.html" if taken else f"{name}.html"

    def contents(self) -> str:
        names = ("verdict", "steps", "wrong versions rejected", "numerical error")
        head = '<th colspan="2">claim</th>' + "".join(f"<th>{name}</th>" for name in names)
        bodies = ""
        for letter, group in groupby(self.derivations, key=lambda d: d.claim[:1]):
            title = GROUPS.get(letter, "Other claims")
            bodies += f'<tbody>\n<tr><th class="group" colspan="6" scope="rowgroup">{escape(title)}</th></tr>\n'
            bodies += "".join(map(self._row, group)) + "</tbody>\n"
        verdicts = [self.reports[d.claim].verdict for d in self.derivations]
        legend = "".join(
            f"<dt>{badge(v)}</dt><dd>{prose(text)} ({verdicts.count(v)})</dd>\n" for v, text in KNOWN_BY.items()
        )
        return _page(
            "Derivations",
            f"""<h1>The book of derivations</h1>
<p class="plain">Why can training a model for longer make it harder to fine-tune? In this book, every claim of the
theory of linear networks is derived from the loss by a program, and every step states how it is verified.</p>
<p>A claim is only as certain as its weakest step and the claims that it uses; cross-checks, which repeat in another
way what other steps prove, do not count. Each check also had to reject wrong
versions of the formula, and the formula was compared with the function that computes it.</p>
<dl class="legend">
{legend}</dl>
<div class="scroll"><table class="claims">
<thead><tr>{head}</tr></thead>
{bodies}</table></div>
""",
        )

    def _row(self, derivation: Derivation) -> str:
        report = self.reports[derivation.claim]
        cells = (
            escape(derivation.claim),
            f'<a href="{self.address[derivation.claim]}">{prose(derivation.title)}</a>',
            badge(report.verdict),
            str(len(report.steps)),
            f"{len(report.rejected)} of {report.variants}",
            engine_error(report),
        )
        return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"

    def claim(self, derivation: Derivation) -> str:
        report = self.reports[derivation.claim]
        parts = [
            f"<h1><span>{escape(derivation.claim)}</span> {prose(derivation.title)}</h1>\n{badge(report.verdict)}\n",
            f'<p class="plain">{prose(derivation.plain)}</p>\n',
            f'<div class="statement">{display(derivation.statement)}</div>\n',
            problems(report),
            symbol_table(derivation),
            self._assumptions(derivation),
            steps(derivation, report),
            variants(derivation, report),
            engine(derivation, report),
            self._links(derivation),
        ]
        return _page(f"{derivation.claim} {derivation.title}", "".join(parts), self._neighbours(derivation))

    def _assumptions(self, derivation: Derivation) -> str:
        if not derivation.assumptions:
            return "<h2>Assumptions</h2>\n<p>None beyond the general setting.</p>\n"
        stem = self.address[derivation.claim].removesuffix(".html").replace(".", "-")
        checked = dict(self.reports[derivation.claim].counterexamples)
        items = [
            assumption_section(
                a,
                checked.get(a.name),
                figure(a.counterexample, f"{stem}-{i}", self.drawn),
                self._claims_with_counterexample(a.name),
            )
            for i, a in enumerate(derivation.assumptions, 1)
        ]
        return "<h2>Assumptions, and what fails without them</h2>\n" + "".join(items)

    def _claims_with_counterexample(self, name: str) -> str:
        """Links to the claims that have a counterexample without this assumption."""
        claims = index_of_assumptions(self.derivations)[name]
        return self._linked(claim for claim, assumption in claims.items() if assumption.counterexample)

    def _links(self, derivation: Derivation) -> str:
        users = [d.claim for d in self.derivations if derivation.claim in d.uses]
        items = [("Uses", derivation.uses), ("Used by", users)]
        lines = [f"<dt>{name}</dt><dd>{self._linked(claims)}</dd>\n" for name, claims in items if claims]
        if derivation.source:
            lines.append(f"<dt>Source</dt><dd>{escape(derivation.source)}</dd>\n")
        return f'<h2>Connections</h2>\n<dl class="facts">\n{"".join(lines)}</dl>\n' if lines else ""

    def _link(self, claim: str) -> str:
        if claim not in self.address:
            return escape(claim)
        title = next(d.title for d in self.derivations if d.claim == claim)
        return f'<a href="{self.address[claim]}" title="{escape(title)}">{escape(claim)}</a>'

    def _linked(self, claims: Iterable[str]) -> str:
        return ", ".join(map(self._link, claims))

    def _neighbours(self, derivation: Derivation) -> str:
        i = self.derivations.index(derivation)
        around = (("prev", "←", i - 1), ("next", "→", i + 1))
        links = ""
        for relation, arrow, place in around:
            if 0 <= place < len(self.derivations):
                claim = self.derivations[place].claim
                words = f"{arrow} {escape(claim)}" if relation == "prev" else f"{escape(claim)} {arrow}"
                links += f'<a rel="{relation}" href="{self.address[claim]}">{words}</a>\n'
        return f"<span>{links}</span>\n"

    def symbols(self) -> str:
        rows = ""
        for symbol in index_of_symbols(self.derivations):
            items = "".join(f"<li>{self._linked(c)}: {prose(text)}</li>" for text, c in symbol.meanings.items())
            also = f"<li>also in {self._linked(symbol.also_in)}</li>" if symbol.also_in else ""
            rows += f'<tr><th scope="row">{inline(symbol.latex)}</th><td><ul>{items}{also}</ul></td></tr>\n'
        return _page(
            "Symbols",
            f"""<h1>Index of symbols</h1>
<p class="plain">The claims that use a symbol, and what it means in each of them.</p>
<table class="index">\n{rows}</table>
""",
        )

    def assumptions(self) -> str:
        body = ""
        for name, claims in index_of_assumptions(self.derivations).items():
            items = ""
            for claim, a in claims.items():
                without = f" <em>Without it:</em> {prose(a.counterexample.text)}" if a.counterexample else ""
                items += f"<li>{self._link(claim)}: {prose(a.text)}{without}</li>\n"
            if not any(a.counterexample for a in claims.values()):
                items += "<li>No counterexample is known.</li>\n"
            body += f'<h2 id="{anchor(name)}">{escape(name)}</h2>\n<ul class="index">\n{items}</ul>\n'
        free = [d.claim for d in self.derivations if not d.assumptions]
        if free:
            body += f"<h2>No assumption beyond the general setting</h2>\n<p>{self._linked(free)}</p>\n"
        return _page(
            "Assumptions",
            f"""<h1>Index of assumptions</h1>
<p class="plain">The claims that need an assumption, and what happens without it.</p>
{body}""",
        )


def _page(title: str, body: str, neighbours: str = "") -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{escape(title)}</title>
<link rel="stylesheet" href="book.css"/>
</head>
<body>
<nav>
<a href="index.html">Contents</a>
<a href="symbols.html">Symbols</a>
<a href="assumptions.html">Assumptions</a>
{neighbours}</nav>
<main>
{body}</main>
</body>
</html>
"""
