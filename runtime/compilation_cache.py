"""A folder of compiled programs: what one process of ours has compiled, the next one reads.

A program is found there by JAX's own key (what it computes, the versions of JAX and XLA, the compiler's options), in a
subfolder for the kind of processor, since it is machine code. Reading gives the same bits as compiling. A file that was
damaged is removed at the next start, also if its date was set back: JAX would warn of it at every start and never
replace it. `OVERTRAINING_CACHE`
names another folder for it, or switches the cache off.
"""

import errno
import hashlib
import os
import platform
import zlib
from pathlib import Path

from platformdirs import user_cache_path

SWITCH = "OVERTRAINING_CACHE"
"""Environment variable: `off`, or the folder for `programs`; by default, `overtraining` among the caches. One that
leads to a file is a mistake, and refused; a folder that cannot be written is left alone."""

LIMIT = 512 * 2**20
"""Bytes that the folder may take when a command begins to use it; the files that were used longest ago go first."""

ZSTANDARD = b"\x28\xb5\x2f\xfd"
"""The first bytes of a program if JAX finds a library for this compression; otherwise it compresses by zlib."""

JAX_FOLDER = "JAX_COMPILATION_CACHE_DIR"


def cache_variables() -> dict[str, str]:
    """The environment variables that make a new process use the cache: none if it is off, or JAX has a cache already.

    Raises NotADirectoryError if `OVERTRAINING_CACHE` leads to a file.

    >>> cache_variables().get("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    '0'
    """
    named = os.environ.get(SWITCH)
    chosen = named or user_cache_path("overtraining")
    if chosen == "off" or os.environ.get(JAX_FOLDER):
        return {}
    folder = Path(chosen).absolute() / "programs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_damaged(folder)
        remove_oldest(folder, LIMIT)
    except (FileExistsError, NotADirectoryError):
        if named:
            raise NotADirectoryError(errno.ENOTDIR, f"{SWITCH} leads to a file", named) from None
        return {}
    except OSError:  # nowhere to write: everything is compiled, as without a cache
        return {}
    return {
        JAX_FOLDER: str(folder / _processor()),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
        "JAX_COMPILATION_CACHE_MAX_SIZE": "-1",  # JAX's own limit leaves a folder unusable if a process is killed
    }


def remove_damaged(folder: Path) -> None:
    """Remove the programs that are cut short or changed, among those written since this was last called.

    By the time of the last change of any kind, which no program can set, as it can the date of the content.
    """
    last = folder / "checked"
    since = last.stat().st_ctime_ns if last.exists() else 0
    last.touch()
    for path in folder.glob("*/*-cache"):
        if path.is_file() and path.stat().st_ctime_ns >= since and not _whole(path.read_bytes()):
            path.unlink(missing_ok=True)


def _whole(program: bytes) -> bool:
    """Whether the bytes agree with the checksum at their end; true for a compression that has none."""
    try:
        return program.startswith(ZSTANDARD) or bool(zlib.decompress(program))
    except zlib.error:
        return False


def remove_oldest(folder: Path, limit: int) -> None:
    """Remove the programs that were used longest ago, until the others take at most `limit` bytes; no other files."""
    files = [(path, path.stat()) for path in folder.glob("*/*-cache")]
    excess = sum(status.st_size for _, status in files) - limit
    for path, status in sorted(files, key=lambda file: max(file[1].st_atime, file[1].st_mtime)):
        if excess <= 0:
            return
        path.unlink(missing_ok=True)  # another process may have removed it
        excess -= status.st_size


def _processor() -> str:
    """A name for the kind of this processor: machine code is not for every other."""
    kind = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    for field in ("model name", "flags", "Features"):
        kind += next((line for line in lines if line.startswith(field)), "")
    return f"{platform.machine()}-{hashlib.sha256(kind.encode()).hexdigest()[:16]}"
