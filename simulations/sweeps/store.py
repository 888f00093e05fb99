"""The store: a folder with a recipe, one small file per chunk, and in the end one result."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from overtraining.runtime.atomic_files import TEMPORARY, sha256, write_bytes, write_text
from overtraining.setting.errors import Refusal
from overtraining.simulations.sweeps.chunk_format import SUFFIX, Damaged, chunk_number, decode, encode, file_name
from overtraining.simulations.sweeps.recipe import differences, fingerprint
from overtraining.simulations.sweeps.worker import ChunkOutcome

RECIPE, LOCK, CHUNKS, RESULT, SUM = "recipe.json", "lock", "chunks", "result.nc", "result.nc.sha256"


class StoreRefused(Refusal):
    """A folder in which a sweep cannot go on."""


class Store:
    """The chunks of one recipe in a folder; made by `open_store`."""

    def __init__(self, folder: Path, recipe: str) -> None:
        self.folder, self.recipe = folder, recipe
        self.result = folder / RESULT
        self._mark = fingerprint(recipe)
        self._paths = chunk_paths(folder)  # read once: nobody else writes while we hold the lock

    def missing(self, chunks: int, size: Callable[[int], int], report: Callable[[str], None]) -> dict[int, int]:
        """Chunks of which some cells are missing or have crashed, each with how many, of so many chunks of these sizes.

        Damaged files are reported and removed.
        """
        counts = {chunk: self._missing(chunk, size(chunk), report) for chunk in range(chunks)}
        return {chunk: count for chunk, count in counts.items() if count}

    def read(self, chunk: int) -> ChunkOutcome:
        """The outcome of a chunk that is there. Raises Damaged if its file is not what was written."""
        return decode(self._paths[chunk][0], self._mark)

    def kept(self, chunk: int) -> ChunkOutcome:
        """The outcome of those cells of a chunk that are there and have not crashed."""
        return self.read(chunk)._replace(crashed={}) if chunk in self._paths else ChunkOutcome()

    def write(self, chunk: int, outcome: ChunkOutcome) -> None:
        """Write the finished cells of a chunk, all or none, in place of its older file; on disk when this returns."""
        content = encode(outcome, self._mark, chunk)
        path = self.folder / CHUNKS / file_name(chunk, content)
        write_bytes(path, content)
        self._keep(chunk, path)

    def seal(self) -> None:
        """Write the checksum of the result beside it, as `sha256sum -c` reads it."""
        write_text(self.folder / SUM, f"{sha256(self.result)}  {RESULT}\n")

    def unseal(self) -> None:
        """Remove the checksum, before another result is written."""
        (self.folder / SUM).unlink(missing_ok=True)

    def sealed(self, report: Callable[[str], None]) -> bool:
        """Whether the result is there, whole; a damaged one is reported and removed."""
        if not (self.result.exists() and (self.folder / SUM).exists()):
            return False
        if has_stated_checksum(self.result):
            return True
        report(f"{self.result}: its checksum is not the one in {SUM}, one of them is damaged. It is made again.")
        self.unseal()
        self.result.unlink()
        return False

    def clear(self) -> None:
        """Remove the chunks: the result has all that they had."""
        for chunk in list(self._paths):
            for path in self._paths.pop(chunk):
                path.unlink()

    def _missing(self, chunk: int, size: int, report: Callable[[str], None]) -> int:
        whole: list[tuple[int, Path]] = []
        for path in self._paths.get(chunk, []):
            try:
                outcome = decode(path, self._mark)
                whole.append((size - len(outcome.done) - len(outcome.refused), path))
            except Damaged as damaged:
                path.unlink()
                report(str(damaged))
        if not whole:
            self._paths.pop(chunk, None)
            return size
        count, path = min(whole)  # a kill can leave an older file, of fewer cells, beside a better one
        self._paths[chunk] = [p for _, p in whole]
        self._keep(chunk, path)
        return count

    def _keep(self, chunk: int, path: Path) -> None:
        for other in self._paths.get(chunk, []):
            if other != path:
                other.unlink()
        self._paths[chunk] = [path]


def own_folder(stores: Path, recipe: str) -> Path:
    """The folder below `stores` that is named by its recipe, so that it can hold no other."""
    return stores / fingerprint(recipe)[:16]


def has_stated_checksum(result: Path) -> bool:
    """Whether the file has the checksum that is stated beside it."""
    stated = result.with_name(SUM).read_text(encoding="utf-8", errors="replace")
    return stated.split(" ")[0] == sha256(result)


def chunk_paths(folder: Path) -> dict[int, list[Path]]:
    """The files of every chunk that has one, unread."""
    by_chunk: dict[int, list[Path]] = {}
    for path in sorted((folder / CHUNKS).glob(f"[0-9]*{SUFFIX}")):
        if (chunk := chunk_number(path)) is not None:
            by_chunk.setdefault(chunk, []).append(path)
    return by_chunk


@contextmanager
def refuse_disk_errors(folder: Path) -> Iterator[None]:
    """Errors of the disk become a StoreRefused that names the file or the folder."""
    try:
        yield
    except OSError as error:
        raise StoreRefused(
            str(error.filename or folder),
            error.strerror or str(error),
            "put that right and run the same command again; what is finished is kept",
        ) from error


@contextmanager
def open_store(folder: Path, recipe: str, report: Callable[[str], None] = lambda line: None) -> Iterator[Store]:
    """The store of this recipe in a folder, created if there is none; locked against other processes.

    report: called with a line if the recipe in the recipe's own folder is damaged; it is written again.
    Raises StoreRefused for a folder with other content, with the store of another recipe, or in which another process
    is at work; OSError where it cannot be written.
    """
    _refuse_other_content(folder)
    (folder / CHUNKS).mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=1)  # a look at the status holds it for a moment
    try:
        with lock:
            _match_recipe(folder, recipe, report)
            for unfinished in [*folder.glob(f"{TEMPORARY}*"), *(folder / CHUNKS).glob(f"{TEMPORARY}*")]:
                unfinished.unlink()
            yield Store(folder, recipe)
    except Timeout:
        raise StoreRefused(
            str(folder), "another process is at work in it", "wait for it, or choose another --out"
        ) from None


def _refuse_other_content(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise StoreRefused(str(folder), "it is a file", "choose a folder as --out")
    if folder.is_dir() and not (folder / CHUNKS).is_dir() and any(folder.iterdir()):
        raise StoreRefused(str(folder), "it holds other files and no sweep", "choose a new or an empty folder")


def _match_recipe(folder: Path, recipe: str, report: Callable[[str], None]) -> None:
    path = folder / RECIPE
    own = folder == own_folder(folder.parent, recipe)
    if own and path.is_file():
        if path.read_bytes() != recipe.encode():
            report(f"{path}: it is not the recipe that its folder is named by, it is damaged. It is written again.")
            write_text(path, recipe)
    elif path.exists():
        try:
            different = differences(path.read_text(encoding="utf-8"), recipe)
        except ValueError:
            raise StoreRefused(
                str(path), "it is damaged", f"restore it, delete {folder}, or start in another folder"
            ) from None
        if different:
            raise StoreRefused(
                f"the store in {folder}",
                f"it was made from another recipe ({'; '.join(different)})",
                "choose another --out, or go back to that recipe",
            )
    elif not own and (chunk_paths(folder) or (folder / RESULT).exists()):
        raise StoreRefused(
            f"the store in {folder}", f"its {RECIPE} is gone", "restore it, delete the folder, or start in another"
        )
    else:
        write_text(path, recipe)
