"""The workflows call what exists, with the permissions that they need and no more."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
NEEDED = {
    "ci.yml": {"contents: read"},
    "site.yml": {"contents: read", "pages: write", "id-token: write"},
    "release.yml": {"contents: read", "contents: write"},
}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def read(path: Path) -> dict[Any, Any]:
    told: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return told


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


def programs(command: str) -> list[str]:
    """The commands of a step, one after another."""
    return [part.strip() for part in re.split(r"\n(?!\s)|&&|\|", command) if part.strip()]


def check(command: str) -> None:
    """AssertionError if a command calls a target of make, or a file, that does not exist."""
    first, *rest = command.split()
    if first == "make":
        assert rest, "make without a target prints its help"
        assert set(rest) <= TARGETS, f"make has no target {' '.join(set(rest) - TARGETS)}"
    elif "/" in first:
        path = ROOT / first
        assert path.is_file(), f"there is no {first}"
        assert path.stat().st_mode & 0o111, f"{first} cannot be executed"


def test_all_are_tested() -> None:
    assert {path.name for path in WORKFLOWS} == set(NEEDED)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_calls_what_exists(path: Path) -> None:
    told = read(path)
    assert told["name"]
    assert told[True]  # YAML reads `on` as true
    assert all(job["runs-on"] and job["timeout-minutes"] for job in told["jobs"].values() if "needs" not in job)
    for step in steps(path):
        assert ("run" in step) != ("uses" in step)
        for command in programs(step.get("run", "")):
            check(command)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_permissions_are_the_least(path: Path) -> None:
    told = read(path)
    assert told["permissions"] == {"contents": "read"}
    given = [told["permissions"], *(job.get("permissions", {}) for job in told["jobs"].values())]
    assert {f"{what}: {how}" for one in given for what, how in one.items()} == NEEDED[path.name]
    assert "secrets." not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_the_forge_s_own_at_a_major_version(path: Path) -> None:
    for step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), step["uses"]
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False
        if step.get("uses", "").startswith("actions/setup-python"):
            assert step["with"]["python-version"] == "3.11"


def test_what_is_run() -> None:
    """Everything in one, the site in another; and what a failing command of a pipe says is not lost."""
    (run,) = (step for step in steps(GITHUB / "workflows/ci.yml") if ".ci/run" in step.get("run", ""))
    assert run["shell"] == "bash"
    commands = [step["run"] for step in steps(GITHUB / "workflows/site.yml") if "run" in step]
    assert commands == ["make figures", "make docs"]


@pytest.mark.parametrize("command", ["make figure", "make", ".ci/runs", "docs/maps.py"])
def test_a_command_that_does_not_exist_is_noticed(command: str) -> None:
    with pytest.raises(AssertionError):
        check(command)


def test_templates_are_forms() -> None:
    for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml"):
        told = read(path)
        if path.name != "config.yml":
            assert {"name", "description", "body"} <= set(told)
            assert all(part["attributes"]["label"] for part in told["body"])
