"""The watch over the browser notices errors, warnings and requests, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.browser.conftest import strays


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(offline=True)
    yield context
    context.close()


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        ("console.error('broken')", "console: broken"),
        ("setTimeout(() => { throw Error('thrown') })", "uncaught: thrown"),
        ("fetch('https://example.org/x').catch(() => 0)", "request to https://example.org/x"),
        ("new WebSocket('wss://example.org/y')", "request to wss://example.org/y"),
        (
            "document.body.append(Object.assign(new Image(), {src: 'https://example.org/z'}))",
            "request to https://example.org/z",
        ),
    ],
)
def test_whatever_goes_wrong_is_seen(context: BrowserContext, tmp_path: Path, script: str, seen: str) -> None:
    (tmp_path / "page.html").write_text(f"<!DOCTYPE html><body><script>{script}</script>")
    found, page = strays(context), context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_timeout(200)
    assert any(stray.startswith(seen) for stray in found), found


def test_a_quiet_page_is_quiet(context: BrowserContext, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<!DOCTYPE html><body><script>console.log('hello')</script>")
    found = strays(context)
    context.new_page().goto((tmp_path / "page.html").as_uri())
    assert found == []
