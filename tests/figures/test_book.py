"""The book of derivations: complete, safe to open, the same bytes each time."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pytest

from overtraining.figures.book import write_book
from overtraining.figures.book.formulas import display, inline, prose, symbols
from overtraining.figures.book.index import index_of_assumptions, index_of_symbols
from overtraining.setting.errors import Refusal
from overtraining.theory import derivations
from overtraining.theory.derivations.checker.core import (
    Assumption,
    CheckReport,
    Counterexample,
    Curves,
    Evidence,
    Step,
    Variant,
    Verdict,
)
from overtraining.theory.derivations.checker.run import check_all, claim_derivation
from overtraining.theory.derivations.claims.b1_noise import DERIVATION as B1

HOSTILE = """<script>alert("1")</script> & 'quoted' </p> {x} <img src="http://example.org/x.png" onerror='y'>"""


def proved():
    return Evidence(True, Verdict.PROVED, HOSTILE)


def curves():
    return Curves(np.array([1.0, 10, 1e4]), {HOSTILE: np.array([1.0, np.nan, 2])}, f"${HOSTILE}", "_γ₁ ᵀ^")


ATTACK = replace(
    B1,
    claim="../<b>x",
    title=HOSTILE,
    statement=r"\text{" + HOSTILE + "}",
    plain=HOSTILE,
    symbols={HOSTILE: HOSTILE, r"\unknown": HOSTILE, r"\href{javascript:alert(1)}{x}": HOSTILE},
    assumptions=(
        Assumption(HOSTILE, HOSTILE, Counterexample(HOSTILE, proved, curves)),
        Assumption("gradient flow", HOSTILE),
    ),
    steps=(
        Step(r"\frac{1", HOSTILE, proved),
        Step(r"\style{x\"onload=\"y}{z}", HOSTILE, lambda: Evidence(False, Verdict.TESTED, HOSTILE)),
    ),
    variants=(*B1.variants, Variant(HOSTILE, lambda f: f), Variant(HOSTILE, lambda f: 3 * f)),
    special_case=replace(B1.special_case, text=HOSTILE),
    link=replace(B1.link, function="theory.<i>", domain=HOSTILE),
    uses=("B1", "<u>"),
    source=HOSTILE,
)
OTHER = replace(B1, claim="B4", uses=("B1",), assumptions=(), link=None)


@pytest.fixture(scope="module")
def reports():
    found = check_all([B1, OTHER, replace(ATTACK, uses=("B1",))], {})
    assert found[-1].problems
    return found


@pytest.fixture(scope="module")
def book(tmp_path_factory, reports):
    directory = tmp_path_factory.mktemp("book") / "not yet" / "there"
    paths = write_book([B1, OTHER, ATTACK], reports, directory)
    assert sorted(directory.iterdir()) == sorted(paths)
    return {path.name: path.read_text(encoding="utf-8") for path in paths}


def pages(book):
    return {name: text for name, text in book.items() if name.endswith(".html")}


def test_there_is_a_page_per_claim_and_each_index(book):
    assert list(book) == [
        "index.html", "claim-B1.html", "claim-B4.html", "claim-b-x.html", "symbols.html", "assumptions.html",
        "book.css",
    ]  # fmt: skip


class Tags(HTMLParser):
    """Every start tag with its attributes, and all text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_every_page_is_well_formed_and_its_links_lead_somewhere(book):
    for name, text in pages(book).items():
        root = ET.fromstring(text.removeprefix("<!DOCTYPE html>"))
        identifiers = [e.get("id") for e in root.iter() if e.get("id")]
        assert len(set(identifiers)) == len(identifiers), name
        for element in root.iter():
            target, _, anchor = (element.get("href") or name).partition("#")
            assert (target or name) in book, target
            if anchor:
                assert f'id="{anchor}"' in book[target or name], anchor


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(book):
    for name, text in pages(book).items():
        for tag, attributes in Tags(text).tags:
            assert tag not in {"script", "iframe", "object", "embed", "img", "base", "foreignobject"}, name
            for attribute, value in attributes.items():
                assert not attribute.startswith("on"), name
                assert attribute in {"title", "aria-label"} or "://" not in value, name
                assert "javascript" not in value, name
    assert not re.search(r"@import|url\(|http", book["book.css"])
    for text in pages(book).values():
        for target in re.findall(r"url\((.*?)\)", text):
            assert target.startswith("#")


def test_hostile_text_is_shown_as_it_is(book):
    text = " ".join(Tags(book["claim-b-x.html"]).text.split())
    # title twice, plain, statement and conclusion, assumptions, counterexample, steps, variants, source …
    assert text.count(" ".join(HOSTILE.split())) >= 15
    assert "<script" not in "".join(pages(book).values())
    assert "wrong variant survives" in text
    assert r"\unknown" in text


def test_the_same_input_gives_the_same_bytes(book, reports, tmp_path):
    with mpl.rc_context({"axes.grid": True, "xtick.direction": "in"}):  # a reader's own settings
        paths = write_book(iter([B1, OTHER, ATTACK]), reversed(reports), tmp_path)
    assert {path.name: path.read_text(encoding="utf-8") for path in paths} == book


def test_time_is_not_in_the_book(reports, tmp_path):
    slow = [replace(report, seconds=1e3 + report.seconds) for report in reports]
    one, two = (write_book([B1], r, tmp_path / n)[1].read_bytes() for n, r in (("a", reports), ("b", slow)))
    assert one == two


def test_a_page_tells_the_claim(book):
    page, text = book["claim-B1.html"], " ".join(Tags(book["claim-B1.html"]).text.split())
    for words in (
        B1.title, B1.plain, B1.source, "overtraining.theory.sensitivity.noise.expected_increase",
        "8 of 8 rejected", "no noise matrix",
        *(v.text for v in B1.variants), *(s.because for s in B1.steps), *(a.text for a in B1.assumptions),
        *(a.counterexample.text for a in B1.assumptions), B1.link.domain,
    ):  # fmt: skip
        assert " ".join(Tags(prose(words)).text.split()) in text
    assert page.count("<figure>") == 1
    assert page.count('class="verdict proved"') == 4  # claim, two steps, conclusion
    assert 'Used by</dt><dd><a href="claim-B4.html"' in page
    assert 'Uses</dt><dd><a href="claim-B1.html"' in book["claim-B4.html"]


def test_a_broken_derivation_still_has_its_page(tmp_path):
    def raises():
        raise ArithmeticError("no such thing")

    broken = replace(B1, assumptions=(Assumption("dense spectrum", "", Counterexample("", raises, raises)),))
    report = CheckReport("B1", Verdict.FAILED, Verdict.PROVED, (), (), (), None, ("could not be finished",), 0.0)
    page = write_book([broken], [report], tmp_path)[1].read_text(encoding="utf-8")
    assert page.count("ArithmeticError: no such thing") == 2
    assert page.count("not run") == 3
    assert "could not be finished" in page


@pytest.mark.parametrize(
    ("claims", "words"), [([OTHER, B1, OTHER], "one identifier"), ([replace(B1, claim="C9")], "'C9': it has no report")]
)
def test_a_book_that_cannot_be_is_refused(claims, words, reports, tmp_path):
    with pytest.raises(Refusal, match=words):
        write_book(claims, reports, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_an_assumption_without_counterexample_points_to_one(reports, tmp_path):
    known, unknown = B1.assumptions[0], Assumption("dense spectrum", "A text.")
    bare = replace(B1, claim="C1", assumptions=(replace(known, counterexample=None), unknown))
    paths = write_book([B1, bare], [reports[0], replace(reports[0], claim="C1")], tmp_path)
    page = paths[2].read_text(encoding="utf-8")
    assert 'Without it:</em> see <a href="claim-B1.html"' in page
    assert page.count("no counterexample is known") == 1
    assert paths[4].read_text(encoding="utf-8").count("No counterexample is known") == 1


def test_claims_whose_names_differ_in_letters_only_have_two_pages(reports, tmp_path):
    twins = [B1, replace(B1, claim="b1"), replace(B1, claim="b-1"), replace(B1, claim="b/1")]
    found = [replace(reports[0], claim=d.claim) for d in twins]
    names = [path.name.casefold() for path in write_book(twins, found, tmp_path)]
    assert len(set(names)) == len(names)


def test_the_indexes_tell_who_uses_what():
    other = replace(B1, claim="C1", symbols={"c": "price"}, statement=r"c=\gamma_1+\dot q_1", steps=(), assumptions=())
    index = {symbol.latex: symbol for symbol in index_of_symbols([B1, other, replace(B1, claim="D1")])}
    assert index["c"].meanings == {"price": ("C1",)}
    assert index[r"\gamma_1"].meanings == {B1.symbols[r"\gamma_1,\gamma_2"]: ("B1", "D1")}
    assert index[r"\gamma_1"].also_in == index["q_1"].also_in == ("C1",)
    assert index[r"\tau"].also_in == ()
    names = index_of_assumptions([B1, other, replace(B1, claim="D1")])
    assert {name: list(claims) for name, claims in names.items()} == {
        "independent noise": ["B1", "D1"], "zero-mean noise": ["B1", "D1"]
    }  # fmt: skip


CLAIMS = getattr(derivations, "CLAIMS", {"B1": "overtraining.theory.derivations.claims.b1_noise"})


@pytest.mark.parametrize("claim", CLAIMS)
def test_formulas_of_the_claims_are_readable(claim):
    derivation = claim_derivation(claim, CLAIMS)
    for latex in (derivation.statement, *(step.statement for step in derivation.steps)):
        assert "unreadable" not in display(latex), latex
    for latex in derivation.symbols:
        assert "<code>" not in inline(latex), latex


@pytest.mark.parametrize(
    ("latex", "seen"),
    [
        (r"\unknown x", "<code>"),
        (r"\frac{1", "<code>"),
        ("x_", "<code>"),
        ("", "<code>"),
        (r"a<b", "<mo form=\"infix\">&lt;</mo>"),
        (r"\begin{aligned}a&=b\\c&=d\end{aligned}", "<mtable>"),
        (r"\begin{pmatrix}0&A\\A&0\end{pmatrix}", '<mtable class="round">'),
        (r"d_{in}", "<mi>in</mi>"),
        (r"\epsilon", ">ε</mi>"),
        (r"\mathrm{tr}\,H", "<mi>tr</mi>"),
    ],
)  # fmt: skip
def test_a_formula_is_drawn_or_shown_as_it_was_written(latex, seen):
    assert seen in display(latex)


def test_an_attribute_that_is_no_mathematics_is_dropped():
    assert "evil" not in display(r"\href{evil}{x}\class{evil}{y}\style{evil}{z}")


def test_a_formula_breaks_before_relations_and_never_inside_of_brackets():
    text = display(r"f(a+b)=c+d,\quad g=h")
    assert text.count("<span>") == 2
    assert text.count("<wbr/>") == 3
    assert ">+</mo><mi" in text.split("<wbr/>")[0]


def test_a_formula_too_wide_for_a_page_breaks_inside_of_its_brackets():
    many = r"\in\left\{" + r"\}\cup\{".join(rf"a_{i}+b_{i},\,c_{i}" for i in range(9)) + r"\right\}"
    text = display(r"\lambda" + many)
    assert text.count("<wbr/>") == 1 + 8 + 9  # the relation, the unions, the commas
    longer = display("x=(" + "+".join(f"a_{{{i}}}" for i in range(40)) + ")")
    assert longer.count("<wbr/>") == 1 + 39
    assert ET.fromstring(longer) is not None


def test_symbols_of_a_formula_carry_their_subscripts():
    assert symbols(r"\dot s_i=2s_i(\sigma_i-s_i)+\tfrac12\|W_1\|_F^2\ln c") == ("s_i", "σ_i", "W_1", "F", "c")
