"""The parts of a lesson: a question and a prediction, a screen for each idea, an exercise, the limits of the theory."""

import base64
import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import marimo as mo
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import AutoLocator

from overtraining.demos.lessons import find
from overtraining.figures.catalogue import CATALOGUE
from overtraining.figures.plain_text import in_page
from overtraining.figures.style import COLOURS, canvas, styled
from overtraining.setting.protocol import Protocol
from overtraining.theory.derivations import CLAIMS
from overtraining.theory.derivations.checker.run import claim_derivation
from overtraining.theory.derivations.checker.tex import upright

DOTS = 110  # per inch: sharp enough on a projector, and quick to draw
TICKS = 6  # most intervals between the ticks of an axis: legible from the last row, and quicker to draw
FIGURES = {entry.name for entry in CATALOGUE}
BREAKS = re.compile(r"[,;]?\s*\\q?quad\b")  # a statement's parts, each on a line of its own


def opening(lesson: str, question: str, prediction: mo.ui.radio) -> mo.Html:
    """The first screen: what is asked, and what the reader expects."""
    row = find(lesson)
    return mo.vstack(
        [
            mo.md(
                f"Lesson {row.number} · {row.claims} · {row.minutes} minutes · [for teachers](?teacher)\n# {row.title}"
            ),
            mo.md(question).style({"font-size": "1.15em", "max-width": "48em"}),
            mo.md("**Your prediction**, before you look:"),
            prediction,
        ]
    )


def answered(prediction: mo.ui.radio, right: str, because: str) -> mo.Html:
    """Whether the prediction was right; asks for one if there is none. It hides the pictures below."""
    if prediction.value is None:
        said = mo.callout(mo.md("Choose first; then scroll down."), kind="neutral")
    elif prediction.value == right:
        said = mo.callout(mo.md(f"**Right.** {because}"), kind="success")
    else:
        said = mo.callout(mo.md(f"**Not quite:** {right[:1].lower()}{right[1:]}. {because}"), kind="warn")
    return mo.vstack([said]).style({"min-height": "50vh"})


def screen(
    title: str, seen: mo.Html, say: str, controls: Sequence[Any], claims: Sequence[str | tuple[str, int]] = ()
) -> mo.Html:
    """One idea: the picture above the formulas that it is drawn from; beside it what to look for, and the controls.

    claims: identifiers, each alone or with the number of the step to show instead of the whole statement.
    """
    left = mo.vstack([seen, *(formula(*((claim,) if isinstance(claim, str) else claim)) for claim in claims)], gap=0.8)
    right = mo.vstack([mo.md(say), *controls], gap=0.9)
    columns = mo.hstack([left, right], widths=[1.5, 1], gap=2.5, align="start", wrap=True)
    return mo.vstack([mo.md(f"## {title}"), columns]).style({"min-height": "80vh"})


def measured(asked: bool, kept: dict[Protocol, xr.Dataset], protocol: Protocol, how: str) -> xr.Dataset | None:
    """What a simulated network does under a protocol; None until the reader asks for it.

    how: `follow` or `respond`.  kept: what was asked for already. In a cell of its own, whose output is the wait.
    """
    if asked and protocol not in kept:
        wait = "Compiling takes some ten seconds, the first time and for each new number of features."
        with mo.status.spinner(title="Training a network …", subtitle=wait):
            from overtraining import simulations

            kept[protocol] = getattr(simulations, how)(protocol, key=0)
    return kept.get(protocol)


def picture(
    draw: Callable[[list[Axes]], None], alt: str, columns: int = 1, width: float = 3.6, height: float = 2.7
) -> mo.Html:
    """A figure in the project's style for slides; `draw` gets its axes.

    A slider waits for it, so the layout is computed once for all pictures with the same words around them.
    """
    with styled("slides"):
        figure, axes = canvas(width * columns**0.5, height, columns=columns)
        figure.set_layout_engine(None)
        draw(axes)
        for ax, place in zip(axes, _places(width * columns**0.5, height, tuple(map(_words, axes))), strict=True):
            ax.set_position(place.bounds)
            ax.xaxis.set_label_coords(0.5, place.below)
            ax.yaxis.set_label_coords(place.left, 0.5)
        return shown(figure, alt, DOTS)


class _Words(NamedTuple):
    """All that takes room around axes."""

    x: str
    y: str
    widest: str  # label of a tick of y
    offset: str  # what the ticks of y are multiplied by


class _Place(NamedTuple):
    """Where axes are in their figure, and beside them, in their own units, the labels of x and y."""

    bounds: tuple[float, float, float, float]
    below: float
    left: float


def _words(ax: Axes) -> _Words:
    for axis in (ax.xaxis, ax.yaxis):
        if isinstance(locator := axis.get_major_locator(), AutoLocator):
            locator.set_params(nbins=TICKS)
    form, (low, high) = ax.yaxis.get_major_formatter(), sorted(ax.get_ylim())
    labels = form.format_ticks([at for at in ax.get_yticks() if low <= at <= high])
    minor = [at for at in ax.get_yticks(minor=True) if low <= at <= high]  # have labels on short logarithmic axes
    labels += ax.yaxis.get_minor_formatter().format_ticks(minor)
    return _Words(ax.get_xlabel(), ax.get_ylabel(), max(labels, key=len, default=""), form.get_offset())


@cache
def _places(width: float, height: float, words: tuple[_Words, ...]) -> tuple[_Place, ...]:
    with styled("slides"):
        figure, axes = canvas(width, height, columns=len(words))
        for ax, (x, y, widest, offset) in zip(axes, words, strict=True):
            ax.set(xlabel=x, ylabel=y, xticks=[0, 1], yticks=[0, 1], yticklabels=[widest, ""])
            ax.set_title(offset)
            ax.yaxis.labelpad = 8
        figure.draw_without_rendering()
        found = []
        for ax in axes:
            into = ax.transAxes.inverted().transform
            below, left = (
                into(text.get_transform().transform(text.get_position())) for text in (ax.xaxis.label, ax.yaxis.label)
            )
            found.append(_Place(ax.get_position().bounds, float(below[1]), float(left[0])))
        return tuple(found)


def shown(figure: Figure, alt: str, dots: int = 2 * DOTS) -> mo.Html:
    """A figure that is drawn already, by default in the style for paper."""
    file = io.BytesIO()
    with styled():  # fonts are looked up when it is drawn
        figure.savefig(file, format="png", dpi=dots, pil_kwargs={"compress_level": 1})
    # embedded in the page: a separate address disappears with the next picture, and a late request would fail
    data = base64.b64encode(file.getvalue()).decode()
    return mo.Html(f'<img src="data:image/png;base64,{data}" alt="{in_page(alt)}" style="width: 100%">')


@cache
def formula(claim: str, step: int | None = None) -> mo.Html:
    """A claim, or a step of its derivation, with its symbols and a link that checks the derivation.

    The link opens a new page, since leaving a lesson would lose the settings.
    """
    found = claim_derivation(claim, CLAIMS)
    stated = found.statement if step is None else found.steps[step].statement
    parts = (part for part in BREAKS.split(upright(stated)) if part.strip())
    whole = "".join(f'<span class="part">$\\displaystyle {part}$</span>' for part in parts)
    symbols = "\n".join(f"- ${upright(symbol)}$: {meaning}" for symbol, meaning in found.symbols.items())
    card = mo.vstack(
        [
            mo.md(f"**{claim}** {found.title}. {_derivation(claim)}\n\n{whole}"),
            mo.accordion({f"The symbols of {claim}": mo.md(symbols)}),
        ],
        gap=0,
    )
    return card.style({"border-left": f"4px solid {COLOURS[0]}", "background": "#f4f8fb", "padding": "0.5em 0.9em"})


def _derivation(claim: str) -> str:
    if mo.app_meta().mode == "run":
        return f'<a href="../book/{claim}/claim-{claim}.html" target="_blank">Derive it from the loss, now</a>'
    return f"Its derivation: `overtraining check {claim} --html DIR`"


def as_text(text: str) -> mo.Html:
    """Text that comes from a file or from the reader, as it is: Markdown would follow the links and pictures in it."""
    return mo.Html(f"<p>{in_page(text)}</p>")


def exercise(question: str, answer: str) -> mo.Html:
    """A question with a computed answer that is hidden at first."""
    return mo.vstack([mo.md("## Exercise"), mo.md(question), mo.accordion({"Answer": mo.md(answer)})])


def ending(limits: str, after: str | None) -> mo.Html:
    """Where the theory stops, and which lesson is next."""
    onward = [] if after is None else [mo.md(f"Next: [{find(after).title}](../{after}/)")]
    return mo.vstack([mo.md("## Where the theory stops"), mo.md(linked(limits)), *onward])


def linked(text: str) -> str:
    """The text with a link at every figure that it names, or without a server with the command that draws it."""

    def link(name: re.Match[str]) -> str:
        if name[1] not in FIGURES:
            return name[0]
        if mo.app_meta().mode == "run":
            return f'<a href="../figure/{name[1]}/" target="_blank">{name[1]}</a>'
        return f"`overtraining figures {name[1]}`"

    return re.sub("`([a-z0-9-]+)`", link, text)


def teacher(
    asked: Mapping[str, Any], lesson: str, course: str, wrong: Mapping[str, str], answers: str
) -> mo.Html | None:
    """The page for teachers, below the question if the address ends in `?teacher`; else nothing."""
    if "teacher" not in asked:
        return None
    errors = "\n".join(f"- *{said}* {reply}" for said, reply in wrong.items())
    return mo.callout(
        mo.md(
            linked(f"""
## For teachers: {find(lesson).title}

**{find(lesson).minutes} minutes.** {course}

**What students get wrong**

{errors}

**Answers, for the sliders as they are set**

{answers}

[The lesson as students see it](./)
""")
        ),
        kind="info",
    )
