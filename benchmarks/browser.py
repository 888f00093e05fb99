"""A Chromium that is already here, for browser tests and for what is timed in one; nothing is ever fetched."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from overtraining.setting.errors import Refusal

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (  # nothing of its own that would reach out; no sandbox, as CI runs as root
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def find_browser() -> str:
    """The program that the variable CHROMIUM names, or the first of NAMES on PATH; Refusal where there is none."""
    named = os.environ.get("CHROMIUM")
    if found := shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None):
        return found
    raise Refusal(
        f"CHROMIUM = {named}" if named else "no browser",
        "there is no such program" if named else f"neither CHROMIUM nor {', '.join(NAMES)} on PATH leads to one",
        "install Chromium (Debian, Ubuntu: apt-get install chromium; Fedora: dnf install chromium), or set CHROMIUM "
        "to the path of a Chrome",
    )


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Playwright browser. Needs the extra `browser`."""
    from playwright.sync_api import sync_playwright

    program = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()
