"""The site in a browser, opened as files: it can be read by all, on a phone and in the dark, and asks nobody else."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests import ROOT
from tests.browser.conftest import Open

SITE = ROOT / "build/docs"
KINDS = {
    "start": "index.html",
    "tutorial": "tutorials/*.html",
    "theory": "theory/*.html",
    "api": "reference/**/*sensitivity*.html",
    "gallery": "gallery/index.html",
    "figure": "gallery/figures/depth.html",
}
"""By kind of page, where one is."""

SCREENS = ((1280, "light"), (390, "dark"))
SERIOUS = ("serious", "critical")
OPTIONS = {"resultTypes": ["violations"], "preload": False}  # style sheets again, which files may not
WIDEST = """Math.max(document.documentElement.scrollWidth,
    ...[...document.querySelectorAll(".bd-article-container")].map(one => one.scrollWidth))"""
"""What a page takes, with what its main part would scroll."""

OWN = ("book", "_modules", "_static", "_sources")
"""Folders whose pages are made by others, or are code."""


@pytest.fixture(scope="module", autouse=True)
def site() -> Path:
    """The site as `make docs` left it."""
    if not (SITE / "searchindex.js").is_file():
        end = pytest.fail if "CI" in os.environ else pytest.skip
        end("`make docs` first: there is no site in build/docs")
    return SITE


def a_page(kind: str) -> str:
    """The address of a page of a kind: the first one that is no list of others."""
    found = sorted(SITE.glob(KINDS[kind]), key=lambda path: (path.name == "index.html", path))
    assert found, f"the site has no {KINDS[kind]}"
    return found[0].as_uri()


def violations(page: Page) -> list[str]:
    """What axe finds in a page that is a serious obstacle to somebody."""
    response: dict[str, Any] = Axe().run(page, options=OPTIONS).response
    found = (one for one in response["violations"] if one["impact"] in SERIOUS)
    return [f"{one['id']}: {one['help']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing_serious(
    visit: Open, shot: Callable[[Page, str], Path], kind: str, width: int, scheme: str
) -> None:
    page = visit(a_page(kind), width, 844, color_scheme=scheme)
    expect(page.locator("html")).to_have_attribute("data-theme", scheme)
    shot(page, f"docs-{kind}-{width}-{scheme}")
    assert violations(page) == []


def test_axe_finds_what_is_wrong(visit: Open) -> None:
    page = visit(a_page("start"))
    page.evaluate("document.querySelector('h1').insertAdjacentHTML('afterend', '<p><img src=\"data:,\"></p>')")
    page.evaluate("document.querySelector('h1').style.color = '#eee'")
    assert {one.split(":")[0] for one in violations(page)} == {"image-alt", "color-contrast"}


def all_pages() -> Iterator[Path]:
    return (path for path in sorted(SITE.rglob("*.html")) if path.relative_to(SITE).parts[0] not in OWN)


def test_no_page_is_wider_than_a_phone(visit: Open) -> None:
    page, wide = visit("about:blank", 390, 844), {}
    for path in all_pages():
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        if (width := page.evaluate(WIDEST)) > 390:
            wide[path.relative_to(SITE).as_posix()] = width
    assert wide == {}


def test_a_page_that_is_too_wide_is_noticed(visit: Open) -> None:
    page = visit(a_page("start"), 390, 844)
    page.evaluate("document.querySelector('h1').innerHTML = '<div style=\"width: 500px\">wide</div>'")
    assert page.evaluate(WIDEST) > 390


def test_the_search_finds_a_word_in_files(visit: Open) -> None:
    page = visit(a_page("start"))
    page.keyboard.press("Control+k")
    page.keyboard.type("inflection")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=inflection*")
    results = page.locator("#search-results li a")
    expect(results.first).to_be_visible(timeout=20_000)
    results.first.click()
    expect(page.locator("h1")).to_be_visible()
    assert "search.html" not in page.url


def test_the_page_to_explore_draws_within_the_site(visit: Open, shot: Callable[[Page, str], Path]) -> None:
    page = visit((SITE / "lessons.html").as_uri())
    within = page.frame_locator("iframe.explore")
    for name in ("features", "loss", "rise", "tuned"):
        expect(within.locator(f"#{name} path.curve").first).to_be_visible()
    within.get_by_role("button", name="The U").click()
    expect(within.get_by_role("button", name="The U")).to_have_attribute("aria-pressed", "true")
    shot(page, "docs-lessons-1280")
    page.get_by_role("link", name="Open the page alone").click()
    expect(page.locator("#features path.curve").first).to_be_visible()


def test_print_shows_the_text_alone(visit: Open) -> None:
    page = visit(a_page("theory"))
    for name in (".bd-header", ".bd-sidebar-primary"):
        expect(page.locator(name).first).to_be_visible()
    page.emulate_media(media="print")
    for name in (".bd-header", ".bd-sidebar-primary", ".bd-footer", ".prev-next-footer"):
        expect(page.locator(name).first).to_be_hidden()
    expect(page.locator("h1")).to_be_visible()
