"""Progress of a sweep: cells done and time left; one line that is updated, or single lines on a dumb terminal."""

import os
import shutil
import sys
from time import monotonic
from typing import TextIO

from tqdm import tqdm

PLAIN = "{n_fmt} of {total_fmt} cells done"
BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} cells"
LEFT = ", {remaining} left"


class Progress:
    """Shows how much is done when it is called, but not more often than `often` seconds."""

    def __init__(self, stream: TextIO | None = None, often: float | None = None) -> None:
        self._stream = stream or sys.stderr
        self._renews = self._stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._often = often if often is not None else 0.1 if self._renews else 30.0
        self._last: float | None = None
        self._open = False

    def __call__(self, done: int, cells: int, left: float | None = None) -> None:
        """Show that so many cells are done, and how many seconds are left, if that is known."""
        now = monotonic()
        if self._last is None or now - self._last >= self._often or done == cells:
            self._last = now
            self._show(done, cells, left)

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

    def _show(self, done: int, cells: int, left: float | None) -> None:
        # tqdm's own loop reads the wall clock; its way of writing does not
        form = (BAR if self._renews else PLAIN) + (LEFT if left is not None and done < cells else "")
        rate = (cells - done) / left if left else None
        width = shutil.get_terminal_size().columns - 1 if self._renews else None
        text = tqdm.format_meter(done, cells, 0.0, ncols=width, rate=rate, bar_format=form)
        self._stream.write(f"\r{text}" if self._renews else f"{text}\n")
        self._stream.flush()
        self._open = self._renews
