"""Ctrl-C, and the SIGTERM of a batch system before it kills: a sentence and a shell's exit code, no traceback."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer


@contextmanager
def goes_on(out: Path) -> Iterator[None]:
    """For a command that keeps in `out` what is finished."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    except KeyboardInterrupt as stop:
        typer.echo(f"\novertraining: stopped; {out} keeps what is finished, the same command goes on from it", err=True)
        raise SystemExit(128 + (stop.args or (signal.SIGINT,))[0]) from None  # as shells report a signal


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)
