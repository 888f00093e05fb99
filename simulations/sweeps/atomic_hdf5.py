"""A file for HDF5 that takes a full disk calmly."""

import io
from pathlib import Path
from types import TracebackType


class DeferredErrorFile(io.FileIO):
    """A new file, readable and writable, that keeps the first error of writing and pretends that all is well.

    HDF5 cannot be told that a disk is full: its close fails half-way, and the process ends in a segmentation fault. So
    it is left to finish, for nothing, and the error is raised here, when the file is closed or `check` is called.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._path = path
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise what went wrong, if something did."""
        if self._error is not None:
            raise OSError(self._error.errno, self._error.strerror, str(self._path)) from self._error

    def write(self, data) -> int:  # type: ignore[no-untyped-def]
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while len(rest) and self._error is None:
                rest = rest[super().write(rest) :]  # a full disk takes a part first, and refuses the next
        except OSError as error:
            self._error = error
        return size

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        view = memoryview(buffer).cast("B")
        there = super().readinto(view) or 0
        view[there:] = bytes(len(view) - there)  # what was to be written and is not
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        if error is None:
            self.check()
