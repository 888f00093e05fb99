"""`overtraining page`: write the interactive page, one HTML file."""

from pathlib import Path
from typing import Annotated

import typer


def page(out: Annotated[Path, typer.Option(help="File to write.")] = Path("build/overtraining.html")) -> None:
    """Write an interactive page of the theory: one HTML file, which any browser opens without a network."""
    from overtraining.demos.page import write_page

    path = write_page(out)
    typer.echo(f"{path}, {path.stat().st_size / 1000:.0f} kB; open it in a browser")
