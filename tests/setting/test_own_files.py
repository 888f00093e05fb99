"""A user's file is run once, with what lies beside it, and leaves nothing behind."""

import sys
from pathlib import Path

import pytest

from overtraining.setting.errors import Refusal
from overtraining.setting.own_files import load_file


def test_it_imports_what_lies_beside_it_and_leaves_the_search_path_alone(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("NUMBER = 3")
    (tmp_path / "mine.py").write_text("from beside_it import NUMBER\nWANTED = NUMBER + 1\n")
    path = list(sys.path)
    assert load_file(tmp_path / "mine.py", "WANTED").WANTED == 4
    assert sys.path == path
    assert "beside_it" not in sys.modules


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("absent.py", None, "there is no such file"),
        ("mine.txt", "WANTED = 1", "it is not a Python file"),
        ("empty.py", "OTHER = 1", "it defines no WANTED"),
        ("wrong.py", "\nWANTED = 1 / 0", r"ZeroDivisionError: division by zero \(line 2\)"),
        ("ends.py", "raise SystemExit(0)", "it raises SystemExit: 0"),
    ],
)
def test_refusals(tmp_path: Path, name: str, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(Refusal, match=why):
        load_file(tmp_path / name, "WANTED")
