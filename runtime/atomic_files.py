"""Files that are written whole or not at all, on disk and not only in memory, and their checksums."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY = ".temporary-"
"""The names of unfinished files begin with it; a killed process may leave one."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place once it is complete and on disk."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    try:
        yield temporary
        _to_disk(temporary)
        os.replace(temporary, path)
        _to_disk(path.parent)  # or a power cut may take the new name back
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The checksum of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
