"""Both licences: the texts agree on what each of them covers, and the package names both."""

import re
import tomllib

from tests import ROOT

NOTICE = (ROOT / "LICENSE-docs").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/project/licence.md").read_text(encoding="utf-8")


def test_the_page_covers_what_the_notice_covers() -> None:
    covered = re.search(r"It covers: (.*?)\n\n", NOTICE, re.DOTALL)
    assert covered
    named = set(re.findall(r"[\w/]+(?:/|\.md)(?=[,\s])", covered[1]))
    assert len(named) == 10
    rows = [line for line in PAGE.splitlines() if "(../../LICENSE-docs)" in line]
    assert named == {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert all((ROOT / name).exists() for name in named)


def test_the_full_text_is_linked() -> None:
    for text in (NOTICE, PAGE):
        assert "https://creativecommons.org/licenses/by/4.0/legalcode" in text


def test_the_package_names_both() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0 AND CC-BY-4.0"
    assert project["license-files"] == ["LICENSE", "LICENSE-docs"]
