"""The command line as a whole: `overtraining --help`."""

import typer

from overtraining import __version__
from overtraining.commands import check, demo, figures, llm, page, simulate, sweep

app = typer.Typer(
    help="Why can training a model for longer make it harder to fine-tune? Theory, simulation and figures.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (figures.figures, check.check, simulate.simulate, sweep.sweep, llm.llm, demo.demo, page.page):
    app.command()(command)

REMEDIES = {
    FileNotFoundError: "correct the path, or make what is missing first",
    FileExistsError: "pass the path of a folder, or one at which there is nothing yet",
    IsADirectoryError: "pass the path of a file",
    NotADirectoryError: "pass a path in which only the last part may be a file",
    PermissionError: "pass a path that you may read and write, or change its permissions",
}


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"overtraining {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_show_version, is_eager=True),
) -> None: ...


def main() -> None:
    """Run the command line; a refusal is one sentence and exit code 2, never a traceback."""
    try:
        app()
    except Exception as error:
        from overtraining.figures.plain_text import printable
        from overtraining.setting.errors import Refusal

        if not isinstance(error, (Refusal, OSError)):
            raise
        said = "\n".join(map(printable, _sentence(error).splitlines()))
        typer.echo(f"overtraining: {said}", err=True)
        raise SystemExit(2) from None


def _sentence(error: Exception) -> str:
    """What the error is about, why, and what to do instead; without the number that the system gives it."""
    if not (type(error).__str__ is OSError.__str__ and error.filename and error.strerror):  # type: ignore[attr-defined]
        return str(error)
    said = f"{error.filename}: {error.strerror}"  # type: ignore[attr-defined]
    remedies = (remedy for kind, remedy in REMEDIES.items() if isinstance(error, kind))
    return f"{said}. Instead: {next(remedies, 'pass another path')}."
