"""`overtraining figures`: build the figures of the catalogue."""

from pathlib import Path
from typing import Annotated

import typer

from overtraining.commands.stopping import goes_on


def figures(
    names: Annotated[list[str] | None, typer.Argument(help="Figures to build. Default: all.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the figures with their claims and stop.")] = False,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("build/figures"),
    formats: Annotated[str, typer.Option(help="Comma-separated: pdf, svg, png.")] = "pdf,svg,png",
    preset: Annotated[
        str, typer.Option(help="paper (columns of 3.25 in) or slides (larger type and lines).")
    ] = "paper",
    workers: Annotated[int, typer.Option(min=1, help="Number of worker processes.")] = 2,
) -> None:
    """Build figures with their data, captions and a manifest. A figure that has not changed is not built again."""
    if listing:
        from overtraining.figures.catalogue import CATALOGUE

        for entry in CATALOGUE:
            typer.echo(f"{entry.name:28}{', '.join(entry.claims):12} {entry.title}")
        return
    from tqdm import tqdm

    from overtraining.figures.build_catalogue import build

    chosen = [f.strip() for f in formats.split(",") if f.strip()]
    with goes_on(out):
        # tqdm.write: an ordinary print would break the progress bar
        build(names or (), out, chosen, preset, report=tqdm.write, workers=workers)  # type: ignore[arg-type]
    typer.echo(f"in {out}")
