"""The pages of the book: complete, safe to open, the same bytes each time."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib as mpl
import pytest

from overtraining.figures.book import write_book
from overtraining.figures.book.formulas import prose
from overtraining.setting.errors import Refusal
from tests.figures.book.samples import ATTACK, B1, HOSTILE, OTHER


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
        "index.html",
        "claim-B1.html",
        "claim-B4.html",
        "claim-b-x.html",
        "symbols.html",
        "assumptions.html",
        "book.css",
    ]


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
        B1.title,
        B1.plain,
        B1.source,
        "overtraining.theory.sensitivity.noise.expected_increase",
        "8 of 8 rejected",
        "no noise matrix",
        *(v.text for v in B1.variants),
        *(s.because for s in B1.steps),
        *(a.text for a in B1.assumptions),
        *(a.counterexample.text for a in B1.assumptions),
        B1.link.domain,
    ):
        assert " ".join(Tags(prose(words)).text.split()) in text
    assert page.count("<figure>") == 1
    assert page.count('class="verdict proved"') == 3  # claim, a step, conclusion
    assert page.count('class="verdict tested"') == 3  # the cross-check on shapes, two counterexamples
    assert text.count("Cross-check.") == 1
    assert 'Used by</dt><dd><a href="claim-B4.html"' in page
    assert 'Uses</dt><dd><a href="claim-B1.html"' in book["claim-B4.html"]


@pytest.mark.parametrize(
    ("claims", "words"),
    [([OTHER, B1, OTHER], "the same identifier"), ([replace(B1, claim="C9")], "'C9': it has no report")],
)
def test_a_book_that_cannot_be_is_refused(claims, words, reports, tmp_path):
    with pytest.raises(Refusal, match=words):
        write_book(claims, reports, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_claims_whose_names_differ_in_letters_only_have_two_pages(reports, tmp_path):
    twins = [B1, replace(B1, claim="b1"), replace(B1, claim="b-1"), replace(B1, claim="b/1")]
    found = [replace(reports[0], claim=d.claim) for d in twins]
    names = [path.name.casefold() for path in write_book(twins, found, tmp_path)]
    assert len(set(names)) == len(names)
