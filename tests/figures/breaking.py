"""Replacements for building figures in worker processes, for tests: fail, die, kill, or start no process.

This module does without the type checks of `makers`, which double the time that a process needs to start.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import wraps
from pathlib import Path
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
    if order.entry.name == "control":
        os.kill(os.getpid(), signal.SIGKILL)
    from overtraining.figures.catalogue import olmo1b_fine_tuning

    olmo1b_fine_tuning.draw = lambda data: 1 / 0
    return make_figure(order)


def killing(order: Order) -> Any:
    """Build a figure and record its measurements; the third one kills the driver, and with it this process."""
    from overtraining.experiments import memoized

    before, unchanged = order.out / "measured", memoized.memoized_call

    def once(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        if before.exists() and len(before.read_text().splitlines()) == 2:
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()
        return unchanged(told(function, before), *given, **named)

    memoized.memoized_call = once
    return make_figure(order)


def told(function: Callable[..., Any], where: Path) -> Callable[..., Any]:
    """The function, which writes into a file a line for every call."""

    @wraps(function)
    def writes(*given: Any, **named: Any) -> Any:
        with where.open("a") as file:
            file.write(f"{given} {named}\n")
        return function(*given, **named)

    return writes
