"""`overtraining check`: check the derivations from scratch."""

from pathlib import Path
from typing import Annotated

import typer

from overtraining.commands.output_files import refuse_without_folder
from overtraining.commands.worker_number import WorkerNumber
from overtraining.runtime.atomic_files import write_text
from overtraining.setting.errors import Refusal


def check(
    claims: Annotated[
        list[str] | None,
        typer.Argument(help="Claims such as A3, or Python files with a DERIVATION, which are executed. Default: all."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write verdicts, steps and variants as JSON.")] = None,
    tex: Annotated[
        Path | None,
        typer.Option(help="Write the claims as a LaTeX fragment to \\input; its first line names packages."),
    ] = None,
    with_used: Annotated[
        bool, typer.Option("--with-used", help="In the fragment, also the claims that these use.")
    ] = False,
    tex_width: Annotated[
        float,
        typer.Option(help="Width of its lines in pt: 345 for article, 397 for NeurIPS, 234 for a column of ICML."),
    ] = 345.0,
    html: Annotated[Path | None, typer.Option(help="Write the book of derivations into this folder.")] = None,
    processes: WorkerNumber = 2,
    mutate: Annotated[
        bool, typer.Option("--mutate", help="Instead, change the derivations' expressions; tell what no check notices.")
    ] = False,
    mutants: Annotated[int, typer.Option(min=0, help="Mutants of each claim, drawn at random; 0: all.")] = 40,
    seed: Annotated[int, typer.Option(help="Chooses the mutants.")] = 0,
    limit: Annotated[float, typer.Option(min=1, help="Seconds for one mutant; after them it is undecided.")] = 60,
) -> None:
    """Check derivations from scratch: steps, wrong variants, counterexamples, formula. Exit code 1 if one fails.

    A file such as my_claim.py is a program: it is executed with all that you may do. Check only files that you trust.

    With --mutate: exit code 1 if a mutant survives or is undecided, or if the record of equivalent mutants is stale. A
    mutant whose code cannot run counts as neither.
    """
    if with_used and not tex:
        raise Refusal("--with-used", "it is about a LaTeX fragment", "add --tex FILE, or leave it out")
    if mutate:
        _mutate(claims, json, tex, html, (mutants, seed, limit, processes))
        return
    from tqdm import tqdm

    from overtraining.theory.derivations import CLAIMS
    from overtraining.theory.derivations.checker.report import as_json, failed, table
    from overtraining.theory.derivations.checker.run import check_all, find_derivation, order_by_use
    from overtraining.theory.derivations.checker.tex import check_width, latex

    if tex:
        check_width(tex_width)
    refuse_without_folder(json, tex)
    chosen = [find_derivation(claim, CLAIMS) for claim in claims or CLAIMS]
    derivations = order_by_use(chosen, CLAIMS)
    with tqdm(total=len(derivations), unit="claim", disable=None, delay=1) as bar:
        reports = check_all(derivations, CLAIMS, lambda report: bar.update(), processes)
    typer.echo(table(reports))
    if json:
        write_text(json, as_json(reports, derivations))
    if tex:
        named = {derivation.claim for derivation in (derivations if with_used else chosen)}
        shown = [pair for pair in zip(derivations, reports, strict=True) if pair[0].claim in named]
        write_text(tex, latex([derivation for derivation, _ in shown], [report for _, report in shown], tex_width))
    if html:
        from overtraining.figures.book import write_book

        typer.echo(f"the book: {write_book(derivations, reports, html)[0]}")
    if failed(reports):
        raise typer.Exit(1)


def _mutate(
    claims: list[str] | None, json: Path | None, tex: Path | None, html: Path | None, how: tuple[int, int, float, int]
) -> None:
    from tqdm import tqdm

    from overtraining.theory.derivations import CLAIMS
    from overtraining.theory.derivations.checker.equivalents import explain, recorded_reasons, stale_entries
    from overtraining.theory.derivations.checker.run import claim_derivation
    from overtraining.theory.derivations.checker.trials import (
        Fate,
        MutantReport,
        all_mutants,
        mutant_table,
        mutants_as_json,
        try_mutants,
    )

    if tex or html:
        raise Refusal("--mutate with --tex or --html", "there is no book of mutants", "leave them out, or use --json")
    refuse_without_folder(json)
    for claim in claims or ():
        if claim.endswith(".py"):
            raise Refusal(f"--mutate {claim}", "only the project's own claims can be changed", "pass one, such as A3")
        claim_derivation(claim, CLAIMS)  # which refuses a name that is not in the table
    with tqdm(unit="mutant", disable=None, delay=1) as bar:

        def progress(total: int, report: MutantReport | None) -> None:
            bar.total = total
            bar.update(report is not None)

        chosen, reasons = list(dict.fromkeys(claims or CLAIMS)), recorded_reasons()
        reports = explain(try_mutants(chosen, CLAIMS, *how, progress), reasons)
    stale = stale_entries(reports, [m for claim in chosen for m in all_mutants(claim, CLAIMS)], reasons)
    typer.echo("\n\n".join([mutant_table(reports), *stale]))
    if json:
        write_text(json, mutants_as_json(reports))
    if stale or any(report.fate in (Fate.SURVIVED, Fate.UNDECIDED) for report in reports):
        raise typer.Exit(1)
