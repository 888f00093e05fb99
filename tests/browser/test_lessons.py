"""Every lesson in a browser: it loads, a slider moves by keyboard, the picture follows, and no request is sent out."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest
from playwright.sync_api import Page, expect

from overtraining.demos.lessons import LESSONS, Lesson
from tests.browser.conftest import Open

PATIENCE = 120_000  # milliseconds, for a machine that does other things, too
by_name = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    command = [sys.executable, "-m", "overtraining", "demo", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found
        yield found[0]
        server.terminate()


def pictures(page: Page) -> list[str]:
    """What tells all pictures and tables from what they showed before: the end of a picture has its checksum."""
    return [
        *page.locator("img").evaluate_all("all => all.map(one => one.src.slice(-200))"),
        *page.locator("table").all_inner_texts(),
    ]


def loaded(page: Page) -> None:
    expect(page.get_by_role("heading", name="Where the theory stops")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("img").first).to_be_visible(timeout=PATIENCE)


@by_name
def test_a_slider_moves_the_picture(
    lesson: Lesson, address: str, visit: Open, shot: Callable[[Page, str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    page = visit(f"{address}{lesson.name}/", 1440, 900)
    loaded(page)
    handles = page.get_by_role("slider")
    assert handles.count() >= 2
    handles.first.focus()
    waits = []
    for key in ("ArrowRight", "ArrowLeft") * 3:
        before, began = pictures(page), time.perf_counter()
        page.keyboard.press(key)
        while pictures(page) == before:
            assert time.perf_counter() - began < PATIENCE / 1000, "the picture did not follow the slider"
            page.wait_for_timeout(5)
        waits.append(time.perf_counter() - began)
    with capsys.disabled():
        print(f"\n{lesson.name}: key to picture {1000 * median(waits):.0f} ms (median of {len(waits)})")
    shot(page, f"lesson-{lesson.name}")


@by_name
def test_a_prediction_is_answered_and_an_answer_unfolds(lesson: Lesson, address: str, visit: Open) -> None:
    page = visit(f"{address}{lesson.name}/?teacher", 1280, 800)
    loaded(page)
    page.get_by_role("radio").first.press("Space")
    expect(page.get_by_text(re.compile(r"^(Right\.|Not quite:)"))).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Answer").press("Enter")
    expect(page.get_by_text("What students get wrong")).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_who_trains_a_network_is_told_how_long_it_takes(address: str, visit: Open) -> None:
    page = visit(f"{address}features/")
    loaded(page)
    before = pictures(page)
    page.get_by_role("button", name="Train a network").click()
    expect(page.get_by_text("Compiling takes some ten seconds")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("Compiling takes some ten seconds")).to_have_count(0, timeout=PATIENCE)
    page.wait_for_function("before => document.images[0].src.slice(-200) != before", arg=before[0], timeout=PATIENCE)


def test_a_figure_that_is_named_is_a_click_away(address: str, visit: Open, shot: Callable[[Page, str], Path]) -> None:
    page = visit(f"{address}features/")
    loaded(page)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="random-start").click()
    expect(opened.value.get_by_role("img")).to_be_visible(timeout=PATIENCE)
    shot(opened.value, "figure-random-start")


def test_a_link_derives_the_claim(address: str, visit: Open) -> None:
    page = visit(f"{address}fragile/")
    loaded(page)
    with page.context.expect_page() as opened:  # beside the lesson, which keeps what was set
        page.get_by_role("link", name="Derive it from the loss, now").first.click()
    expect(opened.value.locator("h1")).to_contain_text("B1", timeout=PATIENCE)


def test_the_list_leads_to_the_lessons(address: str, visit: Open) -> None:
    page = visit(address, 390, 800)
    page.get_by_role("link", name=LESSONS[0].title).click()
    loaded(page)
    assert page.title() == LESSONS[0].title
