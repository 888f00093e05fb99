"""The sections of a claim's page, each made from its derivation and report alone."""

import re
from collections.abc import Callable
from html import escape
from itertools import zip_longest

from overtraining.figures.book.formulas import display, inline, prose
from overtraining.figures.book.plots import small_plot, swatch
from overtraining.theory.derivations.checker.core import Assumption, CheckReport, Derivation, Evidence, Step, Verdict

LONG = 240
"""Characters beyond which what a check found, such as a factored polynomial, is folded away."""


def badge(verdict: Verdict) -> str:
    """A verdict, by colour and by word."""
    return f'<span class="verdict {verdict}">{verdict}</span>'


def engine_error(report: CheckReport) -> str:
    """The engine's worst error, or a dash where there is none."""
    return "–" if report.engine_error is None else f"{report.engine_error:.1e}"


def problems(report: CheckReport) -> str:
    """What is wrong with the claim, where anything is."""
    items = "".join(f"<li>{prose(problem)}</li>\n" for problem in report.problems)
    return f'<div class="problems"><h2>Problems</h2>\n<ul>\n{items}</ul></div>\n' if items else ""


def symbol_table(derivation: Derivation) -> str:
    """The symbols of the statement and what they mean."""
    rows = "".join(
        f'<tr><th scope="row">{inline(symbol)}</th><td>{prose(text)}</td></tr>\n'
        for symbol, text in derivation.symbols.items()
    )
    return f'<table class="symbols">\n{rows}</table>\n' if rows else ""


def assumption_section(assumption: Assumption, name: str, elsewhere: str) -> str:
    """An assumption with its counterexample; `elsewhere` links to claims that have one where this claim has none."""
    known = assumption.counterexample
    name_in_index = f'<a href="assumptions.html#{anchor(assumption.name)}">{escape(assumption.name)}</a>'
    text = f"<h3>{name_in_index}</h3>\n<p>{prose(assumption.text)}</p>\n"
    if known is None:
        without, found = f"see {elsewhere}." if elsewhere else "no counterexample is known.", ""
    else:
        evidence = _attempt(known.check)
        without, found = prose(known.text), _found(evidence)
    return (
        f'<section class="assumption">\n<div>{text}<p><em>Without it:</em> {without}</p>\n{found}</div>\n'
        f"{_figure(assumption, name)}</section>\n"
    )


def _figure(assumption: Assumption, name: str) -> str:
    known = assumption.counterexample
    if known is None or known.curves is None:
        return ""
    try:
        curves = known.curves()
        plot = small_plot(curves, name)
    except Exception as fault:  # the page is written all the same, and says what is missing
        return f'<p class="detail">The plot could not be drawn: {escape(f"{type(fault).__name__}: {fault}")}</p>\n'
    keys = ""
    for i, label in enumerate(curves.y):
        colour, dash = swatch(i)
        line = f'<line x1="0" y1="4" x2="28" y2="4" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
        keys += f'<span><svg width="28" height="8" aria-hidden="true">{line}</svg> {escape(label)}</span>\n'
    spoken = escape(f"{curves.y_label} against {curves.x_label}: {', '.join(curves.y)}")
    plot = plot.replace("<svg ", f'<svg role="img" aria-label="{spoken}" ', 1)
    return f"<figure>\n{plot}\n<figcaption>{keys}</figcaption>\n</figure>\n"


def _found(evidence: Evidence) -> str:
    verdict, detail = badge(evidence.outcome), str(evidence.detail)
    if len(detail) <= LONG:
        return f'<p class="detail">{verdict} {prose(detail)}</p>\n'
    head = f"<summary>{verdict} {prose(detail[: LONG // 2])} …</summary>"
    return f'<details class="detail">{head}\n<p>{prose(detail)}</p></details>\n'


def _attempt(check: Callable[[], Evidence]) -> Evidence:
    try:
        return check()
    except Exception as fault:  # the report has told it already; the page is written all the same
        return Evidence(False, Verdict.FAILED, f"raised {type(fault).__name__}: {fault}")


def steps(derivation: Derivation, report: CheckReport) -> str:
    """The derivation: each step with its reason, formula and verdict, the claim itself last."""
    last = Step(derivation.statement, "Hence the claim.", lambda: Evidence(False, Verdict.FAILED, ""))
    items = ""
    for step, found in zip_longest((*derivation.steps, last), report.steps):
        if step is None:
            break
        evidence = found[1] if found else Evidence(False, Verdict.FAILED, "not run")
        items += f"""<li><p>{prose(step.because)}</p>
{display(step.statement)}
{_found(evidence)}</li>
"""
    return f'<h2>Derivation</h2>\n<ol class="steps">\n{items}</ol>\n'


def variants(derivation: Derivation, report: CheckReport) -> str:
    """The wrong variants that were tried, and whether any survives."""
    items = "".join(f"<li>{prose(text)}</li>\n" for text in report.rejected)
    survivors = "".join(f'<li class="survivor">{prose(text)} — survives</li>\n' for text in report.survivors)
    special = prose(derivation.special_case.text)
    return f"""<h2>Wrong versions that the check rejects</h2>
<p>{len(report.rejected)} of {report.variants} rejected. Some of them cannot be told from the truth in the case
“{special}”, which is why no check may stop there.</p>
<ul class="variants">
{items}{survivors}</ul>
"""


def engine(derivation: Derivation, report: CheckReport) -> str:
    """The public function that computes the formula, where the two were compared, and how far apart they are."""
    link = derivation.link
    if link is None:
        return "<h2>In the engine</h2>\n<p>No public function computes this formula.</p>\n"
    error = "beyond its tolerance" if report.engine_error is None else engine_error(report)
    return f"""<h2>In the engine</h2>
<dl class="facts">
<dt>Function</dt><dd><code>{escape(link.function)}</code></dd>
<dt>Compared on</dt><dd>{prose(link.domain)}</dd>
<dt>Worst error</dt><dd>{error}, tolerance {link.tolerance:.0e}</dd>
</dl>
"""


def anchor(name: str) -> str:
    """The address of a name within a page."""
    return "assumption-" + (re.sub(r"\W+", "-", name.casefold()).strip("-") or "unnamed")
