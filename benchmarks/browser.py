"""Find and start an installed Chromium, for browser tests and for timing the page; nothing is ever downloaded."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from overtraining.setting.errors import Refusal

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (  # the browser makes no connections of its own; no sandbox, because CI runs as root
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_browser() -> str:
    """The program named by the variable CHROMIUM, or the first of NAMES on PATH; Refusal if there is none."""
    named = os.environ.get("CHROMIUM")
    candidates = (named,) if named else NAMES
    for candidate in candidates:
        if program := shutil.which(candidate):
            return program
    raise Refusal(
        f"CHROMIUM = {named}" if named else "no browser",
        "there is no such program" if named else f"CHROMIUM is not set, and PATH has none of {', '.join(NAMES)}",
        "install Chromium (Debian, Ubuntu: apt-get install chromium; Fedora: dnf install chromium), or set CHROMIUM "
        "to the path of a Chrome",
    )


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser, controlled by Playwright; needs the extra `browser`."""
    from playwright.sync_api import sync_playwright

    program = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()
