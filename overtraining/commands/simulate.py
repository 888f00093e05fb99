"""`overtraining simulate`: run the experiments."""

from pathlib import Path
from typing import Annotated

import typer

from overtraining.commands.output_files import refuse_without_folder
from overtraining.commands.stopping import goes_on, keeps
from overtraining.commands.worker_number import WorkerNumber
from overtraining.runtime.atomic_files import write_text


def simulate(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Experiments (see --list), or Python files with an EXPERIMENT, which are executed."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Run all of them.")] = False,
    preset: Annotated[
        str, typer.Option(help="quick: all in minutes. full: slower and more precise; continues after a crash.")
    ] = "quick",
    out: Annotated[Path, typer.Option(help="Folder for the results, NAME.json and NAME.nc.")] = Path(
        "build/experiments"
    ),
    key: Annotated[int, typer.Option(min=0, help="The random key; all randomness comes from it.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the verdicts as JSON.")] = None,
    processes: WorkerNumber = 2,
    listing: Annotated[bool, typer.Option("--list", help="List the experiments and stop.")] = False,
) -> None:
    """Run the experiments that could refute the claims; print claims and verdicts. Exit code 1 if one is refuted.

    A file such as my_experiment.py is a program: it is executed with all that you may do. Run only files that you
    trust.
    """
    from overtraining.experiments import EXPERIMENTS
    from overtraining.experiments.runner import as_json, choose, run_experiments, verdict_line
    from overtraining.setting.errors import DomainError

    if listing:
        for e in EXPERIMENTS:
            typer.echo(f"{e.name:26}{', '.join(e.claims):14}{e.title}")
        return
    if bool(names) == every:
        raise DomainError("simulate", "no experiment is named", "name some, or pass --all; --list shows them")
    refuse_without_folder(json)
    from tqdm import tqdm

    chosen = choose(names or ())
    kept = goes_on(out) if preset == "full" else keeps(f"{out} keeps the results of the experiments that are finished")
    with kept, tqdm(total=len(chosen), unit="experiment", disable=None) as bar:
        results = run_experiments(
            chosen,
            preset,  # type: ignore[arg-type]  # checked by it
            key,
            out,
            processes,
            report=lambda result: (tqdm.write(verdict_line(result)), bar.update())[0],
        )
    for result in results:
        for check in result.checks if len(results) == 1 or result.verdict == "refuted" else ():
            typer.echo(f"  {result.experiment}: {check['name']}: {check['answer']}")
    typer.echo(f"data in {out}")
    if json:
        write_text(json, as_json(results))
    if any(result.verdict == "refuted" for result in results):
        raise typer.Exit(1)
