"""Every claim has its section in a chapter of the theory, every experiment its own, and the graph shows all uses."""

import re
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from docutils import nodes
from docutils.utils import new_document

from overtraining.experiments import EXPERIMENTS
from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.run import claim_derivation
from tests import ROOT
from tests.test_ledger import CLAIMS as LEDGER

THEORY = ROOT / "docs/theory"
REPORT = {"verdict": "tested", "steps": 3, "rejected": 7, "variants": 8, "engine_error": 2e-13}
CHECK = {"name": "a check", "passed": None, "answer": "it is mapped"}
RESULT = {"verdict": "agrees", "max_abs_z": 2.5, "preset": "quick", "key": 0, "checks": [CHECK]}


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An extension by its name; instead of what `make check` and `make simulate` found, it reads the above."""
    monkeypatch.syspath_prepend(ROOT / "docs/extensions")

    def prepared(name: str) -> ModuleType:
        module = import_module(name)
        monkeypatch.setattr(module, "checks", lambda: dict.fromkeys(CLAIMS, REPORT), raising=False)
        results = [RESULT | {"experiment": one.name} for one in EXPERIMENTS]
        monkeypatch.setattr(module, "verdicts", lambda: results, raising=False)
        return module

    return prepared


def run(directive: type, *arguments: str) -> nodes.document:
    """What a directive puts on an empty page in docs/theory."""
    page = new_document("page")
    page.settings.env = SimpleNamespace(docname="theory/page", note_dependency=lambda path: None)
    state = SimpleNamespace(document=page)
    page += directive("name", [*arguments], {}, [], 1, 0, "", state, SimpleNamespace(reporter=None)).run()
    return page


def sections() -> list[tuple[str, str]]:
    """Labels `claim-…` of headings with the text of their sections, up to the next heading."""
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in sorted(THEORY.glob("*.md")))
    return re.findall(r"^\((claim-\w+)\)=\n##? [^\n]+\n(.*?)(?=^(?:#+ |\(\S+\)=$)|\Z)", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("claim", LEDGER)
def test_a_claim_has_one_section_with_its_card(claim: str) -> None:
    (section,) = [text for label, text in sections() if label == f"claim-{claim.lower()}"]
    assert re.findall(r"^`{3,}\{claim\} (\w+)$", section, re.MULTILINE) == [claim]


def test_no_card_stands_elsewhere() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    assert sorted(re.findall(r"\{claim\} (\w+)$", text, re.MULTILINE)) == LEDGER


@pytest.mark.parametrize("claim", LEDGER)
def test_a_card_shows_all_that_is_known(claim: str, extension: Any) -> None:
    claims = extension("claims")
    page = run(claims.Claim, claim)
    parts = [name for name in CLAIMS if name.startswith(claim)]
    derivations = [claim_derivation(part, CLAIMS) for part in parts]
    statements = [block.astext() for block in page.findall(nodes.math_block)]
    assert statements == [derivation.statement for derivation in derivations]
    folded = [item.astext() for item in page.findall(nodes.list_item)]
    assert len(folded) == sum(len(derivation.assumptions) for derivation in derivations)
    assert sum("Without it:" in item for item in folded) == sum(
        assumption.counterexample is not None for derivation in derivations for assumption in derivation.assumptions
    )
    links = [link["reftarget"] for link in page.findall() if link.tagname == "pending_xref"]
    row = claims.ledger()[claim]
    assert {f"experiment-{name}" for name in claims.quoted(row["experiment"])} <= {*links}
    assert {f"figure-{name}" for name in claims.quoted(row["figure"])} <= {*links}
    assert {claims.public_name(name) for name in claims.quoted(row["engine"])} <= {*links}
    used = {f"claim-{name[:2].lower()}" for derivation in derivations for name in derivation.uses if name not in parts}
    assert used <= {*links}
    books = [link["refuri"] for link in page.findall(nodes.reference)]
    assert books == [f"../book/claim-{part}.html" for part in parts]
    if parts:
        assert f"{REPORT['rejected']} of {REPORT['variants']} wrong versions" in page.astext()


def test_functions_are_linked_under_the_path_that_exports_them(extension: Any) -> None:
    claims = extension("claims")
    for row in claims.ledger().values():
        for named in claims.quoted(row["engine"]):
            module, _, function = claims.public_name(named).rpartition(".")
            assert hasattr(import_module(module), function), named
    assert claims.public_name("noise.expected_increase") == "overtraining.theory.sensitivity.expected_increase"
    assert claims.public_name("balanced_mode.unlearned") == "overtraining.theory.learning.balanced_mode.unlearned"


def test_lessons_of_a_claim(extension: Any) -> None:
    claims = extension("claims")
    assert [lesson.number for lesson in claims.lessons("C3")] == [2]  # C1–C5
    assert [lesson.number for lesson in claims.lessons("B2")] == []


def test_an_unknown_claim_is_refused(extension: Any) -> None:
    from sphinx.errors import ExtensionError

    with pytest.raises(ExtensionError, match="'B9'"):
        run(extension("claims").Claim, "B9")


def test_plain_text_keeps_code_subscripts_and_superscripts(extension: Any) -> None:
    shown = nodes.paragraph("", "", *extension("claims").words("W_l & `e^{−2μt}`"))
    assert "".join(str(child) for child in shown.children) == (
        "W<subscript>l</subscript> & <literal>e<superscript>−2μt</superscript></literal>"
    )


def test_claims_that_a_text_names_are_linked(extension: Any) -> None:
    found = extension("claims").linked("as in A2 (C1u), with W1 = D₁, and F9")
    assert [node["reftarget"] for node in found if node.tagname == "pending_xref"] == ["claim-a2", "claim-c1"]
    assert "".join(node.astext() for node in found) == "as in A2 (C1u), with W1 = D₁, and F9"


def test_no_assumption_calls_a_symbol_like_a_claim(extension: Any) -> None:
    """A claim names its own group or earlier ones, and D5 the drift of E2: else a symbol would become a link."""
    known = extension("claims").derivations()
    for name, derivation in known.items():
        for assumption in derivation.assumptions:
            for other in re.findall(r"\b[A-F]\d[a-z]?\b", assumption.text):
                assert other[0] <= name[0] or other == "E2"


def test_every_experiment_has_a_section(extension: Any) -> None:
    assert "```{experiments}\n```" in (THEORY / "experiments.md").read_text(encoding="utf-8")
    listing = extension("experiment_list")
    page = run(listing.Experiments)
    found = [*page.findall(nodes.section)]
    assert [section["ids"] for section in found] == [[f"experiment-{one.name}"] for one in EXPERIMENTS]
    for one, section in zip(EXPERIMENTS, found, strict=True):
        assert listing.measured(one)
        text = section.astext()
        assert f"overtraining simulate {one.name}" in text
        assert "1 check, largest |z| 2.50" in text
        links = [link["reftarget"] for link in section.findall() if link.tagname == "pending_xref"]
        assert {f"claim-{claim.lower()}" for claim in one.claims} <= {*links}
        assert f"experiment-{one.name}" in page.nameids


def test_the_arrows_of_the_graph_are_the_uses(extension: Any) -> None:
    drawing = extension("claim_graph").svg(lambda claim: f"#{claim[:2]}")
    arrows = re.findall(r'data-from="(\w+)" data-to="(\w+)"', drawing)
    uses = [(used, claim) for claim in CLAIMS for used in claim_derivation(claim, CLAIMS).uses]
    assert sorted(arrows) == sorted(uses)


def test_the_graph_links_every_claim_once(extension: Any) -> None:
    graph = extension("claim_graph")
    found = re.findall(r'<a class="n n-(\w+) \w+" href="#(\w+)"', graph.svg(lambda claim: f"#{claim[:2]}"))
    assert sorted(claim for claim, _ in found) == sorted({*CLAIMS, *LEDGER})
    assert all(target == claim[:2] for claim, target in found)
    listed = run(graph.ClaimGraph)
    assert len([*listed.findall(nodes.list_item)]) == len(found)


def test_nodes_of_the_graph_do_not_touch_and_arrows_lead_on(extension: Any) -> None:
    graph = extension("claim_graph")
    at = graph.places()
    assert len({*at.values()}) == len(at)
    assert all(abs(y - v) >= graph.HEIGHT or x != u for x, y in at.values() for u, v in at.values() if (x, y) != (u, v))
    assert all(at[used][0] <= at[claim][0] for used, claim in graph.edges())
