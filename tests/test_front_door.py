"""The command line and the Python front door, as a user meets them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import overtraining as ot

ROOT = Path(__file__).parent.parent


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "overtraining", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_help_lists_the_commands() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    assert "figures" in shown.stdout
    assert "--preset" in run("figures", "--help").stdout


def test_listing() -> None:
    from figures.catalogue import CATALOGUE

    shown = run("figures", "--list").stdout
    for entry in CATALOGUE:
        assert re.search(rf"^{entry.name} +{', '.join(entry.claims)} ", shown, re.MULTILINE)


def test_unknown_names_exit_with_2_and_a_sentence() -> None:
    wrong = run("figures", "progresive-sensitivity")
    assert wrong.returncode == 2
    assert "progressive-sensitivity" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert run("figures", "--preset", "poster").returncode == 2
    assert run("nonsense").returncode == 2


def test_quiet_where_there_is_no_terminal(tmp_path: Path) -> None:
    done = run("figures", "olmo1b-fine-tuning", "--formats", "svg", "--out", str(tmp_path), "--preset", "slides")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (tmp_path / "olmo1b-fine-tuning.svg").exists()


def test_no_place_to_write_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wrong = run("figures", "olmo1b-fine-tuning", "--out", str(tmp_path / "file"))
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_names_and_errors() -> None:
    assert set(ot.__all__) <= set(dir(ot))
    assert all(getattr(ot, name) is not None for name in ot.__all__)
    with pytest.raises(AttributeError, match="Protocol"):
        ot.protocol  # noqa: B018


def test_the_readme_s_six_lines() -> None:
    """The first Python block of the README runs as it stands, warning-free."""
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert block
    assert len([line for line in block[1].splitlines() if line.strip()]) <= 8
    subprocess.run([sys.executable, "-W", "error", "-c", block[1].replace("u.pdf", "/dev/null")], check=True)
