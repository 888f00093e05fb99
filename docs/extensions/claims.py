"""The directive ```{claim} B1```: what is known about a claim, made from derivations, ledger and built results.

It stands directly under the heading of the claim's section, which is labelled `claim-b1`. It shows the statement, the
symbols, the assumptions and what fails without each, how the claim is known, its experiments, figures, functions and
lessons, and which claims it uses and is used by. Facts that were split from a claim at another verdict (C1u, B6q, …)
follow it, in the order of the table of derivations.
"""

import html
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from runpy import run_path
from typing import Any

from built_parts import BUILD, ROOT, checks, verdicts
from docutils import nodes
from roles import labelled
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from overtraining.demos.lessons import LESSONS, Lesson
from overtraining.figures.book.formulas import prose
from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.core import Assumption, Derivation
from overtraining.theory.derivations.checker.run import claim_derivation

MAPS = run_path(str(ROOT / "docs/maps.py"))


@cache
def ledger() -> dict[str, dict[str, str]]:
    """The rows of the ledger by claim."""
    return {row["claim"]: row for row in MAPS["ledger"]()}


@cache
def derivations() -> dict[str, Derivation]:
    """All derivations in the order of their table."""
    return {claim: claim_derivation(claim, CLAIMS) for claim in CLAIMS}


def parts(claim: str) -> list[str]:
    """The claim and what was split from it: B6, B6q, B6r."""
    return [name for name in CLAIMS if name[:2] == claim]


def quoted(cell: str) -> list[str]:
    """What the ledger names in a column."""
    return re.findall(r"`([^`]+)`", cell)


def public_name(named: str) -> str:
    """The path under which a function of the ledger, `module.function`, is documented.

    >>> public_name("noise.expected_increase")
    'overtraining.theory.sensitivity.expected_increase'
    """
    module, function = named.split(".")
    (group,) = (g for g in MAPS["GROUPS"] if (ROOT / f"theory/{g}/{module}.py").exists())
    package = f"overtraining.theory.{group}"
    return f"{package}.{function}" if function in import_module(package).__all__ else f"{package}.{module}.{function}"


def lessons(claim: str) -> list[Lesson]:
    """The lessons that teach a claim; their table has single claims and ranges, such as `B1, C1–C5`."""
    return [lesson for lesson in LESSONS if any(_within(claim, entry) for entry in lesson.claims.split(", "))]


def _within(claim: str, entry: str) -> bool:
    first, _, last = entry.partition("–")
    return first[0] == claim[0] and int(first[1:]) <= int(claim[1:]) <= int((last or first)[1:])


def words(text: str) -> list[nodes.Node]:
    """Plain text as nodes: code between backticks, subscripts and superscripts that Unicode does not have."""
    found: list[nodes.Node] = []
    for i, piece in enumerate(text.split("`")):
        shown = [_word(part) for part in re.split(r"(<su[bp]>.*?</su[bp]>)", prose(piece)) if part]
        found += [nodes.literal("", "", *shown)] if i % 2 else shown
    return found


def linked(text: str) -> list[nodes.Node]:
    """The same with a link wherever a claim is named."""
    pieces = re.split(r"\b([A-F]\d[a-z]?)\b", text)
    known = {*CLAIMS, *ledger()}
    return [node for piece in pieces for node in ([claim_link(piece)] if piece in known else words(piece))]


def _word(part: str) -> nodes.Node:
    if raised := re.fullmatch(r"<(su[bp])>(.*)</su[bp]>", part):
        return (nodes.subscript if raised[1] == "sub" else nodes.superscript)("", html.unescape(raised[2]))
    return nodes.Text(html.unescape(part))


def block(*classes: str) -> nodes.container:
    """A plain `div`."""
    return nodes.container(classes=list(classes), is_div=True, design_component="div")


def paragraph(*content: nodes.Node, classes: Sequence[str] = ()) -> nodes.paragraph:
    return nodes.paragraph("", "", *content, classes=list(classes))


def badge(verdict: str) -> nodes.inline:
    """A verdict as a word with a mark."""
    return nodes.inline("", verdict, classes=["verdict", verdict])


def folded(title: str, *content: nodes.Node) -> list[nodes.Node]:
    """Content that a click shows."""
    opening = f"<details class='claim-fold'><summary>{html.escape(title)}</summary>\n"
    return [nodes.raw("", opening, format="html"), *content, nodes.raw("", "</details>\n", format="html")]


def described(pairs: Iterable[tuple[Sequence[nodes.Node], Sequence[nodes.Node]]], *classes: str) -> nodes.Node:
    """Terms and what belongs to each."""
    found = nodes.definition_list(classes=list(classes))
    for term, content in pairs:
        found += nodes.definition_list_item(
            "", nodes.term("", "", *term), nodes.definition("", nodes.paragraph("", "", *content))
        )
    return found


def separated(groups: Iterable[Sequence[nodes.Node]]) -> list[nodes.Node]:
    """Groups of nodes with commas between them."""
    found: list[nodes.Node] = []
    for group in groups:
        found += [*([nodes.Text(", ")] if found else []), *group]
    return found


def link(kind: str, name: str, shown: str = "") -> nodes.Node:
    """A link to a claim, an experiment or a figure."""
    found = labelled(kind)("", name, name)[0][0]
    if shown:
        found[0].clear()
        found[0] += nodes.Text(shown)
    return found


def claim_link(part: str) -> nodes.Node:
    """A link to the section of the claim from which a part such as C1u was split, if it was."""
    return link("claim", part[:2], part)


def function_link(path: str) -> nodes.Node:
    """A link to a function in the reference, or its name as code where the reference does not have it."""
    found = pending_xref("", refdomain="py", reftype="obj", reftarget=path, refexplicit=True, refwarn=False)
    found["py:module"] = found["py:class"] = None
    short = path.removeprefix("overtraining.theory.").split(".", 1)[1]
    found += nodes.literal("", short, classes=["xref", "py"])
    return found


def book_link(docname: str, part: str, shown: str) -> nodes.Node:
    """A link to the page of a derivation in the book, which lies beside the site's pages."""
    return nodes.reference("", shown, refuri=f"{'../' * docname.count('/')}book/claim-{part}.html")


def of_page(docname: str, shown: str) -> nodes.Node:
    """A link to a page."""
    found = pending_xref("", refdomain="std", reftype="doc", reftarget=docname, refexplicit=True, refwarn=True)
    found += nodes.inline("", shown)
    return found


class Claim(SphinxDirective):
    """What is known about one claim."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        claim = self.arguments[0]
        if claim not in ledger():
            raise ExtensionError(f"{self.env.docname}: there is no claim {claim!r} in paper_notes.md")
        for path in (BUILD / "check.json", BUILD / "verdicts.json", ROOT / "paper_notes.md"):
            self.env.note_dependency(str(path))
        card = block("claim-card")
        for part in parts(claim):
            card += self._part(part)
        if not parts(claim):
            card += self._ledger_only(claim)
        card += described(self._connections(claim), "claim-facts")
        return [card]

    def _part(self, part: str) -> list[nodes.Node]:
        derivation, report = derivations()[part], checks()[part]
        head = paragraph(
            nodes.strong("", part), nodes.Text(" "), *words(derivation.title), nodes.Text(" "), badge(report["verdict"])
        )
        head["classes"] += ["claim-title"]
        formula = nodes.math_block("", derivation.statement, number=None, label=None, nowrap=False)
        symbols = described(
            (([nodes.math("", symbol)], words(text)) for symbol, text in derivation.symbols.items()), "claim-symbols"
        )
        found = [head, paragraph(*linked(derivation.plain)), formula, *folded("Symbols", symbols)]
        if derivation.assumptions:
            items = nodes.bullet_list("", *map(_assumption, derivation.assumptions))
            found += folded(f"Assumptions, and what fails without them ({len(derivation.assumptions)})", items)
        return [*found, self._evidence(part, derivation, report)]

    def _evidence(self, part: str, derivation: Derivation, report: dict[str, Any]) -> nodes.Node:
        found: list[nodes.Node] = [
            book_link(self.env.docname, part, f"Derivation of {part}"),
            nodes.Text(f": {report['verdict']}, {report['steps']} steps; its check rejects {report['rejected']} of "),
            nodes.Text(f"{report['variants']} wrong versions."),
        ]
        if derivation.link and report["engine_error"] is not None:
            module, function = derivation.link.function.split(".")[-2:]
            error = nodes.Text(f" agrees with it to {report['engine_error']:.1g}.")
            found += [nodes.Text(" "), function_link(public_name(f"{module}.{function}")), error]
        return paragraph(*found, classes=["claim-evidence"])

    def _ledger_only(self, claim: str) -> list[nodes.Node]:
        head = paragraph(nodes.strong("", claim), nodes.Text(" "), *words(ledger()[claim]["statement"]))
        head["classes"] += ["claim-title"]
        text = "A comparison with published measurements: it has no derivation, and no simulation could refute it."
        return [head, paragraph(nodes.Text(text))]

    def _connections(self, claim: str) -> Iterable[tuple[Sequence[nodes.Node], Sequence[nodes.Node]]]:
        row, known = ledger()[claim], derivations()
        own = parts(claim)
        uses = [name for name in CLAIMS if name not in own and any(name in known[part].uses for part in own)]
        users = [name for name, d in known.items() if name not in own and any(part in d.uses for part in own)]
        results = {result["experiment"]: result for result in verdicts()}
        facts = {
            "Experiments": [
                [link("experiment", name), nodes.Text(f" ({results[name]['verdict']})")]
                for name in quoted(row["experiment"])
            ],
            "Figures": [[link("figure", name)] for name in quoted(row["figure"])],
            "Functions": [[function_link(public_name(name))] for name in quoted(row["engine"])],
            "Lessons": [[of_page("/lessons", f"{one.number}. {one.title}")] for one in lessons(claim)],
            "Uses": [[claim_link(name)] for name in uses],
            "Used by": [[claim_link(name)] for name in users],
        }
        return (([nodes.Text(term)], separated(groups)) for term, groups in facts.items() if groups)


def _assumption(assumption: Assumption) -> nodes.Node:
    without = assumption.counterexample.text if assumption.counterexample else ""
    head = [nodes.strong("", assumption.name), nodes.Text(": "), *linked(assumption.text)]
    tail = [nodes.Text(" "), nodes.emphasis("", "Without it:"), nodes.Text(" "), *linked(without)] if without else []
    return nodes.list_item("", paragraph(*head, *tail))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("claim", Claim)
    app.add_css_file("claims.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
