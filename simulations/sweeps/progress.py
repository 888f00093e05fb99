"""Progress of a sweep: cells done, rate, time left; one line that is updated, or single lines on a dumb terminal."""

import os
import shutil
import sys
from time import monotonic
from typing import TextIO

from tqdm import tqdm

PLAIN = "{n_fmt} of {total_fmt} cells done"
RATED = PLAIN + ", {rate_noinv_fmt}, {remaining} left"


class Progress:
    """Shows how much is done when it is called, but not more often than `often` seconds.

    Times are monotonic: a clock that is set while a sweep runs changes neither the rate nor the time left.
    """

    def __init__(self, stream: TextIO | None = None, often: float | None = None) -> None:
        self._stream = stream or sys.stderr
        self._renews = self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._often = often if often is not None else 0.1 if self._renews else 30.0
        self._began: float | None = None
        self._open = False

    def __call__(self, done: int, cells: int) -> None:
        """Show that so many cells are done. The rate counts cells done since the first call."""
        now = monotonic()
        if self._began is None:
            self._began, self._first, self._last = now, done, now - self._often
        if now - self._last >= self._often or done == cells:
            self._last = now
            self._show(done, cells, now - self._began)

    def line(self, text: str) -> None:
        """Show another text, on a line of its own."""
        self.close()
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def close(self) -> None:
        """End the line that is shown."""
        if self._open:
            self._stream.write("\n")
            self._open = False

    def _show(self, done: int, cells: int, elapsed: float) -> None:
        # tqdm's own loop reads the wall clock; its way of writing does not
        width = shutil.get_terminal_size().columns - 1
        form = {"ncols": width} if self._renews else {"bar_format": RATED if done > self._first else PLAIN}
        text = tqdm.format_meter(done, cells, elapsed, unit=" cells", initial=self._first, **form)
        self._stream.write(f"\r{text}" if self._renews else f"{text}\n")
        self._stream.flush()
        self._open = self._renews
