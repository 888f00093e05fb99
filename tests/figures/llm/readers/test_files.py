"""Files that are not text, too large, absent, or not regular."""

import os
from pathlib import Path

import pytest

from overtraining.figures.llm.readers import read, read_file
from overtraining.figures.llm.tidy import Unreadable
from overtraining.setting import limits
from overtraining.setting.errors import DomainError


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"model\xe9")
    (tmp_path / "big").write_bytes(b"{" + b" " * limits.TEXT)
    os.mkfifo(tmp_path / "pipe")
    for name, says in (
        ("latin", "byte 5: this is not UTF-8"),
        ("big", "larger than"),
        ("pipe", "no such file"),
        ("absent", "no such file"),
    ):
        with pytest.raises(Unreadable, match=says):
            read([tmp_path / name])
    with pytest.raises(DomainError, match=r"use lm-eval-0\.4"):
        read_file(tmp_path / "latin", "excel")
