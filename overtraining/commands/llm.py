"""`overtraining llm`: read evaluation results of a language model along training, and find turning points."""

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from overtraining.commands.output_files import refuse_without_folder
from overtraining.runtime.atomic_files import write_text

if TYPE_CHECKING:
    import pandas as pd

    from overtraining.figures.llm.tidy import Unreadable

_FORMATS = (
    "lm-eval-0.4, lm-eval-0.3, lighteval, olmes, olmes-lines, openlm, openlm-eval, trainer-state, log, wide, "
    "tensorboard or plain. Default: detected."
)


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
    checkpoint: Annotated[
        str | None, typer.Option(help="Where the names hold the length, such as 'sft-on-step(\\d+)'.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns of a long table: step=iter,value=score,task=name,metric:acc.")
    ] = None,
    orientation: Annotated[
        list[str] | None, typer.Option(help="METRIC=higher or METRIC=lower, for metrics not known by name.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(help="Learning rate: constant, cosine, or a CSV with steps and learning rates.")
    ] = None,
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
    refuse_without_folder(json)
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
        from overtraining.figures.llm.tidy import as_csv, summary

        options = {"step": step, "checkpoint": checkpoint, "columns": _columns(columns), "skip_bad": skip_bad}
        table, notes, bad = _table(files or [], compare, change, format, options)
        table, more = _completed(table, tokens_per_step, only, _pairs("--orientation", orientation or []), schedule)
        notes += more
        for error in bad:
            typer.echo(f"skipped: {error}", err=True)
        read_as = "\n".join([*notes, summary(table)])
        if out:  # before the answers: for a single checkpoint there are none
            write_text(out / "table.csv", as_csv(table))
        try:
            found = checkpoint_report(table, x, group, errors, confidence, predicted=predict, fitted=fit)  # type: ignore[arg-type]  # checked
        except Refusal:
            typer.echo(read_as)
            raise
        typer.echo(f"{found.screen(only_found)}\n\n{read_as}")
        said |= found.data | {"notes": notes, "skipped": [str(error) for error in bad]}
        if out:
            write_report(found, out, only_found, notes)
            typer.echo(f"in {out}")
    if json:
        write_text(json, dumps(said, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _table(
    files: list[Path], compare: tuple[Path, Path] | None, change: str, format: str | None, options: dict[str, Any]
) -> tuple["pd.DataFrame", list[str], list["Unreadable"]]:
    """What the files hold, the notes of their readers, and the files that were skipped."""
    from overtraining.figures.llm.pairing import paired_by_name
    from overtraining.figures.llm.readers import read
    from overtraining.figures.llm.replicates import pool_replicates
    from overtraining.figures.llm.tidy import with_changed_model

    one = read([*files, *(compare or [])[:1]], format, **options)
    if not compare:
        table, pairs = paired_by_name(one.table)
        return table, one.notes + pairs, one.skipped
    other = read([compare[1]], format, **options)
    (base, _), (changed, _) = pool_replicates(one.table), pool_replicates(other.table)  # one model each
    table = with_changed_model(base, changed, change)
    return table, list(dict.fromkeys(one.notes + other.notes)), one.skipped + other.skipped


def _completed(
    table: "pd.DataFrame",
    tokens_per_step: float | None,
    only: str | None,
    orientations: dict[str, str],
    schedule: str | None,
) -> tuple["pd.DataFrame", list[str]]:
    """The table with what the options say beyond the files, and sentences about it."""
    from overtraining.figures.llm.readers.schedule import with_learning_rates
    from overtraining.figures.llm.tidy import select, with_orientations, with_tokens

    table = with_orientations(table, orientations)
    if tokens_per_step is not None:
        table = with_tokens(table, tokens_per_step)
    if only:
        table = select(table, only.split(","))
    if schedule is None:
        return table, []
    table, said = with_learning_rates(table, schedule)
    return table, [said]


def _pairs(option: str, given: list[str]) -> dict[str, str]:
    """`name=value` of an option that may be given several times."""
    from overtraining.setting.errors import DomainError

    pairs = [text.rpartition("=") for text in given]
    if wrong := [text for text, (_, equals, _) in zip(given, pairs, strict=True) if not equals]:
        raise DomainError(f"{option} {wrong[0]}", "there is no = in it", "write NAME=VALUE")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _columns(given: str | None) -> dict[str, str]:
    """`step=iter,metric:acc` as the columns of the table and where they come from; a text begins with a colon."""
    parts = [part.replace(":", "=:", 1) if "=" not in part else part for part in (given or "").split(",") if part]
    return _pairs("--columns", parts)
