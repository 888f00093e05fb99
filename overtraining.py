"""The front door of the project: `import overtraining as ot` in Python, `overtraining --help` in a shell.

Both are thin and lazy: a name is imported from the package that defines it when it is first asked for.
"""

from importlib import import_module
from typing import Any

import typer

from commands import (
    check as _check,
    demo as _demo,
    figures as _figures,
    llm as _llm,
    page as _page,
    simulate as _simulate,
    sweep as _sweep,
)

_PACKAGES = ("theory", "simulations", "figures")
_HOMES = {  # where the names at the front door live; everything else is reached through its package
    "theory": (
        "Aligned", "Balanced", "FanIn", "FineTuning", "Geometric", "GradientDescent", "GradientFlow", "Inputs",
        "Matrix", "Network", "Noise", "PowerLaw", "Protocol", "Pruning", "Quantization", "Refusal", "Sampling",
        "Shared", "SmallGaussian", "Spectrum", "Turned", "inflection_point", "read", "sensitivity", "teacher",
        "validate", "write",
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


for _name, _command in (
    ("figures", _figures.figures), ("check", _check.check), ("simulate", _simulate.simulate), ("sweep", _sweep.sweep),
    ("llm", _llm.llm), ("demo", _demo.demo), ("page", _page.page),
):  # fmt: skip
    _app.command(_name)(_command)


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
