"""`overtraining sweep`: run grids of protocols that continue after being killed."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from overtraining.commands.stopping import goes_on
from overtraining.commands.worker_number import WorkerNumber

SHOWN = 20
"""How many failed cells are named on the terminal; the result names all."""


def sweep(
    spec: Annotated[
        str | None, typer.Argument(metavar="[SPEC.toml|NAME]", help="A TOML file, or the name of a shipped sweep.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the results; finished cells are not computed again.")
    ] = None,
    workers: WorkerNumber = 1,
    scheduler: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Run on this Dask scheduler.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print cells, time and memory, and stop.")] = False,
    measure: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="A Measure of your own that the file names: its module is executed."),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the shipped sweeps and stop.")] = False,
    show: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Print the TOML file of a shipped sweep, to start your own from, and stop."),
    ] = None,
    status: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Print how much of the sweep in DIR is finished.")
    ] = None,
) -> None:
    """Run a grid of protocols; if it is killed, the same command continues. Exit code 1 if cells failed."""
    if listing:
        from overtraining.simulations.sweeps.spec import find_sweep, shipped_sweeps

        for name in shipped_sweeps():
            typer.echo(f"{name:28}{find_sweep(name).cells:>7,} cells  {find_sweep(name).title}")
    elif show is not None:
        from overtraining.simulations.sweeps.spec import shipped_sweep

        typer.echo(shipped_sweep(show).read_text(encoding="utf-8"), nl=False)
    elif status is not None:
        from overtraining.figures.plain_text import printable
        from overtraining.simulations.sweeps.status import status_lines

        typer.echo("\n".join(map(printable, status_lines(status, measure))))
    elif spec is None:
        raise typer.BadParameter("name a sweep, or pass --list, --show or --status", param_hint="SPEC")
    elif dry_run:
        from overtraining.simulations.sweeps.preview import preview_lines
        from overtraining.simulations.sweeps.spec import find_sweep

        typer.echo("\n".join(preview_lines(find_sweep(spec, measure), workers)))
    elif scheduler is not None and workers > 1:
        raise typer.BadParameter("a scheduler has its own workers", param_hint="--workers with --scheduler")
    elif out is None:
        raise typer.BadParameter("name a folder for the results", param_hint="--out")
    else:
        _run(spec, measure, out, workers, scheduler)


def _run(spec: str, measure: str | None, out: Path, workers: int, scheduler: str | None) -> None:
    with goes_on(out):
        failed = _finish(spec, measure, out, workers, scheduler)
    if failed:
        raise typer.Exit(1)


def _finish(spec: str, measure: str | None, out: Path, workers: int, scheduler: str | None) -> int:
    """Run to the end; how many cells failed."""
    from overtraining.simulations.sweeps.cluster import Cluster
    from overtraining.simulations.sweeps.local_workers import LocalWorkers
    from overtraining.simulations.sweeps.preview import outline_lines
    from overtraining.simulations.sweeps.progress import Progress
    from overtraining.simulations.sweeps.run import run_sweep
    from overtraining.simulations.sweeps.spec import find_sweep
    from overtraining.simulations.sweeps.sweep_plan import SweepPlan

    progress, sweep = Progress(), find_sweep(spec, measure)
    progress.line("; ".join(outline_lines(SweepPlan(sweep))))
    computing = partial(LocalWorkers, workers) if scheduler is None else partial(Cluster, scheduler)
    try:
        done = run_sweep(sweep, out, computing, progress.line, progress)
    finally:
        progress.close()
    for cell, why in done.failed[:SHOWN]:
        progress.line(f"failed: {cell}: {why}")
    if len(done.failed) > SHOWN:
        progress.line(f"… and {len(done.failed) - SHOWN:,} more, all of them in `failure` of the result")
    typer.echo(f"{sweep.cells - len(done.failed):,} of {sweep.cells:,} cells in {done.result}")
    return len(done.failed)
