"""Disks that are full, read-only or owned by somebody else: an error message, exit code 2, and no damage."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from overtraining.runtime.atomic_files import TEMPORARY
from tests.simulations.sweeps.conftest import Start, chunk_files, digest


def mounted(*options: str) -> None:
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this user may not mount a small filesystem ({done.stderr.strip()})")


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A filesystem in memory that is really full at its size."""
    folder.mkdir()
    mounted("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def refused(start: Start, *arguments: object, says: str, **options: object) -> None:
    driver = start(*arguments, **options)
    said, problems = driver.communicate()
    assert driver.returncode == 2, problems
    assert says in problems
    assert "Traceback" not in problems
    assert "the same command" in problems
    assert "cells in" not in said


@pytest.mark.parametrize(("size", "chunks"), [("48k", range(1, 15)), ("76k", [16])], ids=["chunks", "result"])
def test_a_full_disk(
    spec: Path, tmp_path: Path, start: Start, undisturbed: str, size: str, chunks: range | list[int]
) -> None:
    """Full while chunks are stored, and full while the result is written; with more room the command goes on."""
    with small_disk(tmp_path / "disk", size) as disk:
        refused(start, spec, "--out", disk / "store", says="No space left on device")
        kept = chunk_files(disk / "store")
        assert len(kept) in chunks
        assert not list(disk.rglob(f"{TEMPORARY}*"))
        assert not (disk / "store/result.nc").exists()
        mounted("-o", "remount,size=8m", str(disk))
        driver = start(spec, "--out", disk / "store")
        _, problems = driver.communicate()
        assert driver.returncode == 0, problems
        assert "damaged" not in problems
        assert digest(disk / "store/result.nc") == undisturbed


def test_a_read_only_disk(spec: Path, tmp_path: Path, start: Start) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        mounted("-o", "remount,ro", str(disk))
        refused(start, spec, "--out", disk / "store", says="Read-only file system")


def test_no_permission(tmp_path: Path, spec: Path, start: Start) -> None:
    """Root is made to obey the permissions of files like everybody else."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    obedient = ("setpriv", "--bounding-set", "-dac_override") if os.geteuid() == 0 else ()
    refused(start, spec, "--out", closed / "store", says="Permission denied", prefix=obedient)
    assert not list(closed.iterdir())
