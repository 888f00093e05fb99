"""HDF5 files that are written whole or not at all; a full disk is an error and not a crash of the process."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import h5netcdf

from overtraining.runtime.atomic_files import atomic_write


@contextmanager
def atomic_hdf5_file(path: Path) -> Iterator[tuple[h5netcdf.File, Callable[[], None]]]:
    """A new HDF5 file that takes the place of `path` once it is complete and on disk.

    The second result raises the OSError of a write that failed, if there is one; so does leaving the context.
    """
    with (
        atomic_write(path) as temporary,
        DeferredErrorFile(temporary) as disk_file,
        h5netcdf.File(disk_file, "w") as hdf5_file,
    ):
        yield hdf5_file, disk_file.check


class DeferredErrorFile(io.FileIO):
    """A new file, readable and writable, that keeps the first error of writing for later.

    HDF5 cannot handle a full disk: its close fails half-way, and the process ends in a segmentation fault. So HDF5 is
    told that every write succeeded, and the error is raised here, when `check` is called or the file is closed.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._path = path
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error of writing, if there is one."""
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
        count = super().readinto(view) or 0
        view[count:] = bytes(len(view) - count)  # what was to be written and is not
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
