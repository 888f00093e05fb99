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
    """The error without the number that the system gives it."""
    known = type(error).__str__ is OSError.__str__ and error.filename and error.strerror  # type: ignore[attr-defined]
    return f"{error.filename}: {error.strerror}" if known else str(error)  # type: ignore[attr-defined]
