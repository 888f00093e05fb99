"""Fixtures: a real browser for the lessons and the page (`make test-browser`).

`make test` does not come here (`norecursedirs` in pyproject.toml): it must pass where there is no browser.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request

from benchmarks.browser import chromium, find_browser
from overtraining.setting.errors import Refusal

LOCAL = {"localhost", "127.0.0.1", "::1"}
SCREENSHOTS = Path(__file__).parents[2] / "build/screenshots"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        find_browser()
    except Refusal as missing:  # not skipped: a browser test that never ran should not look as if it passed
        pytest.exit(str(missing), returncode=2)
    with chromium() as found:
        yield found


def strays(context: BrowserContext) -> list[str]:
    """What goes wrong from now on in the pages of this context: errors, and requests that leave the machine."""
    seen: list[str] = []

    def look(url: str) -> None:
        address = urlsplit(url)
        if address.scheme not in ("file", "data", "blob", "about") and address.hostname not in LOCAL:
            seen.append(f"request to {url}")

    def requested(request: Request) -> None:
        look(request.url)

    def opened(page: Page) -> None:
        page.on("websocket", lambda socket: look(socket.url))

    context.on("request", requested)
    context.on("page", opened)
    context.on("weberror", lambda error: seen.append(f"uncaught: {error.error}"))
    context.on("console", lambda said: seen.append(f"console: {said.text}") if said.type == "error" else None)
    return seen


Open = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Open]:
    """`visit(url, width, height, …)` opens a page; the test fails if one erred or sent a request off the machine."""
    contexts: list[tuple[BrowserContext, list[str]]] = []

    def open_page(url: str, width: int = 1280, height: int = 800, **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append((context, strays(context)))
        page = context.new_page()
        page.goto(url)
        return page

    yield open_page
    for context, _ in contexts:
        context.close()
    assert [stray for _, seen in contexts for stray in seen] == []


@pytest.fixture
def shot() -> Callable[[Page, str], Path]:
    """`shot(page, name)` keeps the whole page as build/screenshots/NAME.png, to be looked at."""

    def keep(page: Page, name: str) -> Path:
        path = SCREENSHOTS / f"{name}.png"
        page.screenshot(path=path, full_page=True)
        return path

    return keep
