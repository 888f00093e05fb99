"""Files that are written whole or not at all."""

import hashlib
from pathlib import Path

import pytest

from overtraining.runtime.atomic_files import TEMPORARY, atomic_write, sha256


def test_a_file_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with atomic_write(path) as temporary:
        assert temporary.name.startswith(TEMPORARY)
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_after_an_error_the_old_file_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def half_way() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("ne")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        half_way()
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_checksums(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()
