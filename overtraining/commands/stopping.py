"""Stop on Ctrl-C or SIGTERM with a sentence and the exit code that shells use, without a traceback."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer


@contextmanager
def goes_on(out: Path) -> Iterator[None]:
    """For a command that keeps finished work in `out`, and continues when it is run again."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    except KeyboardInterrupt as stop:
        typer.echo(
            f"\novertraining: stopped; {out} keeps what is finished, and the same command continues from it", err=True
        )
        raise SystemExit(128 + (stop.args or (signal.SIGINT,))[0]) from None  # as shells report a signal


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)
