"""Replacements for building figures in worker processes, for tests: fail, die, or start no process.

This module does without the type checks of `makers`, which double the time that a process needs to start.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

from overtraining.figures.figure_worker import Order, make_figure


class Alone(nullcontext[Any]):
    """WorkerProcesses without processes."""

    def __init__(self, function: Callable[[Any], Any], workers: int, without: Sequence[str]) -> None:
        super().__init__(self)
        self.function = function

    def answers(self, take: Callable[[], Any]) -> Iterator[tuple[Any, Any]]:
        while (job := take()) is not None:
            yield job, self.function(job)


def failing(order: Order) -> Any:
    """Build a figure, but with an error in one figure, and with one that kills its process."""
    from overtraining.figures.catalogue import olmo1b_fine_tuning

    olmo1b_fine_tuning.draw = lambda data: 1 / 0
    if order.entry.name == "control":
        os.kill(os.getpid(), signal.SIGKILL)
    return make_figure(order)
