"""`overtraining demo`: open the lessons in a browser."""

import os
from typing import Annotated

import typer

from overtraining.commands.stopping import keeps


def demo(
    lesson: Annotated[
        str | None, typer.Argument(help="Name or number of a lesson. Default: the list of lessons.")
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the lessons and stop.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 chooses a free one.")] = 0,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser window.")] = True,
) -> None:
    """Open the lessons in a browser, for a class or for yourself. Ctrl-C ends them. Nothing leaves this machine."""
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # before NumPy is imported: on small matrices several threads are slower
    from overtraining.demos.lessons import LESSONS, find

    if listing:
        for row in LESSONS:
            typer.echo(f"{row.number}  {row.name:12}{row.claims:14} {row.minutes:3} min  {row.title}")
        return
    chosen = None if lesson is None else find(lesson)
    try:
        from overtraining.demos.lessons.serve import serve
    except ModuleNotFoundError as missing:
        from overtraining.setting.errors import Refusal

        remedy = "run `make demo`, or install the extra: pip install 'overtraining[demo]'"
        raise Refusal("the lessons", f"{missing.name} is not installed", remedy) from None
    with keeps("the lessons have stored nothing"):
        serve(chosen, port, show, typer.echo)
