"""`overtraining llm`: read evaluation results of a language model along training, and find turning points."""

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from overtraining.runtime.atomic_files import write_text

if TYPE_CHECKING:
    import pandas as pd

    from overtraining.figures.llm.tidy import Unreadable

_FORMATS = "lm-eval-0.4, lm-eval-0.3, openlm, wandb or plain. Default: detected."


def llm(
    files: Annotated[list[Path] | None, typer.Argument(help="Result files, or folders of them.")] = None,
    x: Annotated[
        str | None, typer.Option("--x", help="tokens or step. Default: tokens, if all files have them.")
    ] = None,
    group: Annotated[str, typer.Option(help="task: one curve per task. model: means over the tasks.")] = "task",
    only: Annotated[str | None, typer.Option(help="Tasks or metrics to keep, comma-separated.")] = None,
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(help="Files of the base and of the changed model.", show_default=False)
    ] = None,
    change: Annotated[str, typer.Option(help="How the second model of --compare was changed.")] = "fine-tuning",
    predict: Annotated[
        bool, typer.Option(help="Predict sensitivity and inflection from the base loss, by claim B8.")
    ] = False,
    fit: Annotated[bool, typer.Option(help="Fit L(N, D) = E + A/N^α + B/D^β to the losses, per task.")] = False,
    plan: Annotated[
        float | None, typer.Option(help="Print how many checkpoints, seeds and items detect a decline of this size.")
    ] = None,
    level: Annotated[float, typer.Option(help="For --plan: accuracy near which the decline happens.")] = 0.6,
    seed_scatter: Annotated[float, typer.Option(help="For --plan: standard deviation between seeds.")] = 0.0,
    errors: Annotated[
        str, typer.Option(help="Error bars. given: those in the files. scatter: from neighbouring checkpoints.")
    ] = "given",
    confidence: Annotated[
        float, typer.Option(help="Confidence level of intervals and of the test for a decline.")
    ] = 0.95,
    out: Annotated[
        Path | None, typer.Option(help="Write table.csv, answers.txt and the curves into this folder.")
    ] = None,
    only_found: Annotated[
        bool, typer.Option("--only-found", help="Show and draw only the curves with a real decline.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write the answers as JSON.")] = None,
    format: Annotated[str | None, typer.Option(help=_FORMATS)] = None,
    step: Annotated[float | None, typer.Option(help="Training step of files that do not contain one.")] = None,
    tokens_per_step: Annotated[
        float | None, typer.Option(help="Tokens per step, to convert steps into tokens.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip unreadable files and name them.")] = False,
) -> None:
    """Is my model overtrained? Read results along training; find turning points and their uncertainty."""
    from overtraining.setting.errors import DomainError, Refusal

    for name, given, known in (
        ("--x", x, ("tokens", "step", None)),
        ("--group", group, ("task", "model")),
        ("--errors", errors, ("given", "scatter")),
    ):
        if given not in known:
            raise DomainError(f"{name} {given}", "there is no such choice", f"use {known[0]} or {known[1]}")
    if json and not json.parent.is_dir():  # before the work
        raise NotADirectoryError(f"{json.parent}: there is no such folder to write {json.name} into; make it first")
    if not (files or compare or plan is not None):
        raise DomainError("no file", "there is nothing to read", "pass result files or folders, --compare, or --plan")
    said: dict[str, Any] = {}
    if plan is not None:
        from overtraining.figures.llm.statistics import sample_size

        plans = sample_size.sample_size_plans(plan, level, seed_scatter, confidence)
        said["plan"] = [asdict(one) for one in plans]
        typer.echo(sample_size.as_text(plans, plan, level, seed_scatter))
    if files or compare:
        from overtraining.figures.llm.report import checkpoint_report, write_report
        from overtraining.figures.llm.tidy import summary

        table, bad = _table(files or [], compare, change, format, step, tokens_per_step, only, skip_bad)
        for error in bad:
            typer.echo(f"skipped: {error}", err=True)
        if out:  # before the answers: for a single checkpoint there are none
            write_text(out / "table.csv", table.to_csv(index=False))
        try:
            found = checkpoint_report(table, x, group, errors, confidence, predicted=predict, fitted=fit)  # type: ignore[arg-type]  # checked
        except Refusal:
            typer.echo(summary(table))
            raise
        typer.echo(f"{found.screen(only_found)}\n\n{summary(table)}")
        said |= found.data | {"skipped": [str(error) for error in bad]}
        if out:
            write_report(found, out, only_found)
            typer.echo(f"in {out}")
    if json:
        write_text(json, dumps(said, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _table(
    files: list[Path],
    compare: tuple[Path, Path] | None,
    change: str,
    format: str | None,
    step: float | None,
    tokens_per_step: float | None,
    only: str | None,
    skip_bad: bool,
) -> tuple["pd.DataFrame", list["Unreadable"]]:
    from overtraining.figures.llm.readers import read
    from overtraining.figures.llm.tidy import select, with_changed_model, with_tokens

    table, bad = read([*files, *(compare or [])[:1]], format, step=step, skip_bad=skip_bad)
    if compare:
        other, more = read([compare[1]], format, step=step, skip_bad=skip_bad)
        table, bad = with_changed_model(table, other, change), bad + more
    if tokens_per_step is not None:
        table = with_tokens(table, tokens_per_step)
    return (select(table, only.split(",")) if only else table), bad
