"""`overtraining figures`: build the figures of the catalogue, as they are or with parameters of one's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from overtraining.commands.stopping import goes_on
from overtraining.commands.worker_number import WorkerNumber


def figures(
    names: Annotated[list[str] | None, typer.Argument(help="Figures to build. Default: all.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the figures with their claims and stop.")] = False,
    show: Annotated[
        str | None, typer.Option(metavar="NAME", help="List what can be set in a figure, with defaults, and stop.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Another value, such as teacher.alpha=2; may be repeated."),
    ] = None,
    title: Annotated[str, typer.Option(help="A title above the figure.")] = "",
    size: Annotated[str | None, typer.Option(metavar="WIDTHxHEIGHT", help="Size in inches, such as 7x3.")] = None,
    style: Annotated[Path | None, typer.Option(help="A Matplotlib style file.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to.", show_default="build/figures; changed: build/own-figures")
    ] = None,
    formats: Annotated[str, typer.Option(help="Comma-separated: pdf, svg, png.")] = "pdf,svg,png",
    preset: Annotated[
        str, typer.Option(help="paper (columns of 3.25 in) or slides (larger type and lines).")
    ] = "paper",
    workers: WorkerNumber = 2,
) -> None:
    """Build figures with their data, captions and a manifest. A figure that has not changed is not built again.

    What is set by --set, --title, --size or --style gives a figure with files of its own.
    """
    if listing:
        from overtraining.figures.catalogue import CATALOGUE

        for entry in CATALOGUE:
            typer.echo(f"{entry.name:28}{', '.join(entry.claims):12} {entry.title}")
        return
    if show is not None:
        for line in _shown(show):
            typer.echo(line)
        return
    from tqdm import tqdm

    chosen = [f.strip() for f in formats.split(",") if f.strip()]
    options: dict[str, Any] = {
        "formats": chosen,
        "preset": preset,
        "report": tqdm.write,
        "workers": workers,
    }  # print breaks the bar
    if settings or title or size or style:
        from overtraining.figures.changed_figure import OWN, build_changed, read_style
        from overtraining.figures.presets import Look, parse_size
        from overtraining.figures.settings import parse_settings

        look = Look(title, parse_size(size) if size else None, read_style(style or ""))
        folder, changes = out or OWN, parse_settings(settings or ())
        with goes_on(folder):
            build_changed(names or (), changes, look, folder, **options)
    else:
        from overtraining.figures.build_catalogue import build

        folder = out or Path("build/figures")
        with goes_on(folder):
            build(names or (), folder, **options)
    typer.echo(f"in {folder}")


def _shown(name: str) -> Iterator[str]:
    """What can be set in a figure, and then what cannot, and why."""
    from overtraining.figures.build_catalogue import choose
    from overtraining.figures.settings import settings_of, short

    (entry,) = choose([name])
    known = [one for one in settings_of(entry.recipes()).values() if not one.has_parts]
    if not known:
        yield f"{entry.name}: its data come from no protocol; only title, size and style can be set"
    for one in (one for one in known if not one.why_not):
        unit = f"  ({one.unit})" if one.unit else ""
        yield f"{one.path:32}{' | '.join(map(short, one.values))}{unit}"
    if fixed := [one for one in known if one.why_not]:
        yield "cannot be set:"
        for one in fixed:
            yield f"{one.path:32}{one.why_not}"
