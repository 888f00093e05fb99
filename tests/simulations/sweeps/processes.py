"""Finding, waiting for and killing the processes of a running sweep."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

PATIENCE = 300.0  # on a machine that does ten other things


def until(true: Callable[[], Any], what: str, driver: "subprocess.Popen[str]") -> Any:
    """What `true` gives once it is something; fails loudly when it never is, or when the sweep has ended before."""
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert driver.poll() is None, f"the sweep ended before {what}: {driver.communicate()}"
        if time.monotonic() > end:
            driver.kill()
            raise AssertionError(f"{what} did not happen within {PATIENCE:g} s: {driver.communicate()}")
        time.sleep(0.01)
    return found


def workers_of(driver: int) -> list[int]:
    """Ids of the worker processes of a driver (Linux)."""
    found = []
    for children in Path(f"/proc/{driver}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            try:
                if b"worker_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
            except OSError:  # gone meanwhile
                continue
    return found


def kill(process: int) -> None:
    """SIGKILL, to a process that may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
