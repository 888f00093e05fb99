"""The choice of the browser: the one that is named, or else the first that is installed."""

from pathlib import Path

import pytest

from benchmarks.browser import NAMES, find_browser
from overtraining.setting.errors import Refusal


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH."""
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(path: Path) -> str:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_the_first_of_the_known_names_is_found(folder: Path) -> None:
    program(folder / NAMES[-1])
    first = program(folder / NAMES[0])
    assert find_browser() == first


def test_the_named_one_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(folder / NAMES[0])
    named = program(folder / "mine")
    monkeypatch.setenv("CHROMIUM", named)
    assert find_browser() == named


@pytest.mark.parametrize(("named", "message"), [(None, "PATH has none of"), ("/no/such", "there is no such program")])
def test_none_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, named: str | None, message: str) -> None:
    if named:
        program(folder / NAMES[0])  # is no substitute for the named one
        monkeypatch.setenv("CHROMIUM", named)
    with pytest.raises(Refusal, match=message):
        find_browser()
