"""What tests of building do instead of making figures in processes: fail, die, or start none.

Without the type checks of `makers`, which double the time that a process needs to start.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

from overtraining.figures.build_figure import Order, make_figure


class Alone(nullcontext[Any]):
    """WorkerProcesses without processes."""

    def __init__(self, function: Callable[[Any], Any], workers: int) -> None:
        super().__init__(self)
        self.function = function

    def answers(self, take: Callable[[], Any]) -> Iterator[tuple[Any, Any]]:
        while (job := take()) is not None:
            yield job, self.function(job)


def failing(order: Order) -> Any:
    """One figure has a mistake in it, another takes its process down."""
    from overtraining.figures.catalogue import olmo1b_fine_tuning

    olmo1b_fine_tuning.draw = lambda data: 1 / 0
    if order.entry.name == "control":
        os.kill(os.getpid(), signal.SIGKILL)
    return make_figure(order)
