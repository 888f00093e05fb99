"""Build figures in parallel, and write each into the manifest as soon as it is finished."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from overtraining.figures.figure_worker import STORES, Failed, Order, make_figure
from overtraining.figures.manifest import write_row
from overtraining.runtime.atomic_files import TEMPORARY
from overtraining.runtime.worker_processes import UNUSED, WorkerProcesses
from overtraining.setting.domain import whole
from overtraining.setting.errors import Refusal

LOCK = ".lock"


class NotBuilt(Refusal):
    """Figures could not be built, or not in this folder."""


def build_orders(orders: Sequence[Order], out: Path, workers: int, report: Callable[[str], None]) -> None:
    """Build all orders in so many processes, and write the row of each into the manifest.

    Raises NotBuilt if figures failed, after the others are built, or if another process is building in `out`.
    """
    failed: dict[str, str] = {}
    waiting = iter(orders)
    crew = WorkerProcesses(make_figure, min(whole("workers", workers), len(orders)), UNUSED)
    # disable=None: no bar if the output is not a terminal; delay: no bar for work that takes less than a second
    with _alone(out), tqdm(total=len(orders), unit="figure", disable=None, delay=1) as bar, crew:
        for order, answer in crew.answers(lambda: next(waiting, None)):
            name = order.entry.name
            if isinstance(answer, dict):
                write_row(out, name, answer)
                report(f"{name}: built")
            else:  # Failed, WorkerDied, or the error that kept the order from reaching its worker
                failed[name] = getattr(answer, "why", str(answer))
                if isinstance(answer, Failed) and answer.row:
                    write_row(out, name, answer.row)
                report(f"{name}: failed: {failed[name]}")
            bar.update()
    if failed:
        raise NotBuilt(
            f"{len(failed)} of {len(orders)} figures ({', '.join(failed)})",
            "each failed for the reason above",
            "mend it and run the same command again; the other figures are built",
        )


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other processes from building in this folder, since two would write one manifest; and clean up."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / LOCK, timeout=0):
            _clean(out)  # after a build that was killed
            try:
                yield
            finally:
                _clean(out)  # after this one was stopped, and its workers killed
            with suppress(OSError):  # not empty: it holds the measurements of figures that failed
                (out / STORES).rmdir()
    except Timeout:
        raise NotBuilt(str(out), "another process is building in it", "wait for it, or choose another --out") from None


def _clean(out: Path) -> None:
    for leftover in out.rglob(f"{TEMPORARY}*"):
        leftover.unlink(missing_ok=True)
