"""Files that are written whole or not at all, also on a disk that is full."""

import errno
import hashlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from benchmarks.environment import environment
from overtraining.runtime.atomic_files import TEMPORARY, NotWritten, atomic_write, sha256, write_files, write_text


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_a_file_takes_its_place_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with atomic_write(path) as temporary:
        assert temporary.name.startswith(TEMPORARY)
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert contents(tmp_path) == {"file": "new"}


def test_after_an_error_the_old_file_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def half_way() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("ne")
            raise RuntimeError("half-way")

    with pytest.raises(RuntimeError, match="half-way"):
        half_way()
    assert contents(tmp_path) == {"file": "old"}


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """This process and those that it starts write no more into one file.

    Nor do they write compiled modules: Python would leave parts of them, and read these later.
    """
    before, compiled = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that the write fails, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    sys.dont_write_bytecode = True
    try:
        with environment({"PYTHONDONTWRITEBYTECODE": "1"}):
            yield
    finally:
        sys.dont_write_bytecode = compiled
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def no_space(*_: object) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # without a file name, as `write` and `fsync` raise it


def test_without_room_all_old_files_stay_and_the_reason_names_the_file(tmp_path: Path) -> None:
    write_files({tmp_path / "first": b"old", tmp_path / "second": b"old"})
    with files_of_at_most(1000), pytest.raises(NotWritten) as refused:
        write_files({tmp_path / "first": b"new", tmp_path / "second": bytes(2000), tmp_path / "third": b"new"})
    assert str(refused.value) == f"could not write {tmp_path / 'second'}: File too large"
    assert contents(tmp_path) == {"first": "old", "second": "old"}


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_room_that_ends_on_the_way_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    write_text(tmp_path / "file", "old")
    monkeypatch.setattr(os, function, no_space)
    with pytest.raises(NotWritten, match=r"could not write .*/file: No space left on device"):
        write_text(tmp_path / "file", "new")
    assert contents(tmp_path) == {"file": "old"}


@pytest.mark.parametrize("name", ["file", f"{TEMPORARY}file"])
def test_a_folder_in_its_place_is_named_and_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(NotWritten, match=f"file: the folder .*/{name} is in its place"):
        write_files({tmp_path / "other": b"new", tmp_path / "file": b"new"})
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), atomic_write(tmp_path / "file"):
        (tmp_path / "nowhere").read_text()


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "file")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path / "folder") == {"file": "new"}


@pytest.mark.parametrize("name", [lambda end: f"/dev/fd/{end}", lambda end: f"/proc/self/fd/{end}"])
def test_a_name_that_is_no_file_is_written_in_place(name: Callable[[int], str]) -> None:
    """Such as --json /dev/stdout, or a pipe of the shell."""
    ours, theirs = os.pipe()
    try:
        write_text(Path(name(theirs)), "said")
        assert os.read(ours, 100) == b"said"
    finally:
        os.close(ours)
        os.close(theirs)
    with pytest.raises(NotWritten, match="could not write /dev/full: No space left on device"):
        write_text(Path("/dev/full"), "said")


def test_checksums(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="newer versions of Python follow no such link, and replace it")
def test_a_link_that_leads_to_itself_is_no_traceback(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(NotWritten, match="loop"):
        write_text(loop, "text")
    assert loop.is_symlink()
