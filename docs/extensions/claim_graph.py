"""The directive ```{claim-graph}```: which claim uses which, drawn, with a link to each claim, and as a list.

A group of claims is a column, in the order of the argument; what was split from a claim (C1u) has a node of its own. An
arrow goes from a claim to one that uses it. All claims use only claims of their own or of earlier columns.
"""

from collections.abc import Callable, Iterator
from html import escape
from itertools import groupby

from built_parts import BUILD, checks
from claims import badge, block, claim_link, derivations, described, folded, ledger, paragraph, parts, separated, words
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from overtraining.figures.book.pages import KNOWN_BY
from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.core import Verdict

COLUMNS = {"A": "learning", "B": "sensitivity", "C": "overtraining", "D": "fine-tuning", "E": "remedies", "F": "models"}
ROW, COLUMN = 36, 102
WIDTH, HEIGHT = 54, 24  # of a node
TOP = 54


class Graph(nodes.General, nodes.Element):
    """The place of the drawing, which is made when all addresses are known."""


def claims() -> list[str]:
    """All nodes: the derivations, and the claims that have none."""
    return sorted([*CLAIMS, *(claim for claim in ledger() if not parts(claim))], key=lambda claim: claim[0])


def edges() -> list[tuple[str, str]]:
    """Pairs of a claim and one that uses it."""
    return [(used, claim) for claim, derivation in derivations().items() for used in derivation.uses]


def title(claim: str) -> str:
    return derivations()[claim].title if claim in CLAIMS else ledger()[claim]["statement"]


def verdict(claim: str) -> str:
    """How the claim is known; of one without a derivation, nothing is said."""
    return str(checks()[claim]["verdict"]) if claim in CLAIMS else "none"


def places() -> dict[str, tuple[float, float]]:
    """The centre of each node: columns by group, rows in the order of the claims, columns centred."""
    columns = [list(group) for _, group in groupby(claims(), key=lambda claim: claim[0])]
    most = max(map(len, columns))
    return {
        claim: (COLUMN * (column + 0.5), TOP + ROW * (row + 0.5 + (most - len(group)) / 2))
        for column, group in enumerate(columns)
        for row, claim in enumerate(group)
    }


def svg(address: Callable[[str], str]) -> str:
    """The drawing; `address` gives the link of a claim."""
    at = places()
    width = COLUMN * len(COLUMNS)
    height = max(y for _, y in at.values()) + ROW
    heads = "".join(
        f'<text class="group" x="{COLUMN * (i + 0.5):g}" y="20"><tspan class="letter">{letter}</tspan>'
        f'<tspan x="{COLUMN * (i + 0.5):g}" dy="17">{name}</tspan></text>\n'
        for i, (letter, name) in enumerate(COLUMNS.items())
    )
    lines = "".join(
        f'<path class="e e-{used} e-{user}" data-from="{used}" data-to="{user}" d="{_curve(at[used], at[user])}"/>\n'
        for used, user in edges()
    )
    drawn = "".join(_node(claim, at[claim], address(claim)) for claim in claims())
    return f"""<svg class="claim-graph" role="group" aria-label="Which claim uses which; the list below says the same"
 width="{width}" height="{height:g}" viewBox="0 0 {width} {height:g}" xmlns="http://www.w3.org/2000/svg">
<style>
{"".join(_highlight())}</style>
<defs><marker id="claim-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 8 4 0 8z"/></marker></defs>
{heads}{lines}{drawn}</svg>
"""


def _node(claim: str, place: tuple[float, float], address: str) -> str:
    x, y = place
    known = verdict(claim)
    spoken = escape(f"{claim}: {title(claim)}{f' ({known})' if claim in CLAIMS else ''}")
    return (
        f'<a class="n n-{claim} {known}" href="{escape(address)}" aria-label="{spoken}"><title>{spoken}</title>'
        f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>'
        f'<text x="{x:g}" y="{y + 4.5:g}">{claim}</text></a>\n'
    )


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    """From the right side of a node to the left side of another; within a column, an arc along its right side."""
    (x, y), (u, v) = start, end
    if x == u:
        side = x + WIDTH / 2
        bulge = side + min(12 + 5 * abs(v - y) / ROW, 42)
        return f"M{side:g} {y + 3:g}C{bulge:g} {y + 3:g} {bulge:g} {v - 5:g} {side:g} {v - 5:g}"
    first, last = x + WIDTH / 2, u - WIDTH / 2
    bend = max((last - first) / 2, 28)
    return f"M{first:g} {y:g}C{first + bend:g} {y:g} {last - bend:g} {v:g} {last:g} {v:g}"


def _highlight() -> Iterator[str]:
    """A claim that is pointed at or focused shows its own arrows."""
    for claim in claims():
        chosen = f".claim-graph:has(.n-{claim}:is(:hover, :focus-visible))"
        yield f"{chosen} .e:not(.e-{claim}) {{ opacity: 0.08; }}\n"
        yield f"{chosen} .e-{claim} {{ stroke: var(--pst-color-primary); stroke-width: 2; opacity: 1; }}\n"


class ClaimGraph(SphinxDirective):
    """The drawing, its legend, and the same as a list."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(BUILD / "check.json"))
        frame = block("claim-graph-frame")
        frame += Graph()
        known = [v for v in sorted(KNOWN_BY, reverse=True) if any(verdict(claim) == str(v) for claim in claims())]
        legend = described((([badge(str(v))], words(KNOWN_BY[Verdict(v)])) for v in known), "claim-legend")
        items = nodes.bullet_list("", *map(_item, claims()))
        return [frame, legend, *folded("The same as a list", items)]


def _item(claim: str) -> nodes.Node:
    uses = [used for used, user in edges() if user == claim]
    users = [user for used, user in edges() if used == claim]
    text: list[nodes.Node] = [claim_link(claim), nodes.Text(" "), *words(title(claim))]
    if claim in CLAIMS:
        text += [nodes.Text(" "), badge(verdict(claim))]
    for name, others in (("uses", uses), ("used by", users)):
        if others:
            text += [nodes.Text(f"; {name} "), *separated([claim_link(other)] for other in others)]
    return nodes.list_item("", paragraph(*text))


def _draw(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the drawing where its place is, now that every label has an address."""
    labels = app.env.domaindata["std"]["labels"]

    def address(claim: str) -> str:
        label = f"claim-{claim[:2].lower()}"
        if label not in labels:
            logging.getLogger(__name__).warning("the graph of claims: there is no label %s", label, location=docname)
            return ""
        page, anchor, _ = labels[label]
        return f"{app.builder.get_relative_uri(docname, page)}#{anchor}"

    for place in list(doctree.findall(Graph)):
        place.replace_self(nodes.raw("", svg(address), format="html"))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(Graph)
    app.add_directive("claim-graph", ClaimGraph)
    app.connect("doctree-resolved", _draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
