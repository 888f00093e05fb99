"""`overtraining check`: check the derivations from scratch."""

from pathlib import Path
from typing import Annotated

import typer


def check(
    claims: Annotated[
        list[str] | None,
        typer.Argument(help="Claims such as A3, or Python files with a DERIVATION, which are executed. Default: all."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write verdicts, steps and variants as JSON.")] = None,
    tex: Annotated[
        Path | None, typer.Option(help="Write a LaTeX fragment to \\input; it needs amsmath and amssymb.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the book of derivations into this folder.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="Number of worker processes.")] = 2,
) -> None:
    """Check derivations from scratch: steps, wrong variants, counterexamples, formula. Exit code 1 if one fails."""
    from tqdm import tqdm

    from overtraining.theory.derivations import CLAIMS
    from overtraining.theory.derivations.checker.report import as_json, failed, table
    from overtraining.theory.derivations.checker.run import check_all, find_derivation, order_by_use
    from overtraining.theory.derivations.checker.tex import latex

    for path in (json, tex):  # before the work, which takes a minute
        if path and not path.parent.is_dir():
            raise NotADirectoryError(f"{path.parent}: there is no such folder to write {path.name} into; make it first")
    derivations = order_by_use([find_derivation(claim, CLAIMS) for claim in claims or CLAIMS], CLAIMS)
    with tqdm(total=len(derivations), unit="claim", disable=None, delay=1) as bar:
        reports = check_all(derivations, CLAIMS, lambda report: bar.update(), processes)
    typer.echo(table(reports))
    if json:
        json.write_text(as_json(reports, derivations), encoding="utf-8")
    if tex:
        tex.write_text("\n".join(map(latex, derivations, reports)), encoding="utf-8")
    if html:
        from overtraining.figures.book import write_book

        typer.echo(f"the book: {write_book(derivations, reports, html)[0]}")
    if failed(reports):
        raise typer.Exit(1)
