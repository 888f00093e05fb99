"""Files that are written whole or not at all, on disk and not only in memory, and their checksums."""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

TEMPORARY = ".temporary-"
"""The names of unfinished files begin with it; a killed process may leave one."""

DEVICES = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))
"""Folders of names that are no files, such as /dev/stdout: nothing takes their place."""


class NotWritten(OSError):
    """A file that could not be written, and the reason; the old file is there, or none, as before."""

    def __str__(self) -> str:
        return f"could not write {self.filename}: {self.strerror}"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place once it is complete and on disk.

    A link stays, and the file that it leads to is replaced. Raises NotWritten for errors of the disk.
    """
    if path.parent in DEVICES or path.is_fifo():
        with _naming(path, path):
            yield path
        return
    try:
        target = path.resolve() if path.is_symlink() else path
    except RuntimeError:  # a link that leads to itself; Python 3.13 takes its place
        raise NotWritten(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None
    _refuse_folder(path, path)  # before the work, and before other files of a group take their place
    temporary = target.with_name(f"{TEMPORARY}{target.name}")
    _refuse_folder(path, temporary)
    with _naming(path, temporary):
        try:
            yield temporary
            _to_disk(temporary)
            os.replace(temporary, target)
            _to_disk(target.parent)  # or a power cut may take the new name back
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; its folder is made where it is missing. Raises NotWritten."""
    write_files({path: content})


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, whole or not at all; its folder is made where it is missing. Raises NotWritten."""
    write_files({path: text.encode()})


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write several files of which none takes its place before all are on disk: a full disk leaves the old ones.

    Folders are made where they are missing. Raises NotWritten.
    """
    with ExitStack() as complete:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = complete.enter_context(atomic_write(path))
            temporary.write_bytes(content)
            if temporary != path:
                _to_disk(temporary)


@contextmanager
def no_leftovers(paths: Iterable[Path]) -> Iterator[None]:
    """Afterwards, none of these is there unfinished, although a process that wrote it inside may have been killed."""
    try:
        yield
    finally:
        for path in paths:
            path.with_name(f"{TEMPORARY}{path.name}").unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The checksum of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_folder(path: Path, place: Path) -> None:
    if place.is_dir():
        raise NotWritten(errno.EISDIR, f"the folder {place} is in its place", str(path))


@contextmanager
def _naming(path: Path, temporary: Path) -> Iterator[None]:
    """Errors of the disk name the file that was to be written; those that name another file are about that one."""
    try:
        yield
    except NotWritten:
        raise
    except OSError as error:
        if error.filename not in (None, str(path), str(temporary)):
            raise
        raise NotWritten(error.errno, error.strerror or str(error), str(path)) from error


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
