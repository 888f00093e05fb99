"""What the tests of building let processes do instead of `figures.making.make`: check types too, fail, die, kill."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from jaxtyping import install_import_hook

if multiprocessing.parent_process() is not None:  # a process that makes figures is as strict as the tests themselves
    install_import_hook(("theory", "simulations", "figures"), "beartype.beartype")
    os.environ |= {"JAX_NUMPY_RANK_PROMOTION": "raise", "JAX_NUMPY_DTYPE_PROMOTION": "strict"}

from figures.making import Order, make
from simulations.sweeps import kept

RUN = kept.run


def strict(order: Order) -> Any:
    return make(order)


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
