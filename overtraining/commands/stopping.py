"""Ctrl-C and SIGTERM: every command stops within two seconds, and says in one sentence what is kept.

The signal raises Stopped in the main thread, so that worker processes are ended and unfinished files removed on the way
out. It waits for the end of an import: what stops some libraries half-way becomes another error. Python discards an
exception that is raised in a callback of a library, as JAX's at a collection of garbage: it is then raised again. What
does not stop, or is told a second time, is ended where it is; that loses no more than SIGKILL.
"""

import _thread
import atexit
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

PATIENCE = 1.5
"""Seconds after which a command that has not stopped is ended where it is."""

SOON = 0.01
"""Seconds until the exception is raised again that was discarded, or could not be raised yet."""

ONE_SIGNAL = 0.3
"""Seconds in which further signals count as the same one: a terminal and `timeout` may both send it."""


class Stopped(BaseException):
    """A command was told to stop. No Exception and no KeyboardInterrupt, which libraries catch."""


class _Stop:
    """What is known of the signal: its number, when it came, and the sentence; there is one for a process."""

    number = 0
    came = 0.0
    kept = "files that are complete are kept, and nothing else"
    sentence = ""


@contextmanager
def keeps(what: str) -> Iterator[None]:
    """If the command is stopped inside, the sentence says `what` is kept, and not that only complete files are."""
    before, _Stop.kept = _Stop.kept, what
    try:
        yield
    finally:
        _Stop.kept = before


def goes_on(out: Path) -> AbstractContextManager[None]:
    """For a command that keeps finished work in `out`, and continues when it is run again."""
    return keeps(f"{out} keeps what is finished, and the same command continues from it")


@contextmanager
def stoppable() -> Iterator[None]:
    """For the command line as a whole, in the main thread; ends the process if a signal comes inside."""
    others = sys.unraisablehook

    def raise_again(discarded: "sys.UnraisableHookArgs") -> None:
        if discarded.exc_type is Stopped:
            signal.setitimer(signal.ITIMER_REAL, SOON)  # when the callback is over
        else:
            others(discarded)

    listened = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
    sys.unraisablehook = raise_again
    signal.signal(signal.SIGALRM, _raise)
    for number in listened:
        signal.signal(number, _first)
    try:
        try:
            yield
        finally:
            for number in listened:
                signal.signal(number, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException:
        if not _Stop.number:  # what comes after a signal is the stop, or what a library made of it
            raise
    if _Stop.number:
        with suppress(OSError):  # nobody reads it any more
            sys.stdout.flush()
        atexit._run_exitfuncs()  # which remove a semaphore of tqdm's, for instance; all the rest takes seconds
        _end()


def _first(number: int, frame: FrameType | None) -> None:
    if not _Stop.number:
        _Stop.number, _Stop.came, _Stop.sentence = number, time.monotonic(), f"overtraining: stopped; {_Stop.kept}\n"
        _thread.start_new_thread(_end_late, ())  # not threading, one of whose locks may be held at this moment
        _raise(number, frame)
    elif time.monotonic() - _Stop.came > ONE_SIGNAL:
        _end()


def _raise(number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.setitimer(signal.ITIMER_REAL, SOON)
            return
        frame = frame.f_back
    raise Stopped


def _end_late() -> None:
    time.sleep(PATIENCE)
    _end()


def _end() -> None:
    _say()
    os._exit(128 + _Stop.number)  # as shells report a signal


def _say() -> None:
    """Write the sentence, once; not by `print`, which may be what was interrupted."""
    sentence, _Stop.sentence = _Stop.sentence, ""
    with suppress(OSError):
        os.write(2, ("\n" * os.isatty(2) + sentence).encode() if sentence else b"")
