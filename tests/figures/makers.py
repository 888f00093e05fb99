"""What the tests of building let processes do instead of `figures.making.make`: fail, die, kill, or start none."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from figures.making import Order, make
from simulations.sweeps import kept

RUN = kept.run


class Alone(nullcontext[Any]):
    """A Crew without processes."""

    def __init__(self, function: Callable[[Any], Any], workers: int) -> None:
        super().__init__(self)
        self.function = function

    def answers(self, take: Callable[[], Any]) -> Iterator[tuple[Any, Any]]:
        while (job := take()) is not None:
            yield job, self.function(job)


def failing(order: Order) -> Any:
    """One figure has a mistake in it, another takes its process down."""
    from figures.catalogue import olmo1b_fine_tuning

    olmo1b_fine_tuning.draw = lambda data: 1 / 0
    if order.entry.name == "control":
        os.kill(os.getpid(), signal.SIGKILL)
    return make(order)


def telling(order: Order) -> Any:
    """Writes into `out/measured` which cells' folders are worked in."""

    def run(sweep: Any, folder: Path, workers: Any) -> Any:
        def crew() -> Any:
            with (order.out / "measured").open("a") as file:
                file.write(f"{folder.name}\n")
            return workers()

        return RUN(sweep, folder, crew)

    kept.run = run
    return make(order)


def killing(order: Order) -> Any:
    """Kills the process that ordered it, and so itself, when the second cell is begun."""

    def run(sweep: Any, folder: Path, workers: Any) -> Any:
        if list(folder.parent.glob("*/result.nc.sha256")):
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()
        return RUN(sweep, folder, workers)

    kept.run = run
    return make(order)
