"""Jobs for worker processes that never end by themselves, and one that takes as long as it is told."""

import ctypes
import os
import signal
import time
from pathlib import Path


def last(seconds: float) -> float:
    """Take so many seconds."""
    time.sleep(seconds)
    return seconds


def hold_the_interpreter(place: Path) -> None:
    """Write the number of this process, and keep all its other threads from running, as some libraries do."""
    _tell(place)
    ctypes.PyDLL(None).sleep(60)


def ignore_the_system(place: Path) -> None:
    """Write the number of this process, and ignore the signal by which Linux ends it."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    _tell(place)
    time.sleep(60)


def _tell(place: Path) -> None:
    place.with_suffix(".part").write_text(str(os.getpid()))
    place.with_suffix(".part").rename(place)
