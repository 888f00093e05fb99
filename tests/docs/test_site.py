"""The built site: nothing is missing or loaded from elsewhere, all is two clicks away, and pages can be read by all.

Each test also damages a copy of the site and sees the damage told.
"""

import os
from pathlib import Path

import pytest

from overtraining.figures.catalogue import CATALOGUE
from tests import ROOT
from tests.docs.site import Site, addresses, parse, read
from tests.test_ledger import CLAIMS

MOST = 60_000_000
"""Bytes of the whole site, that a slow connection and a free host bear."""

PAGE = '<html lang="en"><head><title>T</title></head><body><h1 id="top">T</h1>{}</body></html>'


@pytest.fixture(scope="module")
def site() -> Site:
    """The site as `make docs` left it, before which these tests are skipped; continuous integration, which runs it
    first, fails.
    """
    folder = ROOT / "build/docs"
    if not (folder / "searchindex.js").is_file():
        end = pytest.fail if "CI" in os.environ else pytest.skip
        end("`make docs` first: there is no site in build/docs")
    return read(folder)


def with_more(site: Site, html: str) -> Site:
    """A copy with one page more."""
    return site.with_page("gallery/more.html", PAGE.format(html))


def test_every_link_image_and_anchor_exists(site: Site) -> None:
    assert site.broken() == []


@pytest.mark.parametrize(
    "html",
    [
        '<a href="missing.html">',
        '<a href="../index.html#missing">',
        '<a href="#missing">',
        '<img src="missing.png" alt="">',
        '<img srcset="index.html 1x, missing.png 2x" alt="">',
        '<script src="missing.js"></script>',
        '<p style="background: url(missing.png)">',
        "<style>@import 'missing.css';</style>",
    ],
)
def test_what_is_missing_is_told(site: Site, html: str) -> None:
    assert [one for one in with_more(site, html).broken() if "missing" in one and "gallery/more.html" in one] != []


@pytest.mark.parametrize("html", ['<a href="#top">', '<a href="../index.html?q=1">', '<img src="data:," alt="">'])
def test_what_exists_is_no_damage(site: Site, html: str) -> None:
    assert with_more(site, html).broken() == site.broken()


def test_nothing_comes_from_another_machine(site: Site) -> None:
    assert site.loaded_from_elsewhere() == []


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://elsewhere.example/a.js"></script>',
        '<link rel="stylesheet" href="//elsewhere.example/a.css">',
        '<img src="http://elsewhere.example/a.png" alt="">',
        '<img src="../_static/site.css" srcset="https://elsewhere.example/a.png 2x" alt="">',
        '<iframe title="t" src="https://elsewhere.example/"></iframe>',
        "<style>@font-face { src: url('https://elsewhere.example/a.woff2') }</style>",
        '<video poster="https://elsewhere.example/a.png"></video>',
        '<a href="javascript:alert(1)">',
        '<a href="file:///etc/hosts">',
    ],
)
def test_what_comes_from_elsewhere_is_told(site: Site, html: str) -> None:
    assert len(with_more(site, html).loaded_from_elsewhere()) == 1
    assert with_more(site, '<a href="https://elsewhere.example/">').loaded_from_elsewhere() == []


def test_every_claim_and_figure_is_two_clicks_away(site: Site) -> None:
    anchors = site.anchors(clicks=2)
    assert [claim for claim in CLAIMS if f"claim-{claim.lower()}" not in anchors] == []
    assert [entry.name for entry in CATALOGUE if f"figure-{entry.name}" not in anchors] == []


def test_what_is_further_away_is_told(site: Site) -> None:
    lonely = site.with_page("index.html", PAGE.format('<a href="lessons.html">'))
    lonely = lonely.with_page("lessons.html", PAGE.format('<a href="index.html"><a href="genindex.html">'))
    assert "genindex.html" in lonely.reached(clicks=2)
    assert "figure-depth" not in lonely.anchors(clicks=2)


def test_the_search_knows_a_word(site: Site) -> None:
    assert {"inflect", "sensit", "overtrain"} <= site.terms().keys()
    assert "zzyzx" not in site.terms()


def test_every_page_can_be_read_by_all(site: Site) -> None:
    assert site.unreadable() == []


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (PAGE.format("<h1>again</h1>"), "2 headings"),
        (PAGE.replace("h1", "h2").format(""), "0 headings"),
        (PAGE.replace("<title>T</title>", "").format("<svg><title>of a picture</title></svg>"), "no title"),
        (PAGE.replace(' lang="en"', "").format(""), "language"),
        (PAGE.format('<img src="a.png">'), "without an alternative text"),
        (PAGE.format('<iframe src="a.html"></iframe>'), "frame without a title"),
    ],
)
def test_what_cannot_be_read_is_told(site: Site, page: str, told: str) -> None:
    assert [one for one in site.with_page("more.html", page).unreadable() if told in one] != []


def test_the_site_is_small(site: Site) -> None:
    by_size = sorted(site.files, key=lambda name: -site.files[name])[:10]
    assert site.size() < MOST, {name: site.files[name] for name in by_size}
    assert with_more(site, "x" * MOST).size() > MOST


def test_a_site_is_read_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "index.html").write_text(PAGE.format('<a href="sub/a.html#top"><img src="p.png" alt="p">'))
    (tmp_path / "sub/a.html").write_text(PAGE.format('<a href="../index.html">'))
    (tmp_path / "site.css").write_text("p { background: url(p.png) } q { src: url( 'data:,' ) }")
    (tmp_path / "p.png").write_bytes(b"123")
    (tmp_path / "searchindex.js").write_text('Search.setIndex({"terms": {"a": 0}, "titleterms": {}})')
    site = read(tmp_path)
    assert (site.broken(), site.loaded_from_elsewhere(), site.unreadable()) == ([], [], [])
    assert (site.files["p.png"], site.terms(), site.reached(1)) == (3, {"a": 0}, {"index.html", "sub/a.html"})


def test_addresses_of_styles_and_titles_are_found() -> None:
    assert addresses("a { src: url(x.woff), url( \"y.woff\" ) } @import 'z.css';") == ["x.woff", "y.woff", "z.css"]
    assert parse("<title>a</title><svg><title>b</title></svg>").title == "a"
