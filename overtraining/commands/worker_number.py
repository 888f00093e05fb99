"""The option for a number of worker processes, which every command checks in the same way."""

import os
from typing import Annotated

import typer

EACH = 4
"""Workers for each processor, beyond which they only take memory."""


def check_workers(param: typer.CallbackParam, number: int) -> int:
    """The number, if it is at least 1 and at most EACH for every processor; else a DomainError that names these."""
    from overtraining.setting.errors import DomainError

    most = EACH * (processors := _processors())
    if not 1 <= number <= most:
        has = f"this process may use {processors} processor{'s' if processors > 1 else ''}"
        raise DomainError(f"--{param.name} {number}", has, f"pass a number from 1 to {most}, such as {processors}")
    return number


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


WorkerNumber = Annotated[int, typer.Option(help="Number of worker processes.", callback=check_workers)]
