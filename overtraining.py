"""The front door of the project: `import overtraining as ot` in Python, `overtraining --help` in a shell.

Both are thin and lazy: a name is imported from the package that defines it when it is first asked for.
"""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

_PACKAGES = ("theory", "simulations", "figures")
_HOMES = {  # where the names at the front door live; everything else is reached through its package
    "theory": (
        "Aligned", "Balanced", "FanIn", "Geometric", "GradientDescent", "GradientFlow", "Inputs", "Matrix", "Network",
        "Noise", "PowerLaw", "Protocol", "Pruning", "Quantization", "Refusal", "Sampling", "SmallGaussian", "Spectrum",
        "inflection_point", "read", "sensitivity", "teacher", "validate", "write",
    ),
    "figures": ("plot",),
}  # fmt: skip
__all__ = ["main", *_PACKAGES, *(name for names in _HOMES.values() for name in names)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(name)
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'overtraining' has no attribute {name!r}; it has {', '.join(sorted(__all__))}")


def __dir__() -> list[str]:
    return sorted(__all__)


_app = typer.Typer(
    help="Why training longer can make a model harder to fine-tune: theory, simulation and figures.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@_app.callback()
def _about() -> None:
    """Keeps the commands below as sub-commands, however few they are."""


@_app.command("figures")
def _figures(
    names: Annotated[list[str] | None, typer.Argument(help="Figures to build; all without any.")] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the figures with their claims and stop.")] = False,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("build/figures"),
    formats: Annotated[str, typer.Option(help="Comma-separated: pdf, svg, png.")] = "pdf,svg,png",
    preset: Annotated[str, typer.Option(help="paper (3.25 in columns) or slides (larger type and lines).")] = "paper",
) -> None:
    """Build figures, with data, captions and a manifest; what has not changed is left alone."""
    if listing:
        from figures.catalogue import CATALOGUE

        for entry in CATALOGUE:
            typer.echo(f"{entry.name:28}{', '.join(entry.claims):12}{entry.title}")
        return
    from tqdm import tqdm

    from figures.build import build

    # tqdm.write: a line printed past a progress bar would tear it
    build(names or (), out, [f.strip() for f in formats.split(",") if f.strip()], preset, report=tqdm.write)  # type: ignore[arg-type]
    typer.echo(f"in {out}")


@_app.command("check")
def _check(
    claims: Annotated[
        list[str] | None, typer.Argument(help="Claims such as A3, or files that define DERIVATION; all without any.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write what was found as JSON.")] = None,
    tex: Annotated[Path | None, typer.Option(help="Write the derivations as LaTeX, for an appendix.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the book of derivations into this folder.")] = None,
    processes: Annotated[int, typer.Option(min=1, help="How many claims to check side by side.")] = 2,
) -> None:
    """Check derivations from scratch: steps, wrong variants, counterexamples, engine. Exit code 1 if one fails."""
    from tqdm import tqdm

    from theory.derivations import CLAIMS
    from theory.derivations.report import as_json, failed, table
    from theory.derivations.run import check_all, find, ordered
    from theory.derivations.tex import tex as as_tex

    for path in (json, tex):  # before a minute's work, not after it
        if path and not path.parent.is_dir():
            raise NotADirectoryError(f"{path.parent}: there is no such folder to write {path.name} into; make it first")
    derivations = ordered([find(claim, CLAIMS) for claim in claims or CLAIMS], CLAIMS)
    with tqdm(total=len(derivations), unit="claim", disable=None, delay=1) as bar:
        reports = check_all(derivations, CLAIMS, lambda report: bar.update(), processes)
    typer.echo(table(reports))
    if json:
        json.write_text(as_json(reports, derivations), encoding="utf-8")
    if tex:
        tex.write_text("\n".join(map(as_tex, derivations, reports)), encoding="utf-8")
    if html:
        from figures.book import write_book

        typer.echo(f"the book: {write_book(derivations, reports, html)[0]}")
    if failed(reports):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; a refusal is one sentence and exit code 2, never a traceback."""
    try:
        _app()
    except Exception as error:
        from theory.errors import Refusal

        if not isinstance(error, (Refusal, OSError)):
            raise
        typer.echo(f"overtraining: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
